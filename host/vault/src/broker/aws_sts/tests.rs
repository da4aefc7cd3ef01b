//! Sessions from an STS over real TLS that checks each signature by itself.
#![expect(
    clippy::string_slice,
    clippy::wildcard_enum_match_arm,
    reason = "ASCII, and what is of no other kind fails the test"
)]
use std::{collections::BTreeMap, sync::Arc};

use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use toolward_gate::{Clock, SessionPolicy};

use super::{
    super::{
        BrokerConfig, Credential, Minted,
        tests::{Bench, Endpoint, Request, answer},
    },
    answer::read,
    session_name,
};
use crate::host_request::Answer;

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const ROLE: &str = "arn:aws:iam::123456789012:role/reports";

/// It is always the same second.
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        "2026-03-02T12:00:00Z".parse().unwrap()
    }
}

fn bench(endpoint: &Endpoint, key: &str) -> Bench {
    let config = format!(
        "kind = \"aws-sts\"\nstore = \"local\"\naccess_key_id = \"aws-id\"\nsecret_access_key = \"aws-key\"\n\
         role_arn = \"{ROLE}\"\nregion = \"eu-central-1\"\nexternal_id = \"tool/ward\"\n\
         endpoint = \"{}\"\nallow_private = true",
        endpoint.url("/")
    );
    let secrets = [("aws-id", ID), ("aws-key", key)];
    Bench::at(&config, &endpoint.authority, &secrets, Arc::new(Stopped))
}

fn policy(action: &str) -> Option<SessionPolicy> {
    let resources = ["arn:aws:s3:::bucket/*".to_owned()].into();
    Some(SessionPolicy { actions: [action.to_owned()].into(), resources })
}

/// Gives numbered keys for requests that are signed with [`KEY`].
async fn sts() -> Endpoint {
    Endpoint::start(|request, number| {
        if is_signed(request) {
            answer("200 OK", "text/xml", &given(&format!("{number}"), "2026-03-02T12:15:00Z"))
        } else {
            answer("403 Forbidden", "text/xml", &refused("SignatureDoesNotMatch"))
        }
    })
    .await
}

fn given(mark: &str, expiration: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n\
         <AssumeRoleResult><Credentials><AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId>\
         <SecretAccessKey>sk{mark}/Q7mW0pLr5vTnB4yUj9sEc2aHd6</SecretAccessKey>\
         <SessionToken>st{mark}+/Zx81kQ7mW0pLr5vTnB4yUj9sEc2aHd6fGi3o==</SessionToken>\
         <Expiration>{expiration}</Expiration></Credentials><PackedPolicySize>6</PackedPolicySize></AssumeRoleResult>\
         <ResponseMetadata><RequestId>a&amp;b</RequestId></ResponseMetadata></AssumeRoleResponse>"
    )
}

fn refused(code: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>m4rk {KEY}</Message></Error></ErrorResponse>"
    )
}

/// The signature, computed once more from what arrived (AWS Signature Version 4, steps 1 to 4).
fn is_signed(request: &Request) -> bool {
    let sent = request.header("authorization").unwrap();
    let parts: BTreeMap<&str, &str> = sent
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .unwrap()
        .split(", ")
        .map(|part| part.split_once('=').unwrap())
        .collect();
    let names: Vec<&str> = parts["SignedHeaders"].split(';').collect();
    assert!(names.contains(&"host") && names.contains(&"x-amz-date"), "{names:?}");
    let header = |name: &&str| format!("{name}:{}\n", request.header(name).unwrap());
    let headers: String = names.iter().map(header).collect();
    let canonical = format!(
        "POST\n/\n\n{headers}\n{}\n{}",
        parts["SignedHeaders"],
        hex::encode(Sha256::digest(request.body.as_bytes()))
    );
    let time = request.header("x-amz-date").unwrap();
    let (id, scope) = parts["Credential"].split_once('/').unwrap();
    assert_eq!((id, scope), (ID, format!("{}/eu-central-1/sts/aws4_request", &time[..8]).as_str()));
    let text = format!(
        "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
        hex::encode(Sha256::digest(canonical.as_bytes()))
    );
    let key = scope.split('/').fold(format!("AWS4{KEY}").into_bytes(), |key, part| mac(&key, part));
    hex::encode(mac(&key, &text)) == parts["Signature"]
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn session_token(minted: &Minted) -> String {
    match &minted.credential {
        Credential::AwsKeys { session_token: Some(token), .. } => token.expose().to_owned(),
        _ => panic!("no session"),
    }
}

#[tokio::test]
async fn a_session_is_asked_for_with_a_signature_and_the_policy_of_the_capability() {
    let endpoint = sts().await;
    let minted = bench(&endpoint, KEY).mint_for("agent-7", policy("s3:GetObject")).await.unwrap();
    assert!(session_token(&minted).starts_with("st0+/"));
    let [seen] = endpoint.seen().try_into().unwrap();
    let field = |name: &str| seen.field(name).unwrap();
    assert_eq!(field("Action"), "AssumeRole");
    assert_eq!(field("RoleArn"), ROLE);
    assert_eq!(field("DurationSeconds"), "900");
    assert_eq!(field("ExternalId"), "tool/ward");
    assert_eq!(field("RoleSessionName"), "agent-7");
    assert_eq!(field("Policy"), policy("s3:GetObject").unwrap().document());
    assert!(!format!("{seen:?}").contains(KEY));
}

#[tokio::test]
async fn a_wrong_key_gets_no_session_and_the_error_says_what_to_check_and_nothing_else() {
    let endpoint = sts().await;
    let wrong = bench(&endpoint, "wrongXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let error = wrong.mint_for("agent-7", policy("s3:GetObject")).await.err().unwrap().to_string();
    assert!(error.contains("check the stored `secret_access_key`"), "{error}");
    assert!(!error.contains("m4rk") && !error.contains("EXAMPLEKEY"), "{error}");
    assert!(bench(&endpoint, KEY).mint_for("agent-7", policy("s3:GetObject")).await.is_ok());
}

#[tokio::test]
async fn a_capability_without_a_session_policy_gets_no_session() {
    let endpoint = sts().await;
    let error = bench(&endpoint, KEY).mint_for("agent-7", None).await.err().unwrap().to_string();
    assert!(error.contains("`session_policy`"), "{error}");
    assert!(endpoint.seen().is_empty());
}

/// Every input that can differ between two calls, one at a time, beside the same twice.
#[tokio::test]
async fn whatever_shapes_a_session_tells_it_from_others_that_are_kept() {
    let endpoint = sts().await;
    let bench = bench(&endpoint, KEY);
    let ask = async |who: &str, action: &str| {
        session_token(&bench.mint_for(who, policy(action)).await.unwrap())
    };
    let first = ask("agent-7", "s3:GetObject").await;
    assert_eq!(ask("agent-7", "s3:GetObject").await, first);
    let mut all = vec![first.clone()];
    all.push(ask("agent-8", "s3:GetObject").await);
    all.push(ask("agent-7", "s3:PutObject").await);
    bench.store.put("aws-key", &format!("{KEY} ").replace(' ', "2"));
    assert!(bench.mint_for("agent-7", policy("s3:GetObject")).await.is_err());
    bench.store.put("aws-key", KEY);
    assert_eq!(ask("agent-7", "s3:GetObject").await, first, "the first one is kept still");
    bench.broker.forget();
    all.push(ask("agent-7", "s3:GetObject").await);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 4);
}

fn keys_of(body: String) -> Result<Minted, String> {
    let body = body.into_bytes().into();
    let answer = Answer { status: http::StatusCode::OK, media_type: "text/xml".to_owned(), body };
    let fresh = read(&answer, Stopped.now()).map_err(|error| error.to_string())?;
    assert!(fresh.lasts.as_secs() <= 900);
    Ok(fresh.credential.into())
}

#[test]
fn keys_are_taken_only_from_an_answer_that_is_one() {
    let good = given("a", "2026-03-02T12:15:00Z");
    assert!(keys_of(good.clone()).is_ok());
    assert!(
        keys_of(
            good.replace("12:15:00Z", "12:15:00.123Z")[..].replace("12:15:00.123", "12:14:59.123")
        )
        .is_ok()
    );
    for (from, to, why) in [
        ("12:15:00Z", "11:59:59Z", "is over"),
        ("2026-03-02T12:15:00Z", "soon", "not a time"),
        ("ASIAIOSFODNN7EXAMPLE", "ASIA", "`AccessKeyId`"),
        ("ASIAIOSFODNN7EXAMPLE", "ASIA/IOSFODNN7EXAMPLE", "`AccessKeyId`"),
        ("<SessionToken>", "<SessionToken><a/>", "not XML"),
        ("<SessionToken>", "<SessionToken>&amp;", "not XML"),
        ("<SessionToken>", "<SessionToken><![CDATA[a]]>", "not XML"),
        (
            "<AssumeRoleResult>",
            "<AssumeRoleResult><Credentials><SessionToken>a</SessionToken></Credentials>",
            "not XML",
        ),
        (
            "<?xml version=\"1.0\"?>",
            "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]>",
            "not XML",
        ),
        ("<AssumeRoleResult>", "<AssumeRoleResult><?a b?>", "not XML"),
        ("</AssumeRoleResponse>", "", "not XML"),
        ("SecretAccessKey>", "Secret>", "not XML"),
        ("/Q7mW0pLr5vTnB4yUj9sEc2aHd6", "", "too short"),
    ] {
        let error = keys_of(good.replace(from, to)).err().unwrap_or_else(|| panic!("{from} {to}"));
        assert!(error.contains(why), "{from} {to}: {error}");
    }
    assert!(keys_of("<a>".repeat(10_000)).is_err());
}

#[test]
fn a_session_is_named_after_its_caller_and_two_callers_have_two_names() {
    assert_eq!(session_name("agent-7@example.com"), "agent-7@example.com");
    let odd = ["a/b", "a-b", "a b", "a", "", "\u{fc}ber", &"a".repeat(65), &"a".repeat(66)];
    let names: std::collections::BTreeSet<String> =
        odd.iter().map(|one| session_name(one)).collect();
    assert_eq!(names.len(), odd.len());
    for name in names {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_=,.@-".contains(&byte);
        assert!((2..=64).contains(&name.len()) && name.bytes().all(fits), "{name}");
    }
}

#[test]
fn what_is_configured_is_checked_before_anything_is_asked() {
    let parse = |from: &str, to: &str| {
        let text = format!(
            "kind = \"aws-sts\"\nstore = \"local\"\naccess_key_id = \"id\"\nsecret_access_key = \"key\"\n\
             role_arn = \"{ROLE}\"\nregion = \"eu-central-1\"\nexternal_id = \"toolward\"\n"
        );
        toml::from_str::<BrokerConfig>(&text.replace(from, to)).map_err(|error| error.to_string())
    };
    assert!(parse("", "").is_ok());
    for (from, to, why) in [
        ("role/reports", "user/reports", "`role_arn`"),
        ("123456789012", "12345", "`role_arn`"),
        ("eu-central-1", "eu.central.1/a", "`region`"),
        ("\"toolward\"", "\"a b\"", "`external_id`"),
        ("external_id =", "duration =", "unknown field"),
        ("region = \"eu-central-1\"\n", "", "missing field `region`"),
    ] {
        let error = parse(from, to).unwrap_err();
        assert!(error.contains(why), "{from} {to}: {error}");
    }
}

proptest! {
    #[test]
    fn any_text_is_taken_or_refused(text in "\\PC{0,200}") {
        let _ = keys_of(text).is_ok();
    }

    /// Wherever it is changed, what is taken is keys that were written there.
    #[test]
    fn an_answer_that_was_changed_gives_other_keys_or_none(at in 0_usize..700, put in "[<>/&;a-zA-Z0-9\\[\\]!?]{1,12}") {
        let mut text = given("a", "2026-03-02T12:15:00Z");
        let at = at.min(text.len());
        text.insert_str(at, &put);
        if let Ok(minted) = keys_of(text.clone()) {
            let written = format!(">{}<", session_token(&minted));
            prop_assert!(text.contains(&written), "{}", text);
        }
    }
}
