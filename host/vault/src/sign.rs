//! What does a slot do to a request? One file for each kind of slot.
mod cookie;
mod header;
mod hmac;
mod query;
pub(crate) mod sigv4;

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use toolward_gate::{Cause, Slot};
use zeroize::Zeroizing;

use crate::{
    broker::{ClientCertificate, Exposed},
    check::Checked,
};

/// What goes into a request, and nothing of it comes back.
#[derive(Default)]
pub(crate) struct Injection {
    /// Each is marked sensitive: kept out of debug output and of HPACK tables (RFC 7541 section 7.1.3).
    pub(crate) fields: Vec<(HeaderName, HeaderValue)>,
    /// Encoded, without the mark before it.
    pub(crate) query: Option<Zeroizing<String>>,
    /// Shown when the connection is made.
    pub(crate) identity: Option<Arc<ClientCertificate>>,
    /// Everything here, and behind it, that would be a credential by itself.
    pub(crate) values: Vec<Zeroizing<String>>,
    /// The same, made for this one request: no other one has it.
    pub(crate) once: Vec<Zeroizing<String>>,
}

/// Why a request was not signed.
#[derive(Debug)]
pub(crate) enum SignError {
    Over(Cause),
    /// The request held the credential before it was signed.
    Carried,
    /// For the operator's log; it never repeats the value.
    Unfit(&'static str),
}

/// Writes a credential as the slot wants it. The request is not changed.
pub(crate) fn inject(
    slot: &Slot,
    exposed: &Exposed<'_>,
    checked: &Checked,
    now: Timestamp,
) -> Result<Injection, SignError> {
    match (slot, exposed) {
        (Slot::Header { name, scheme }, Exposed::Token(value)) => {
            header::inject(name, *scheme, value)
        }
        (Slot::Query { name }, Exposed::Token(value)) => Ok(query::inject(name, value)),
        (Slot::Cookie { name }, Exposed::Token(value)) => cookie::inject(name, value),
        (Slot::Hmac(template), Exposed::Token(key)) => hmac::inject(template, key, checked, now),
        (Slot::AwsSigV4(scope), Exposed::AwsKeys(keys)) => {
            sigv4::inject(scope, keys, &sigv4::Request::of(checked), now)
        }
        (Slot::ClientCertificate, Exposed::ClientCertificate(shown)) => {
            Ok(Injection { identity: Some(Arc::clone(shown)), ..Injection::default() })
        }
        _ => Err(SignError::Unfit("the credential is of another kind than its slot")),
    }
}

/// A header field that is kept out of debug output.
fn field(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), SignError> {
    let name = name.parse().map_err(|_| SignError::Unfit("the slot's header is not one"))?;
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| SignError::Unfit("the secret does not fit a header"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn value(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}
