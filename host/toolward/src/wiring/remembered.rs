//! What is remembered of tokens and keys, opened when somebody asks for the first time.
use std::path::PathBuf;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use toolward_gate::{ApiKey, ApiKeys, Denial, DenialTarget, Denials, DenyList, Unavailable};
use toolward_state::State;

use crate::{config::Config, wiring};

/// Opens the database once a token has proved to be one: who shows none that is, has nothing made.
pub(super) struct Remembered {
    data: PathBuf,
    database: PathBuf,
    state: OnceCell<State>,
}

impl Remembered {
    pub(super) fn of(config: &Config) -> Self {
        let (data, database) = (config.data.clone(), config.database());
        Self { data, database, state: OnceCell::new() }
    }

    async fn state(&self) -> Result<&State, Unavailable> {
        let opened = self.state.get_or_try_init(async || {
            wiring::private_folder(&self.data).map_err(unavailable)?;
            State::open(&self.database, wiring::clock()).await.map_err(unavailable)
        });
        opened.await
    }
}

fn unavailable(error: impl std::fmt::Display) -> Unavailable {
    Unavailable::new("the state", error)
}

#[async_trait]
impl DenyList for Remembered {
    async fn denials(&self) -> Result<Denials, Unavailable> {
        self.state().await?.denials().await
    }
    async fn deny(&self, denial: Denial) -> Result<(), Unavailable> {
        self.state().await?.deny(denial).await
    }
    async fn allow(
        &self,
        target: &DenialTarget,
        by: &str,
        reason: &str,
    ) -> Result<bool, Unavailable> {
        self.state().await?.allow(target, by, reason).await
    }
}

#[async_trait]
impl ApiKeys for Remembered {
    async fn api_key(&self, id: &str) -> Result<Option<ApiKey>, Unavailable> {
        self.state().await?.api_key(id).await
    }
    async fn api_keys(&self) -> Result<Vec<ApiKey>, Unavailable> {
        self.state().await?.api_keys().await
    }
    async fn add_api_key(&self, key: &ApiKey) -> Result<(), Unavailable> {
        self.state().await?.add_api_key(key).await
    }
    async fn revoke_api_key(&self, id: &str, by: &str, reason: &str) -> Result<bool, Unavailable> {
        self.state().await?.revoke_api_key(id, by, reason).await
    }
}
