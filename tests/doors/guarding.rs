//! Who gets in: hosts, origins, tokens and sizes. Classes E and F.
use std::io::{BufReader, Read as _, Write as _};

use serde_json::json;

use super::{
    server::Server,
    wire::{Answer, Request},
};
use crate::cli::Place;

/// E-24, E-31.
#[test]
fn every_fault_of_a_token_gets_the_same_answer_and_says_whom_to_ask() {
    let server = Server::with(&["teller"]);
    let good = server.ask(Request::get("/v1/tools"));
    assert_eq!(good.status, 200, "{good:?}");
    let mut changed = server.agent.clone();
    let last = changed.pop().unwrap();
    changed.push(if last == 'A' { 'B' } else { 'A' });
    let parts: Vec<&str> = server.agent.split('.').collect();
    let bad = [
        "x".to_owned(),
        "a.b.c".to_owned(),
        changed,
        format!("{}.{}.", parts[0], parts[1]),
        format!("eyJhbGciOiJub25lIn0.{}.", parts[1]),
        // For the other address.
        server.person.clone(),
        "A".repeat(9000),
    ];
    let answers: Vec<Answer> = bad
        .iter()
        .map(|token| Request::get("/v1/tools").token(token).send(server.agents))
        .collect();
    for answer in &answers {
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (401, "unauthenticated"),
            "{answer:?}"
        );
        assert_eq!(answer.body, answers[0].body);
        let told = answer.all("www-authenticate");
        let metadata = format!(
            "resource_metadata=\"http://{}/.well-known/oauth-protected-resource\"",
            server.agents
        );
        assert_eq!(told[0], format!("Bearer {metadata}, error=\"invalid_token\""));
        assert!(told[1].starts_with("DPoP "), "{told:?}");
    }
    // Who shows nothing is not told of a fault (RFC 6750 section 3.1).
    let none = Request::get("/v1/tools").send(server.agents);
    assert_eq!(none.status, 401);
    assert!(!none.field("www-authenticate").contains("error"), "{none:?}");
    let metadata = Request::get("/.well-known/oauth-protected-resource").send(server.agents);
    assert_eq!(metadata.json()["resource"], format!("http://{}", server.agents));
    let log = server.end();
    assert!(log.contains("a token was not taken"), "{log}");
    assert!(!bad.iter().filter(|token| token.len() > 20).any(|token| log.contains(token)), "{log}");
}

/// E-25.
#[test]
fn a_token_is_taken_from_its_one_field_and_from_nowhere_else() {
    let server = Server::with(&["teller"]);
    let (agent, at) = (&server.agent, server.agents);
    let tools = || Request::get("/v1/tools");
    for (status, request) in [
        (200, tools().token(agent)),
        (200, tools().field("authorization", &format!("bEARER {agent}"))),
        (400, Request::get(&format!("/v1/tools?access_token={agent}"))),
        (400, Request::get(&format!("/v1/tools?access_token={agent}")).token(agent)),
        (401, tools().field("cookie", &format!("access_token={agent}"))),
        (401, tools().field("proxy-authorization", &format!("Bearer {agent}"))),
        (400, tools().token(agent).token(agent)),
        (400, tools().token(agent).token("x")),
        (400, tools().field("authorization", &format!("Bearer {agent}, Bearer {agent}"))),
        (400, tools().field("authorization", &format!("Bearer  {agent}"))),
        (400, tools().field("authorization", &format!("Basic {agent}"))),
        (400, tools().field("authorization", agent)),
        (400, tools().field("authorization", "Bearer")),
        // A token that is not bound to a key proves nothing by a proof.
        (401, tools().field("authorization", &format!("DPoP {agent}")).field("dpop", "a.b.c")),
        (400, tools().field("authorization", &format!("DPoP {agent}"))),
    ] {
        let told = format!("{request:?}");
        let answer = request.send(at);
        assert_eq!(answer.status, status, "{told}: {answer:?}");
    }
    let log = server.end();
    assert!(!log.contains("access_token"), "{log}");
}

/// E-30: the answer comes before the body does.
#[test]
fn who_shows_no_token_is_answered_before_a_body_is_read() {
    let server = Server::with(&["teller"]);
    for path in ["/mcp", "/v1/calls"] {
        let huge = Request::new("POST", path)
            .field("content-type", "application/json")
            .field("content-length", "100000000");
        assert_eq!(huge.clone().send(server.agents).status, 401);
        // With one, its length alone says that it is too long.
        assert_eq!(huge.token(&server.agent).send(server.agents).status, 413);
    }
    server.end();
}

/// F-06, F-07, F-08.
#[test]
fn a_page_in_a_browser_does_not_get_through() {
    let server =
        Server::at(Place::without_secrets(&["teller"]), "origins = [\"https://app.example.com\"]");
    let port = server.agents.port();
    let ask = |request: Request| server.ask(request).status;
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let mcp =
        || Request::post("/mcp", &list).field("accept", "application/json, text/event-stream");
    assert_eq!(ask(mcp()), 200);
    assert_eq!(ask(mcp().host(&format!("localhost:{port}"))), 200);
    assert_eq!(ask(mcp().field("origin", "https://app.example.com")), 200);
    for request in [
        mcp().host("evil.test"),
        mcp().host(&format!("evil.test:{port}")),
        mcp().host(""),
        mcp().field("host", &format!("localhost:{port}")),
        mcp().field("origin", "https://evil.test"),
        mcp().field("origin", "null"),
        mcp().field("origin", &format!("http://localhost:{port}")),
    ] {
        let told = format!("{request:?}");
        // Two `Host` fields end at the HTTP library or at the guard.
        let status = ask(request);
        assert!(status == 403 || status == 400, "{told}: {status}");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
        let simple =
            Request::new("POST", "/mcp").field("content-type", kind).body(list.to_string());
        assert_eq!(ask(simple), 415, "{kind}");
    }
    let answer = server.ask(mcp().field("origin", "https://app.example.com"));
    assert!(
        answer.all("access-control-allow-origin").is_empty() && answer.all("set-cookie").is_empty()
    );
    server.end();
}

/// F-15, F-16, F-17, F-18: what one reader takes for another thing than the next is not taken.
#[test]
fn bodies_that_two_readers_could_understand_differently_are_refused_at_every_door() {
    let server = Server::with(&["teller"]);
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let bodies = [
        (400, String::new()),
        (400, "{".to_owned()),
        (400, "[]".to_owned()),
        (400, "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]".to_owned()),
        (400, "{\"tool\":\"say\",\"tool\":\"crash\"}".to_owned()),
        (400, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"method\":\"tools/list\"}".to_owned()),
        (400, format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"say\",\"arguments\":{{\"text\":{}}}}}}}", deep(5000))),
        (400, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{\"n\":9007199254740993}}".to_owned()),
        (400, "{\"jsonrpc\":\"2.0\",\"id\":1e400,\"method\":\"ping\"}".to_owned()),
        (400, "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"tools/list\"}".to_owned()),
        (400, "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"tools/list\"}".to_owned()),
        (400, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"say\",\"arguments\":[]}}".to_owned()),
        (413, format!("{{\"text\":\"{}\"}}", "x".repeat(1 << 20))),
    ];
    for (status, body) in &bodies {
        for path in ["/mcp", "/v1/calls"] {
            let request = Request::new("POST", path)
                .field("content-type", "application/json")
                .field("accept", "application/json, text/event-stream")
                .body(body.clone());
            let answer = server.ask(request);
            let told: String = body.chars().take(120).collect();
            assert_eq!(answer.status, *status, "{path} {told}: {answer:?}");
        }
    }
    let not_utf8 = Request::new("POST", "/v1/calls").field("content-type", "application/json");
    assert_eq!(server.ask(not_utf8.body(b"{\"tool\":\"\xff\"}".to_vec())).status, 400);
    // Nothing of it was a call.
    assert!(!server.place.run("audit tail").exits(0).out.contains("calls"));
    server.end();
}

/// E-29.
#[test]
fn the_callers_token_ends_at_the_door() {
    let server = Server::at(Place::with(&["github-issues"]), "");
    let call = json!({ "tool": "list_issues", "arguments": { "owner": "acme", "repo": "site" } });
    let answer = server.ask(Request::post("/v1/calls", &call));
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = server.place.upstream.seen();
    assert_eq!(seen[0].authorization, format!("Bearer {}", crate::cli::TOKEN));
    let trail = server.place.run("audit export").exits(0).out;
    let token = server.agent.clone();
    assert!(trail.contains("\"door\":\"rest\"") && !trail.contains(&token), "{trail}");
    let log = server.end();
    assert!(!log.contains(&token), "{log}");
}

#[test]
fn one_caller_that_asks_too_much_is_told_when_to_come_back_and_others_are_not() {
    let place = Place::without_secrets(&["teller"]);
    let server = Server::at(place, "limits = { requests_per_second = 2 }");
    let other = server.mint("--id agent-8 --role assistant");
    let answers: Vec<Answer> = (0..12).map(|_| server.ask(Request::get("/v1/tools"))).collect();
    let over = answers.iter().find(|answer| answer.status == 429).expect("nobody was told to wait");
    assert_eq!(over.problem(), "too-many-requests");
    assert_eq!(over.field("retry-after"), "1");
    assert_eq!(Request::get("/v1/tools").token(&other).send(server.agents).status, 200);
    server.end();
}

#[test]
fn a_host_that_is_told_to_end_answers_what_it_is_at_and_listens_no_more() {
    let server = Server::at(Place::with(&["hostile", "teller"]), "");
    let slow = json!({ "tool": "fetch_debug_page", "arguments": { "page": "slow" } });
    let stream = Request::post("/v1/calls", &slow).token(&server.agent).begin(server.agents);
    server.place.upstream.slow_began();
    server.interrupt();
    while std::net::TcpStream::connect(server.agents).is_ok() {
        std::thread::yield_now();
    }
    let place = &server.place;
    place.run("kill on everything --reason 'it is time'").exits(0);
    let answer = Answer::read(stream);
    assert_eq!(answer.status, 403, "{answer:?}");
    server.ended();
}

/// A connection that says half of a request takes nothing from others.
#[test]
fn connections_that_wait_take_no_place_from_those_that_ask() {
    let server = Server::with(&["teller"]);
    let waiting: Vec<_> = (0..64)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(server.agents).unwrap();
            stream.write_all(b"POST /mcp HTTP/1.1\r\nhost: ").unwrap();
            stream
        })
        .collect();
    assert_eq!(server.ask(Request::get("/v1/tools")).status, 200);
    drop(waiting);
    server.end();
}

/// One connection that is open, and answers.
fn held(at: std::net::SocketAddr) -> std::net::TcpStream {
    let mut stream = std::net::TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(crate::cli::PATIENCE)).unwrap();
    asked(&mut stream, at).expect("it is served");
    stream
}

/// The first line of an answer, on a connection that stays; nothing where it was closed.
fn asked(stream: &mut std::net::TcpStream, at: std::net::SocketAddr) -> Option<String> {
    // To a connection that is closed, it may fail already.
    write!(stream, "GET /healthz HTTP/1.1\r\nhost: {at}\r\n\r\n").ok()?;
    let mut text = String::new();
    let mut lines = BufReader::new(stream);
    while !text.ends_with('}') {
        let mut line = vec![0; 1];
        if lines.read(&mut line).ok()? == 0 {
            return None;
        }
        text.push(char::from(line[0]));
    }
    text.lines().next().map(str::to_owned)
}

/// E-30: what waits holds a place, and nobody has all of them.
#[test]
fn one_connection_more_than_allowed_is_closed_and_those_that_are_there_are_served() {
    let three = "limits = { connections_per_address = 3 }";
    let server = Server::administered(Place::without_secrets(&["teller"]), three, three);
    for at in [server.agents, server.people] {
        let mut first: Vec<_> = (0..3).map(|_| held(at)).collect();
        let mut more = std::net::TcpStream::connect(at).unwrap();
        more.set_read_timeout(Some(crate::cli::PATIENCE)).unwrap();
        assert_eq!(asked(&mut more, at), None);
        for stream in &mut first {
            assert_eq!(asked(stream, at).unwrap(), "HTTP/1.1 200 OK");
        }
        // Its place is free again when one of them has left.
        drop(first.pop());
        let again = (0..1000).find_map(|_| {
            let mut stream = std::net::TcpStream::connect(at).unwrap();
            stream.set_read_timeout(Some(crate::cli::PATIENCE)).unwrap();
            asked(&mut stream, at)
        });
        assert_eq!(again.unwrap(), "HTTP/1.1 200 OK");
    }
    server.end();
}

#[test]
fn all_connections_together_are_limited_and_what_is_written_of_it_has_a_ceiling() {
    let two = "limits = { connections = 2 }";
    let server = Server::administered(Place::without_secrets(&["teller"]), "", two);
    let _held = [held(server.agents), held(server.agents)];
    let mut more = std::net::TcpStream::connect(server.agents).unwrap();
    more.set_read_timeout(Some(crate::cli::PATIENCE)).unwrap();
    assert_eq!(asked(&mut more, server.agents), None);
    // The other address has places of its own.
    held(server.people);
    server.end();
    let place = Place::without_secrets(&["teller"]);
    let whole = place.read("toolward.toml");
    for (limits, told) in [
        ("connections = 0", "lets nobody in"),
        ("connections_per_address = 0", "lets nobody in"),
        ("connections = 65537", "65536 at most"),
        ("connections = 4, connections_per_address = 5", "write a smaller one"),
    ] {
        let listen = format!("[listen]\naddress = \"127.0.0.1:0\"\nlimits = {{ {limits} }}\n");
        place.write("toolward.toml", &format!("{whole}\n{listen}"));
        let ran = place.run("serve").exits(3);
        assert!(ran.err.contains(told), "{limits}: {}", ran.err);
    }
}
