//! What a call goes through, and every way in which it can end.
mod approval;
mod audit;
mod budget;
mod expired;
mod halted;
mod limits;
mod metered;
mod refused;
mod simple;
mod words;
