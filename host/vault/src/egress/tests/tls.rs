//! Whom a connection ends at.
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PublicKeyData as _,
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;
use toolward_gate::{Destination, Slot, Trust};

use super::{
    SENT, is,
    server::{Script, Server, json},
    support::{Setup, outbound},
};
use crate::{ClientCertificate, Credential, Credentials, EgressSettings, Secret, Vault};

const FAILED: (&str, &str) = ("connection-failed", "unanswered /items/{id} connection-failed");

/// Who signs certificates.
pub(super) struct Authority {
    pub(super) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A server that proves to be `host`.
    async fn serve(&self, host: &str) -> Server {
        self.serve_with(host, |_| {}, None).await.0
    }

    /// Such a server, with a certificate that was changed, and who may connect. And the digest of its key.
    async fn serve_with(
        &self,
        host: &str,
        change: impl FnOnce(&mut CertificateParams),
        clients: Option<&Self>,
    ) -> (Server, [u8; 32]) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(authority.der()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let config = builder
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        let tls = TlsAcceptor::from(Arc::new(config));
        let digest = Sha256::digest(key.subject_public_key_info()).into();
        (Server::start(Script::Write(vec![json("{}")]), Some(tls)).await, digest)
    }

    /// What a server on this machine needs that speaks HTTP/2 only.
    pub(super) fn speaking_http2(&self) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }

    fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()
    }

    /// A certificate for who connects, and its key, in PEM form.
    fn client(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["toolward.example".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

fn setup(server: &Server, trust: Trust) -> Setup {
    let (host, port) = ("localhost".to_owned(), server.address.port());
    let mut setup = Setup::at(Destination { https: true, host, port });
    setup.scope.tls = trust;
    setup
}

async fn believes(server: &Server, trust: Trust) -> bool {
    let (code, _) = setup(server, trust).open().await.outcome(outbound()).await;
    assert!(code == "ok" || code == "connection-failed", "{code}");
    code == "ok"
}

fn signed_by(authority: &Authority) -> Trust {
    Trust { authorities: Some(vec![authority.der().to_vec()]), ..Trust::default() }
}

fn with_key(key: [u8; 32]) -> Trust {
    Trust { public_keys: [[7; 32], key].into(), ..Trust::default() }
}

/// D-30.
#[tokio::test]
async fn a_capability_with_an_authority_of_its_own_believes_no_other_one() {
    let (own, other) = (Authority::new(), Authority::new());
    let (mine, theirs) = (own.serve("localhost").await, other.serve("localhost").await);
    assert!(believes(&mine, signed_by(&own)).await);
    assert!(!believes(&theirs, signed_by(&own)).await);
    // Not even one that the whole host believes.
    let mut pinned = setup(&theirs, signed_by(&own));
    pinned.settings.extra_roots_pem = Some(other.pem.clone().into_bytes());
    is(&pinned.open().await.outcome(outbound()).await, FAILED, "a root of the host");
    assert!(theirs.requests().is_empty());
    let elsewhere = own.serve("api.example.com").await;
    assert!(!believes(&elsewhere, signed_by(&own)).await, "another name");
}

/// D-30.
#[tokio::test]
async fn an_expired_certificate_is_not_believed() {
    let authority = Authority::new();
    let dated = async |from: i32, to: i32| {
        let change = |params: &mut CertificateParams| {
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(to, 1, 1);
        };
        let (server, _) = authority.serve_with("localhost", change, None).await;
        believes(&server, signed_by(&authority)).await
    };
    assert!(!dated(2000, 2001).await && !dated(4000, 4001).await);
    assert!(dated(2000, 4000).await);
}

#[tokio::test]
async fn a_server_with_a_pinned_key_is_believed_whoever_signed_for_it() {
    let (nobody, known) = (Authority::new(), Authority::new());
    let (server, key) = nobody.serve_with("api.example.com", |_| {}, None).await;
    assert!(believes(&server, with_key(key)).await, "its key");
    assert!(!believes(&server, with_key([8; 32])).await, "another key");
    let both =
        |key, authority| Trust { public_keys: with_key(key).public_keys, ..signed_by(authority) };
    let (server, key) = known.serve_with("localhost", |_| {}, None).await;
    assert!(believes(&server, both(key, &known)).await, "its key and its authority");
    assert!(!believes(&server, both(key, &nobody)).await, "its key alone");
    assert!(!believes(&server, both([8; 32], &known)).await, "its authority alone");
    let mut machine = setup(&server, with_key([8; 32]));
    machine.settings.extra_roots_pem = Some(known.pem.clone().into_bytes());
    is(&machine.open().await.outcome(outbound()).await, FAILED, "a root of the host");
}

/// What a broker would have read, since a broker of a test takes no data.
static SHOWN: std::sync::Mutex<Option<(String, String)>> = std::sync::Mutex::new(None);

fn shown() -> Credential {
    let (chain, key) = SHOWN.lock().unwrap().clone().unwrap();
    let certificate = ClientCertificate::from_pem(&Secret::new(chain), &Secret::new(key));
    Credential::ClientCertificate(Arc::new(certificate.unwrap()))
}

#[tokio::test]
async fn a_server_that_asks_who_connects_is_shown_the_certificate_of_the_capability() {
    let (authority, strangers) = (Authority::new(), Authority::new());
    let (server, _) = authority.serve_with("localhost", |_| {}, Some(&authority)).await;
    let connect = async |client: Option<(String, String)>| {
        let mut setup = setup(&server, signed_by(&authority));
        match client {
            None => (setup.scope.credential, setup.scope.slot) = (None, None),
            Some(client) => {
                *SHOWN.lock().unwrap() = Some(client);
                setup = Setup { other: Some(shown), ..setup.slot(Slot::ClientCertificate) };
            }
        }
        setup.open().await.outcome(outbound()).await
    };
    is(&connect(None).await, FAILED, "no certificate");
    is(&connect(Some(strangers.client())).await, FAILED, "a certificate of somebody else");
    assert!(server.requests().is_empty());
    is(&connect(Some(authority.client())).await, SENT, "its certificate");
    let request = server.requests().remove(0);
    assert!(!request.contains("authorization") && !request.contains("BEGIN"), "{request}");
}

#[test]
fn a_client_certificate_is_a_chain_and_the_key_of_its_first() {
    let authority = Authority::new();
    let ((chain, key), (_, other)) = (authority.client(), authority.client());
    let read = |chain: &str, key: &str| {
        ClientCertificate::from_pem(&Secret::new(chain), &Secret::new(key)).map(drop)
    };
    assert_eq!(read(&format!("{chain}{}", authority.pem), &key), Ok(()));
    for (chain, wrong) in
        [(&*chain, &*other), ("", &*key), (&*chain, ""), (&*key, &*key), ("no PEM", &*key)]
    {
        let why = read(chain, wrong).unwrap_err();
        assert!(!why.contains("BEGIN"), "{why}");
    }
    assert!(Secret::new(chain).check_kept().is_ok());
    assert!(Secret::new(key.clone()).check_kept().is_ok());
    // No header holds them.
    assert!(Secret::new(key).check().is_err());
    assert!(Secret::new("ghp_Zx81\n-----BEGIN PRIVATE KEY-----").check_kept().is_err());
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
