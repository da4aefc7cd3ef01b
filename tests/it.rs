//! The one integration-test binary: few binaries link wasmtime, so that a build stays short.
#[cfg(test)]
mod cli;
#[cfg(test)]
mod mcp;

use toolward_gate::{Arguments, ArgumentsError};

#[test]
fn a_duplicate_key_in_arguments_is_refused_and_key_order_is_not_meaning() {
    assert!(matches!(Arguments::parse(r#"{"a":1,"a":2}"#), Err(ArgumentsError::Json(_))));
    let one = Arguments::parse(r#"{"a":1,"b":2}"#).unwrap();
    let other = Arguments::parse(r#"{"b":2.0,"a":1}"#).unwrap();
    assert_eq!(one.digest(), other.digest());
}
