//! What the macros write into the manifest.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toolward_sdk::{Capability, Schema, ToolError, ToolType, rt::Outline, tool};

#[derive(Deserialize, ToolType)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is read")]
struct Input {
    /// Who "owns"
    /// it.
    first_owner: String,
    #[serde(rename = "type")]
    kind: Kind,
    count: Option<u8>,
    #[serde(default)]
    tags: Vec<String>,
    inner: Option<Inner>,
    more: BTreeMap<String, f64>,
    any: serde_json::Value,
}

#[derive(Deserialize, ToolType)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    VeryOpen,
    Closed,
}

#[derive(Deserialize, Serialize, ToolType)]
struct Inner {
    yes: bool,
    number: i64,
}

/// Is a tool.
#[tool(title = "A tool", read_only, capabilities("host:clock:read"), optional("host:random:read"))]
fn example(
    #[capability("a:b:c")] _needed: Capability,
    _input: Input,
    #[capability("d:e:f")] _other: Option<Capability>,
) -> Result<Inner, ToolError> {
    Err(ToolError::new("no", "never"))
}

fn line(outline: &Outline) -> String {
    // Long enough for what is written here; the rest stays zero.
    let bytes = outline.line::<4096>();
    String::from_utf8_lossy(&bytes[..outline.length()]).into_owned()
}

const OUTLINE: Outline = Outline {
    name: "example",
    title: "A tool",
    description: "Line one.\nLine \"two\"\u{1}.",
    input: <Input as ToolType>::SCHEMA,
    output: <Inner as ToolType>::SCHEMA,
    read_only: true,
    destructive: false,
    idempotent: false,
    open_world: false,
    wants: &[("a:b:c", true), ("host:log:write", false)],
};

#[test]
fn a_tools_line_is_json_that_says_what_its_types_say() {
    let value: serde_json::Value = serde_json::from_str(&line(&OUTLINE)).unwrap();
    let properties = &value["input"]["properties"];
    assert_eq!(value["description"], "Line one.\nLine \"two\"\u{1}.");
    assert_eq!(
        properties["firstOwner"],
        serde_json::json!({"description": "Who \"owns\" it.", "type": "string"})
    );
    assert_eq!(
        properties["type"],
        serde_json::json!({"type": "string", "enum": ["very-open", "closed"]})
    );
    assert_eq!(
        properties["count"],
        serde_json::json!({"type": ["integer", "null"], "minimum": 0, "maximum": 255})
    );
    assert_eq!(
        properties["more"],
        serde_json::json!({"type": "object", "additionalProperties": {"type": "number"}})
    );
    assert_eq!(properties["any"], serde_json::json!({}));
    assert_eq!(properties["inner"]["anyOf"][1], serde_json::json!({"type": "null"}));
    assert_eq!(
        value["input"]["required"],
        serde_json::json!(["firstOwner", "type", "more", "any"])
    );
    assert_eq!(value["output"]["properties"]["number"]["minimum"], -9_007_199_254_740_991_i64);
    assert_eq!(
        value["capabilities"][1],
        serde_json::json!({"name": "host:log:write", "required": false})
    );
}

#[test]
fn a_newtype_has_the_schema_of_its_value() {
    #[derive(ToolType)]
    #[expect(dead_code, reason = "only its schema is read")]
    struct Wrapped(u8);
    assert!(matches!(<Wrapped as ToolType>::SCHEMA, Schema::Whole { least: 0, most: 255 }));
}

#[test]
fn the_function_stays_a_function() {
    // Without a host there are no handles: that it can be named with its own types is the claim.
    let _: fn(Capability, Input, Option<Capability>) -> Result<Inner, ToolError> = example;
}
