//! `/metrics` on the address for people: for whom, and what never stands there.
use serde_json::json;

use super::{server::Server, wire::Request};
use crate::cli::Place;

/// The series, without their values.
fn series(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap_or((line, "")).0).collect()
}

fn say(server: &Server, tool: &str, token: &str) -> u16 {
    let call = json!({ "tool": tool, "arguments": { "text": "planted-text" } });
    Request::post("/v1/calls", &call).token(token).send(server.agents).status
}

#[test]
fn metrics_are_for_those_with_a_role_for_them_and_no_caller_makes_a_series() {
    let place = Place::without_secrets(&["teller"]);
    let server = Server::administered(place, "readers = [\"monitoring\"]", "[telemetry]");
    let mint = |id: &str, role: &str| {
        server.mint(&format!("--id {id} --kind service --role {role} --administration"))
    };
    let (monitor, cook) = (mint("prometheus", "monitoring"), mint("cleo", "cook"));
    let get = |target: &str, token: &str| Request::get(target).token(token).send(server.people);
    assert_eq!(say(&server, "say", &server.agent), 200);
    assert_eq!(say(&server, "planted-tool", &server.agent), 404);

    let told = get("/metrics", &monitor);
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!(told.field("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let one = "toolward_call_duration_seconds_count{door=\"rest\",outcome=\"ok\",tool=\"say\"} 1";
    assert!(told.body.lines().any(|line| line == one), "{}", told.body);
    assert_eq!(get("/metrics", &server.person).status, 200);

    // Others with the same calls, and tools that there are not: more of the same, and nothing else.
    for id in ["planted-one", "planted-two", "planted-three"] {
        let token = server.mint(&format!("--id {id} --role assistant"));
        assert_eq!(say(&server, "say", &token), 200);
        assert_eq!(say(&server, &format!("{id}-tool"), &token), 404);
    }
    let later = get("/metrics", &monitor).body;
    assert_eq!(series(&later), series(&told.body));
    assert!(later.contains(&one.replace("} 1", "} 4")), "{later}");
    for absent in ["planted", "agent-7", "prometheus", "ben"] {
        assert!(!later.contains(absent), "`{absent}`: {later}");
    }

    // Who reads numbers reads nothing else, and throws nothing.
    assert_eq!(get("/v1/budgets", &monitor).status, 200);
    for target in ["/v1/audit", "/v1/switches", "/v1/approvals"] {
        assert_eq!(get(target, &monitor).status, 403, "{target}");
    }
    assert_eq!(get("/metrics", &cook).problem(), "no-role");
    assert_eq!(get("/metrics", &server.agent).status, 401);
    assert_eq!(Request::get("/metrics").send(server.people).status, 401);
    assert_eq!(server.ask(Request::get("/metrics")).status, 404);
    server.end();
}

#[test]
fn where_nothing_is_measured_it_is_said_what_to_write() {
    let server = Server::with(&["teller"]);
    let answer = server.administer(Request::get("/metrics"));
    assert_eq!((answer.status, answer.problem().as_str()), (404, "not-found"));
    assert!(answer.body.contains("`[telemetry]`"), "{answer:?}");
    server.end();
}
