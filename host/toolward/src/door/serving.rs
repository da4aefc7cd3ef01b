//! Which listeners does a host have, and what runs behind each?
use std::{net::SocketAddr, sync::Arc};

use axum::{Router, middleware::from_fn_with_state};
use rustls::server::danger::ClientCertVerifier;
use toolward_state::State;

use super::{
    administration::{self, Administration},
    agents::{self, Agents},
    guard::{self, Guard},
    listener::{Listener, Stopping},
    place::Place,
    tls,
};
use crate::{
    authn::Authn,
    config::{AdministrationConfig, Config, ListenConfig},
    host::Host,
    telemetry::Telemetry,
};

/// Everything that listens, before it is served.
#[derive(Debug)]
pub struct Serving(Vec<(Listener, Router)>);

/// Why an address is not listened on.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    #[error(
        "nothing is to be served: add `[listen]` with an `address`, as in `127.0.0.1:8700`, to the configuration"
    )]
    Nothing,
    #[error("`{address}` cannot be listened on: {cause}")]
    Address { address: SocketAddr, cause: std::io::Error },
    #[error("{0}")]
    Tls(String),
}

impl Serving {
    pub fn new() -> Self {
        Self(Vec::new())
    }

    /// For agents. Answers with the address: the port is the system's choice where it is 0.
    pub async fn agents(
        &mut self,
        config: &Config,
        listen: &ListenConfig,
        authn: Arc<Authn>,
        host: Arc<Host>,
        state: State,
    ) -> Result<SocketAddr, ServingError> {
        let (listener, address) = bind(listen, authn.client_verifier()).await?;
        let guard = Guard::new(authn, Place::new(listen, address), agents::OPEN, listen.limits);
        let agents = Agents::new(host, state, guard, config, listen.limits);
        self.0.push((listener, agents::router(&agents)));
        Ok(address)
    }

    /// For people. `authn` takes tokens for the administration only. `answers` come without one: what Slack signs,
    /// and links that say themselves who has to log in.
    pub async fn administration(
        &mut self,
        config: &AdministrationConfig,
        authn: Arc<Authn>,
        state: State,
        answers: Router,
        telemetry: Option<Arc<Telemetry>>,
    ) -> Result<SocketAddr, ServingError> {
        let (listener, address) = bind(&config.listen, authn.client_verifier()).await?;
        let place = Place::new(&config.listen, address);
        let guard = Guard::new(authn, place, administration::OPEN, config.listen.limits);
        let roles = Arc::new(config.roles.clone());
        let readers = Arc::new(config.readers.clone());
        let body_bytes = config.listen.limits.body_bytes;
        let answers = answers.layer(from_fn_with_state(guard.clone(), guard::admit_stranger));
        let administration = Administration { state, guard, roles, readers, telemetry, body_bytes };
        let router = administration::router(&administration).merge(answers);
        self.0.push((listener, router));
        Ok(address)
    }

    /// Serves until it is told to stop, and then until all that was being answered is.
    pub async fn run(self, stopping: &Stopping) -> Result<(), ServingError> {
        if self.0.is_empty() {
            return Err(ServingError::Nothing);
        }
        let all = self.0.into_iter().map(|(listener, router)| listener.serve(router, stopping));
        futures::future::join_all(all).await;
        Ok(())
    }
}

impl Default for Serving {
    fn default() -> Self {
        Self::new()
    }
}

async fn bind(
    listen: &ListenConfig,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<(Listener, SocketAddr), ServingError> {
    let failed = |cause| ServingError::Address { address: listen.address, cause };
    let tls = listen.tls.as_ref().map(|tls| tls::acceptor(tls, clients));
    let tls = tls.transpose().map_err(ServingError::Tls)?;
    let listener = Listener::bind(listen, tls).await.map_err(failed)?;
    let address = listener.address().map_err(failed)?;
    Ok((listener, address))
}
