//! What the tests of this folder stand on: an issuer that is nowhere, records in memory, signing by hand.
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::Value;
use toolward_gate::{
    ApiKey, ApiKeys, Denial, DenialTarget, Denials, DenyList, PrivateRanges, Unavailable,
};

use super::{Authn, AuthnError, FetchKeys};
use crate::config::Config;

/// Keys in files are all there is.
struct Nowhere;

#[async_trait]
impl FetchKeys for Nowhere {
    async fn fetch(&self, url: &str, _private: &PrivateRanges) -> Result<String, String> {
        Err(format!("`{url}` is nowhere"))
    }
}

pub(super) fn authn(config: &Config) -> Result<Authn, AuthnError> {
    authn_with(config, &Arc::new(Memory::default()))
}

pub(super) fn authn_with(config: &Config, records: &Arc<Memory>) -> Result<Authn, AuthnError> {
    let fetch: Arc<dyn FetchKeys> = Arc::new(Nowhere);
    Authn::from_config(config, &fetch, records.clone())
}

/// A token with this header and these claims, to the letter.
pub(super) fn signed(header: &str, claims: &str, key: &EncodingKey, by: Algorithm) -> String {
    let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", part(header), part(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, by).unwrap();
    format!("{message}.{signature}")
}

pub(super) fn signed_values(header: &Value, claims: &Value, key: &EncodingKey) -> String {
    signed(&header.to_string(), &claims.to_string(), key, Algorithm::EdDSA)
}

/// What is remembered, until the test ends.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) denied: Mutex<Vec<Denial>>,
    pub(super) keys: Mutex<Vec<ApiKey>>,
    pub(super) unreadable: Mutex<bool>,
}

impl Memory {
    fn check(&self) -> Result<(), Unavailable> {
        if *self.unreadable.lock().unwrap() {
            return Err(Unavailable::new("the state", "a test"));
        }
        Ok(())
    }
}

#[async_trait]
impl DenyList for Memory {
    async fn denials(&self) -> Result<Denials, Unavailable> {
        self.check()?;
        Ok(Denials::of(self.denied.lock().unwrap().clone()))
    }
    async fn deny(&self, denial: Denial) -> Result<(), Unavailable> {
        self.check()?;
        self.denied.lock().unwrap().push(denial);
        Ok(())
    }
    async fn allow(
        &self,
        target: &DenialTarget,
        _by: &str,
        _reason: &str,
    ) -> Result<bool, Unavailable> {
        let mut denied = self.denied.lock().unwrap();
        let before = denied.len();
        denied.retain(|one| one.target != *target);
        Ok(denied.len() < before)
    }
}

#[async_trait]
impl ApiKeys for Memory {
    async fn api_key(&self, id: &str) -> Result<Option<ApiKey>, Unavailable> {
        self.check()?;
        Ok(self.keys.lock().unwrap().iter().find(|key| key.id == id).cloned())
    }
    async fn api_keys(&self) -> Result<Vec<ApiKey>, Unavailable> {
        Ok(self.keys.lock().unwrap().clone())
    }
    async fn add_api_key(&self, key: &ApiKey) -> Result<(), Unavailable> {
        self.keys.lock().unwrap().push(key.clone());
        Ok(())
    }
    async fn revoke_api_key(&self, id: &str, by: &str, _why: &str) -> Result<bool, Unavailable> {
        let mut keys = self.keys.lock().unwrap();
        let found = keys.iter_mut().find(|key| key.id == id);
        let Some(key) = found else { return Ok(false) };
        assert!(!by.is_empty());
        key.revoked_at = Some(key.created_at);
        Ok(true)
    }
}
