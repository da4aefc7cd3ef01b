//! A value in a header field: `Bearer`, `Basic`, or alone.
use base64::{Engine as _, engine::general_purpose::STANDARD};
use toolward_gate::HeaderScheme;
use zeroize::Zeroizing;

use super::{Injection, SignError, field, value};
use crate::secret::Secret;

pub(super) fn inject(
    name: &str,
    scheme: HeaderScheme,
    token: &str,
) -> Result<Injection, SignError> {
    let (text, values) = match scheme {
        HeaderScheme::Bearer => (format!("Bearer {token}"), vec![value(token)]),
        HeaderScheme::Raw => (token.to_owned(), vec![value(token)]),
        HeaderScheme::Basic => basic(token)?,
    };
    let text = Zeroizing::new(text);
    Ok(Injection { fields: vec![field(name, &text)?], values, ..Injection::default() })
}

/// The secret in `user:password` is the password, or the user where there is none. The other half is often an
/// address that honest responses hold.
fn basic(pair: &str) -> Result<(String, Vec<Zeroizing<String>>), SignError> {
    let (user, password) = pair
        .split_once(':')
        .ok_or(SignError::Unfit("the secret for `basic` is not `user:password`"))?;
    let (secret, begins) =
        if password.is_empty() { (user, 0) } else { (password, user.len().saturating_add(1)) };
    Secret::new(secret).check().map_err(|_| {
        SignError::Unfit("the password is too weak to be recognised when it comes back")
    })?;
    let encoded = Zeroizing::new(STANDARD.encode(pair));
    // The first character that holds nothing of the user: each holds six bits.
    let first = begins.saturating_mul(8).div_ceil(6);
    let tail = encoded.get(first..).unwrap_or_default();
    Ok((format!("Basic {}", *encoded), vec![value(secret), value(tail)]))
}
