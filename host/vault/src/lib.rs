//! With which credential? The only crate that reads a secret or opens an outbound connection.
//!
//! ```text
//! Permit --equip--> Grant
//! Outbound --check--> Checked --sign--> Signed --send--> Raw --scan--> Scanned --shape--> Shaped
//! ```
//!
//! A tool writes an [`Outbound`]; what it gets back is [`Shaped`]. Between the two stand the terms of the
//! call, one resolved address, one credential that is exposed in one line of `lease.rs`, and a scan of the
//! whole response, of which the tool sees as much as the capability declares. Where that says so, the body is
//! [`Streamed`] to the tool as far as it was scanned.
mod address;
mod broker;
mod check;
mod courier;
mod documents;
mod egress;
mod fingerprint;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod grant;
mod host_request;
mod lease;
mod marker;
mod memory;
mod notice;
mod reports;
mod scan;
mod secret;
mod secret_store;
mod shape;
mod sign;
mod target;
mod transport;
mod webhook;

pub use broker::{
    AskError, AwsKeysConfig, AwsStsConfig, Broker, BrokerConfig, ClientCertificate,
    ClientCertificateConfig, Credential, Credentials, House, MintError, Minted, OAuth2Config,
    OwnConfig, Purpose, Revocation, Serial, StaticTokenConfig,
};
pub use check::{Checked, Narrowing, Outbound};
pub use courier::{Bucket, BucketConfig, Courier, DeliveryError, Webhook, WebhookConfig};
pub use documents::{DocumentError, Documents};
pub use egress::{Egress, EgressError, EgressSettings, Streamed, TraceContext};
pub use fingerprint::{Fingerprint, FingerprintKey};
pub use grant::{Grant, Vault, VaultError};
pub use host_request::PostError;
pub use lease::Signed;
pub use marker::Marker;
pub use memory::{forbid_core_dumps, swapped_to};
pub use notice::{
    Mail, MailServer, Notice, NoticeError, NoticeUrl, Notices, Posted, Proof, SignatureError,
    verify as verify_signature,
};
pub use reports::{Report, ReportError, Reports, ReportsError};
pub use scan::Scanned;
pub use secret::{Secret, SecretName, SecretNameError, WeakSecret};
pub use secret_store::{
    EnvConfig, FileConfig, NoPassphrase, PassphraseSource, SecretStore, SecretStoreConfig,
    SecretStoreError, Unlock,
};
pub use shape::Shaped;
pub use transport::{Raw, UNHEARD, check_trust};
pub use webhook::UnfitKey;
