//! What is there stays, whatever it is.
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn entry() -> Value {
    json!({ "command": "/bin/toolward", "args": ["run"], "env": { "A": "b" } })
}

#[test]
fn toml_keeps_every_byte_of_what_is_not_the_entry() {
    let before = "# Mine.\nmodel = \"x\"   # with a reason\n\n[mcp_servers.other]\ncommand = \"y\"\n\n[tools]\nweb = true\n";
    let after = toml(before, "mcp_servers", "toolward", &entry()).unwrap();
    assert!(after.starts_with(before), "{after}");
    let read: toml::Table = after.parse().unwrap();
    assert_eq!(read["mcp_servers"]["toolward"]["env"]["A"].as_str(), Some("b"));
    assert_eq!(toml(&after, "mcp_servers", "toolward", &entry()).unwrap(), after);
    let other = json!({ "url": "https://tools.example.com/mcp" });
    let changed = toml(&after, "mcp_servers", "toolward", &other).unwrap();
    assert!(changed.starts_with(before) && !changed.contains("/bin/toolward"), "{changed}");
}

#[test]
fn toml_replaces_an_entry_between_others() {
    let before = "[mcp_servers.toolward]\ncommand = \"old\"\n[mcp_servers.toolward.env]\nB = \"c\"\n\n[mcp_servers.other] # kept\ncommand = \"y\"\n";
    let after = toml(before, "mcp_servers", "toolward", &entry()).unwrap();
    assert!(after.contains("[mcp_servers.other] # kept\ncommand = \"y\"\n"), "{after}");
    assert!(!after.contains("old") && !after.contains("B = "), "{after}");
}

#[test]
fn what_cannot_be_changed_without_changing_more_is_left_alone() {
    for before in [
        "mcp_servers = { toolward = { command = \"old\" } }\n",
        "[mcp_servers]\ntoolward.command = \"old\"\n",
        "mcp_servers = 7\n",
        "[mcp_servers.toolward\n",
    ] {
        toml(before, "mcp_servers", "toolward", &entry()).unwrap_err();
    }
    for before in ["// mine\n{}", "[]", "{\"servers\": 7}", "{\"a\": 1, \"a\": 2}", "{"] {
        json(before, "servers", "toolward", &entry()).unwrap_err();
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z#.\"\\[]{1,6}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_differs_in_the_entry_alone(
        mut whole in prop::collection::hash_map("[a-zA-Z#]{1,8}", value(), 0..5),
        others in prop::collection::hash_map("[a-z]{1,8}", value(), 0..3),
    ) {
        whole.insert("servers".to_owned(), Value::Object(others.into_iter().collect()));
        let mut whole = Value::Object(whole.into_iter().collect());
        let after = json(&whole.to_string(), "servers", "toolward", &entry()).unwrap();
        whole["servers"]["toolward"] = entry();
        prop_assert_eq!(&serde_json::from_str::<Value>(&after).unwrap(), &whole);
        prop_assert_eq!(json(&after, "servers", "toolward", &entry()).unwrap(), after);
    }

    /// Either all else is as it was, or nothing is changed.
    #[test]
    fn toml_differs_in_the_entry_alone(whole in prop::collection::hash_map("[a-z#.\"]{1,8}", value(), 0..5)) {
        let whole: Value = Value::Object(whole.into_iter().collect());
        let Ok(before) = toml::to_string(&whole) else { return Ok(()) };
        let mut expected: toml::Table = before.parse().unwrap();
        let Ok(after) = toml(&before, "mcp_servers", "toolward", &entry()) else { return Ok(()) };
        let servers = expected.entry("mcp_servers").or_insert_with(|| toml::Table::new().into());
        servers.as_table_mut().unwrap().insert("toolward".to_owned(), toml::Value::try_from(entry()).unwrap());
        prop_assert_eq!(after.parse::<toml::Table>().unwrap(), expected);
        prop_assert!(after.starts_with(&before));
    }
}
