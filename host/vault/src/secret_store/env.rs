//! Secrets in the environment of the host, where an orchestrator puts them.
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;

use super::{SecretStore, SecretStoreError};
use crate::{Secret, SecretName};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvConfig {
    /// What stands before a secret's name, as in `TOOLWARD_SECRET_`.
    pub prefix: String,
}

impl EnvConfig {
    pub(super) fn open(&self) -> Arc<dyn SecretStore> {
        Arc::new(Env { prefix: self.prefix.clone() })
    }
}

struct Env {
    prefix: String,
}

impl Env {
    /// `github-token` is `GITHUB_TOKEN` after the prefix.
    fn variable(&self, name: &SecretName) -> String {
        format!("{}{}", self.prefix, name.as_str().to_ascii_uppercase().replace('-', "_"))
    }
}

#[async_trait]
impl SecretStore for Env {
    async fn read(&self, name: &SecretName) -> Result<Secret, SecretStoreError> {
        let variable = self.variable(name);
        let secret =
            std::env::var(&variable).map(Secret::new).map_err(|_| SecretStoreError::Missing {
                name: name.clone(),
                place: "the environment".to_owned(),
                hint: format!("set the variable `{variable}` where the host is started"),
            })?;
        secret.check_kept()?;
        Ok(secret)
    }

    /// The names as variables have them: in lower case, with `_`.
    async fn list(&self) -> Result<Vec<SecretName>, SecretStoreError> {
        let name = |(variable, _)| {
            let variable = std::ffi::OsString::into_string(variable).ok()?;
            variable.strip_prefix(&self.prefix)?.to_ascii_lowercase().parse().ok()
        };
        let mut names: Vec<SecretName> = std::env::vars_os().filter_map(name).collect();
        names.sort();
        Ok(names)
    }

    async fn write(&self, _name: &SecretName, _value: Secret) -> Result<(), SecretStoreError> {
        Err(SecretStoreError::ReadOnly("the environment".to_owned()))
    }

    async fn remove(&self, _name: &SecretName) -> Result<bool, SecretStoreError> {
        Err(SecretStoreError::ReadOnly("the environment".to_owned()))
    }
}
