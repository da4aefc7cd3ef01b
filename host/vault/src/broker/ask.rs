//! Why a server gave no credential, in our own words: what it said is not repeated, for it may hold anything.
use crate::host_request::PostError;

/// Why a value was not minted. Nothing in it comes from the server: it chooses among texts that stand here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    #[error(transparent)]
    Post(#[from] PostError),
    #[error("the endpoint refuses: {0}")]
    Refused(&'static str),
    #[error("the endpoint has a fault of its own; it is asked again later")]
    Fault,
    #[error("the endpoint's answer cannot be used: {0}")]
    Answer(&'static str),
    #[error("the request cannot be made: {0}")]
    Request(&'static str),
}

impl AskError {
    /// What a refusal means, where its code is one that we know.
    pub(crate) fn refused(code: &str, known: &[(&str, &'static str)]) -> Self {
        let meaning = known.iter().find(|(name, _)| *name == code).map(|(_, meaning)| *meaning);
        Self::Refused(meaning.unwrap_or("it gives no reason that is known here"))
    }
}
