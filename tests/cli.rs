//! The command line as a user runs it: the real program, in a folder of its own.
mod approving;
mod auditing;
mod bad_arguments;
mod bad_components;
mod bad_files;
mod calling;
mod installing;
mod json;
mod killing;
pub(crate) mod place;
mod redact;
mod secrets;
pub(crate) mod upstream;
