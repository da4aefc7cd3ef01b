//! Steps become metrics with labels that nobody outside chooses.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};
use toolward_gate::STEP;
use tracing::{debug_span, error_span, field::Empty, info, subscriber::with_default};
use tracing_subscriber::layer::SubscriberExt as _;

use super::Telemetry;
use crate::config::TelemetryConfig;

#[test]
fn a_thousand_names_that_agents_make_up_make_no_series() {
    let telemetry = telemetry();
    let steps = |name: &str| {
        call(name, name, "ok");
        egress(name, 200, name);
    };
    with_default(tracing_subscriber::registry().with(telemetry.layers()), || {
        steps("Made Up");
        let before = series(&telemetry).len();
        (0..1000).for_each(|n| steps(&format!("made-up\n{n}")));
        assert_eq!(series(&telemetry).len(), before);
        // The same names make series once an operator writes them.
        let names: Vec<String> = (0..10).map(|n| format!("tool-{n}")).collect();
        names.iter().for_each(|name| call(name, "test", "ok"));
        assert_eq!(series(&telemetry).len(), before + ONE_HISTOGRAM);
        telemetry.know(names.iter().map(String::as_str), [], []);
        names.iter().for_each(|name| call(name, "test", "ok"));
        assert_eq!(series(&telemetry).len(), before + 11 * ONE_HISTOGRAM);
    });
}

#[test]
fn steps_are_counted_with_how_they_ended() {
    let telemetry = telemetry();
    telemetry.know(["open_issue"], ["github:issues:write"], ["github"]);
    with_default(tracing_subscriber::registry().with(telemetry.layers()), || {
        call("open_issue", "cli", "ok");
        call("open_issue", "cli", "ok");
        call("open_issue", "cli", "forbidden");
        egress("github:issues:write", 201, "ok");
        // Dropped half way.
        drop(debug_span!(target: STEP, "run", outcome = Empty));
        // Of another target, and of a name that is no step.
        drop(debug_span!("run", outcome = "ok"));
        drop(debug_span!(target: STEP, "stroll", outcome = "ok"));
    });
    let counted = |name: &str, labels: &str| {
        let key = format!("{name}{{{labels}}}");
        series(&telemetry).get(&key).copied().unwrap_or_default()
    };
    let calls = "toolward_call_duration_seconds_count";
    assert_eq!(counted(calls, "door=\"cli\",outcome=\"ok\",tool=\"open_issue\""), 2.0);
    assert_eq!(counted(calls, "door=\"cli\",outcome=\"forbidden\",tool=\"open_issue\""), 1.0);
    let sent = "capability=\"github:issues:write\",outcome=\"ok\",status=\"2xx\"";
    assert_eq!(counted("toolward_egress_duration_seconds_count", sent), 1.0);
    assert_eq!(counted("toolward_run_duration_seconds_count", "outcome=\"none\""), 1.0);
    let runs = series(&telemetry).keys().filter(|key| key.starts_with("toolward_run")).count();
    assert_eq!(runs, ONE_HISTOGRAM);
    assert_eq!(series(&telemetry)["toolward_calls_active{}"], 0.0);
}

#[test]
fn a_call_that_a_switch_stops_is_timed_from_when_the_switch_was_found() {
    let telemetry = telemetry();
    let kills = || {
        let counted = series(&telemetry).get("toolward_kill_duration_seconds_count{}").copied();
        counted.unwrap_or_default()
    };
    with_default(tracing_subscriber::registry().with(telemetry.layers()), || {
        call("a", "cli", "halted");
        assert_eq!(kills(), 0.0, "no switch was found thrown");
        info!(target: STEP, thrown = 1_u64, readable = true, "the kill switches are known");
        call("a", "cli", "ok");
        assert_eq!(kills(), 0.0);
        call("a", "cli", "halted");
        assert_eq!(kills(), 1.0);
    });
    let series = series(&telemetry);
    assert_eq!(series["toolward_switches_thrown{}"], 1.0);
    assert_eq!(series["toolward_switches_readable{}"], 1.0);
    assert_eq!(series["toolward_switches_changes_total{}"], 1.0);
}

#[test]
fn labels_are_what_the_list_of_steps_says_and_nothing_else() {
    let telemetry = telemetry();
    with_default(tracing_subscriber::registry().with(telemetry.layers()), || {
        let span = error_span!(
            target: STEP,
            "call",
            call.id = "id-of-the-call",
            principal.id = "agent-7",
            tool.name = "planted-name",
            arguments = "planted-argument",
            outcome = "planted text of a tool",
        );
        let _in = span.enter();
        info!(target: STEP, "planted-event");
    });
    let text = text(&telemetry);
    assert!(text.contains("outcome=\"other\",tool=\"other\""), "{text}");
    for absent in ["planted", "agent-7", "id-of-the-call"] {
        assert!(!text.contains(absent), "{text}");
    }
}

#[tokio::test]
async fn metrics_are_served_to_this_machine_and_not_to_a_page_with_a_name_of_its_own() {
    let telemetry = telemetry();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { telemetry.serve(listener).await });
    for (host, status) in [
        (address.to_string(), "200 OK"),
        ("localhost".to_owned(), "200 OK"),
        ("[::1]:9464".to_owned(), "200 OK"),
        ("metrics.example.com".to_owned(), "421 Misdirected Request"),
        ("127.0.0.1.example.com".to_owned(), "421 Misdirected Request"),
    ] {
        let answer = ask(address, &format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{host}: {answer}");
    }
    let answer = ask(address, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n").await;
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    let missing = ask(address, "GET / HTTP/1.1\r\nHost: localhost\r\n").await;
    assert!(missing.starts_with("HTTP/1.1 404"), "{missing}");
}

async fn ask(address: std::net::SocketAddr, head: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn telemetry() -> Telemetry {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_current_thread().build().unwrap());
    let config = TelemetryConfig { service_name: "test".to_owned(), prometheus: None, otlp: None };
    let runtime = RUNTIME.handle().clone();
    Telemetry::new(&config, toolward_vault::EgressSettings::default(), runtime).unwrap()
}

fn call(tool: &str, door: &str, outcome: &str) {
    let span = error_span!(target: STEP, "call", tool.name = %tool, door, outcome = Empty);
    span.record("outcome", outcome);
}

fn egress(capability: &str, status: u16, outcome: &str) {
    drop(debug_span!(
        target: STEP,
        "egress",
        capability = %capability,
        http.response.status_code = status,
        outcome,
    ));
}

fn text(telemetry: &Telemetry) -> String {
    prometheus::TextEncoder::new().encode_to_string(&telemetry.registry.gather()).unwrap()
}

/// Every series and its value, read line by line as the text format is defined. Each family says what it is
/// before its first series, and no series stands twice.
fn series(telemetry: &Telemetry) -> BTreeMap<String, f64> {
    let (mut found, mut typed) = (BTreeMap::new(), BTreeSet::new());
    for line in text(telemetry).lines() {
        if let Some(said) = line.strip_prefix("# ") {
            let (what, name) = said.split_once(' ').unwrap();
            assert!(["HELP", "TYPE"].contains(&what), "{line}");
            if what == "TYPE" {
                let family = name.split(' ').next().unwrap().to_owned();
                assert!(typed.insert(family), "said twice: {line}");
            }
            continue;
        }
        let (key, value) = line.rsplit_once(' ').unwrap();
        let name = key.split('{').next().unwrap();
        let endings = ["_bucket", "_sum", "_count", ""];
        let family = endings.iter().find_map(|ending| name.strip_suffix(ending));
        assert!(typed.contains(name) || typed.contains(family.unwrap()), "no type: {line}");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_:".contains(&byte);
        assert!(name.bytes().all(plain), "{line}");
        let key = if key.contains('{') { key.to_owned() } else { format!("{key}{{}}") };
        if name != "target_info" {
            assert!(found.insert(key, value.parse().unwrap()).is_none(), "twice: {line}");
        }
    }
    found
}

/// Sixteen bounds, the one without a bound, the sum and the count.
const ONE_HISTOGRAM: usize = 19;
