//! Whose certificates are taken, and for whom. Each refused one is a good one with one thing changed.
use std::{fs, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    SanType, date_time_ymd,
};
use serde_json::json;
use tempfile::TempDir;
use toolward_gate::{Denial, DenialTarget};

use super::*;
use crate::{
    authn::{
        Authn,
        testing::{self, Memory},
    },
    config::Config,
};

const ROBO: &str = "spiffe://example.org/agent/robo";
const CONFIGURATION: &str = r#"environment = "production"
[authentication.certificates]
roots = "roots.pem"
trust_domain = "example.org"
[authentication.certificates.principal."spiffe://example.org/agent/robo"]
kind = "agent"
roles = ["assistant"]
[authentication.certificates.principal."dns:Build.Example.com"]
id = "build"
roles = ["builder"]
[authentication.certificates.principal."cn:Old Faithful"]
id = "faithful"
"#;

/// An authority that the host believes, and a host.
struct Place {
    folder: TempDir,
    records: Arc<Memory>,
    authority: Authority,
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn issues(&self, change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap().der().clone()
    }

    fn of_uris(&self, uris: &[&str]) -> CertificateDer<'static> {
        self.issues(|params| {
            let name = |uri: &&str| SanType::URI((*uri).try_into().unwrap());
            params.subject_alt_names = uris.iter().map(name).collect();
        })
    }
}

impl Place {
    fn new() -> Self {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        fs::write(folder.path().join("roots.pem"), &authority.pem).unwrap();
        Self { folder, records: Arc::default(), authority }
    }

    fn load(&self, configuration: &str) -> Result<Authn, AuthnError> {
        let path = self.folder.path().join("toolward.toml");
        fs::write(&path, configuration).unwrap();
        testing::authn_with(&Config::load(&path).unwrap(), &self.records)
    }

    async fn identify(&self, own: CertificateDer<'static>) -> Result<Principal, AuthnError> {
        self.load(CONFIGURATION).unwrap().client_certificate(&[own]).await
    }
}

#[tokio::test]
async fn a_certificate_makes_the_principal_that_its_name_is_configured_for() {
    let place = Place::new();
    let robo = place.identify(place.authority.of_uris(&[ROBO])).await.unwrap();
    assert_eq!((robo.id(), robo.kind()), (ROBO, Kind::Agent));
    assert!(robo.roles().contains("assistant") && robo.ends_at().is_some());
    let unlisted = place.authority.of_uris(&["spiffe://example.org/other"]);
    let unlisted = place.identify(unlisted).await.unwrap();
    assert_eq!(unlisted.id(), "spiffe://example.org/other");
    assert!(unlisted.roles().is_empty());
    let dns = place.authority.issues(|params| {
        params.subject_alt_names = vec![SanType::DnsName("build.example.com".try_into().unwrap())];
    });
    assert_eq!(place.identify(dns).await.unwrap().id(), "build");
    let common = place.authority.issues(|params| {
        params.distinguished_name.push(DnType::CommonName, "Old Faithful");
    });
    assert_eq!(place.identify(common).await.unwrap().id(), "faithful");
}

#[tokio::test]
async fn a_certificate_of_nobody_who_is_known_is_refused() {
    let place = Place::new();
    let refused = [
        place.authority.of_uris(&[]),
        place.authority.of_uris(&["spiffe://example.com/agent/robo"]),
        place.authority.of_uris(&["https://example.org/agent/robo"]),
        place.authority.of_uris(&[ROBO, "spiffe://example.org/other"]),
        place.authority.of_uris(&[ROBO, "https://example.org/other"]),
        place.authority.of_uris(&["spiffe://example.org"]),
        place.authority.of_uris(&["spiffe://example.org/"]),
        place.authority.of_uris(&["spiffe://example.org/agent//robo"]),
        place.authority.of_uris(&["spiffe://example.org/agent/../robo"]),
        place.authority.of_uris(&["spiffe://example.org/agent/robo?x=y"]),
        place.authority.of_uris(&["spiffe://EXAMPLE.org/agent/robo"]),
        place.authority.of_uris(&["spiffe://u@example.org/agent/robo"]),
        place.authority.issues(|params| {
            params.distinguished_name.push(DnType::CommonName, "Old Faithful ");
        }),
        // A name that only looks like another kind of name.
        place.authority.issues(|params| {
            params.distinguished_name.push(DnType::CommonName, "build.example.com");
        }),
    ];
    for (place_in_list, certificate) in refused.into_iter().enumerate() {
        let refused = place.identify(certificate).await;
        assert!(matches!(refused, Err(AuthnError::Certificate(_))), "{place_in_list}");
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_time_or_purpose_is_refused() {
    let (place, other) = (Place::new(), Authority::new());
    place.identify(place.authority.of_uris(&[ROBO])).await.unwrap();
    let named = |params: &mut CertificateParams| {
        params.subject_alt_names = vec![SanType::URI(ROBO.try_into().unwrap())];
    };
    let refused = [
        other.of_uris(&[ROBO]),
        place.authority.issues(|params| {
            named(params);
            params.not_after = date_time_ymd(2001, 1, 1);
        }),
        place.authority.issues(|params| {
            named(params);
            params.not_before = date_time_ymd(4000, 1, 1);
        }),
        place.authority.issues(|params| {
            named(params);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }),
        place.authority.issues(|params| {
            named(params);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }),
        CertificateDer::from(vec![0x30, 0x03, 0x02, 0x01, 0x01]),
    ];
    for (place_in_list, certificate) in refused.into_iter().enumerate() {
        let refused = place.identify(certificate).await;
        assert!(matches!(refused, Err(AuthnError::Certificate(_))), "{place_in_list}");
    }
    let authn = place.load(CONFIGURATION).unwrap();
    assert!(matches!(authn.client_certificate(&[]).await, Err(AuthnError::Certificate(_))));
    let without = place.load("environment = \"production\"\n").unwrap();
    let robo = [place.authority.of_uris(&[ROBO])];
    assert!(matches!(without.client_certificate(&robo).await, Err(AuthnError::NoCertificates)));
    assert!(without.client_verifier().is_none() && authn.client_verifier().is_some());
}

#[tokio::test]
async fn a_denied_certificate_is_refused() {
    let place = Place::new();
    let robo = place.authority.of_uris(&[ROBO]);
    let proven = place.identify(robo.clone()).await.unwrap().proven_by()[0].clone();
    place.records.denied.lock().unwrap().push(Denial {
        target: DenialTarget::Token { issuer: proven.issuer, id: proven.id, tree: false },
        reason: "lost".to_owned(),
        by: "ana".to_owned(),
        since: proven.issued_at,
        expires_at: None,
    });
    assert!(matches!(place.identify(robo).await, Err(AuthnError::Denied)));
    place.identify(place.authority.of_uris(&[ROBO])).await.unwrap();
}

#[test]
fn roots_that_cannot_be_read_stop_the_start() {
    let place = Place::new();
    place.load(CONFIGURATION).unwrap();
    for text in ["", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        fs::write(place.folder.path().join("roots.pem"), text).unwrap();
        assert!(matches!(place.load(CONFIGURATION), Err(AuthnError::Roots { .. })), "{text:?}");
    }
    fs::remove_file(place.folder.path().join("roots.pem")).unwrap();
    assert!(matches!(place.load(CONFIGURATION), Err(AuthnError::Roots { .. })));
}

#[test]
fn a_token_that_is_bound_to_a_certificate_is_good_with_that_one() {
    let place = Place::new();
    let (one, two) = (place.authority.of_uris(&[ROBO]), place.authority.of_uris(&[ROBO]));
    let bound = |to: &CertificateDer<'_>| json!({ "x5t#S256": BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(to)) });
    check_bound(&bound(&one), &[one.clone(), two.clone()]).unwrap();
    check_bound(&bound(&one), std::slice::from_ref(&two)).unwrap_err();
    check_bound(&bound(&one), &[two.clone(), one.clone()]).unwrap_err();
    check_bound(&bound(&one), &[]).unwrap_err();
    check_bound(&json!({ "x5t#S256": 7 }), std::slice::from_ref(&one)).unwrap_err();
    assert!(is_bound_to_one_only(&bound(&one)));
    for other in [
        json!({}),
        json!({ "jkt": "a" }),
        json!({ "x5t#S256": "a", "kid": "b" }),
        json!("x5t#S256"),
    ] {
        assert!(!is_bound_to_one_only(&other), "{other}");
    }
}
