//! How responses are shaped and metered, as it is written.
use crate::{BodyShape, Cost, HttpScope, Misfit, Usage};

use super::parse;

const GOOD: &str = r#"
[capability."model:chat:create"]
description = "Ask a model."
interface = "http"
destination = "https://api.example.com"
methods = ["POST"]
paths = ["/v1/chat"]
risk = "low"
[capability."model:chat:create".response]
content_types = ["application/json"]
headers = ["Request-Id", "x-total_count"]
fields = ["/id", { at = "/choices/*/text", type = "string", max_length = 8 }, { at = "/raw", type = "any" }]
[capability."model:chat:create".meter]
max = "usd:0.05"
max_tokens = 20_000
[capability."model:chat:create".meter.quantities]
input = { at = "/usage/in", tokens = true, price = "usd:3", per = 1_000_000 }
images = { at = "/images", price = "usd:0.04" }
"#;

fn scope(text: &str) -> HttpScope {
    let all = parse(text).unwrap();
    let definition = all.find(&"model:chat:create".parse().unwrap()).unwrap();
    HttpScope::clone(definition.http.as_ref().unwrap())
}

#[test]
fn fields_headers_and_meter_are_read() {
    let scope = scope(GOOD);
    let headers = ["request-id".to_owned(), "x-total_count".to_owned()];
    assert_eq!(scope.response.headers, Some(headers.into()));
    let BodyShape::Fields(fields) = &scope.response.body else { panic!() };
    let document = serde_json::json!({ "id": 1, "choices": [{ "text": "12345678", "x": 1 }], "raw": { "a": 1 }, "y": 2 });
    let shown =
        serde_json::json!({ "id": 1, "choices": [{ "text": "12345678" }], "raw": { "a": 1 } });
    assert_eq!(fields.project(document), Ok(shown));
    let long = serde_json::json!({ "choices": [{ "text": "123456789" }] });
    assert!(matches!(fields.project(long), Err(Misfit::Field { .. })));

    let meter = scope.meter.unwrap();
    assert_eq!(meter.most, Usage { cost: Cost(50_000), tokens: 20_000, ..Usage::default() });
    let document = serde_json::json!({ "usage": { "in": 1_000 }, "images": 1 });
    assert_eq!(
        meter.read(&document).unwrap().usage,
        Usage { cost: Cost(43_000), tokens: 1_000, ..Usage::default() }
    );
}

#[test]
fn what_is_not_shaped_passes_whole_and_what_is_not_metered_costs_what_the_call_does() {
    let (head, _) = GOOD.split_once("[capability.\"model:chat:create\".response]").unwrap();
    let scope = scope(head);
    assert_eq!(
        (scope.response.body, scope.response.headers, scope.meter),
        (BodyShape::Whole, None, None)
    );
}

#[test]
fn a_status_alone_can_be_shown() {
    let (head, rest) = GOOD.split_once("fields = ").unwrap();
    let rest = rest.split_once('\n').unwrap().1;
    assert_eq!(
        scope(&format!("{head}status_only = true\n{rest}")).response.body,
        BodyShape::StatusOnly
    );
}

#[test]
fn a_whole_body_can_be_streamed() {
    let (head, rest) = GOOD.split_once("fields = ").unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    let (rest, _) = rest.split_once("[capability.\"model:chat:create\".meter]").unwrap();
    let streamed = scope(&format!("{head}streaming = true\n{rest}"));
    assert!(streamed.is_streamed() && streamed.response.body == BodyShape::Streamed);
    assert!(!scope(&format!("{head}streaming = false\n{rest}")).is_streamed());
}

/// What is said about [`GOOD`] with one text in place of another.
fn said(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "`{from}` does not stand in the good file");
    let errors = parse(&GOOD.replace(from, to)).unwrap_err();
    errors.iter().map(|error| format!("{error:?}")).collect::<Vec<_>>().join("\n")
}

/// H-05, among others.
#[test]
fn every_mistake_about_shapes_and_meters_is_told_with_its_place_and_what_to_change() {
    let fields = GOOD.lines().find(|line| line.starts_with("fields")).unwrap();
    let mistakes = [
        said("\"/id\"", "\"id\""),
        said("\"/id\"", "\"/a~b\""),
        said("\"/id\"", "\"/raw\""),
        said("\"/id\"", "\"/raw/id\""),
        said("\"/id\"", "\"/choices/first\""),
        said("\"/id\"", "7"),
        said("\"/id\"", "{ at = \"/id\", kind = \"string\" }"),
        said("\"/id\"", "{ at = \"/id\", type = \"text\" }"),
        said("\"/id\"", "{ at = \"/id\", type = \"integer\", max_length = 3 }"),
        said("max_length = 8", "max_length = -8"),
        said(fields, "fields = []"),
        said(fields, &format!("{fields}\nstatus_only = true")),
        said(fields, &format!("{fields}\nstreaming = true")),
        said(fields, "status_only = true\nstreaming = true"),
        said(fields, "streaming = true"),
        said("Request-Id", "Set-Cookie"),
        said("Request-Id", "www-authenticate"),
        said("Request-Id", "a b"),
        said("max = \"usd:0.05\"\n", ""),
        said("max = \"usd:0.05\"", "max = \"usd:-1\""),
        said("max = \"usd:0.05\"", "max = 0.05"),
        said("max_tokens = 20_000\n", ""),
        said("max_tokens = 20_000", "max_tokens = -1"),
        said("max_tokens = 20_000", "max_tokens = 1e4"),
        said("tokens = true, price = \"usd:3\", per = 1_000_000", "per = 2"),
        said("per = 1_000_000", "per = 0"),
        said(", price = \"usd:0.04\"", ""),
        said("\"/images\"", "\"/images/*\""),
        said("\"/images\"", "\"images\""),
        said("images = {", "images = { rate = 1,"),
    ];
    insta::assert_snapshot!(mistakes.join("\n"));
}

#[test]
fn a_meter_belongs_to_requests_and_reads_something() {
    let (head, _) = GOOD.split_once("[capability.\"model:chat:create\".meter.quantities]").unwrap();
    assert!(parse(&format!("{head}quantities = {{}}")).is_err());
    let log = "[capability.\"host:log:write\"]\ndescription = \"x\"\ninterface = \"log\"\nrisk = \"low\"\nmeter = { max = \"usd:1\", quantities = {} }";
    let error = format!("{:?}", parse(log).unwrap_err());
    assert!(error.contains("`meter` belongs to the interface `http`"), "{error}");
}
