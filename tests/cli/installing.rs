//! From nothing to a tool: `init`, `build`, `check`, `tool`.
use insta::assert_snapshot;
use serde_json::{Value, json};
use toolward_gate::Digest;

use super::place::{Place, component, root};

#[test]
fn a_first_configuration_is_written_once_and_makes_a_host() {
    let place = Place::empty();
    let made = place.run("init").exits(0);
    assert!(made.out.lines().all(|line| line.starts_with("wrote ")), "{}", made.told());
    assert_eq!(made.out.lines().count(), 3);
    assert!(made.err.contains("toolward tool add"), "{}", made.told());
    place.run("tool list").exits(0);
    assert_snapshot!(place.fails_and_writes_nothing("init").exits(2).told());
}

#[test]
fn a_configuration_is_written_into_another_folder_and_never_over_one_file() {
    let place = Place::empty();
    let made = place.run("init new/host --json").exits(0).json();
    assert_eq!(made["written"].as_array().unwrap().len(), 3);
    assert!(place.path("new/host/policies/default.cedar").is_file());
    place.write("other/policies/default.cedar", "// mine\n");
    let error = place.fails_and_writes_nothing("init other --json").exits(2).error();
    assert_eq!(error["code"], "usage");
}

#[test]
fn a_crate_becomes_a_component() {
    let place = Place::empty();
    let folder = root().join("tests/guests/teller");
    let line = format!("build '{}' --output built.wasm --json", folder.display());
    // `cargo` needs the folders of the user who runs the tests.
    let variables: Vec<(String, String)> = std::env::vars().collect();
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let built = place.run_in(&variables, &line, "").exits(0);
    let bytes = std::fs::read(place.path("built.wasm")).unwrap();
    assert_eq!(built.json()["tools"], 5);
    assert_eq!(built.json()["digest"], Digest::of(&bytes).to_string());
    assert_eq!(bytes, component("teller"), "the same source makes the same component");
}

#[test]
fn a_crate_is_built_from_a_relative_path() {
    let place = Place::empty();
    // A folder that cargo can be run in, and is not below this one.
    let folder = root().join("tests/guests");
    let up = "../".repeat(place.path("").canonicalize().unwrap().components().count() - 1);
    let relative = format!("{up}{}", folder.strip_prefix("/").unwrap().display());
    let variables: Vec<(String, String)> = std::env::vars().collect();
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let line = format!("build '{relative}/teller' --output built.wasm");
    place.run_in(&variables, &line, "").exits(0);
    assert_snapshot!(place.fails_and_writes_nothing("build nowhere").exits(1).told());
}

#[test]
fn a_component_is_looked_at_without_a_configuration() {
    let place = Place::empty();
    place.write_bytes("new.wasm", component("hostile"));
    let checked = place.run("check new.wasm").exits(0);
    assert!(checked.out.contains("tool dump_memory"), "{}", checked.told());
    assert!(checked.out.contains("wants github:issues:read"), "{}", checked.told());
    assert!(checked.err.contains("no configuration was found"), "{}", checked.told());
    let data = place.run("check new.wasm --json").exits(0);
    assert_eq!(data.err, "");
    assert_eq!(data.json()["principal"], Value::Null);
}

#[test]
fn what_a_component_would_get_is_told_for_whom_it_is_asked() {
    let place = Place::without_secrets(&["github-issues"]);
    let file = "tools/github-issues.wasm";
    let (caller, other) = (
        place.run(&format!("check {file}")).exits(0),
        place.run(&format!("check {file} --principal zoe --kind user --role intern")).exits(0),
    );
    assert!(other.out.contains("zoe calling it: REFUSED"), "{}", other.told());
    assert!(!caller.out.contains("calling it: REFUSED"), "{}", caller.told());
    assert_snapshot!(caller.told().replace(&size(component("github-issues")), "(SIZE bytes)"));
    let data = place.run(&format!("check {file} --json --principal zoe --role intern")).json();
    assert_eq!(data["principal"], "zoe");
    assert_eq!(data["digest"], Digest::of(component("github-issues")).to_string());
    let refused = |tool: &Value| tool["would_get"]["call"]["prospect"] == "refused";
    assert!(data["tools"].as_array().unwrap().iter().all(refused), "{data}");
    assert_eq!(data["imports"][0]["interface"], "capabilities");
}

fn size(bytes: &[u8]) -> String {
    format!("({} bytes)", bytes.len())
}

#[test]
fn a_tool_is_added_listed_shown_replaced_and_removed() {
    let place = Place::without_secrets(&[]);
    let written = place.read("toolward.toml");
    place.write_bytes("my_teller.component.wasm", component("teller"));
    let added = place.run("tool add my_teller.component.wasm").exits(0);
    assert!(added.out.starts_with("added my-teller: "), "{}", added.told());
    assert!(
        ["say", "count", "crash", "recite", "refuse"].iter().all(|tool| added.out.contains(tool))
    );
    assert!(place.read("toolward.toml").starts_with(&written), "what was written stays");
    let listed = place.run("tool list").exits(0);
    assert_eq!(listed.out.lines().count(), 5);
    assert!(listed.out.lines().all(|line| line.contains("my-teller")), "{}", listed.told());
    assert_snapshot!(place.run("tool show say").exits(0).told());
    place.run("tool add my_teller.component.wasm --name my-teller").exits(0);
    assert_eq!(place.run("tool list --json").json()["tools"].as_array().unwrap().len(), 5);
    place.run("tool rm my-teller").exits(0);
    assert_eq!(place.read("toolward.toml").trim_end(), written.trim_end());
    assert!(!place.path("tools/my-teller.wasm").exists());
    let none = place.run("tool list").exits(0);
    assert!(none.out.trim().is_empty() && none.err.contains("there are no tools yet"));
    let changes = place.run("audit tail").exits(0);
    assert_eq!(changes.out.matches("tool-add by ana").count(), 2, "{}", changes.told());
    assert_eq!(changes.out.matches("tool-rm by ana").count(), 1, "{}", changes.told());
}

#[test]
fn a_tool_shown_as_data_has_its_schemas_and_wants() {
    let place = Place::without_secrets(&["github-issues"]);
    let tool = place.run("tool show open_issue --json").exits(0).json();
    assert_eq!(tool["component"], "github-issues");
    assert_eq!(tool["input"]["properties"]["title"]["type"], "string");
    assert_eq!(tool["output"]["type"], "object");
    assert_eq!(
        tool["wants"],
        json!([
            { "capability": "github:issues:write", "required": true },
            { "capability": "host:log:write", "required": false },
        ])
    );
}
