//! What requests are charged.
use std::time::Duration;

use serde_json::json as value;
use toolward_gate::{
    Amount, BudgetLimit, Capabilities, Charge, Cost, Meter, Note, SourceFile, Usage,
};

use super::{
    is,
    server::{Script, Server, json, response},
    support::{Desk, Setup, TOKEN, outbound, set},
};

const METER: &str = r#"
[capability."shop:items:read"]
description = "Ask a model."
interface = "http"
risk = "low"
destination = "https://api.example.com"
methods = ["GET"]
paths = ["/items/{id}"]
[capability."shop:items:read".meter]
max = "usd:0.05"
max_tokens = 1000
[capability."shop:items:read".meter.quantities]
out = { at = "/usage/out", tokens = true, price = "usd:10", per = 1_000_000 }
"#;

/// Requests of at most 50,000 micro-dollars and 1,000 tokens, and a budget of 120,000.
async fn desk(server: &Server) -> Desk {
    let mut setup = Setup::to(server);
    setup.scope.meter = Some(meter());
    let most = Amount::Cost(Cost(120_000));
    setup.budgets = vec![BudgetLimit::new(most, Duration::from_secs(60))];
    setup.open().await
}

pub(super) fn meter() -> Meter {
    let all = Capabilities::parse(&SourceFile::new("capabilities.toml", METER), &["http"]).unwrap();
    all.0.into_values().next().unwrap().http.unwrap().meter.clone().unwrap()
}

fn usage(cost: u64, tokens: u64) -> Usage {
    Usage { cost: Cost(cost), tokens, ..Usage::default() }
}

const MOST: Usage = Usage { cost: Cost(50_000), tokens: 1_000, requests: 0, bytes: 0 };

/// Money and tokens.
fn charged(usage: Usage) -> Usage {
    Usage { requests: 0, bytes: 0, ..usage }
}

fn spent(desk: &Desk) -> Usage {
    charged(desk.grant.permit().account().usage().total())
}

/// A response that says how many tokens it took.
fn used(tokens: impl serde::Serialize) -> Vec<u8> {
    json(value!({ "usage": { "out": tokens } }).to_string())
}

/// What the last note says of the charge.
fn charge(desk: &Desk) -> Charge {
    let charge = match desk.grant.call().notes.read().pop().unwrap() {
        Note::Sent { charge, .. }
        | Note::Unanswered { charge, .. }
        | Note::Withheld { charge, .. } => charge,
        other => panic!("{other:?}"),
    };
    charge.unwrap()
}

#[tokio::test]
async fn a_request_is_charged_what_its_response_says() {
    let server = Server::answering(used(200)).await;
    let desk = desk(&server).await;
    assert_eq!(charged(desk.held()), MOST, "set aside at admission");
    desk.send(outbound()).await.unwrap();
    let read = [("out".to_owned(), 200)].into();
    assert_eq!(charge(&desk), Charge { usage: usage(2_000, 200), quantities: read });
    assert_eq!(charged(desk.held()), usage(2_000, 200), "the rest is given back");
    desk.send(outbound()).await.unwrap();
    assert_eq!(spent(&desk), usage(4_000, 400));
}

/// H-02 and H-05.
#[tokio::test]
async fn a_request_whose_response_does_not_say_is_charged_the_most() {
    let silent = [
        json("{}"),
        json("null"),
        used(-1),
        used("5"),
        used(1.5),
        response("200 OK", &[("content-type", "text/html")], "x"),
        response("500 Internal Server Error", &[("content-type", "application/json")], "{}"),
        json("{\"usage\":{\"out\":1,\"out\":2}}"),
        json(format!("{{\"usage\":{{\"out\":1}},\"echo\":\"{TOKEN}\"}}")),
        json(vec![b'1'; 5000]),
    ];
    for answer in silent {
        let what = String::from_utf8_lossy(&answer).into_owned();
        let server = Server::answering(answer).await;
        let desk = desk(&server).await;
        drop(desk.send(outbound()).await);
        assert_eq!(charge(&desk), Charge { usage: MOST, quantities: [].into() }, "{what}");
        assert_eq!((spent(&desk), charged(desk.held())), (MOST, MOST), "{what}");
    }
}

#[tokio::test]
async fn a_request_that_reached_nobody_costs_nothing() {
    let server = Server::answering(used(1)).await;
    let mut setup = Setup::to(&server);
    setup.scope.meter = Some(meter());
    // Nobody listens where somebody did a moment ago.
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    setup.scope.destinations[0].port = gone.local_addr().unwrap().port();
    drop(gone);
    let desk = setup.open().await;
    is(
        &desk.outcome(outbound()).await,
        ("connection-failed", "unanswered /items/{id} connection-failed"),
        "",
    );
    assert_eq!(charge(&desk), Charge::default());
    assert_eq!((spent(&desk), charged(desk.held())), (usage(0, 0), usage(0, 0)));
}

#[tokio::test]
async fn a_request_that_does_not_fit_into_the_budget_does_not_leave() {
    let server = Server::answering(json("{}")).await;
    let desk = desk(&server).await;
    for _ in 0..2 {
        desk.send(outbound()).await.unwrap();
    }
    is(&desk.outcome(outbound()).await, ("over-budget", "not-sent over-budget"), "the third");
    assert_eq!((server.requests().len(), charged(desk.held())), (2, MOST_TWICE));
    // The same requests, where each says how little it took.
    let server = Server::answering(used(1)).await;
    let desk = self::desk(&server).await;
    for _ in 0..5 {
        desk.send(outbound()).await.unwrap();
    }
    assert_eq!((server.requests().len(), charged(desk.held())), (5, usage(50, 5)));
}

const MOST_TWICE: Usage = Usage { cost: Cost(100_000), tokens: 2_000, requests: 0, bytes: 0 };

/// H-03.
#[tokio::test]
async fn a_request_that_is_dropped_on_its_way_is_charged_the_most_once() {
    let server = Server::start(Script::Silence, None).await;
    let desk = desk(&server).await;
    {
        let sending = desk.grant.egress().send(outbound());
        tokio::pin!(sending);
        tokio::select! {
            _ = &mut sending => panic!("nobody answers"),
            () = server.has_request() => {}
        }
    }
    assert_eq!(charge(&desk), Charge { usage: MOST, quantities: [].into() });
    assert_eq!((spent(&desk), charged(desk.held())), (MOST, MOST));
}

#[tokio::test]
async fn what_is_not_metered_is_charged_nothing() {
    let server = Server::answering(used(200)).await;
    let mut setup = Setup::to(&server);
    setup.scope.response.content_types = set(&["application/json"]);
    let desk = setup.open().await;
    desk.send(outbound()).await.unwrap();
    let note = serde_json::to_value(desk.grant.call().notes.read().pop().unwrap()).unwrap();
    assert!(note.get("charge").is_none(), "{note}");
    assert_eq!(spent(&desk), usage(0, 0));
}

/// Limited in requests and bytes, which is what is set aside beside the meter, and without one.
async fn limited(server: &Server, text: &str) -> Desk {
    let mut setup = Setup::to(server);
    setup.budgets = vec![text.parse().unwrap()];
    setup.open().await
}

#[tokio::test]
async fn requests_are_a_budget_of_their_own_and_each_that_leaves_counts() {
    let server = Server::answering(json("{}")).await;
    let desk = limited(&server, "requests:2/hour of shop").await;
    for _ in 0..2 {
        desk.send(outbound()).await.unwrap();
    }
    is(&desk.outcome(outbound()).await, ("over-budget", "not-sent over-budget"), "the third");
    assert_eq!((server.requests().len(), desk.held().requests), (2, 2));
    let other = limited(&server, "requests:2/hour of another").await;
    for _ in 0..3 {
        other.send(outbound()).await.unwrap();
    }
}

/// H-02: all that may come must fit before, and what came is what counts.
#[tokio::test]
async fn bytes_are_a_budget_of_their_own_both_ways() {
    let body = format!("\"{}\"", "x".repeat(98));
    let server = Server::answering(json(body)).await;
    let desk = limited(&server, "bytes:5000/hour").await;
    desk.send(outbound()).await.unwrap();
    let once = desk.held().bytes;
    assert!((100..4000).contains(&once), "{once}");
    let mut sent = 1_u64;
    while desk.send(outbound()).await.is_ok() {
        sent += 1;
    }
    assert_eq!(desk.held().bytes, sent * once);
    assert!(desk.held().bytes + 4096 > 5000, "until the longest response does not fit");
    let narrow = limited(&server, "bytes:100/hour").await;
    is(&narrow.outcome(outbound()).await, ("over-budget", "not-sent over-budget"), "never fits");
}
