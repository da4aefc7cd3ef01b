//! What the tests of brokers share: a house, a store, and a server that answers as it is told.
mod endpoint;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use toolward_gate::{
    Clock, CredentialName, HttpScope, PrivateRanges, ResponseShape, SessionPolicy, SystemClock,
    Trust,
};

pub(crate) use self::endpoint::{Endpoint, Request, answer};
use super::{Broker, BrokerConfig, House, MintError, Minted, Purpose};
use crate::{
    Secret, SecretName, SecretStore, SecretStoreError,
    address::{Machine, Own},
    host_request::HostRequests,
    transport::Transport,
};

pub(crate) const SECRET: &str = "cs_7Qm2xV9pLr5vTnB4yUj9";

/// A broker at work: its house, its store and what it is asked for.
pub(crate) struct Bench {
    pub(crate) house: Arc<House>,
    pub(crate) store: Arc<Drawer>,
    pub(crate) broker: Arc<dyn Broker>,
    credential: CredentialName,
}

impl Bench {
    /// A broker as it stands in `toolward.toml`. Certificates of `authority` are believed.
    pub(crate) fn of(config: &str, authority: &str, secrets: &[(&str, &str)]) -> Self {
        Self::at(config, authority, secrets, Arc::new(SystemClock))
    }

    pub(crate) fn at(
        config: &str,
        authority: &str,
        secrets: &[(&str, &str)],
        clock: Arc<dyn Clock>,
    ) -> Self {
        let second = std::time::Duration::from_secs(1);
        let transport = Transport::new(Some(authority.as_bytes()), second).unwrap();
        let own = Own { listeners: Vec::new(), network: Box::new(Machine::default()) };
        let house = House::new(HostRequests::new(transport, Arc::new(own), clock));
        let store = Arc::new(Drawer::default());
        secrets.iter().for_each(|(name, value)| store.put(name, value));
        let credential: CredentialName = "crm".parse().unwrap();
        let stores: BTreeMap<String, Arc<dyn SecretStore>> =
            [("local".to_owned(), store.clone() as _)].into();
        let config: BrokerConfig = toml::from_str(config).unwrap();
        let broker = config.broker(&credential, &stores).unwrap();
        Self { house: Arc::new(house), store, broker, credential }
    }

    pub(crate) async fn mint(&self) -> Result<Minted, MintError> {
        self.mint_for("agent-7", None).await
    }

    pub(crate) async fn mint_for(
        &self,
        principal: &str,
        session_policy: Option<SessionPolicy>,
    ) -> Result<Minted, MintError> {
        let scope = scope(session_policy);
        let (credential, house) = (&self.credential, &self.house);
        let capability = &"crm:contacts:read".parse().unwrap();
        self.broker.mint(&Purpose { credential, capability, scope: &scope, principal, house }).await
    }

    pub(crate) async fn with_purpose<T>(&self, work: impl AsyncFnOnce(&Purpose<'_>) -> T) -> T {
        let (scope, credential, house) = (scope(None), &self.credential, &self.house);
        let capability = &"crm:contacts:read".parse().unwrap();
        work(&Purpose { credential, capability, scope: &scope, principal: "agent-7", house }).await
    }

    /// The value of a token, or what is told the operator.
    pub(crate) async fn token(&self) -> Result<String, String> {
        let minted = self.mint().await.map_err(|error| error.to_string())?;
        Ok(minted.credential.values().first().unwrap().to_string())
    }
}

fn scope(session_policy: Option<SessionPolicy>) -> HttpScope {
    HttpScope {
        destinations: Vec::new(),
        methods: [].into(),
        paths: Vec::new(),
        query: None,
        headers: [].into(),
        allow_private: PrivateRanges::default(),
        tls: Trust::default(),
        credential: None,
        session_policy,
        slot: None,
        max_request_bytes: 0,
        response: ResponseShape {
            content_types: [].into(),
            max_bytes: 0,
            ..ResponseShape::default()
        },
        trace_context: false,
        meter: None,
    }
}

/// A store in memory.
#[derive(Default)]
pub(crate) struct Drawer(std::sync::Mutex<BTreeMap<String, String>>);

impl Drawer {
    pub(crate) fn put(&self, name: &str, value: &str) {
        self.0.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }
}

#[async_trait]
impl SecretStore for Drawer {
    async fn read(&self, name: &SecretName) -> Result<Secret, SecretStoreError> {
        let missing = || SecretStoreError::Missing {
            name: name.clone(),
            place: "the drawer".to_owned(),
            hint: "put it there".to_owned(),
        };
        self.0.lock().unwrap().get(name.as_str()).map(Secret::new).ok_or_else(missing)
    }
    async fn list(&self) -> Result<Vec<SecretName>, SecretStoreError> {
        Ok(Vec::new())
    }
    async fn write(&self, name: &SecretName, value: Secret) -> Result<(), SecretStoreError> {
        self.put(name.as_str(), value.expose());
        Ok(())
    }
    async fn remove(&self, name: &SecretName) -> Result<bool, SecretStoreError> {
        Ok(self.0.lock().unwrap().remove(name.as_str()).is_some())
    }
}
