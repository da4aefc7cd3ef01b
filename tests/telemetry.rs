//! What a host tells of itself: the real program, a real collector, and the format that Prometheus reads.
mod sink;

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
};

use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};

use crate::{
    cli::{Place, TOKEN},
    mcp::client::Client,
};
use sink::{Sink, attribute, pairs};

/// An argument that must be told to nobody but the tool.
const PLANTED: &str = "planted-argument-5f1c77";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn place(sink: &Sink, more: &str) -> Place {
    let place = Place::with(&["github-issues", "teller"]);
    let otlp = format!(
        "\n[telemetry.otlp]\nendpoint = \"http://{}\"\nevery = \"1s\"\n{more}\n",
        sink.address
    );
    place.write("toolward.toml", &(place.read("toolward.toml") + &otlp));
    place
}

/// Calls with everything that must not be told: arguments, and a secret on its way to the server.
fn open_issue(client: &mut Client, owner: &str) -> Value {
    let answer = client.ask(
        "tools/call",
        json!({
            "name": "open_issue",
            "arguments": { "owner": owner, "repo": PLANTED, "title": PLANTED },
            "_meta": {
                "traceparent": format!("00-{TRACE}-{PARENT}-00"),
                "tracestate": "planted=planted-state",
                "baggage": "planted=planted-baggage",
            },
        }),
    );
    answer["result"].clone()
}

/// I-29.
#[test]
fn traces_and_metrics_arrive_with_stable_names_and_without_arguments_or_secrets() {
    let sink = Sink::start();
    let place = place(&sink, "");
    let mut client = Client::connected(&place);
    assert_ne!(open_issue(&mut client, "acme")["isError"], json!(true));
    assert_eq!(open_issue(&mut client, "evil")["isError"], json!(true));
    assert_eq!(client.hang_up(&place).exit, 0);
    let told = sink.told();

    // The trace is the host's own, and linked to the one that the caller names. Whether it is kept is not the
    // caller's to say: its flag says no.
    let request = told.span("tools/call");
    assert_ne!(hex::encode(&request.trace_id), TRACE);
    assert!(request.parent_span_id.is_empty());
    let links: Vec<_> =
        request.links.iter().map(|link| [&link.trace_id, &link.span_id].map(hex::encode)).collect();
    assert_eq!(links, [[TRACE, PARENT]]);
    assert_eq!(attribute(&request, "mcp.method.name").unwrap(), "tools/call");
    let call = told.span("execute_tool open_issue");
    assert_eq!((&call.trace_id, &call.parent_span_id), (&request.trace_id, &request.span_id));
    assert_eq!(attribute(&call, "gen_ai.tool.name").unwrap(), "open_issue");
    assert_eq!(attribute(&call, "gen_ai.operation.name").unwrap(), "execute_tool");
    assert_eq!(attribute(&call, "toolward.outcome").unwrap(), "ok");
    let sent = told.span("POST /repos/{owner}/{repo}/issues");
    assert_eq!(sent.trace_id, call.trace_id);
    assert_eq!(attribute(&sent, "http.response.status_code").unwrap(), "201");
    assert_eq!(attribute(&sent, "server.address").unwrap(), "127.0.0.1");
    assert_eq!(attribute(&sent, "toolward.capability").unwrap(), "github:issues:write");
    for step in ["settle", "decide", "admit", "queue", "run", "mint", "secret-store", "store"] {
        let is_there = |span: &Span| span.name == step && span.trace_id == call.trace_id;
        assert!(told.spans().iter().any(is_there), "{step}");
    }
    let refused = told.spans().into_iter().find(|span| attribute(span, "error.type").is_some());
    assert_eq!(attribute(&refused.unwrap(), "error.type").unwrap(), "not-granted");

    let calls: Vec<_> = told.counts("toolward.call.duration");
    let outcome = |labels: &[(String, String)]| {
        labels.iter().find(|(name, _)| name == "outcome").unwrap().1.clone()
    };
    let mut counted: Vec<_> =
        calls.iter().map(|(labels, count)| (outcome(labels), *count)).collect();
    counted.sort();
    assert_eq!(counted, [("not-granted".to_owned(), 1), ("ok".to_owned(), 1)]);

    for resource in told.resources() {
        let names: Vec<_> = pairs(&resource).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 2, "{names:?}");
    }
    assert!(told.holds("open_issue"), "what is told is looked at");
    for absent in [PLANTED, TOKEN, "planted-state", "planted-baggage", "evil"] {
        assert!(!told.holds(absent), "`{absent}` is told");
    }
    // The server was not told of the trace: its capability does not say so.
    assert!(place.upstream.seen().iter().all(|seen| seen.traceparent.is_none()));
}

/// F-35.
#[test]
fn a_server_learns_of_the_trace_where_its_capability_says_so() {
    let sink = Sink::start();
    let place = place(&sink, "");
    let definition = "[capability.\"github:issues:write\"]\n";
    let says_so = format!("{definition}trace_context = true\n");
    place.change("policies/capabilities.toml", definition, &says_so);
    let mut client = Client::connected(&place);
    assert_ne!(open_issue(&mut client, "acme")["isError"], json!(true));
    assert_eq!(client.hang_up(&place).exit, 0);
    let sent = sink.told().span("POST /repos/{owner}/{repo}/issues");
    let ids = [&sent.trace_id, &sent.span_id].map(hex::encode);
    let expected = format!("00-{}-{}-01", ids[0], ids[1]);
    assert_ne!(ids[0], TRACE, "what a caller says does not leave with a credential");
    let seen: Vec<_> =
        place.upstream.seen().into_iter().filter_map(|seen| seen.traceparent).collect();
    assert_eq!(seen, [expected]);
}

#[test]
fn the_environment_does_not_say_what_is_told_nor_to_whom() {
    let (sink, other) = (Sink::start(), Sink::start());
    let place = place(&sink, "");
    let elsewhere = format!("http://{}", other.address);
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", elsewhere.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "planted-header=planted"),
        ("OTEL_RESOURCE_ATTRIBUTES", "planted.attribute=planted"),
        ("OTEL_SERVICE_NAME", "planted"),
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "0"),
    ];
    place.run_in(&variables, "call say text=hello", "").exits(0);
    let told = sink.told();
    assert_eq!(attribute(&told.span("execute_tool say"), "gen_ai.tool.name").unwrap(), "say");
    assert!(!told.holds("planted"));
    assert!(other.told().bytes.is_empty());
}

#[test]
fn a_collector_that_is_away_stops_no_call_and_the_log_says_so() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = Place::without_secrets(&["teller"]);
    let otlp = format!("\n[telemetry.otlp]\nendpoint = \"http://{free}\"\n");
    place.write("toolward.toml", &(place.read("toolward.toml") + &otlp));
    let ran = place.run("call say text=hello").exits(0);
    assert!(ran.err.contains("the collector does not take"), "{}", ran.err);
}

#[test]
fn prometheus_reads_what_was_counted() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = Place::without_secrets(&["teller"]);
    let prometheus = format!("\n[telemetry.prometheus]\naddress = \"{address}\"\n");
    place.write("toolward.toml", &(place.read("toolward.toml") + &prometheus));
    let mut client = Client::connected(&place);
    client.call("say", json!({ "text": PLANTED }));
    client.call("say", json!({ "text": PLANTED }));
    // A name that no tool has is the client's mistake, and makes no series.
    client.ask("tools/call", json!({ "name": PLANTED, "arguments": {} }));
    let text = get(address, "/metrics");
    let counted = |line: &str| text.lines().any(|one| one == line);
    assert!(
        counted(
            "toolward_call_duration_seconds_count{door=\"mcp-stdio\",outcome=\"ok\",tool=\"say\"} 2"
        ),
        "{text}"
    );
    assert!(counted("toolward_request_duration_seconds_count{door=\"mcp-stdio\"} 3"), "{text}");
    assert!(counted("toolward_switches_thrown 0"), "{text}");
    assert!(!text.contains(PLANTED), "{text}");
    // Without a host, and on an address that somebody else has, there is no second one.
    let second = place.run("run");
    assert_eq!(second.exit, 3, "{}", second.err);
    assert!(second.err.contains("[telemetry.prometheus]"), "{}", second.err);
    client.hang_up(&place);
}

#[test]
fn a_log_in_json_names_the_call_in_every_line_about_it_and_holds_no_secret_at_any_level() {
    let sink = Sink::start();
    let place = place(&sink, "");
    let line = "call open_issue owner=acme repo=site title=x --log-format json";
    // Every level of everything: `ran` sees to it that no secret is in there.
    let all = place.run_in(&[("TOOLWARD_LOG", "trace,cranelift_codegen=off")], line, "").exits(0);
    assert!(all.err.contains("\"TRACE\""), "{}", all.err);
    let refused = "call open_issue owner=evil repo=site title=x --log-format json";
    let ran = place.run_in(&[("TOOLWARD_LOG", "toolward=info")], refused, "").exits(4);
    let lines = ran.err.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let about_calls: Vec<Value> = lines.filter(|line| line["target"] == "toolward::host").collect();
    assert!(!about_calls.is_empty(), "{}", ran.err);
    for line in about_calls {
        assert!(line["span"]["call.id"].is_string(), "{line}");
    }
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}
