//! Documents that the host itself reads, as an issuer's keys: anybody may read them, and no credential goes out.
use http::StatusCode;
use toolward_gate::PrivateRanges;

use crate::{
    egress::EgressSettings,
    grant::VaultError,
    host_request::{HostRequests, PostError},
};

/// Why a document cannot be read. Nothing here repeats what a server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    #[error("it is not a whole, canonical URL with `https`")]
    Url,
    #[error(transparent)]
    Request(#[from] PostError),
    #[error("the server answers {0}")]
    Status(u16),
    #[error("it is not text")]
    Text,
}

/// Reads documents: over TLS, from addresses that are globally reachable, without redirects, within 10 seconds
/// and 64 KiB.
pub struct Documents(HostRequests);

impl std::fmt::Debug for Documents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Documents").finish_non_exhaustive()
    }
}

impl Documents {
    /// Fails when the extra roots are not certificates in PEM form.
    pub fn new(settings: EgressSettings) -> Result<Self, VaultError> {
        Ok(Self(HostRequests::of(settings)?))
    }

    /// `allow_private` names networks besides the public one that it may be in.
    pub async fn read(
        &self,
        url: &str,
        allow_private: &PrivateRanges,
    ) -> Result<String, DocumentError> {
        let from = url.parse().map_err(|_| DocumentError::Url)?;
        let answer = self.0.read(&from, allow_private).await?;
        if answer.status != StatusCode::OK {
            return Err(DocumentError::Status(answer.status.as_u16()));
        }
        String::from_utf8(answer.body.to_vec()).map_err(|_| DocumentError::Text)
    }
}
