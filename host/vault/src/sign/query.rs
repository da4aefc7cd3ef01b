//! A value as a key of the query: for the APIs that take it nowhere else.
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use super::{Injection, value};

pub(super) fn inject(name: &str, token: &str) -> Injection {
    let query = format!("{name}={}", utf8_percent_encode(token, NON_ALPHANUMERIC));
    Injection {
        query: Some(Zeroizing::new(query)),
        values: vec![value(token)],
        ..Injection::default()
    }
}
