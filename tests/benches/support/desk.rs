//! A gate in memory that says yes, and calls that passed it: what is left is the way of a request.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use toolward_gate::{
    Basis, Call, Destination, Digest, EgressTerms, Gate, HeaderScheme, HttpScope, PrivateRanges,
    ProgressSink, ResponseShape, Risk, SandboxTerms, Slot, Tally, Terms, Trust,
};
use toolward_vault::{
    Broker, Credential, Credentials, EgressSettings, MintError, Minted, Narrowing, Outbound,
    Purpose, Secret, Vault,
};

use super::{server::LIMIT, yes};

pub(crate) const TOKEN: &str = "ghp_Zx81kQ7mW0pLr5vTnB4yUj9sEc2aHd6fGi3o";

/// One capability on one destination, and a vault with its credential.
pub(crate) struct Desk {
    gate: Gate,
    vault: Vault,
}

impl Desk {
    pub(crate) async fn open(host: &str, port: u16, root: &str) -> anyhow::Result<Self> {
        let destination = Destination { https: true, host: host.to_owned(), port };
        let (gate, _switches) = yes::gate(terms(scope(destination))).await?;
        let mut credentials = Credentials::default();
        credentials.add("github".parse()?, Arc::new(Drawer));
        let extra_roots_pem = Some(root.as_bytes().to_vec());
        let settings = EgressSettings { extra_roots_pem, ..EgressSettings::default() };
        Ok(Self { gate, vault: Vault::new(credentials, settings)? })
    }

    /// How long one request takes, in a call of its own. The call is not counted.
    pub(crate) async fn fetch(&self, path: String) -> anyhow::Result<(Duration, usize)> {
        let permit = self.gate.admit(self.gate.settle(call()?).await?).await?;
        let grant = self.vault.equip(permit);
        let outbound = Outbound {
            capability: "shop:items:read".parse()?,
            method: "GET".to_owned(),
            target: path,
            headers: Vec::new(),
            body: None,
            narrowing: Narrowing::default(),
        };
        let began = Instant::now();
        let answer = grant.egress().send(outbound).await?;
        Ok((began.elapsed(), answer.into_body().len()))
    }
}

fn scope(destination: Destination) -> HttpScope {
    HttpScope {
        destinations: vec![destination],
        methods: ["GET".to_owned()].into(),
        paths: vec!["/items/{bytes}".parse().unwrap()],
        query: None,
        headers: [].into(),
        allow_private: PrivateRanges::loopback(),
        tls: Trust::default(),
        credential: Some("github".parse().unwrap()),
        session_policy: None,
        oauth_scope: [].into(),
        slot: Some(Slot::Header { name: "authorization".to_owned(), scheme: HeaderScheme::Bearer }),
        max_request_bytes: 64,
        response: ResponseShape {
            content_types: ["application/json".to_owned()].into(),
            max_bytes: LIMIT,
            ..ResponseShape::default()
        },
        trace_context: false,
        meter: None,
    }
}

fn terms(scope: HttpScope) -> Terms {
    Terms {
        time: Duration::from_secs(30),
        cost: Tally::default(),
        rates: Vec::new(),
        budgets: Vec::new(),
        egress: EgressTerms {
            http: [("shop:items:read".parse().unwrap(), Arc::new(scope))].into(),
        },
        sandbox: SandboxTerms::default(),
        recording: toolward_gate::Recording::Digest,
        basis: Basis { policies: Vec::new(), policy_version: Digest::ZERO, risk: Risk::Low },
    }
}

fn call() -> anyhow::Result<Call> {
    yes::call("shop", Digest::of(b"shop"), "{}", ProgressSink::default())
}

struct Drawer;

#[async_trait]
impl Broker for Drawer {
    async fn mint(&self, _: &Purpose<'_>) -> Result<Minted, MintError> {
        Ok(Credential::Token(Secret::new(TOKEN)).into())
    }
}
