//! Whose the credentials of a configuration are, and who was granted their use.
use std::{collections::BTreeSet, sync::Arc};

use toolward_gate::{
    Clock as _, CredentialGrant, CredentialName, GrantBook as _, Owners, Ownership, Principal,
    SystemClock, ToolName,
};

use super::{StartError, state};
use crate::config::Config;

/// The owners of those credentials that have some.
pub fn owners(config: &Config) -> Arc<Owners> {
    let all = config.credentials.iter();
    let owned = all.filter_map(|(name, one)| Some((name.clone(), one.owners.clone()?)));
    Arc::new(owned.collect())
}

/// The grants that have not ended. A database is not made for them.
pub async fn grants(
    config: &Config,
    of: Option<&CredentialName>,
) -> Result<Vec<CredentialGrant>, StartError> {
    if !config.database().exists() {
        return Ok(Vec::new());
    }
    Ok(state(config).await?.grants(of).await?)
}

/// The owners, and the grants as they are. A database is not made for them.
pub async fn ownership(config: &Config) -> Result<Ownership, StartError> {
    let owners = owners(config);
    Ok(if owners.is_empty() || !config.database().exists() {
        Ownership::without_grants(owners)
    } else {
        Ownership::new(owners, Arc::new(state(config).await?))
    })
}

/// The credentials that somebody could not use with a tool at this moment.
pub async fn not_yours(
    ownership: &Ownership,
    principal: &Principal,
    tool: &ToolName,
) -> Result<BTreeSet<CredentialName>, StartError> {
    Ok(ownership.not_yours(principal, tool, SystemClock.now()).await?)
}
