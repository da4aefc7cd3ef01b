//! What a call goes through, and every way in which it can end.
mod simple;
