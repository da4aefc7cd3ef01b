//! Whom a connection ends at.
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, crypto::aws_lc_rs::default_provider, pki_types::PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;
use toolward_gate::Destination;

use super::{
    SENT, is,
    server::{Script, Server, json},
    support::{Setup, outbound},
};
use crate::{Credentials, EgressSettings, Vault};

const FAILED: (&str, &str) = ("connection-failed", "unanswered /items/{id} connection-failed");

/// Who signs certificates.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A server that proves to be `host`.
    async fn serve(&self, host: &str) -> Server {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        let tls = TlsAcceptor::from(Arc::new(config));
        Server::start(Script::Write(vec![json("{}")]), Some(tls)).await
    }
}

async fn outcome(server: &Server, root: Option<&Authority>) -> (&'static str, String) {
    let (host, port) = ("localhost".to_owned(), server.address.port());
    let mut setup = Setup::at(Destination { https: true, host, port });
    let extra_roots_pem = root.map(|root| root.pem.clone().into_bytes());
    setup.settings = EgressSettings { extra_roots_pem, ..EgressSettings::default() };
    setup.open().await.outcome(outbound()).await
}

#[tokio::test]
async fn a_server_is_believed_only_with_a_certificate_of_a_known_authority() {
    let (known, unknown) = (Authority::new(), Authority::new());
    let server = known.serve("localhost").await;
    is(&outcome(&server, None).await, FAILED, "no extra root");
    is(&outcome(&server, Some(&unknown)).await, FAILED, "the root of somebody else");
    assert!(server.requests().is_empty());
    is(&outcome(&server, Some(&known)).await, SENT, "its root");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_server_is_believed_only_under_its_own_name() {
    let authority = Authority::new();
    let (right, wrong) =
        (authority.serve("localhost").await, authority.serve("api.example.com").await);
    is(&outcome(&wrong, Some(&authority)).await, FAILED, "another name");
    assert!(wrong.requests().is_empty());
    is(&outcome(&right, Some(&authority)).await, SENT, "its name");
}

#[tokio::test]
async fn roots_that_are_no_certificates_are_refused_at_the_start() {
    let vault = |pem: &str| {
        let extra_roots_pem = Some(pem.as_bytes().to_vec());
        Vault::new(
            Credentials::default(),
            EgressSettings { extra_roots_pem, ..EgressSettings::default() },
        )
    };
    let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    assert!(vault(broken).is_err());
    assert!(vault(&Authority::new().pem).is_ok());
}
