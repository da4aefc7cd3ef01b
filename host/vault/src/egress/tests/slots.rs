//! Every slot, as its server sees it, and what a tool may not write because of it.
use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;
use toolward_gate::{
    AwsSigV4, Clock, HmacHash, HmacTemplate, KeyForm, SignaturePlace, SignedPart, Slot, WrittenPart,
};

use super::{
    SENT, is, only_the_plain_request_leaves, server,
    server::{Server, json},
    support::{BODY, HEADER, PATH, QUERY, Setup, TOKEN, outbound, set},
    with_header, with_target,
};
use crate::{Credential, EgressSettings, Outbound, Secret, fuzzing::Seen};

const CARRIED: (&str, &str) = ("credential-in-request", "not-sent credential-in-request");
const WITHHELD: (&str, &str) = ("withheld", "withheld /items/{id}");
const AWS_SECRET: &str = "ghp_wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLE";
const SESSION: &str = "ghp_FwoGZXIvYXdzEBYaDKq8k3vYqQxExample0123";

/// A clock that stands.
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        "2026-01-02T12:00:00Z".parse().unwrap()
    }
}

fn at_noon(setup: Setup) -> Setup {
    Setup {
        settings: EgressSettings { clock: Arc::new(Noon), ..EgressSettings::default() },
        ..setup
    }
}

fn aws(place: SignaturePlace) -> Slot {
    let (service, region) = ("execute-api".to_owned(), "eu-central-1".to_owned());
    Slot::AwsSigV4(AwsSigV4 { service, region, place })
}

fn keys() -> Credential {
    Credential::AwsKeys {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Secret::new(AWS_SECRET),
        session_token: Some(Secret::new(SESSION)),
    }
}

fn slack() -> HmacTemplate {
    let text = |text: &str| SignedPart::Text(text.to_owned());
    HmacTemplate {
        hash: HmacHash::Sha256,
        key: KeyForm::Text,
        signed: vec![text("v0:"), SignedPart::Timestamp, text(":"), SignedPart::Body],
        header: "x-slack-signature".to_owned(),
        written: vec![WrittenPart::Text("v0=".to_owned()), WrittenPart::Hex],
        timestamp_header: Some("x-slack-request-timestamp".to_owned()),
    }
}

/// The request as it came, taken apart.
fn seen(request: &str) -> Seen {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let first: Vec<&str> = lines.next().unwrap().split(' ').collect();
    let (path, query) = first[1].split_once('?').unwrap_or((first[1], ""));
    let field = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_owned(), value.to_owned())
    };
    Seen {
        method: first[0].to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: lines.map(field).collect(),
        body: body.as_bytes().to_vec(),
    }
}

#[tokio::test]
async fn a_signature_for_aws_is_good_for_the_request_that_arrives_and_for_no_other() {
    for place in [SignaturePlace::Headers, SignaturePlace::Query(Duration::from_secs(60))] {
        let server = server().await;
        let setup = Setup { other: Some(keys), ..Setup::to(&server).slot(aws(place)) };
        let desk = at_noon(setup).open().await;
        is(&desk.outcome(outbound()).await, SENT, "signed");
        let request = server.requests().remove(0);
        let arrived = seen(&request);
        assert_eq!(arrived.checked(AWS_SECRET), Ok(()), "{request}");
        assert!(request.contains("20260102T120000Z"), "{request}");
        assert!(!request.contains(AWS_SECRET) && request.contains("ghp_FwoG"), "{request}");
        let mut other = arrived.clone();
        other.path.push('2');
        assert!(other.checked(AWS_SECRET).is_err());
        let mut other = arrived;
        other.body.push(b'2');
        assert!(other.checked(AWS_SECRET).is_err());
    }
}

/// C-40.
#[tokio::test]
async fn a_signature_a_session_token_and_a_cookie_do_not_come_back() {
    let signature = |request: &str| request.split("Signature=").nth(1).unwrap()[..64].to_owned();
    let setup = |server: &Server| {
        let slot = aws(SignaturePlace::Headers);
        at_noon(Setup { other: Some(keys), ..Setup::to(server).slot(slot) })
    };
    let first = server().await;
    is(&setup(&first).open().await.outcome(outbound()).await, SENT, "no echo");
    // The signature holds the host's port.
    let made = signature(&first.requests()[0]);
    for (echo, expected) in
        [(SESSION.to_owned(), WITHHELD), (AWS_SECRET.to_owned(), WITHHELD), (made, SENT)]
    {
        let server = Server::answering(json(format!("\"{echo}\""))).await;
        is(&setup(&server).open().await.outcome(outbound()).await, expected, "an echo");
    }
    let slot = Slot::Cookie { name: "session".to_owned() };
    let server = Server::answering(json(format!("\"{}\"", STANDARD.encode(TOKEN)))).await;
    let desk = Setup::to(&server).slot(slot).secret(Some(COOKIE)).open().await;
    is(&desk.outcome(outbound()).await, SENT, "another value");
    let server = Server::answering(json(format!("\"{}\"", STANDARD.encode(COOKIE)))).await;
    let slot = Slot::Cookie { name: "session".to_owned() };
    let desk = Setup::to(&server).slot(slot).secret(Some(COOKIE)).open().await;
    is(&desk.outcome(outbound()).await, WITHHELD, "the cookie");
}

const COOKIE: &str = "ghp_0pLr5vTnZx81QmW7kQ3b";

#[tokio::test]
async fn a_server_that_writes_back_the_signature_it_was_sent_is_withheld() {
    let server = Server::echoing().await;
    let slot = Slot::Hmac(slack());
    let desk = at_noon(Setup::to(&server).slot(slot)).open().await;
    is(&desk.outcome(outbound()).await, WITHHELD, "an echo of all of it");
    let plain = Server::echoing().await;
    let mut setup = Setup::to(&plain);
    (setup.scope.credential, setup.scope.slot) = (None, None);
    is(&setup.open().await.outcome(outbound()).await, SENT, "an echo without a signature");
}

#[tokio::test]
async fn the_one_cookie_is_the_hosts() {
    let server = server().await;
    let slot = Slot::Cookie { name: "session".to_owned() };
    let mut setup = Setup::to(&server).slot(slot).secret(Some(COOKIE));
    // Not even an operator who lists it opens it.
    setup.scope.headers = set(&["x-colour", "cookie"]);
    let desk = setup.open().await;
    let refused = ["cookie", "Cookie", "COOKIE"].map(|name| with_header(name, "a=b")).to_vec();
    only_the_plain_request_leaves(&desk, &server, refused).await;
    let request = server.requests().remove(0);
    assert_eq!(request.matches(&format!("cookie: session={COOKIE}\r\n")).count(), 1, "{request}");
    // A value that would end the cookie goes nowhere.
    let slot = Slot::Cookie { name: "session".to_owned() };
    let desk =
        Setup::to(&server).slot(slot).secret(Some("ghp_Zx81; path=/; a=0pLr5vTn")).open().await;
    let none = ("credential-unavailable", "not-sent credential-unavailable");
    is(&desk.outcome(outbound()).await, none, "two cookies");
}

#[tokio::test]
async fn a_template_signs_what_arrives() {
    let server = server().await;
    let desk = at_noon(Setup::to(&server).slot(Slot::Hmac(slack()))).open().await;
    is(&desk.outcome(outbound()).await, SENT, "signed");
    let request = server.requests().remove(0);
    let mut mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(TOKEN.as_bytes()).unwrap();
    mac.update(format!("v0:1767355200:{BODY}").as_bytes());
    let expected = hex::encode(mac.finalize().into_bytes());
    assert!(request.contains(&format!("x-slack-signature: v0={expected}\r\n")), "{request}");
    assert!(request.contains("x-slack-request-timestamp: 1767355200\r\n"), "{request}");
    assert!(!request.contains("ghp_"), "{request}");
}

/// C-42.
#[tokio::test]
async fn what_a_slot_writes_no_tool_writes_in_any_spelling() {
    let server = server().await;
    let names = [
        "Authorization",
        "x-amz-date",
        "X_Amz_Date",
        "X-AMZ-SECURITY-TOKEN",
        "x-amz-content-sha256",
    ];
    let slot = aws(SignaturePlace::Headers);
    let mut setup = Setup { other: Some(keys), ..Setup::to(&server).slot(slot) };
    setup.scope.query = None;
    setup.scope.headers = set(&["x-colour", "authorization", "x-amz-date", "x_amz_date"]);
    let desk = setup.open().await;
    let mut refused = names.map(|name| with_header(name, HEADER)).to_vec();
    for key in ["X-Amz-Signature", "x-amz-signature", "X-Amz%2DDate", "X-AMZ-Credential"] {
        refused.push(with_target(format!("{PATH}?{key}={QUERY}")));
    }
    // What would be signed as other bytes than those that arrive.
    for target in ["/items/a@b", "/items/a+b", "/items/%FF", "/items/a?q=a+b", "/items/a?q=%C3"] {
        refused.push(with_target(target));
    }
    // `%2D` is no canonical spelling and refused as such.
    only_the_plain_request_leaves(&desk, &server, refused).await;
    let template = Slot::Hmac(slack());
    let again = super::server().await;
    let mut setup = Setup::to(&again).slot(template);
    setup.scope.headers = set(&["x-colour", "x-slack-signature", "x-slack-request-timestamp"]);
    let desk = setup.open().await;
    let names = ["X-Slack-Signature", "x_slack_signature", "X-SLACK-REQUEST-TIMESTAMP"];
    let refused = names.map(|name| with_header(name, HEADER)).to_vec();
    only_the_plain_request_leaves(&desk, &again, refused).await;
}

#[tokio::test]
async fn a_request_that_holds_the_credential_before_it_is_signed_does_not_leave() {
    const SECRET: &str = "ghp_0pLr5vTnZx81QmW7kQ3b";
    let server = server().await;
    let mut setup = Setup::to(&server).secret(Some(SECRET));
    setup.scope.max_request_bytes = 256;
    let desk = setup.open().await;
    let body = |text: String| Outbound { body: Some(text.into_bytes()), ..outbound() };
    let backwards: String = SECRET.chars().rev().collect();
    for (what, outbound) in [
        ("path", with_target(format!("/items/{SECRET}"))),
        ("query", with_target(format!("{PATH}?q={SECRET}"))),
        ("header", with_header("x-colour", SECRET)),
        ("body", body(format!("{{\"a\":\"{SECRET}\"}}"))),
        ("base64", body(STANDARD.encode(format!("ab{SECRET}")))),
        ("hex", body(hex::encode(SECRET))),
        ("backwards", body(backwards)),
        ("sixteen bytes of it", body(SECRET[4..20].to_owned())),
    ] {
        is(&desk.outcome(outbound).await, CARRIED, what);
    }
    assert_eq!(server.connections(), 0);
    is(&desk.outcome(body(SECRET[4..19].to_owned())).await, SENT, "fifteen bytes of it");
}

#[tokio::test]
async fn a_credential_of_another_kind_than_its_slot_sends_nothing() {
    const NONE: (&str, &str) = ("credential-unavailable", "not-sent credential-unavailable");
    let server = server().await;
    let outcome = async |slot: Slot, other: Option<fn() -> Credential>| {
        Setup { other, ..Setup::to(&server).slot(slot) }.open().await.outcome(outbound()).await
    };
    is(&outcome(aws(SignaturePlace::Headers), None).await, NONE, "a token for AWS");
    is(&outcome(Slot::ClientCertificate, None).await, NONE, "a token as a certificate");
    is(&outcome(Slot::Hmac(slack()), Some(keys)).await, NONE, "keys for a template");
    let weak: fn() -> Credential = || Credential::AwsKeys {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Secret::new("hunter2"),
        session_token: None,
    };
    is(
        &outcome(aws(SignaturePlace::Headers), Some(weak)).await,
        NONE,
        "keys that could be guessed",
    );
    assert_eq!(server.connections(), 0);
    is(&outcome(aws(SignaturePlace::Headers), Some(keys)).await, SENT, "keys for AWS");
}
