//! Remember it: approvals, budgets, switches and the audit trail, in SQLite.
//!
//! `State` implements the ports that the gate declares. It never sees a secret in plain text.
mod approvals;
mod audit;
mod budgets;
mod denials;
mod faults;
mod grants;
mod kept;
mod key_values;
mod lease;
mod links;
mod sqlite;
mod sweep;
mod switches;
mod tellings;
#[cfg(test)]
mod tests;
mod writer;

pub use audit::{
    AnchoredLog, Anchoring, Checkpoint, CheckpointKind, CheckpointPlace, Decided, Evidence, Fault,
    FilePlace, LinkFilter, OnFailure, PublicKey, Removed, Retention, Search, Verified,
};
pub use budgets::AccountFilter;
pub use kept::{Claim, Kept};
pub use links::{Link as ApprovalLink, LinkError};
pub use sqlite::{State, StateError};
pub use sweep::Swept;
pub use tellings::{Ended, Telling};

use jiff::Timestamp;
use toolward_gate::Unavailable;

/// A failure of the database, for a caller who can only stop.
fn unavailable(error: impl std::fmt::Display) -> Unavailable {
    Unavailable::new("the state", error)
}

/// Microseconds since 1970.
fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

fn timestamp(micros: i64) -> Result<Timestamp, Unavailable> {
    Timestamp::from_microsecond(micros).map_err(unavailable)
}
