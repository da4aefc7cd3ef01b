//! Every route is tried without a token, with one for the other address, and with a good one.
use std::{fmt::Write as _, net::SocketAddr};

use serde_json::Value;

use super::{server::Server, wire::Request};

/// The routes of a document, and what they answer to those without a good token.
fn tried(server: &Server, at: SocketAddr, good: &str, other: &str) -> (Vec<String>, Vec<String>) {
    let document = Request::get("/openapi.json").send(at).json();
    let (mut open, mut untested) = (vec!["GET /openapi.json".to_owned()], Vec::new());
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 5, "{document}");
    for (path, methods) in paths {
        for method in methods.as_object().unwrap().keys() {
            let method = method.to_ascii_uppercase();
            let target = path
                .replace("{id}", "0198c5a0-0000-7000-8000-000000000000")
                .replace("{name}", "nothing");
            let ask = |token: Option<&str>| {
                let request = Request::post(&target, &Value::Object(Default::default()));
                let request =
                    if method == "POST" { request } else { Request::new(&method, &target) };
                match token {
                    Some(token) => request.token(token).send(at).status,
                    None => request.send(at).status,
                }
            };
            let name = format!("{method} {path}");
            match (ask(None), ask(Some(other)), ask(Some(good))) {
                (200, 200, 200) => open.push(name),
                (401, 401, status) if status != 401 && status != 405 => {}
                other => untested.push(format!("{name} {other:?}")),
            }
            assert_eq!(server.agents.ip(), at.ip());
        }
    }
    (open, untested)
}

#[test]
fn no_route_is_without_authorisation_but_those_that_say_nothing() {
    let server = Server::with(&["teller"]);
    let mut told = String::new();
    for (name, at, good, other) in [
        ("agents", server.agents, &server.agent, &server.person),
        ("people", server.people, &server.person, &server.agent),
    ] {
        let (open, untested) = tried(&server, at, good, other);
        writeln!(told, "{name}: open to everybody: {}", open.join(", ")).unwrap();
        writeln!(told, "{name}: without an authorisation test: {}", untested.join(", ")).unwrap();
        // What is not there is not said to those without a token, either.
        for target in
            ["/", "/v1", "/v1/secrets", "/metrics", "/v1/approvals/../approvals", "//v1/tools"]
        {
            assert_eq!(Request::get(target).send(at).status, 401, "{target}");
        }
    }
    insta::assert_snapshot!(told);
    server.end();
}

#[test]
fn the_documents_are_those_that_the_command_prints() {
    let server = Server::with(&["teller"]);
    for (words, at) in [("openapi", server.agents), ("openapi --administration", server.people)] {
        let printed = server.place.run(words).exits(0).json();
        assert_eq!(printed, Request::get("/openapi.json").send(at).json());
        assert_eq!(printed["openapi"], "3.1.0");
    }
    server.end();
}
