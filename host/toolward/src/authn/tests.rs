//! Which tokens make a principal. Each refused token is the good one with one thing changed.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers, and a panic fails the test")]
mod catalogue;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use tempfile::TempDir;

use jsonwebtoken::Algorithm;
use toolward_gate::Kind;

use super::*;

const ISSUER: &str = "https://login.example.com";
const KEY_ID: &str = "2026";

/// An issuer with one key, and a configuration that trusts it.
struct Login {
    folder: TempDir,
    key: EncodingKey,
}

impl Login {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (key, point) = key();
        let public = json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": KEY_ID, "x": BASE64_URL_SAFE_NO_PAD.encode(&point) });
        let keys = json!({ "keys": [public] });
        fs::write(folder.path().join("keys.json"), keys.to_string()).unwrap();
        Self { folder, key }
    }

    fn authn(&self, configuration: &str) -> Result<Authn, AuthnError> {
        let path = self.folder.path().join("toolward.toml");
        fs::write(&path, configuration).unwrap();
        testing::authn(&Config::load(&path).unwrap())
    }

    fn identify(&self, token: &str) -> Result<Principal, AuthnError> {
        self.identify_with(&configuration("EdDSA"), token)
    }

    fn identify_with(&self, configuration: &str, token: &str) -> Result<Principal, AuthnError> {
        identify(&self.authn(configuration).unwrap(), Some(Shown::bearer(token)))
    }

    /// A good token with its claims changed.
    fn token(&self, change: impl FnOnce(&mut Value)) -> String {
        self.token_with(&header(), change)
    }

    fn token_with(&self, header: &Header, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = good();
        change(&mut claims);
        encode(header, &claims, &self.key).unwrap()
    }
}

fn identify(authn: &Authn, shown: Option<Shown<'_>>) -> Result<Principal, AuthnError> {
    futures::executor::block_on(authn.identify(shown))
}

fn configuration(algorithm: &str) -> String {
    format!(
        "environment = \"production\"\n[issuer.\"{ISSUER}\"]\njwks = \"keys.json\"\naudience = \"toolward\"\nalgorithms = [\"{algorithm}\"]\n"
    )
}

/// A new one, and its public half.
fn key() -> (EncodingKey, Vec<u8>) {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let key = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).unwrap();
    (key, rcgen::PublicKeyData::der_bytes(&pair).to_vec())
}

fn header() -> Header {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(KEY_ID.to_owned());
    header.typ = Some("at+jwt".to_owned());
    header
}

fn good() -> Value {
    json!({ "iss": ISSUER, "aud": "toolward", "sub": "ana", "exp": now() + 600, "iat": now() - 600, "nbf": now() - 600 })
}

#[expect(clippy::disallowed_methods, reason = "tokens are checked against the time of the machine")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

fn said(refused: Result<Principal, AuthnError>) -> String {
    refused.unwrap_err().to_string()
}

#[test]
fn a_good_token_makes_a_principal_that_ends_with_it() {
    let login = Login::new();
    let principal = login
        .identify(&login.token(|claims| {
            claims["roles"] = json!(["triage"]);
            claims["scope"] = json!("github:issues:read openid");
        }))
        .unwrap();
    assert_eq!(principal.id(), "ana");
    assert_eq!(principal.kind(), Kind::User);
    assert!(principal.roles().contains("triage"));
    assert!(principal.acts_for().is_empty());
    let in_scope = |name: &str| principal.in_scope(&name.parse().unwrap());
    assert!(in_scope("github:issues:read") && !in_scope("github:issues:write"));
    let left = principal.ends_at().unwrap().as_second() - i64::try_from(now()).unwrap();
    assert!((590..=600).contains(&left), "{left}");
}

#[test]
fn an_actor_speaks_for_the_subject_of_its_token() {
    let login = Login::new();
    let act = json!({ "sub": "agent-7", "act": { "sub": "orchestrator" } });
    let principal = login.identify(&login.token(|claims| claims["act"] = act)).unwrap();
    assert_eq!((principal.id(), principal.kind()), ("agent-7", Kind::Agent));
    assert_eq!(principal.acts_for(), ["orchestrator", "ana"]);
    let deep = (0..9).fold(json!({ "sub": "a" }), |act, _| json!({ "sub": "a", "act": act }));
    assert!(login.identify(&login.token(|claims| claims["act"] = deep)).is_err());
}

#[test]
fn a_claim_that_is_not_what_is_configured_is_refused() {
    let login = Login::new();
    login.identify(&login.token(|_| {})).unwrap();
    let changes: [(&str, Value); 12] = [
        ("iss", json!("https://login.example.org")),
        ("iss", json!("https://login.example.com/")),
        ("iss", json!([ISSUER])),
        ("aud", json!("somebody-else")),
        ("aud", json!([])),
        ("exp", json!(now() - 60)),
        ("exp", json!("tomorrow")),
        ("nbf", json!(now() + 300)),
        ("sub", json!("")),
        ("sub", json!("ana\u{7}")),
        ("roles", json!(7)),
        ("kind", json!("root")),
    ];
    for (claim, value) in changes {
        let token = login.token(|claims| claims[claim] = value.clone());
        let refused = said(login.identify(&token));
        assert!(refused.starts_with("the token is not one that"), "{claim} {value}: {refused}");
        assert!(!refused.contains(&token));
    }
    // Clocks may differ by half a minute.
    login.identify(&login.token(|claims| claims["exp"] = json!(now() - 10))).unwrap();
}

#[test]
fn a_claim_that_is_missing_is_refused() {
    let login = Login::new();
    for claim in ["iss", "aud", "sub", "exp", "iat"] {
        let token = login.token(|claims| drop(claims.as_object_mut().unwrap().remove(claim)));
        said(login.identify(&token));
    }
    login
        .identify(&login.token(|claims| drop(claims.as_object_mut().unwrap().remove("nbf"))))
        .unwrap();
}

#[test]
fn an_algorithm_that_the_token_chooses_is_refused() {
    let login = Login::new();
    let token = login.token(|_| {});
    login.identify(&token).unwrap();
    // Not signed at all.
    let parts: Vec<&str> = token.split('.').collect();
    let unsigned = |header: &Value| {
        format!("{}.{}.", BASE64_URL_SAFE_NO_PAD.encode(header.to_string().as_bytes()), parts[1])
    };
    for algorithm in ["none", "None", "NONE", "EdDSA"] {
        said(
            login.identify(&unsigned(&json!({ "alg": algorithm, "typ": "at+jwt", "kid": KEY_ID }))),
        );
    }
    // Signed with what everybody knows: the issuer's public keys as a shared key.
    let public = fs::read(login.folder.path().join("keys.json")).unwrap();
    let keys: Value = serde_json::from_slice(&public).unwrap();
    let point = keys["keys"][0]["x"].as_str().unwrap();
    let shared = [
        EncodingKey::from_secret(&public),
        EncodingKey::from_secret(point.as_bytes()),
        EncodingKey::from_base64_secret(point).unwrap_or_else(|_| EncodingKey::from_secret(b"")),
    ];
    for key in shared {
        let mut header = header();
        header.alg = Algorithm::HS256;
        said(login.identify(&encode(&header, &good(), &key).unwrap()));
    }
}

#[test]
fn a_token_of_an_algorithm_that_is_not_configured_is_refused() {
    let login = Login::new();
    let token = login.token(|_| {});
    let refused = login.identify_with(&configuration("ES256"), &token);
    assert!(said(refused).contains("algorithm"));
    login.identify_with(&configuration("EdDSA"), &token).unwrap();
}

#[test]
fn a_token_of_another_key_or_without_one_is_refused() {
    let login = Login::new();
    let mut other = header();
    other.kid = Some("2025".to_owned());
    said(login.identify(&login.token_with(&other, |_| {})));
    said(login.identify(&encode(&header(), &good(), &key().0).unwrap()));
    login.identify(&login.token_with(&header(), |_| {})).unwrap();
    // The only key needs no name.
    let mut unnamed = header();
    unnamed.kid = None;
    login.identify(&login.token_with(&unnamed, |_| {})).unwrap();
}

#[test]
fn a_token_that_was_changed_after_it_was_signed_is_refused() {
    let login = Login::new();
    let (token, other) = (login.token(|_| {}), login.token(|claims| claims["sub"] = json!("zoe")));
    let (one, two): (Vec<&str>, Vec<&str>) =
        (token.split('.').collect(), other.split('.').collect());
    said(login.identify(&[one[0], two[1], one[2]].join(".")));
    for text in ["", ".", "..", "a.b.c", &token.repeat(200), token.trim_end_matches(one[2])] {
        said(login.identify(text));
    }
    login.identify(&token).unwrap();
}

#[test]
fn without_a_token_the_configured_caller_speaks_and_in_development_only() {
    let login = Login::new();
    let caller = "[caller]\nid = \"me\"\nroles = [\"assistant\"]\nacts_for = [\"ana\"]\n";
    let development = format!("environment = \"development\"\n{caller}");
    let principal = identify(&login.authn(&development).unwrap(), None).unwrap();
    assert_eq!((principal.id(), principal.kind()), ("me", Kind::Agent));
    assert_eq!(principal.acts_for(), ["ana"]);
    let production = login.authn(&format!("environment = \"production\"\n{caller}"));
    assert!(matches!(production, Err(AuthnError::CallerInProduction)));
    let nobody = identify(&login.authn("environment = \"development\"").unwrap(), None);
    assert!(matches!(nobody, Err(AuthnError::Nobody)));
    // A token is not overruled by a caller.
    said(login.identify_with(&development, "a.b.c"));
}

#[test]
fn keys_that_cannot_be_read_are_told_with_their_file() {
    let login = Login::new();
    login.authn(&configuration("EdDSA")).unwrap();
    let keys = login.folder.path().join("keys.json");
    let mut told = Vec::new();
    for text in ["", "{}", "-----BEGIN PUBLIC KEY-----"] {
        fs::write(&keys, text).unwrap();
        told.push(login.authn(&configuration("EdDSA")).unwrap_err().to_string());
    }
    fs::remove_file(&keys).unwrap();
    told.push(login.authn(&configuration("EdDSA")).unwrap_err().to_string());
    let folder = login.folder.path().canonicalize().unwrap();
    insta::assert_snapshot!(told.join("\n").replace(folder.to_str().unwrap(), "FOLDER"));
}

#[test]
fn a_header_that_brings_a_key_or_changes_what_is_signed_is_refused() {
    let login = Login::new();
    let signed = |change: &dyn Fn(&mut Value)| {
        let mut header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": KEY_ID });
        change(&mut header);
        testing::signed_values(&header, &good(), &login.key)
    };
    login.identify(&signed(&|_| {})).unwrap();
    login.identify(&signed(&|header| header["x5t"] = json!("abc"))).unwrap();
    login.identify(&signed(&|header| header["typ"] = json!("application/AT+JWT"))).unwrap();
    let fields: [(&str, Value); 10] = [
        ("crit", json!(["exp"])),
        ("jku", json!("https://login.example.com/keys")),
        ("x5u", json!("https://login.example.com/certificate")),
        ("x5c", json!(["AAAA"])),
        ("jwk", json!({ "kty": "OKP" })),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("b64", json!(false)),
        ("cty", json!("JWT")),
        ("typ", json!("JWT")),
    ];
    for (field, value) in fields {
        let token = signed(&|header| header[field] = value.clone());
        said(login.identify(&token));
    }
    said(login.identify(&signed(&|header| drop(header.as_object_mut().unwrap().remove("typ")))));
    let configuration = format!("{}types = [\"JWT\"]\n", configuration("EdDSA"));
    let token = signed(&|header| header["typ"] = json!("JWT"));
    login.identify_with(&configuration, &token).unwrap();
}

#[test]
fn a_claim_that_stands_twice_is_refused() {
    let login = Login::new();
    let signed = |claims: &str| {
        let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": KEY_ID }).to_string();
        testing::signed(&header, claims, &login.key, Algorithm::EdDSA)
    };
    let good = good().to_string();
    login.identify(&signed(&good)).unwrap();
    said(login.identify(&signed(&good.replacen('{', "{\"sub\":\"zoe\",", 1))));
}

#[test]
fn a_token_from_the_future_or_with_a_long_life_is_refused() {
    let login = Login::new();
    let token = |iat: u64, exp: u64| {
        login.token(|claims| {
            claims["iat"] = json!(iat);
            claims["exp"] = json!(exp);
        })
    };
    login.identify(&token(now() + 10, now() + 600)).unwrap();
    said(login.identify(&token(now() + 300, now() + 600)));
    login.identify(&token(now(), now() + 24 * 60 * 60)).unwrap();
    said(login.identify(&token(now() - 5, now() + 24 * 60 * 60)));
    let shorter = format!("{}max_lifetime_seconds = 60\n", configuration("EdDSA"));
    login.identify_with(&shorter, &token(now(), now() + 60)).unwrap();
    said(login.identify_with(&shorter, &token(now(), now() + 61)));
}

#[test]
fn roles_and_scopes_come_through_the_mapping_of_the_issuer() {
    let login = Login::new();
    let mapping = "roles = { claim = \"/realm/groups\", map = { \"eng-oncall\" = [\"oncall\", \"triage\"] } }\n\
                   scopes = { claim = \"/scp\", map = { issues = [\"github:issues:read\", \"github:issues:write\"] } }\n";
    let configuration = format!("{}{mapping}", configuration("EdDSA"));
    let token = login.token(|claims| {
        claims["roles"] = json!(["admin"]);
        claims["scope"] = json!("github:repo:delete");
        claims["realm"] = json!({ "groups": ["eng-oncall", "everybody"] });
        claims["scp"] = json!(["issues", "openid"]);
    });
    let principal = login.identify_with(&configuration, &token).unwrap();
    let roles: Vec<&str> = principal.roles().iter().map(String::as_str).collect();
    assert_eq!(roles, ["oncall", "triage"]);
    let in_scope = |name: &str| principal.in_scope(&name.parse().unwrap());
    assert!(in_scope("github:issues:read") && in_scope("github:issues:write"));
    assert!(!in_scope("github:repo:delete"));
    let without = login.token(|_| {});
    let principal = login.identify_with(&configuration, &without).unwrap();
    assert!(principal.roles().is_empty());
    assert!(principal.in_scope(&"github:issues:read".parse().unwrap()), "nothing was narrowed");
}

#[test]
fn keys_may_stand_in_the_configuration_itself() {
    let login = Login::new();
    let keys = fs::read_to_string(login.folder.path().join("keys.json")).unwrap();
    let keys: Value = serde_json::from_str(&keys).unwrap();
    let x = keys["keys"][0]["x"].as_str().unwrap();
    let inline = format!(
        "{{ keys = [{{ kty = \"OKP\", crv = \"Ed25519\", kid = \"{KEY_ID}\", x = \"{x}\" }}] }}"
    );
    let configuration = configuration("EdDSA").replace("\"keys.json\"", &inline);
    login.identify_with(&configuration, &login.token(|_| {})).unwrap();
    let other = configuration.replace(x, &BASE64_URL_SAFE_NO_PAD.encode(key().1));
    said(login.identify_with(&other, &login.token(|_| {})));
}

/// RFC 8705 section 3: over its certificate, and no other.
#[test]
fn a_token_that_is_bound_to_a_certificate_is_taken_over_that_one_only() {
    use sha2::Digest as _;
    let login = Login::new();
    let certificate = || {
        let made = rcgen::generate_simple_self_signed(["robo".to_owned()]).unwrap();
        made.cert.der().clone()
    };
    let (own, other) = (certificate(), certificate());
    let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(&own));
    let bound = |confirmation: Value| login.token(|claims| claims["cnf"] = confirmation);
    let authn = login.authn(&configuration("EdDSA")).unwrap();
    let over = |token: &str, chain: &[CertificateDer<'_>]| {
        futures::executor::block_on(authn.bearer_over(token, chain))
    };
    let token = bound(json!({ "x5t#S256": thumbprint }));
    over(&token, std::slice::from_ref(&own)).unwrap();
    said(over(&token, std::slice::from_ref(&other)));
    said(over(&token, &[]));
    said(login.identify(&token));
    // What is bound to something else besides, or to something that is not known, is not taken.
    let both = bound(json!({ "x5t#S256": thumbprint, "kid": "1" }));
    said(over(&both, std::slice::from_ref(&own)));
    said(over(&bound(json!({ "kid": "1" })), std::slice::from_ref(&own)));
    said(over(&bound(json!({ "jkt": "1" })), std::slice::from_ref(&own)));
    // One that is bound to nothing is taken over any.
    over(&login.token(|_| {}), std::slice::from_ref(&other)).unwrap();
}

/// E-17, and what cannot be looked up.
#[test]
fn a_denied_token_is_refused_and_so_is_every_one_while_nothing_can_be_looked_up() {
    let login = Login::new();
    let path = login.folder.path().join("toolward.toml");
    fs::write(&path, configuration("EdDSA")).unwrap();
    let records = Arc::new(testing::Memory::default());
    let authn = testing::authn_with(&Config::load(&path).unwrap(), &records).unwrap();
    let bearer = |token: &str| futures::executor::block_on(authn.bearer(token));
    // By its name, or by its digest where it has none: another signature does not make it another one.
    for name in [Some("t1"), None] {
        let token = login.token(|claims| {
            if let Some(name) = name {
                claims["jti"] = json!(name);
            }
        });
        let proven = bearer(&token).unwrap().proven_by()[0].clone();
        assert_eq!(
            (proven.issuer.as_str(), proven.id.starts_with("sha256:")),
            (ISSUER, name.is_none())
        );
        records.denied.lock().unwrap().push(toolward_gate::Denial {
            target: toolward_gate::DenialTarget::Token {
                issuer: proven.issuer,
                id: proven.id,
                tree: false,
            },
            reason: "lost".to_owned(),
            by: "ana".to_owned(),
            since: proven.issued_at,
            expires_at: None,
        });
        assert!(matches!(bearer(&token), Err(AuthnError::Denied)));
        assert!(futures::executor::block_on(authn.examine(&token)).is_ok());
    }
    let other = login.token(|claims| claims["jti"] = json!("t2"));
    bearer(&other).unwrap();
    *records.unreadable.lock().unwrap() = true;
    assert!(matches!(bearer(&other), Err(AuthnError::Unavailable(_))));
    said(bearer(&login.token(|claims| claims["jti"] = json!(""))));
}
