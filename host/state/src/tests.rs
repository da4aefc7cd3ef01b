//! Real files, opened by one host or by several, and a clock that is set by hand.
mod anchors;
mod approvals;
mod asking;
mod audit;
mod budgets;
mod contract;
mod crash;
mod crowd;
mod denials;
pub(crate) mod faults;
mod group;
mod interrupted;
mod kept;
mod ledger;
mod limits;
mod metered;
#[cfg(unix)]
mod opening;
mod oracle;
mod retention;
mod search;
mod spending;
mod support;
mod sweeping;
mod switch_model;
mod switches;
mod tampering;
mod together;
