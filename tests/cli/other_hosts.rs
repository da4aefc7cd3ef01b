//! Components that were built for another host: the operator says what they want.
use serde_json::json;
use toolward_gate::Digest;

use super::place::Place;
use crate::world::Guest;

const CLOCKS: &str = r#"
[capability."host:clocks:read"]
description = "The time."
interface = "wasi-clocks"
risk = "low"
[capability."host:chance:read"]
description = "Random numbers."
interface = "wasi-random"
risk = "low"
"#;
const POLICY: &str = r#"
@id("clockwork")
permit(
    principal in Role::"assistant",
    action in [Action::"call", Action::"host:clocks:read", Action::"host:chance:read"],
    resource in Component::"clockwork"
);
"#;

/// A host that could serve the component, and does not have it yet.
fn place() -> Place {
    let place = Place::without_secrets(&[]);
    place.write_bytes("clockwork.wasm", Guest::Clockwork.component());
    place.write_bytes("plain.wasm", Guest::Plain.component());
    let shipped = place.read("policies/capabilities.toml");
    place.write("policies/capabilities.toml", &format!("{shipped}{CLOCKS}"));
    place.write("policies/clockwork.cedar", POLICY);
    place
}

const ADD: &str =
    "tool add clockwork.wasm --capability host:clocks:read --capability host:chance:read";

#[test]
fn a_component_is_added_with_what_it_wants_and_called() {
    let place = place();
    place.run(ADD).exits(0);
    let text = place.read("toolward.toml");
    assert!(text.contains("capabilities = [\"host:clocks:read\", \"host:chance:read\"]"), "{text}");
    let called = place.run("call time_letters text=aab --json").exits(0);
    assert!(called.out.contains("\"b\""), "{}", called.told());
    let shown = place.run("tool show time_now").exits(0);
    assert!(shown.out.contains("host:clocks:read"), "{}", shown.told());
    // It is replaced without saying it again.
    place.run("tool add clockwork.wasm").exits(0);
    assert!(place.read("toolward.toml").contains("capabilities = ["));
    place.run("call time_now").exits(0);
}

#[test]
fn a_component_that_wants_nothing_is_refused_what_it_imports() {
    let place = place();
    place.run("tool add clockwork.wasm").exits(0);
    let refused = place.run("call time_now");
    assert_ne!(refused.exit, 0, "{}", refused.told());
    assert!(refused.err.contains("wasi:"), "{}", refused.told());
}

#[test]
fn an_import_that_nothing_opens_is_let_be_where_the_configuration_says_so() {
    let place = place();
    place.run("tool add clockwork.wasm --capability host:chance:read").exits(0);
    assert_ne!(place.run("call time_letters text=aab").exit, 0);
    let text = place.read("toolward.toml");
    place.write(
        "toolward.toml",
        &text.replace("capabilities = [", "unlinked = \"refuse\"\ncapabilities = ["),
    );
    place.run("call time_letters text=aab").exits(0);
    assert_ne!(place.run("call time_now").exit, 0);
    let checked = place.run("check clockwork.wasm").exits(0);
    assert!(checked.out.contains("`unlinked = \"refuse\"` is on"), "{}", checked.told());
    assert_eq!(place.run("check clockwork.wasm --json").exits(0).json()["unlinked"], "refuse");
}

#[test]
fn check_says_where_the_tools_and_their_wants_come_from() {
    let place = place();
    let plain = place.run("check plain.wasm").exits(0);
    assert!(
        plain.out.contains("no manifest: its exported functions are its tools"),
        "{}",
        plain.told()
    );
    assert!(plain.out.contains("empty, and linked without a capability"), "{}", plain.told());
    assert!(!plain.out.contains("will not be linked"), "{}", plain.told());
    let asked = place.run("check clockwork.wasm --capability host:clocks:read").exits(0);
    assert!(asked.out.contains("linked if a capability opens `wasi-clocks`"), "{}", asked.told());
    assert!(asked.out.contains("wants host:clocks:read"), "{}", asked.told());
    let data = place.run("check plain.wasm --json").exits(0).json();
    assert_eq!((&data["manifest"], &data["imports"][0]["inert"]), (&json!(false), &json!(true)));
}

#[test]
fn a_name_that_nobody_defined_is_told_and_nothing_is_added() {
    let place = place();
    let line = "tool add clockwork.wasm --capability host:clocks:read --optional host:moon:read";
    let told = place.fails_and_writes_nothing(line);
    assert!(told.err.contains("`host:moon:read`, which nobody defined"), "{}", told.told());
}

#[test]
fn a_directory_that_holds_this_hosts_own_files_is_not_lent() {
    let place = place();
    let defined = place.read("policies/capabilities.toml");
    let lends = |path: &str| {
        let directory = place.path(path).canonicalize().unwrap_or_else(|_| place.path(path));
        let lent = format!(
            "{defined}\n[capability.\"host:notes:use\"]\ndescription = \"Notes.\"\ninterface = \"wasi-filesystem\"\n\
             directory = \"{}\"\naccess = \"read-write\"\nrisk = \"low\"\n",
            directory.display()
        );
        place.write("policies/capabilities.toml", &lent);
        place.run("tool list")
    };
    place.write("notes/first.txt", "bread");
    lends("notes").exits(0);
    place.run(ADD).exits(0);
    for (path, why) in [
        ("", "keeps its own files"),
        ("policies", "keeps its own files"),
        ("tools", "keeps its own files"),
        ("notes/first.txt", "no directory"),
        ("nowhere", "cannot be used"),
    ] {
        let told = lends(path);
        assert!(told.exit != 0 && told.err.contains(why), "{path}: {}", told.told());
    }
    assert_eq!(
        Digest::of(Guest::Clockwork.component()),
        Digest::of(&std::fs::read(place.path("clockwork.wasm")).unwrap())
    );
}
