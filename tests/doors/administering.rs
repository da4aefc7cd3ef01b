//! Deciding, stopping and looking, on an address of its own.
use serde_json::{Value, json};

use super::{server::Server, wire::Request};
use crate::cli::Place;

fn charge(server: &Server) -> Value {
    let arguments = json!({ "amount": 1000, "currency": "eur", "description": "Rent" });
    let call = json!({ "tool": "create_charge", "arguments": arguments });
    server.ask(Request::post("/v1/calls", &call)).json()
}

#[test]
fn a_question_is_shown_whole_and_answered_by_one_who_may() {
    let server = Server::at(Place::with(&["payments"]), "");
    let id = charge(&server)["approval"].as_str().unwrap().to_owned();
    let open = server.administer(Request::get("/v1/approvals?state=open")).json();
    assert_eq!(open["approvals"][0]["id"], id);
    let shown = server.administer(Request::get(&format!("/v1/approvals/{id}"))).json();
    assert_eq!(
        shown["arguments"],
        "{\"amount\":1000,\"currency\":\"eur\",\"description\":\"Rent\"}"
    );
    let decide = |token: &str, word: &str| {
        let request = Request::post(&format!("/v1/approvals/{id}/{word}"), &json!({}));
        let answer = request.token(token).send(server.people);
        if answer.status == 200 { "ok".to_owned() } else { answer.problem() }
    };
    let agent = server.mint("--id agent-1 --role payer --administration");
    assert_eq!(decide(&agent, "approve"), "not-a-person");
    let through = server.mint("--id ben --kind user --role payer --acts-for ana --administration");
    assert_eq!(decide(&through, "approve"), "not-a-person");
    let caller = server.mint("--id agent-7 --kind user --role payer --administration");
    assert_eq!(decide(&caller, "approve"), "own-call");
    let another = server.mint("--id cleo --kind user --role cook --administration");
    assert_eq!(decide(&another, "approve"), "not-an-approver");
    assert_eq!(decide(&server.person, "deny"), "ok");
    assert_eq!(decide(&server.person, "approve"), "not-open");
    assert_eq!(charge(&server)["type"], "urn:toolward:problem:denied");
    for (target, status) in [
        ("/v1/approvals/00000000-0000-4000-8000-000000000000", 404),
        ("/v1/approvals/x", 400),
        ("/v1/approvals?state=lost", 400),
    ] {
        assert_eq!(server.administer(Request::get(target)).status, status, "{target}");
    }
    server.end();
}

/// G-02, G-03, G-11, G-12: to a program it is what will run, and a screen is shown all of it.
#[test]
fn what_a_question_holds_is_seen_whatever_shows_it_and_a_yes_can_be_to_less() {
    let server = Server::at(Place::with(&["payments"]), "");
    let description = format!("p\u{430}ypal\u{202e}\u{9b}31m\u{200b}{}THE END", "x".repeat(9000));
    let ask = || {
        let arguments = json!({ "amount": 1000, "currency": "eur", "description": description });
        let call = json!({ "tool": "create_charge", "arguments": arguments });
        server.ask(Request::post("/v1/calls", &call)).json()
    };
    let id = ask()["approval"].as_str().unwrap().to_owned();
    for target in [format!("/v1/approvals/{id}"), "/v1/approvals".to_owned()] {
        let answer = server.administer(Request::get(&target));
        assert_eq!(answer.field("content-type"), "application/json");
        assert!(!answer.body.contains(['\u{202e}', '\u{9b}', '\u{200b}']), "{target}");
    }
    let told = server.administer(Request::get(&format!("/v1/approvals/{id}"))).json();
    let arguments: Value = serde_json::from_str(told["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments["description"], description);
    let shown = told["shown"].as_str().unwrap();
    for part in [r"pаypal\u{202e}\u{9b}31m\u{200b}", "THE END", "and is not `paypal`"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let say = |word: &str, limits: Value| {
        let said = json!({ "limits": limits });
        server.administer(Request::post(&format!("/v1/approvals/{id}/{word}"), &said))
    };
    assert_eq!(say("approve", json!({ "http_request": 1 })).problem(), "malformed");
    let other = json!({ "capabilities": { "shop:items:read": { "methods": ["GET"] } } });
    assert_eq!(say("approve", other).problem(), "unfit-limits");
    assert_eq!(say("deny", json!({ "http_requests": 1 })).problem(), "unfit-limits");
    let limits = json!({ "http_requests": 0, "time_ms": 5000, "cost": 500_000 });
    let agreed = say("approve", limits.clone());
    assert_eq!(agreed.status, 200, "{agreed:?}");
    assert_eq!(agreed.json()["answers"][0]["limits"], limits);
    let failed = ask().to_string();
    assert!(failed.contains("as many requests have left"), "{failed}");
    server.end();
}

#[test]
fn a_switch_stops_calls_until_it_is_lifted_and_both_are_on_record() {
    let server = Server::with(&["teller"]);
    let say = || {
        server
            .ask(Request::post(
                "/v1/calls",
                &json!({ "tool": "say", "arguments": { "text": "x" } }),
            ))
            .status
    };
    let ask = |target: &str, body: Value| server.administer(Request::post(target, &body));
    assert_eq!(say(), 200);
    let thrown = ask("/v1/switches", json!({ "target": "tool say", "reason": "it is odd" }));
    assert_eq!(thrown.status, 200, "{thrown:?}");
    let place = &server.place;
    // The switches of other processes are read several times a second.
    while say() == 200 {
        std::thread::yield_now();
    }
    let listed = server.administer(Request::get("/v1/switches")).json();
    assert_eq!(listed["switches"][0]["by"], "ben");
    let lift =
        || ask("/v1/switches/lift", json!({ "target": "tool say", "reason": "it was not" })).status;
    assert_eq!((lift(), lift()), (200, 404));
    while say() != 200 {
        std::thread::yield_now();
    }
    for wrong in [
        json!({ "target": "cup tea", "reason": "r" }),
        json!({ "target": "tool say", "reason": " " }),
        json!({ "target": "tool say" }),
        json!({ "target": "tool say", "reason": "r", "seconds": 0 }),
        json!({ "target": "tool say", "reason": "r", "for": 1 }),
    ] {
        assert_eq!(ask("/v1/switches", wrong.clone()).status, 400, "{wrong}");
    }
    let found = server.administer(Request::get("/v1/audit?principal=ben")).json();
    let actions: Vec<&Value> = found["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| &record["record"]["action"])
        .collect();
    assert_eq!(actions, ["kill-on", "kill-off"]);
    place.run("audit verify").exits(0);
    server.end();
}

#[test]
fn who_has_no_role_for_it_throws_no_switch_and_reads_no_trail() {
    let server = Server::with(&["teller"]);
    let payer = server.mint("--id ben --kind user --role payer --administration");
    let switch = json!({ "target": "everything", "reason": "r" });
    for request in [
        Request::get("/v1/switches"),
        Request::post("/v1/switches", &switch),
        Request::post("/v1/switches/lift", &switch),
        Request::get("/v1/audit"),
    ] {
        let told = format!("{request:?}");
        let answer = request.token(&payer).send(server.people);
        assert_eq!((answer.status, answer.problem().as_str()), (403, "no-role"), "{told}");
    }
    assert_eq!(server.administer(Request::get("/v1/audit?most=1")).status, 200);
    assert!(!server.place.run("kill list").exits(0).out.contains("everything"));
    server.end();
}

/// I-37.
#[test]
fn who_looks_at_the_trail_is_on_record_and_so_is_what_for() {
    let server = Server::with(&["teller"]);
    let looks = || {
        let found = server.administer(Request::get("/v1/audit?code=audit-read")).json();
        let records = found["records"].as_array().unwrap().clone();
        records
            .iter()
            .map(|one| (one["record"]["by"].clone(), one["record"]["subject"].clone()))
            .collect::<Vec<_>>()
    };
    assert!(looks().is_empty());
    let payer = server.mint("--id ben --kind user --role payer --administration");
    assert_eq!(Request::get("/v1/audit").token(&payer).send(server.people).status, 403);
    assert_eq!(server.administer(Request::get("/v1/audit?most=0")).status, 400);
    assert_eq!(server.administer(Request::get("/v1/audit")).status, 200);
    let seen = looks();
    let subjects: Vec<&str> = seen.iter().map(|(_, subject)| subject.as_str().unwrap()).collect();
    assert_eq!(subjects, ["code=audit-read", "everything"]);
    assert!(seen.iter().all(|(by, _)| by == "ben"), "{seen:?}");
    server.end();
}

#[test]
fn the_trail_is_read_page_by_page_without_a_gap_and_without_a_record_twice() {
    let server = Server::with(&["teller"]);
    for _ in 0..3 {
        let say = json!({ "tool": "say", "arguments": { "text": "x" } });
        assert_eq!(server.ask(Request::post("/v1/calls", &say)).status, 200);
    }
    let page = |target: &str| server.administer(Request::get(target)).json();
    let whole = page("/v1/audit?principal=agent-7&since=2020-01-01T00:00:00Z");
    assert!(whole["next"].is_null(), "{whole}");
    let whole = whole["records"].as_array().unwrap().clone();
    assert!(whole.len() >= 9, "each call is opened, admitted and closed: {whole:?}");
    let (mut read, mut after, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let one = page(&format!("/v1/audit?principal=agent-7&most=2{after}"));
        pages += 1;
        read.extend(one["records"].as_array().unwrap().clone());
        let Some(next) = one["next"].as_u64() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(read, whole);
    assert!(pages > 4, "{pages}");
    for wrong in ["most=0", "most=501", "after=x", "after=-1", "after=9007199254740992", "page=2"] {
        let answer = server.administer(Request::get(&format!("/v1/audit?{wrong}")));
        assert_eq!(answer.status, 400, "{wrong}: {answer:?}");
    }
    server.end();
}

/// F-06, F-07: what needs no token is not for pages in browsers either.
#[test]
fn answers_of_people_are_taken_for_this_host_and_not_too_often() {
    let server = Server::with(&["teller"]);
    let look = || Request::get("/approval/link/nothing");
    let ask = |request: Request| request.send(server.people).status;
    assert_eq!(ask(look()), 404, "there is no such link");
    assert_eq!(ask(look().host("evil.test")), 403);
    assert_eq!(ask(look().field("origin", "https://evil.test")), 403);
    assert!((0..100).map(|_| ask(look())).any(|status| status == 429), "nobody was told to wait");
    server.end();
}

#[test]
fn a_configuration_that_would_let_others_in_is_not_served() {
    let place = Place::without_secrets(&["teller"]);
    let whole = place.read("toolward.toml");
    for (listening, told) in [
        ("", "nothing is to be served"),
        ("[listen]\naddress = \"0.0.0.0:0\"\n", "tokens would travel in the clear"),
        ("[listen]\naddress = \"localhost\"\n", "is no address"),
        ("[listen]\naddress = \"0.0.0.0:0\"\nbehind_proxy = true\n", "write `url`"),
        ("[listen]\naddress = \"127.0.0.1:0\"\nadress = 1\n", "unknown field `adress`"),
        (
            "[listen]\naddress = \"127.0.0.1:0\"\n[listen.tls]\ncertificate = \"a.pem\"\nkey = \"b.pem\"\n",
            "the certificate `",
        ),
        ("[administration]\naddress = \"[::]:0\"\n", "tokens would travel in the clear"),
        (
            "[administration]\naddress = \"127.0.0.1:0\"\naudience = \"urn:a\"\n[issuer.\"https://a.test\"]\njwks = { keys = [] }\naudience = \"urn:a\"\n",
            "an agent could approve its own calls",
        ),
    ] {
        place.write("toolward.toml", &format!("{whole}\n{listening}"));
        let ran = place.run("serve");
        assert_ne!(ran.exit, 0, "{listening}");
        assert!(ran.err.contains(told), "{listening}: {}", ran.err);
    }
    place.write("toolward.toml", &whole);
    let error = place.run("serve --json").error();
    assert!(error["message"].as_str().unwrap().contains("nothing is to be served"), "{error}");
}
