//! What leaves, what does not, and what becomes of it when the call ends.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    clippy::wildcard_enum_match_arm,
    reason = "small numbers and ASCII, and what is of no other kind fails the test"
)]
mod hits;
mod http2;
mod metered;
mod minted;
mod owned;
mod responses;
mod server;
mod slots;
mod slow;
mod smuggling;
mod ssrf;
mod streaming;
mod support;
mod tls;

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use toolward_gate::{Destination, HeaderScheme, PrivateRanges, Slot, SwitchTarget};

use self::{
    server::{Script, Server, json},
    support::{ANSWER, BODY, Desk, HEADER, PATH, QUERY, Setup, TOKEN, header, outbound, set},
};
use crate::{EgressSettings, Narrowing, Outbound};

const REFUSED: (&str, &str) = ("not-allowed", "not-sent not-allowed");
const SENT: (&str, &str) = ("ok", "sent /items/{id} 200");

async fn server() -> Server {
    Server::answering(json(format!("\"{ANSWER}\""))).await
}

#[track_caller]
fn is((code, note): &(&'static str, String), expected: (&str, &str), what: &str) {
    assert_eq!((*code, note.as_str()), expected, "{what}");
}

/// All of these are refused and open no connection, while the plain request opens one.
async fn only_the_plain_request_leaves(desk: &Desk, server: &Server, refused: Vec<Outbound>) {
    for outbound in refused {
        let what = format!("{outbound:?}");
        is(&desk.outcome(outbound).await, REFUSED, &what);
    }
    assert_eq!(server.connections(), 0);
    is(&desk.outcome(outbound()).await, SENT, "the plain request");
    assert_eq!((server.connections(), server.requests().len()), (1, 1));
}

fn with_header(name: &str, value: &str) -> Outbound {
    Outbound { headers: vec![(name.to_owned(), value.to_owned())], ..outbound() }
}

fn with_target(target: impl Into<String>) -> Outbound {
    Outbound { target: target.into(), ..outbound() }
}

fn with_method(method: &str) -> Outbound {
    Outbound { method: method.to_owned(), ..outbound() }
}

#[tokio::test]
async fn the_credential_arrives_once_in_its_slot_and_the_tool_never_has_it() {
    const PAIR: &str = "ana:ghp_Zx81+kQ/7mW=0pLr5vTn";
    let query = Slot::Query { name: "key".to_owned() };
    let authorization = |scheme| header("authorization", scheme);
    let basic = format!("authorization: Basic {}\r\n", STANDARD.encode(PAIR));
    let cases = [
        (authorization(HeaderScheme::Bearer), TOKEN, format!("authorization: Bearer {TOKEN}\r\n")),
        (authorization(HeaderScheme::Basic), PAIR, basic),
        (header("x-api-key", HeaderScheme::Raw), TOKEN, format!("x-api-key: {TOKEN}\r\n")),
        (query, TOKEN, "&key=ghp%5FZx81%2BkQ%2F7mW%3D0pLr5vTn HTTP/1.1\r\n".to_owned()),
    ];
    for (slot, secret, expected) in cases {
        let server = server().await;
        let desk = Setup::to(&server).slot(slot).secret(Some(secret)).open().await;
        let scanned = desk.send(outbound()).await.unwrap();
        let request = server.requests().remove(0);
        assert_eq!(request.matches(&expected).count(), 1, "{expected} in {request}");
        assert_eq!(request.matches("ghp").count(), expected.matches("ghp").count(), "{request}");
        let seen = format!("{:?}{scanned:?}{:?}", outbound(), desk.grant);
        assert!(!seen.contains("ghp"), "{seen}");
    }
}

#[tokio::test]
async fn what_the_tool_wrote_arrives_and_nothing_else_that_it_could_have_written() {
    let server = server().await;
    let desk = Setup::to(&server).open().await;
    is(&desk.outcome(outbound()).await, SENT, "the plain request");
    let request = server.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!("POST {PATH}?q={QUERY} HTTP/1.1\r\n")), "{head}");
    assert!(head.contains(&format!("x-colour: {HEADER}")), "{head}");
    assert_eq!(body, BODY);
    let mut names: Vec<&str> =
        head.lines().skip(1).map(|line| line.split(':').next().unwrap()).collect();
    names.sort_unstable();
    let expected = [
        "accept",
        "accept-encoding",
        "authorization",
        "content-length",
        "host",
        "user-agent",
        "x-colour",
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_header_that_is_the_slot_is_refused_in_every_spelling() {
    let server = server().await;
    let mut setup = Setup::to(&server).slot(header("X-Api-Key", HeaderScheme::Raw));
    // Not even an operator who lists the slot opens it.
    setup.scope.headers = set(&["x-colour", "x-api-key", "x_api_key", "x_api-key"]);
    let desk = setup.open().await;
    let names = ["x-api-key", "X-API-KEY", "X-Api-Key", "x_api_key", "X_Api-KEY"];
    let refused = names.map(|name| with_header(name, HEADER)).to_vec();
    only_the_plain_request_leaves(&desk, &server, refused).await;
}

#[tokio::test]
async fn a_header_that_routes_frames_or_authenticates_is_refused() {
    let server = server().await;
    let desk = Setup::to(&server).open().await;
    let names = [
        "Authorization",
        "AUTHORIZATION",
        "authorization ",
        "authorization\t",
        "proxy-authorization",
        "cookie",
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "accept-encoding",
        "range",
        "x-forwarded-for",
        "x-http-method-override",
        ":path",
        "",
    ];
    let mut refused = names.map(|name| with_header(name, HEADER)).to_vec();
    for value in ["a\r\nauthorization: b", "a\nb", "a\0b", "\u{e4}"] {
        refused.push(with_header("x-colour", value));
    }
    refused.push(Outbound {
        headers: vec![("x-colour".to_owned(), HEADER.to_owned()); 33],
        ..outbound()
    });
    only_the_plain_request_leaves(&desk, &server, refused).await;
}

#[tokio::test]
async fn a_request_outside_of_the_capability_reaches_no_socket() {
    let server = server().await;
    let desk = Setup::to(&server).open().await;
    let another = "shop:orders:read".parse().unwrap();
    let refused = vec![
        with_method("DELETE"),
        with_method("post"),
        with_method("POST "),
        with_target("/orders/p4thmark"),
        with_target("/items"),
        with_target("/items/p4thmark/x"),
        with_target("/items/../p4thmark"),
        with_target("/items/%2e%2e"),
        with_target("//127.0.0.1/p4thmark"),
        with_target(format!("http://{}/items/p4thmark", server.address)),
        with_target("/items/p4thmark?r=qu3rymark"),
        with_target("/items/p4thmark?q=1&Q=qu3rymark"),
        with_target("/items/p4thmark?q=qu3rymark#x"),
        Outbound { body: Some(BODY.repeat(9).into()), ..outbound() },
        Outbound { capability: another, ..outbound() },
    ];
    only_the_plain_request_leaves(&desk, &server, refused).await;
}

#[tokio::test]
async fn the_query_key_of_the_slot_is_refused_in_every_spelling() {
    let server = server().await;
    let mut setup = Setup::to(&server).slot(Slot::Query { name: "api key".to_owned() });
    setup.scope.query = None;
    let desk = setup.open().await;
    let keys = ["api%20key", "API+Key", "q=1&api+key"];
    let refused = keys.map(|key| with_target(format!("{PATH}?{key}={QUERY}"))).to_vec();
    for outbound in refused {
        let what = outbound.target.clone();
        is(&desk.outcome(outbound).await, REFUSED, &what);
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_narrowed_handle_sends_only_what_is_left_to_it() {
    let server = server().await;
    let desk = Setup::to(&server).open().await;
    let narrowed = |methods: Option<&[&str]>, prefix: Option<&str>| Outbound {
        narrowing: Narrowing {
            methods: methods.map(set),
            path_prefix: prefix.map(str::to_owned),
            max_bytes: None,
        },
        ..outbound()
    };
    let refused = vec![
        narrowed(Some(&["GET"]), None),
        narrowed(Some(&[]), None),
        // More than the capability has: narrowing does not widen.
        Outbound { method: "DELETE".to_owned(), ..narrowed(Some(&["DELETE"]), None) },
        narrowed(None, Some("/items/q")),
        narrowed(None, Some("/items/p4thmark/")),
    ];
    only_the_plain_request_leaves(&desk, &server, refused).await;
    let left = narrowed(Some(&["POST"]), Some("/items/p4"));
    is(&desk.outcome(left).await, SENT, "what is left");
}

#[tokio::test]
async fn a_narrowed_handle_sends_and_receives_no_more_bytes_than_are_left_to_it() {
    let server = server().await;
    let desk = Setup::to(&server).open().await;
    let within = |most: usize| Outbound {
        narrowing: Narrowing { max_bytes: Some(most), ..Narrowing::default() },
        ..outbound()
    };
    is(&desk.outcome(within(BODY.len() - 1)).await, REFUSED, "a body that is longer");
    assert_eq!(server.connections(), 0);
    is(&desk.outcome(within(1 << 20)).await, SENT, "bodies that fit");
}

#[tokio::test]
async fn one_of_several_destinations_is_named_in_full() {
    let (server, other) = (server().await, server().await);
    let mut setup = Setup::to(&server);
    let host = "localhost".to_owned();
    setup.scope.destinations.push(Destination { https: false, host, port: 1 });
    let desk = setup.open().await;
    let port = server.address.port();
    for origin in [
        String::new(),
        format!("http://{}", other.address),
        format!("https://127.0.0.1:{port}"),
        format!("HTTP://127.0.0.1:{port}"),
        format!("http://127.1:{port}"),
        format!("http://ana@127.0.0.1:{port}"),
        format!("http://127.0.0.1:{port}\\@example.com"),
    ] {
        is(&desk.outcome(with_target(format!("{origin}{PATH}"))).await, REFUSED, &origin);
    }
    assert_eq!((server.connections(), other.connections()), (0, 0));
    let named = with_target(format!("http://127.0.0.1:{port}{PATH}"));
    is(&desk.outcome(named).await, SENT, "a destination");
    assert_eq!((server.connections(), other.connections()), (1, 0));
}

#[tokio::test]
async fn addresses_of_this_machine_are_dialled_only_where_they_are_opened_and_not_its_own() {
    const DENIED: (&str, &str) = ("address-denied", "not-sent address-denied");
    let server = server().await;
    let port = server.address.port();
    let dial = async |host: &str, allow_private: bool, denied: &[&str]| {
        let destination = Destination { https: false, host: host.to_owned(), port };
        let mut setup = Setup::at(destination);
        setup.scope.allow_private =
            if allow_private { PrivateRanges::loopback() } else { PrivateRanges::default() };
        let address = |ip: &&str| format!("{ip}:{port}").parse().unwrap();
        let denied = denied.iter().map(address).collect();
        setup.settings = EgressSettings { denied, ..EgressSettings::default() };
        setup.open().await.outcome(outbound()).await
    };
    is(&dial("127.0.0.1", false, &[]).await, DENIED, "not opened");
    is(&dial("localhost", false, &[]).await, DENIED, "not opened, by name");
    for own in ["127.0.0.1", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]"] {
        is(&dial("127.0.0.1", true, &[own]).await, DENIED, own);
    }
    for host in ["127.1", "0x7f.1", "2130706433", "017700000001"] {
        is(&dial(host, true, &[]).await, DENIED, host);
    }
    assert_eq!(server.connections(), 0);
    is(&dial("127.0.0.1", true, &["127.0.0.2"]).await, SENT, "opened");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_credential_that_cannot_be_had_or_could_be_guessed_sends_nothing() {
    const NONE: (&str, &str) = ("credential-unavailable", "not-sent credential-unavailable");
    let server = server().await;
    let outcome = async |scheme, secret| {
        let setup = Setup::to(&server).slot(header("authorization", scheme)).secret(secret);
        setup.open().await.outcome(outbound()).await
    };
    for secret in [None, Some("hunter2"), Some("ghp_Zx81+kQ/7mW=0pLr5vTn\n")] {
        is(&outcome(HeaderScheme::Bearer, secret).await, NONE, "bearer");
    }
    for secret in [TOKEN, "ana-with-a-long-name:hunter2"] {
        is(&outcome(HeaderScheme::Basic, Some(secret)).await, NONE, "basic");
    }
    assert_eq!(server.connections(), 0);
    is(&outcome(HeaderScheme::Bearer, Some(TOKEN)).await, SENT, "a token");
    let setup = Setup::to(&server);
    let mut scope = setup.scope.clone();
    (scope.credential, scope.slot) = (None, None);
    let desk = Setup { scope, ..setup }.open().await;
    is(&desk.outcome(outbound()).await, SENT, "no credential");
    assert!(!server.requests().remove(1).contains("authorization"));
}

#[tokio::test]
async fn a_switch_thrown_in_the_middle_of_a_request_drops_the_connection() {
    let server = Server::start(Script::Silence, None).await;
    let desk = Setup::to(&server).open().await;
    let throw = async {
        server.has_request().await;
        desk.throw(SwitchTarget::Credential("github".to_owned())).await;
    };
    let (outcome, ()) = tokio::join!(desk.outcome(outbound()), throw);
    is(&outcome, ("halted", "unanswered /items/{id} halted"), "in the middle");
    server.is_left().await;
    is(&desk.outcome(outbound()).await, ("halted", "not-sent halted"), "after it");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_switch_for_something_else_leaves_a_request_alone() {
    let server = server().await;
    let desk = Setup::to(&server).open().await;
    desk.throw(SwitchTarget::Credential("gitlab".to_owned())).await;
    is(&desk.outcome(outbound()).await, SENT, "another credential's switch");
}

#[tokio::test]
async fn a_request_ends_with_the_time_of_its_call() {
    let server = Server::start(Script::Silence, None).await;
    let setup = Setup { time: Duration::from_millis(500), ..Setup::to(&server) };
    let desk = setup.open().await;
    let outcome = desk.outcome(outbound()).await;
    is(&outcome, ("time-over", "unanswered /items/{id} time-over"), "in the middle");
    server.is_left().await;
    is(&desk.outcome(outbound()).await, ("time-over", "not-sent time-over"), "after it");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_request_that_is_dropped_from_outside_is_in_the_notes() {
    let server = Server::start(Script::Silence, None).await;
    let desk = Setup::to(&server).open().await;
    tokio::select! {
        answer = desk.send(outbound()) => panic!("there is an answer: {answer:?}"),
        () = server.has_request() => {}
    }
    server.is_left().await;
    assert_eq!(desk.notes(), ["unanswered /items/{id} abandoned"]);
}

#[tokio::test]
async fn a_request_that_ends_with_the_run_names_why_the_run_ended() {
    let server = Server::start(Script::Silence, None).await;
    let desk = Setup::to(&server).open().await;
    let run = desk.grant.permit().life().bound(desk.send(outbound()));
    let throw = async {
        server.has_request().await;
        desk.throw(SwitchTarget::Everything).await;
    };
    let (ended, ()) = tokio::join!(run, throw);
    assert_eq!(ended.unwrap_err().code(), "halted");
    server.is_left().await;
    assert_eq!(desk.notes(), ["unanswered /items/{id} halted"]);
}

#[tokio::test]
async fn a_connection_that_breaks_off_says_nothing_about_the_request() {
    const FAILED: (&str, &str) = ("connection-failed", "unanswered /items/{id} connection-failed");
    let cut = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n\"a";
    for script in [Vec::new(), vec![b"answ3rmark".to_vec()], vec![cut.to_vec()]] {
        let server = Server::start(Script::Write(script), None).await;
        for slot in
            [Slot::Query { name: "key".to_owned() }, header("authorization", HeaderScheme::Bearer)]
        {
            let desk = Setup::to(&server).slot(slot).open().await;
            is(&desk.outcome(outbound()).await, FAILED, "a server that breaks off");
        }
    }
    // Port 1 has no listener.
    let nowhere = Destination { https: false, host: "127.0.0.1".to_owned(), port: 1 };
    let desk = Setup::at(nowhere).slot(Slot::Query { name: "key".to_owned() }).open().await;
    is(&desk.outcome(outbound()).await, FAILED, "no server");
}
