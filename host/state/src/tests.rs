//! Real files, opened by one host or by several, and a clock that is set by hand.
mod anchors;
mod approvals;
mod asking;
mod audit;
mod budgets;
mod contract;
mod crash;
mod denials;
pub(crate) mod faults;
mod group;
mod interrupted;
mod kept;
mod ledger;
mod metered;
#[cfg(unix)]
mod opening;
mod retention;
mod search;
mod spending;
mod support;
mod switch_model;
mod switches;
mod tampering;
mod together;
