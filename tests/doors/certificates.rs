//! Client certificates: who is known by one, over real TLS.
use std::{net::SocketAddr, sync::Arc};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
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

use super::{
    issuing::{Issuer as Tokens, Key},
    server::Server,
};
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
    server_with(authority, "")
}

/// The same; `more` stands at the end of the configuration.
fn server_with(authority: &Authority, more: &str) -> (Server, RootCertStore) {
    let end = more;
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
    (Server::at(place, &format!("{more}{end}")), roots)
}

/// The status of an answer; nothing where the handshake failed.
fn status(at: SocketAddr, roots: &RootCertStore, own: Option<Own>, fields: &str) -> Option<u16> {
    let request =
        format!("GET /v1/tools HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{fields}\r\n");
    answer(at, roots, own, "localhost", &request)?.split(' ').nth(1)?.parse().ok()
}

/// All of an answer, over TLS with one who is called that; nothing where the handshake failed.
fn answer(
    at: SocketAddr,
    roots: &RootCertStore,
    own: Option<Own>,
    name: &'static str,
    request: &str,
) -> Option<String> {
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
        let name = name.try_into().unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut bytes = Vec::new();
        // A refused certificate is told after the client's own half of the handshake is done.
        let _ended = stream.read_to_end(&mut bytes).await;
        Some(String::from_utf8_lossy(&bytes).into_owned()).filter(|text| !text.is_empty())
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

/// A call, as a request of its own.
fn call(fields: &str) -> String {
    let body = "{\"tool\":\"say\",\"arguments\":{\"text\":\"over TLS\"}}";
    format!(
        "POST /v1/calls HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n{fields}\r\n{body}",
        body.len()
    )
}

#[test]
fn a_client_certificate_reaches_a_call_whose_record_names_it() {
    let authority = Authority::new();
    let (server, roots) = server(&authority);
    let ask = |own: Option<Own>| answer(server.agents, &roots, own, "localhost", &call(""));
    let told = ask(Some(authority.issues(ROBO))).unwrap();
    assert!(told.starts_with("HTTP/1.1 200 ") && told.contains("over TLS"), "{told}");
    // Known, and without a role for it.
    let plain = ask(Some(authority.issues("spiffe://example.org/other"))).unwrap();
    assert!(plain.starts_with("HTTP/1.1 403 "), "{plain}");
    assert!(ask(None).unwrap().starts_with("HTTP/1.1 401 "));
    let trail = server.place.run("audit tail").exits(0).out;
    assert!(trail.contains(&format!("{ROBO} calls say")), "{trail}");
    server.end();
}

#[test]
fn nobody_is_answered_without_tls_nor_by_a_host_that_the_client_does_not_believe() {
    let authority = Authority::new();
    let (server, roots) = server(&authority);
    let own = || Some(authority.issues(ROBO));
    let to = |roots: &RootCertStore, name: &'static str| {
        answer(server.agents, roots, own(), name, &call(""))
    };
    assert!(to(&roots, "localhost").is_some());
    assert_eq!(to(&RootCertStore::empty(), "localhost"), None);
    assert_eq!(to(&roots, "elsewhere.test"), None);
    // In the clear, nothing is said but that this is not it.
    let told = super::wire::Request::get("/healthz").begin(server.agents);
    let mut text = Vec::new();
    let _ended = std::io::Read::read_to_end(&mut &told, &mut text);
    assert!(!String::from_utf8_lossy(&text).contains("HTTP/1.1 200"), "{text:?}");
    server.end();
}

/// E-17: a token that is bound to a certificate is good over a connection with it (RFC 8705 section 3), and one that is
/// bound to a key with a proof for the URL that clients write.
#[test]
fn tokens_that_are_bound_are_good_over_tls_with_what_they_are_bound_to() {
    let (authority, tokens, holder) = (Authority::new(), Tokens::new(), Key::new());
    let (server, roots) = server_with(&authority, &tokens.table());
    let (own, other) = (authority.issues(ROBO), authority.issues(ROBO));
    let print = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&own.0[0]));
    let copy = |own: &Own| (own.0.clone(), own.1.clone_key());
    let status = |own: Option<Own>, fields: &str| {
        let told = answer(server.agents, &roots, own, "localhost", &call(fields)).unwrap();
        told.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    let bound = tokens.token(&json!({ "cnf": { "x5t#S256": print } }));
    let bearer = format!("authorization: Bearer {bound}\r\n");
    assert_eq!(status(Some(copy(&own)), &bearer), 200);
    assert_eq!(status(Some(other), &bearer), 401);
    assert_eq!(status(None, &bearer), 401);

    let bound = tokens.token(&json!({ "cnf": { "jkt": holder.thumbprint() } }));
    let shown = |url: &str| {
        let proof = holder.proof(&bound, "POST", url, &json!({}));
        status(None, &format!("authorization: DPoP {bound}\r\ndpop: {proof}\r\n"))
    };
    assert_eq!(shown("https://localhost/v1/calls"), 200);
    assert_eq!(shown("http://localhost/v1/calls"), 401);
    assert_eq!(shown(&format!("https://{}/v1/calls", server.agents)), 401);
    server.end();
}
