//! Client certificates: who is known by one, over real TLS.
use std::{net::SocketAddr, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

use super::server::Server;
use crate::cli::Place;

const ROBO: &str = "spiffe://example.org/robo";

struct Authority(Issuer<'static, KeyPair>, String);

type Own = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self(Issuer::new(params, key), pem)
    }

    fn issues(&self, id: &str) -> Own {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = vec![SanType::URI(id.try_into().unwrap())];
        let key = KeyPair::generate().unwrap();
        let made = params.signed_by(&key, &self.0).unwrap();
        (vec![made.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }
}

/// A host that answers with a certificate of its own, and believes this authority about others.
fn server(authority: &Authority) -> (Server, RootCertStore) {
    let place = Place::without_secrets(&["teller"]);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    place.write("tls.pem", &made.cert.pem());
    place.write("tls.key", &made.signing_key.serialize_pem());
    place.set_mode("tls.key", 0o600);
    place.write("clients.pem", &authority.1);
    let more = "url = \"https://localhost\"\n[listen.tls]\ncertificate = \"tls.pem\"\nkey = \"tls.key\"\n\
                [authentication.certificates]\nroots = \"clients.pem\"\ntrust_domain = \"example.org\"\n\
                [authentication.certificates.principal.\"spiffe://example.org/robo\"]\nroles = [\"assistant\"]\n";
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    (Server::at(place, more), roots)
}

/// The status of an answer; nothing where the handshake failed.
fn status(at: SocketAddr, roots: &RootCertStore, own: Option<Own>, fields: &str) -> Option<u16> {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots.clone());
    let config = match own {
        Some((chain, key)) => config.with_client_auth_cert(chain, key).unwrap(),
        None => config.with_no_client_auth(),
    };
    let asked = async {
        let stream = TcpStream::connect(at).await.unwrap();
        let name = "localhost".try_into().unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
        let request = format!(
            "GET /v1/tools HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{fields}\r\n"
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut bytes = Vec::new();
        // A refused certificate is told after the client's own half of the handshake is done.
        let _ended = stream.read_to_end(&mut bytes).await;
        String::from_utf8_lossy(&bytes).split(' ').nth(1)?.parse().ok()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(asked)
}

#[test]
fn a_certificate_is_enough_where_its_name_is_known_and_no_other_gets_in() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (server, roots) = server(&authority);
    let ask = |own: Option<Own>, fields: &str| status(server.agents, &roots, own, fields);
    assert_eq!(ask(Some(authority.issues(ROBO)), ""), Some(200));
    assert_eq!(ask(Some(authority.issues("spiffe://example.com/robo")), ""), Some(401));
    assert_eq!(ask(Some(stranger.issues(ROBO)), ""), None);
    assert_eq!(ask(None, ""), Some(401));
    // A token is what counts where there is one.
    let token = format!("authorization: Bearer {}\r\n", server.agent);
    assert_eq!(ask(None, &token), Some(200));
    assert_eq!(ask(Some(authority.issues(ROBO)), "authorization: Bearer a.b.c\r\n"), Some(401));
    let log = server.end();
    assert!(log.contains("none of its names is configured"), "{log}");
}
