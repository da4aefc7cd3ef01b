//! How words and texts become arguments that fit a tool's schema.
use serde_json::json;
use toolward_gate::{Identity, Kind};
use toolward_sandbox::Annotations;

use super::*;

fn manifest(name: &str) -> ToolManifest {
    ToolManifest {
        name: name.parse().unwrap(),
        title: None,
        description: "Says.".to_owned(),
        input_schema: json!({
            "type": "object",
            "properties": {
                "text": { "type": "string" },
                "maybe": { "type": ["string", "null"] },
                "number": { "type": "integer" },
                "fraction": { "type": ["number", "null"] },
                "flag": { "type": "boolean" },
                "list": { "type": "array", "items": { "type": "string" } },
            },
            "required": ["text"],
            "additionalProperties": false,
        }),
        output_schema: json!({ "type": "object" }),
        annotations: Annotations::default(),
        wants: [].into(),
    }
}

/// Adds a component with these tools.
fn add(tools: &mut Tools, component: &str, names: &[&str]) -> Result<(), ToolsError> {
    let manifests: Vec<_> = names.iter().map(|name| manifest(name)).collect();
    let digest = Digest::of(names.join(" ").as_bytes());
    tools.add_all(&component.parse().unwrap(), digest, &manifests)
}

fn tools() -> Tools {
    let mut tools = Tools::default();
    add(&mut tools, "teller", &["say", "sing"]).unwrap();
    tools
}

/// What these words become.
fn typed(words: &[&str]) -> Value {
    let pairs: Vec<(String, String)> = words
        .iter()
        .map(|word| {
            word.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())).unwrap()
        })
        .collect();
    tools().find("say").unwrap().arguments(&pairs)
}

fn read(name: &str, arguments: &str) -> Result<Call, ReadError> {
    let ana = Principal::authenticated(Identity {
        id: "ana".to_owned(),
        kind: Kind::User,
        roles: [].into(),
        groups: [].into(),
        acts_for: vec![],
        scope: None,
        ends_at: None,
    });
    tools().read(&ana, "test", name, arguments, ProgressSink::default())
}

#[test]
fn a_text_stays_a_text_whatever_it_looks_like() {
    for text in ["17", "true", "null", "{\"a\":1}", "\"quoted\"", "", "a=b", "-", "1e3"] {
        assert_eq!(typed(&[&format!("text={text}")]), json!({ "text": text }));
        assert_eq!(typed(&[&format!("maybe={text}")]), json!({ "maybe": text }));
    }
}

#[test]
fn anything_else_is_read_as_json() {
    let words = ["number=17", "fraction=0.5", "flag=true", "list=[\"a\",\"b=c\"]"];
    let expected = json!({ "number": 17, "fraction": 0.5, "flag": true, "list": ["a", "b=c"] });
    assert_eq!(typed(&words), expected);
    assert_eq!(typed(&["fraction=null"]), json!({ "fraction": null }));
}

#[test]
fn what_is_not_json_stays_a_text_for_the_schema_to_refuse() {
    assert_eq!(typed(&["number=many", "list=a,b"]), json!({ "number": "many", "list": "a,b" }));
    assert_eq!(typed(&["unknown=x", "other=1"]), json!({ "unknown": "x", "other": 1 }));
}

#[test]
fn a_request_that_fits_becomes_a_call_of_the_very_tool() {
    let call = read("say", "{\"text\":\"a\",\"number\":1}").unwrap();
    assert_eq!((call.tool.name.as_str(), call.tool.component.as_str()), ("say", "teller"));
    assert_eq!(call.tool.digest, Digest::of(b"say sing"));
    assert_eq!(call.arguments.canonical(), "{\"number\":1,\"text\":\"a\"}");
    assert_eq!((call.principal.id(), call.door), ("ana", "test"));
}

#[test]
fn every_request_that_is_no_call_is_told_apart() {
    let said = |name: &str, arguments: &str| read(name, arguments).unwrap_err().to_string();
    let told = [
        said("sya", "{}"),
        said("entirely_else", "{}"),
        said(&"x".repeat(100_000), "{}"),
        said("say", "{}"),
        said("say", "{\"text\":7,\"number\":\"secret words\"}"),
        said("say", "{\"text\":\"a\",\"more\":1}"),
        said("say", "{\"text\":\"a\",\"text\":\"b\"}"),
        said("say", "{\"text\":\"a\""),
        said("say", "\"text\""),
        said("say", "{\"text\":\"a\",\"number\":1e400}"),
    ];
    assert!(told.iter().all(|one| !one.contains("secret words")), "values stay out of errors");
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_name_is_one_tool_in_the_whole_host() {
    let mut tools = tools();
    add(&mut tools, "other", &["shout"]).unwrap();
    let twice = add(&mut tools, "third", &["whisper", "sing"]);
    assert!(
        matches!(twice, Err(ToolsError::Twice { one, other, .. }) if one.as_str() == "teller" && other.as_str() == "third")
    );
}

#[test]
fn what_policies_may_know_of_a_tool_is_what_is_installed() {
    let installed = tools().installed();
    let names: Vec<&str> = installed.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["say", "sing"]);
    assert_eq!(installed[0].input_schema, manifest("say").input_schema);
}
