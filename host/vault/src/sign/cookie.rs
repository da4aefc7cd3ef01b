//! A value as the one cookie of a request. The guest sends none.
use super::{Injection, SignError, field, value};

pub(super) fn inject(name: &str, token: &str) -> Result<Injection, SignError> {
    if !token.bytes().all(is_cookie_octet) {
        return Err(SignError::Unfit("the secret does not fit a cookie"));
    }
    let text = value(&format!("{name}={token}"));
    Ok(Injection {
        fields: vec![field("cookie", &text)?],
        values: vec![value(token)],
        ..Injection::default()
    })
}

/// RFC 6265 section 4.1.1: what would end the value, or begin another cookie, is not in it.
fn is_cookie_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}
