//! Requests for tokens over real TLS, and every answer to them.
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{
    BrokerConfig,
    tests::{Bench, Endpoint, SECRET, answer},
};
use super::answer::read;
use crate::host_request::Answer;

const TOKEN: &str = "at_Zx81kQ7mW0pLr5vTnB4y";

fn config(endpoint: &Endpoint, more: &str) -> String {
    format!(
        "kind = \"oauth2-client-credentials\"\nstore = \"local\"\ntoken_endpoint = \"{}\"\n\
         allow_private = true\nclient_id = \"tool:ward\"\nclient_secret = \"crm-secret\"\n{more}",
        endpoint.url("/oauth2/token")
    )
}

fn bench(endpoint: &Endpoint, more: &str) -> Bench {
    Bench::of(&config(endpoint, more), &endpoint.authority, &[("crm-secret", SECRET)])
}

fn given() -> Value {
    json!({ "access_token": TOKEN, "token_type": "Bearer", "expires_in": 900 })
}

/// What becomes of one answer.
async fn told(
    status: &'static str,
    media_type: &'static str,
    body: String,
) -> Result<String, String> {
    let endpoint = Endpoint::start(move |_, _| answer(status, media_type, &body)).await;
    bench(&endpoint, "scope = [\"read\", \"write\"]").token().await
}

async fn told_json(body: &Value) -> Result<String, String> {
    told("200 OK", "application/json; charset=utf-8", body.to_string()).await
}

#[tokio::test]
async fn a_client_shows_its_secret_in_a_header_or_in_the_form_and_asks_for_what_is_configured() {
    let endpoint =
        Endpoint::start(|_, _| answer("200 OK", "application/json", &given().to_string())).await;
    let asked = "scope = [\"read\", \"write\"]\naudience = \"crm\"\nresource = [\"urn:api\"]\n";
    let post = format!("{asked}authentication = \"client-secret-post\"");
    for more in [asked, &post] {
        assert_eq!(bench(&endpoint, more).token().await.as_deref(), Ok(TOKEN));
    }
    let [basic, post] = endpoint.seen().try_into().unwrap();
    for seen in [&basic, &post] {
        assert_eq!(seen.line, "POST /oauth2/token HTTP/1.1");
        assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
        assert_eq!(seen.field("grant_type").as_deref(), Some("client_credentials"));
        assert_eq!(seen.field("scope").as_deref(), Some("read write"));
        assert_eq!(seen.field("audience").as_deref(), Some("crm"));
        assert_eq!(seen.field("resource").as_deref(), Some("urn:api"));
    }
    // A colon in the identifier would end it.
    let shown = format!("Basic {}", STANDARD.encode(format!("tool%3Award:{SECRET}")));
    assert_eq!(basic.header("authorization"), Some(shown.as_str()));
    assert!(!basic.body.contains(SECRET) && basic.field("client_id").is_none());
    assert_eq!(post.header("authorization"), None);
    assert_eq!(post.field("client_id").as_deref(), Some("tool:ward"));
    assert_eq!(post.field("client_secret").as_deref(), Some(SECRET));
}

/// RFC 7523 section 3, checked with the public key.
#[tokio::test]
async fn a_client_signs_who_it_is_for_this_endpoint_and_for_a_minute() {
    let endpoint =
        Endpoint::start(|_, _| answer("200 OK", "application/json", &given().to_string())).await;
    let curves = [
        (&rcgen::PKCS_RSA_SHA256, Algorithm::RS256),
        (&rcgen::PKCS_ECDSA_P256_SHA256, Algorithm::ES256),
        (&rcgen::PKCS_ECDSA_P384_SHA384, Algorithm::ES384),
        (&rcgen::PKCS_ED25519, Algorithm::EdDSA),
    ];
    let config = config(&endpoint, "authentication = \"private-key-jwt\"\nkey_id = \"k-7\"\n");
    let config = config.replace("client_secret =", "client_key =");
    for (kind, algorithm) in curves {
        let Ok(key) = rcgen::KeyPair::generate_for(kind) else { continue };
        let bench =
            Bench::of(&config, &endpoint.authority, &[("crm-secret", &key.serialize_pem())]);
        assert_eq!(bench.token().await.as_deref(), Ok(TOKEN), "{algorithm:?}");
        let seen = endpoint.seen().pop().unwrap();
        assert_eq!(seen.field("client_id").as_deref(), Some("tool:ward"));
        assert_eq!(seen.field("client_assertion_type").as_deref(), Some(super::assertion::TYPE));
        assert!(seen.header("authorization").is_none() && seen.field("client_secret").is_none());
        let signed = seen.field("client_assertion").unwrap();
        let pem = key.public_key_pem();
        let public = if algorithm == Algorithm::RS256 {
            DecodingKey::from_rsa_pem(pem.as_bytes())
        } else if algorithm == Algorithm::EdDSA {
            DecodingKey::from_ed_pem(pem.as_bytes())
        } else {
            DecodingKey::from_ec_pem(pem.as_bytes())
        };
        let mut expected = Validation::new(algorithm);
        expected.set_audience(&[endpoint.url("/oauth2/token")]);
        expected.set_issuer(&["tool:ward"]);
        let read =
            jsonwebtoken::decode::<Value>(&signed, public.as_ref().unwrap(), &expected).unwrap();
        assert_eq!(read.header.kid.as_deref(), Some("k-7"));
        let number = |claim: &str| read.claims[claim].as_i64().unwrap();
        assert_eq!(
            (read.claims["sub"].as_str(), number("exp") - number("iat")),
            (Some("tool:ward"), 60)
        );
        assert_eq!(read.claims["jti"].as_str().unwrap().len(), 32);
        assert!(bench.house.registry.scanner().finds(signed.as_bytes()), "it must not come back");
        expected.set_audience(&["https://elsewhere.example/token"]);
        assert!(
            jsonwebtoken::decode::<Value>(&signed, public.as_ref().unwrap(), &expected).is_err()
        );
    }
    assert!(endpoint.seen().len() >= 3);
    let no_key = Bench::of(&config, &endpoint.authority, &[("crm-secret", SECRET)]);
    let error = no_key.token().await.unwrap_err();
    assert!(error.contains("PEM form") && !error.contains(SECRET), "{error}");
}

#[tokio::test]
async fn a_capability_gets_a_token_for_its_own_part_of_the_scope() {
    let endpoint = Endpoint::start(|_, number| {
        let body = json!({ "access_token": format!("{TOKEN}{number}"), "token_type": "Bearer" });
        answer("200 OK", "application/json", &body.to_string())
    })
    .await;
    let bench = bench(&endpoint, "scope = [\"read\", \"write\"]");
    let value = |minted: crate::broker::Minted| minted.credential.values()[0].to_string();
    let all = bench.token().await.unwrap();
    let read = value(bench.mint_scoped("read").await.unwrap());
    let write = value(bench.mint_scoped("write").await.unwrap());
    assert!(all != read && read != write && all != write);
    assert_eq!(value(bench.mint_scoped("read").await.unwrap()), read, "kept under its scope");
    let asked: Vec<_> = endpoint.seen().iter().map(|seen| seen.field("scope").unwrap()).collect();
    assert_eq!(asked, ["read write", "read", "write"]);
}

#[tokio::test]
async fn a_token_is_taken_only_from_an_answer_that_is_one() {
    let with = |key: &str, value: Value| {
        let mut body = given();
        body[key] = value;
        body
    };
    let good = [
        given(),
        with("token_type", json!("bearer")),
        with("expires_in", Value::Null),
        with("scope", json!("read")),
        with("scope", json!("write read")),
        with("refresh_token", json!("rt_unused")),
    ];
    for body in good {
        assert_eq!(told_json(&body).await.as_deref(), Ok(TOKEN), "{body}");
    }
    let bad = [
        (with("token_type", json!("mac")), "`token_type`"),
        (with("token_type", Value::Null), "no JSON object"),
        (with("access_token", json!("")), "`access_token`"),
        (with("access_token", json!("a\r\nx-evil: 1 0123456789")), "`access_token`"),
        (with("access_token", json!("a".repeat(40))), "too regular"),
        (with("access_token", json!("aB".repeat(9 << 10))), "`access_token`"),
        (with("expires_in", json!(0)), "`expires_in`"),
        (with("expires_in", json!(-5)), "no JSON object"),
        (with("expires_in", json!("900")), "no JSON object"),
        (with("scope", json!("read admin")), "more than the `scope`"),
        (json!([given()]), "no JSON object"),
    ];
    for (body, why) in bad {
        let error = told_json(&body).await.unwrap_err();
        assert!(error.contains(why), "{body}: {error}");
    }
    let twice = format!(
        "{{\"access_token\":\"{TOKEN}\",\"access_token\":\"{TOKEN}\",\"token_type\":\"Bearer\"}}"
    );
    assert!(told("200 OK", "application/json", twice).await.is_err());
    assert!(told("200 OK", "text/html", given().to_string()).await.is_err());
    assert!(told("201 Created", "application/json", given().to_string()).await.is_err());
    assert!(told("302 Found", "application/json", given().to_string()).await.is_err());
}

#[tokio::test]
async fn what_a_token_endpoint_says_is_in_no_error_and_its_known_codes_are_explained() {
    for (status, code, expected) in [
        ("400 Bad Request", "invalid_scope", "`invalid_scope`; check `scope`"),
        ("401 Unauthorized", "invalid_client", "check `client_id`"),
        ("403 Forbidden", "m4rk-of-the-server", "no reason that is known here"),
        ("503 m4rk-of-the-server", "m4rk-of-the-server", "a fault of its own"),
    ] {
        let body =
            json!({ "error": code, "error_description": format!("m4rk-of-the-server {SECRET}") });
        let error = told(status, "application/json", body.to_string()).await.unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("m4rk") && !error.contains(SECRET), "{error}");
    }
    let long = format!("{{\"error\":\"invalid_scope\",\"m4rk\":\"{}\"}}", "a".repeat(64 << 10));
    let error = told("400 Bad Request", "application/json", long).await.unwrap_err();
    assert!(error.contains("longer than 64 KiB"), "{error}");
}

/// A server that gives tokens, and says this of their revocation.
async fn revoking(status: &'static str, body: &'static str) -> Endpoint {
    Endpoint::start(move |request, _| match request.line.starts_with("POST /oauth2/revoke ") {
        true => answer(status, "application/json", body),
        false => answer("200 OK", "application/json", &given().to_string()),
    })
    .await
}

async fn revoked(endpoint: &Endpoint, more: &str) -> Vec<Result<(), String>> {
    let bench = bench(endpoint, more);
    assert_eq!(bench.token().await.as_deref(), Ok(TOKEN));
    let told = futures::future::join_all(bench.broker.withdraw(None, &bench.house)).await;
    told.into_iter().map(|one| one.map_err(|error| error.to_string())).collect()
}

/// RFC 7009 section 2.1.
#[tokio::test]
async fn a_token_is_revoked_where_the_configuration_says_and_with_the_clients_own_proof() {
    let endpoint = revoking("200 OK", "").await;
    let more = format!("revocation_endpoint = \"{}\"\n", endpoint.url("/oauth2/revoke"));
    let post = format!("{more}authentication = \"client-secret-post\"");
    for more in [more.as_str(), &post] {
        assert_eq!(revoked(&endpoint, more).await, [Ok(())]);
    }
    let [first, basic, second, post] = endpoint.seen().try_into().unwrap();
    for seen in [&basic, &post] {
        assert_eq!(seen.line, "POST /oauth2/revoke HTTP/1.1");
        assert_eq!(seen.field("token").as_deref(), Some(TOKEN));
        assert_eq!(seen.field("token_type_hint").as_deref(), Some("access_token"));
        assert_eq!(seen.field("grant_type"), None);
    }
    assert_eq!(basic.header("authorization"), first.header("authorization"));
    assert_eq!(post.field("client_secret"), second.field("client_secret"));
    assert!(post.header("authorization").is_none() && basic.field("client_secret").is_none());
    assert!(revoked(&endpoint, "").await.is_empty(), "nobody is asked that nobody named");
}

#[tokio::test]
async fn what_a_server_says_of_a_revocation_is_explained_and_not_repeated() {
    for (status, body, expected) in [
        ("400 Bad Request", r#"{"error":"unsupported_token_type"}"#, "does not revoke"),
        ("401 Unauthorized", r#"{"error":"invalid_client"}"#, "check `client_id`"),
        ("404 Not Found", "m4rk", "no reason that is known here"),
        ("302 Found", "m4rk", "no reason that is known here"),
        ("503 Service Unavailable", "m4rk", "a fault of its own"),
    ] {
        let endpoint = revoking(status, body).await;
        let more = format!("revocation_endpoint = \"{}\"", endpoint.url("/oauth2/revoke"));
        let told = revoked(&endpoint, &more).await.remove(0).unwrap_err();
        assert!(
            told.contains(expected) && !told.contains("m4rk") && !told.contains(TOKEN),
            "{told}"
        );
    }
}

/// SSRF of the host itself: the endpoint's address is checked as a tool's destination is.
#[tokio::test]
async fn a_private_endpoint_is_asked_only_where_the_credential_says_so_and_never_under_another_name()
 {
    let endpoint =
        Endpoint::start(|_, _| answer("200 OK", "application/json", &given().to_string())).await;
    let open = config(&endpoint, "");
    let asked = async |config: &str, authority: &str| {
        Bench::of(config, authority, &[("crm-secret", SECRET)]).token().await
    };
    let closed = open.replace("allow_private = true\n", "");
    let error = asked(&closed, &endpoint.authority).await.unwrap_err();
    assert!(error.contains("`allow_private`"), "{error}");
    let stranger = Endpoint::start(|_, _| Vec::new()).await;
    let error = asked(&open, &stranger.authority).await.unwrap_err();
    assert!(error.contains("cannot be reached"), "{error}");
    assert!(endpoint.seen().is_empty());
    assert_eq!(asked(&open, &endpoint.authority).await.as_deref(), Ok(TOKEN));
}

#[tokio::test]
async fn a_redirect_of_a_token_endpoint_is_not_followed() {
    let away =
        Endpoint::start(|_, _| answer("200 OK", "application/json", &given().to_string())).await;
    let location = away.url("/token");
    let endpoint = Endpoint::start(move |_, _| {
        format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes()
    })
    .await;
    let asked = Bench::of(
        &config(&endpoint, ""),
        &format!("{}{}", endpoint.authority, away.authority),
        &[("crm-secret", SECRET)],
    );
    assert!(asked.token().await.is_err());
    assert_eq!((endpoint.seen().len(), away.seen().len()), (1, 0));
}

#[test]
fn what_is_configured_is_checked_before_anything_is_asked() {
    let parse = |from: &str, to: &str| {
        let text = "kind = \"oauth2-client-credentials\"\nstore = \"local\"\n\
            token_endpoint = \"https://login.example.com/token\"\nclient_id = \"toolward\"\n\
            client_secret = \"crm-secret\"\nscope = [\"read\"]\nresource = [\"urn:api\"]\n";
        toml::from_str::<BrokerConfig>(&text.replace(from, to)).map_err(|error| error.to_string())
    };
    assert!(parse("", "").is_ok());
    for (from, to, why) in [
        ("https://", "http://", "over `https`"),
        ("store =", "revocation_endpoint = \"http://a.example.com/\"\nstore =", "over `https`"),
        ("/token", "/a/../token", "dot segment"),
        ("\"read\"", "\"read write\"", "without spaces"),
        ("\"toolward\"", "\"\"", "visible ASCII"),
        ("urn:api", "urn:api#a", "absolute URIs"),
        ("store =", "shop =", "unknown field"),
        ("\"crm-secret\"", "\"cs_7Qm2/V9pLr5v\"", "not a secret name"),
        ("scope =", "authentication = \"none\"\nscope =", "unknown variant"),
        ("scope =", "authentication = \"private-key-jwt\"\nscope =", "`client_key`"),
        ("client_secret =", "client_key =", "`client_secret`"),
        ("scope =", "key_id = \"a\"\nscope =", "`client_secret`"),
    ] {
        let error = parse(from, to).unwrap_err();
        assert!(error.contains(why), "{from} {to}: {error}");
    }
}

proptest! {
    #[test]
    fn any_body_is_taken_or_refused(body in "\\PC{0,200}") {
        let asked = Answer {
            status: http::StatusCode::OK,
            media_type: "application/json".to_owned(),
            body: body.into_bytes().into(),
        };
        prop_assert!(read(&asked, &[]).is_err());
    }
}
