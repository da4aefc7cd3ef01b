//! May this call happen? The only crate that can answer yes.
//!
//! ```text
//! Call --settle--> Settled --admit--> Permit
//! ```
//!
//! It imports none of the other crates. What it needs from outside are ports, implemented by `state`:
//! [`ApprovalBook`], [`BudgetLedger`], [`SwitchFeed`] and [`AuditLog`].
mod acceptance;
mod account;
mod api_key;
mod approval;
mod audit;
mod budget;
mod call;
mod capability;
mod cedar;
mod ceiling;
mod clock;
mod decision;
mod delegation;
mod denial;
mod json;
mod key_value;
mod life;
mod limit;
mod name;
mod offering;
mod ownership;
mod path;
mod permit;
pub mod private_file;
mod projection;
mod recording;
mod source;
mod step;
mod stop;
mod suspension;
#[cfg(feature = "testing")]
pub mod testing;
mod usage;

pub use acceptance::{
    AcceptanceBook, Acceptances, Accepted, Definition, DefinitionDifference, KeptBack,
};
pub use account::{Account, Aside};
pub use api_key::{API_KEY_ISSUER, ApiKey, ApiKeys};
pub use approval::{
    Access, Answer, AnswerLimits, Approval, ApprovalBook, ApprovalId, ApprovalState, Approvers,
    Asking, Caller, Compared, DecideError, Difference, Exception, Exceptions, FileError, Filing,
    Question, Request, RequestLimits, Roles, RolesFrom, Step, Turn, Verdict, WantedAccess, visible,
    visible_json, visible_json_lines, visible_lines,
};
pub use audit::{
    Admitted, Audit, AuditLog, Chain, Change, Charge, Closed, Ending, Entry, Link, Note, Notes,
    Opened, Owed, Record, fields,
};
pub use budget::{Adjustment, BudgetLedger, Held, Reservation, ReserveError, Standing};
pub use call::{
    Arguments, ArgumentsError, Call, CallDigest, CallId, Identity, Kind, Principal, Progress,
    ProgressSink, Said, ToolRef, Want,
};
pub use capability::{
    AwsSigV4, BodyShape, Capabilities, CapabilityDefinition, DeclaredFields, Destination,
    DirectoryQuota, HeaderScheme, HmacHash, HmacTemplate, HttpScope, Interface, KeyForm, Meter,
    Misfit, PrivateRanges, Quantity, ResponseShape, Scope, SessionPolicy, SignaturePlace,
    SignedPart, Slot, StandIn, ToolsScope, Trust, WasiScope, WrittenPart,
};
pub use cedar::{
    Action, CedarPolicy, Counterexample, Exchange, Explanation, Finding, InstalledTool, Obligation,
    Outcome, ProofVerdict, Prospect, Prospects, ProveError, Supposition, Unmapped, WantProspect,
};
pub use clock::{Clock, SystemClock};
pub use decision::{
    Basis, Decision, EgressTerms, Facts, Policy, Risk, SandboxGrants, SandboxLimits, SandboxTerms,
    Terms,
};
pub use delegation::{Behalf, Parent};
pub use denial::{Denial, DenialTarget, Denials, DenyList, Proven};
pub use json::{JsonError, MAX_VALUES, parse as parse_json, parse_within as parse_json_within};
pub use key_value::{Expected, KeyChange, KeyQuota, KeySpace, KeyValues};
pub use life::{
    Cause, Life, Switch, SwitchFeed, SwitchSet, SwitchTarget, SwitchTargetError, Switchboard,
};
pub use limit::{Amount, BudgetLimit, By, RateLimit, Window};
pub use name::{
    CapabilityName, ComponentName, CredentialName, Digest, NameError, ProviderName, ToolName,
};
pub use offering::Offer;
pub use ownership::{
    CredentialGrant, Custody, CustodyError, GrantBook, Owners, Ownership, Party, PartyError,
};
pub use path::{PathPattern, PathPatternError};
pub use permit::{Gate, Permit, Settled};
pub use projection::Projection;
pub use recording::Recording;
pub use source::{SourceError, SourceFile, nearest};
pub use step::{STEP, step};
pub use stop::{Limit, Refusal, Stop, ToolFailure, Unavailable};
pub use suspension::{HITS, Tripwire};
pub use usage::{Cost, Tally, Usage};
