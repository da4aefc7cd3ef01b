//! A permit, and the way out on its terms.
use std::sync::Arc;

use toolward_gate::{Call, CredentialName, Permit, SwitchTarget};

use crate::{
    address::{Machine, Network, Own},
    broker::{Credentials, House, Revocation},
    egress::{Egress, EgressSettings, Shared},
    fingerprint::FingerprintKey,
    host_request::HostRequests,
    transport::Transport,
};

/// Why the vault cannot be opened for calls.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error(
        "the extra root certificates cannot be read: {0}; they must be a file of certificates in PEM form"
    )]
    Roots(String),
    #[error(
        "the credential `{credential}` names the store `{store}`, which is not configured; add `[secret_store.{store}]`"
    )]
    UnknownStore { credential: String, store: String },
    #[error(
        "the credential `{credential}` is of a broker that the program brings, and this program brings none for it; register one, or write another `kind`"
    )]
    NoBroker { credential: String },
    #[error("the machine has no randomness to give: {0}")]
    Randomness(std::io::Error),
}

/// Every credential of this host, and the connections that use them.
pub struct Vault(Arc<Shared>);

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

/// Leave to run one call, with the credentials that it may borrow. None is minted yet.
#[must_use]
#[derive(Debug)]
pub struct Grant {
    permit: Permit,
    egress: Arc<Egress>,
}

impl Vault {
    pub fn new(credentials: Credentials, settings: EgressSettings) -> Result<Self, VaultError> {
        Self::on(credentials, settings, Box::new(Machine::default()))
    }

    /// A vault that knows the addresses of names and of this machine from `network`.
    pub(crate) fn on(
        credentials: Credentials,
        settings: EgressSettings,
        network: Box<dyn Network>,
    ) -> Result<Self, VaultError> {
        let EgressSettings {
            extra_roots_pem,
            connect_timeout,
            denied,
            clock,
            fingerprints,
            trace_context,
        } = settings;
        let transport = Transport::new(extra_roots_pem.as_deref(), connect_timeout)
            .map_err(VaultError::Roots)?;
        let own = Arc::new(Own { listeners: denied, network });
        let requests = Transport::new(extra_roots_pem.as_deref(), connect_timeout)
            .map_err(VaultError::Roots)?;
        let requests = HostRequests::new(requests, own.clone(), clock.clone());
        let house = Arc::new(House::new(requests));
        let fingerprints = match fingerprints {
            Some(key) => key,
            None => Arc::new(FingerprintKey::passing().map_err(VaultError::Randomness)?),
        };
        Ok(Self(Arc::new(Shared {
            credentials,
            transport,
            own,
            house,
            clock,
            fingerprints,
            trace_context,
        })))
    }

    /// What is to be called when a switch is thrown: it drops every minted value and every connection that
    /// nobody uses, so that what is used after it was made after it. It does not keep the vault.
    pub fn forgetting(&self) -> impl Fn() + Send + Sync + use<> {
        let shared = Arc::downgrade(&self.0);
        move || {
            if let Some(shared) = shared.upgrade() {
                shared.credentials.forget();
                shared.transport.forget();
            }
        }
    }

    /// What is to be asked with each switch that is thrown: it drops the values that the switch withdraws, and
    /// says how each is revoked, with the name of its credential. It does not keep the vault.
    pub fn withdrawing(
        &self,
    ) -> impl Fn(&SwitchTarget) -> Vec<(CredentialName, Revocation)> + Send + Sync + use<> {
        let shared = Arc::downgrade(&self.0);
        move |thrown| {
            let shared = shared.upgrade();
            shared.map_or(Vec::new(), |shared| shared.credentials.withdraw(thrown, &shared.house))
        }
    }

    pub fn equip(&self, permit: Permit) -> Grant {
        let egress = Egress {
            shared: self.0.clone(),
            terms: permit.terms().egress.clone(),
            principal: permit.call().principal.id().to_owned(),
            life: permit.life().clone(),
            notes: permit.call().notes.clone(),
            account: permit.account().clone(),
            custody: permit.custody().clone(),
            tripwire: permit.tripwire().clone(),
        };
        Grant { permit, egress: Arc::new(egress) }
    }
}

impl Grant {
    pub fn call(&self) -> &Call {
        self.permit.call()
    }
    pub fn permit(&self) -> &Permit {
        &self.permit
    }
    /// The way out. It may be held by what a tool started; it ends with the call's life.
    pub fn egress(&self) -> &Arc<Egress> {
        &self.egress
    }
}
