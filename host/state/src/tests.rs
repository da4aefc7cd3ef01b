//! Real files, opened by one host or by several, and a clock that is set by hand.
mod approvals;
mod audit;
mod budgets;
mod interrupted;
mod ledger;
mod metered;
#[cfg(unix)]
mod opening;
mod spending;
mod support;
mod switches;
mod together;
