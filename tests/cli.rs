//! The command line as a user runs it: the real program, in a folder of its own.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    reason = "small numbers and ASCII, and a panic fails the test"
)]

mod accepting;
mod anchoring;
mod approving;
mod as_granted;
mod asking;
mod auditing;
mod bad_arguments;
mod bad_components;
mod bad_files;
mod budgets;
mod calling;
mod clients;
mod compiling;
mod credentials;
mod delegating;
mod desks;
mod elsewhere;
mod granting;
mod installing;
mod json;
mod killing;
mod memory;
mod other_hosts;
pub(crate) mod place;
mod policies;
mod proving;
mod redact;
mod revoking;
mod secrets;
mod showing;
mod slots;
mod suspending;
mod tokens;
mod trail;
mod upstream;
mod withdrawing;

pub(crate) use accepting::changed_teller;
pub(crate) use place::{KEY, Place, Ran, TOKEN, command};
pub(crate) use upstream::PATIENCE;
