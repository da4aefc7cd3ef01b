//! How an issuer's keys are fetched.
use async_trait::async_trait;
use toolward_gate::PrivateRanges;
use toolward_vault::Documents;

use crate::authn::FetchKeys;

pub(super) struct Fetcher(pub(super) Documents);

#[async_trait]
impl FetchKeys for Fetcher {
    async fn fetch(&self, url: &str, allow_private: &PrivateRanges) -> Result<String, String> {
        self.0.read(url, allow_private).await.map_err(|error| error.to_string())
    }
}
