//! Lines for the operator, in the audit entry of the call. The caller never sees them.
//!
//! A line has a message for people and, where it helps, fields for programs:
//!
//! ```
//! use toolward_sdk::log;
//!
//! # fn open(owner: &str, repo: &str, number: u64) {
//! log::info!("opened an issue", repo = format_args!("{owner}/{repo}"), number = number);
//! log::warn!("{number} tries were not enough");
//! # }
//! ```
//!
//! Every tool wants `host:log:write` and does without it: a line that may not be written is dropped, and what it
//! would say is not even put into words. The host keeps a limited number of lines, in all and in a second.
use std::{cell::Cell, fmt::Display};

use crate::{
    Capability,
    bindings::toolward::tool::log::{self as wire, Field},
};

pub use crate::bindings::toolward::tool::log::Level;
#[doc(inline)]
pub use crate::{
    __log_debug as debug, __log_error as error, __log_info as info, __log_warn as warn,
};

/// Writes a line for somebody who looks for a fault.
pub fn debug(message: impl AsRef<str>) {
    write(Level::Debug, message.as_ref(), &[]);
}
/// Writes a line about what the tool did.
pub fn info(message: impl AsRef<str>) {
    write(Level::Info, message.as_ref(), &[]);
}
/// Writes a line that an operator should look at.
pub fn warn(message: impl AsRef<str>) {
    write(Level::Warn, message.as_ref(), &[]);
}
/// Writes a line about a failure.
pub fn error(message: impl AsRef<str>) {
    write(Level::Error, message.as_ref(), &[]);
}

/// Writes a line with fields: 32 at most, and of two with the same name the later one.
pub fn write(level: Level, message: impl Display, fields: &[(&str, &dyn Display)]) {
    if !granted() {
        return;
    }
    let field = |(name, value): &(&str, &dyn Display)| Field {
        name: (*name).to_owned(),
        value: value.to_string(),
    };
    let fields: Vec<Field> = fields.iter().map(field).collect();
    wire::emit(level, &message.to_string(), &fields);
}

/// Writes a line for somebody who looks for a fault, with fields.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_debug {
    ($message:literal $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::__log!(Debug, $message $(, $name = $value)*)
    };
}
/// Writes a line about what the tool did, with fields.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_info {
    ($message:literal $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::__log!(Info, $message $(, $name = $value)*)
    };
}
/// Writes a line that an operator should look at, with fields.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_warn {
    ($message:literal $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::__log!(Warn, $message $(, $name = $value)*)
    };
}
/// Writes a line about a failure, with fields.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_error {
    ($message:literal $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::__log!(Error, $message $(, $name = $value)*)
    };
}
#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident, $message:literal $(, $name:ident = $value:expr)*) => {
        $crate::log::write(
            $crate::log::Level::$level,
            ::std::format_args!($message),
            &[$((::std::stringify!($name), &$value as &dyn ::std::fmt::Display)),*],
        )
    };
}

/// The last words of a tool that panics.
pub(crate) fn last_words(message: &str) {
    write(Level::Error, message, &[]);
}

/// Asked once in a call: an import that was not granted ends the tool.
fn granted() -> bool {
    thread_local!(static GRANTED: Cell<Option<bool>> = const { Cell::new(None) });
    let granted = GRANTED.get().unwrap_or_else(|| Capability::obtain(CAPABILITY).is_ok());
    GRANTED.set(Some(granted));
    granted
}

const CAPABILITY: &str = "host:log:write";
