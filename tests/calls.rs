//! What a call goes through, and every way in which it can end.
mod approval;
mod audit;
mod budget;
mod complete;
mod every_wait;
mod expired;
mod halted;
mod limits;
mod metered;
mod narrower;
mod owned;
mod refused;
mod simple;
mod words;
