//! With `--json`, every command writes JSON that a program can read, and nothing beside it.
use std::collections::BTreeSet;

use serde_json::Value;

use super::place::{Place, TOKEN, component};

/// Every command that works without a terminal, in an order in which each succeeds.
const WORKING: [&str; 30] = [
    "init other",
    "check teller.wasm",
    "tool add teller.wasm",
    "tool list",
    "tool show say",
    "secret set extra",
    "secret list",
    "secret rm extra",
    "call say text=hello",
    "approval list",
    "kill on tool say --reason x",
    "kill list",
    "kill off tool say --reason x",
    "audit tail",
    "audit verify",
    "backup copies",
    "credential list",
    "budget show",
    "secret grants",
    "api-key list",
    "client setup claude --print",
    "openapi",
    "openapi --administration",
    "token denied",
    "token mint --id agent-7",
    "policy check",
    "policy explain say text=hello",
    "policy what-if policies",
    "approval list --state all",
    "tool rm teller",
];

/// Every command in a way that fails, and the code that programs match on.
const FAILING: [(&str, &str); 19] = [
    ("init .", "usage"),
    ("build nowhere", "build"),
    ("check nowhere.wasm", "not-found"),
    ("check toolward.toml", "usage"),
    ("tool add nowhere.wasm", "not-found"),
    ("tool show nothing", "not-found"),
    ("tool rm nothing", "not-found"),
    ("secret set weak", "secret-store"),
    ("secret rm nothing", "not-found"),
    ("call nothing", "not-found"),
    ("approval show 00000000-0000-4000-8000-000000000000", "not-found"),
    ("kill on nothing --reason x", "usage"),
    ("kill off everything --yes --reason x", "not-found"),
    ("policy explain nothing", "not-found"),
    ("policy test", "not-found"),
    ("run --config nowhere.toml", "configuration"),
    ("serve --config nowhere.toml", "configuration"),
    ("api-key revoke nothing --reason x", "not-found"),
    ("secret revoke nothing --to role:x", "not-found"),
];

#[test]
fn every_command_that_succeeds_writes_json_lines_and_nothing_else() {
    let place = Place::without_secrets(&[]);
    place.write(
        "policies/teller.cedar",
        "permit(principal, action == Action::\"call\", resource);\n",
    );
    place.write_bytes("teller.wasm", component("teller"));
    for line in WORKING {
        let ran = place.run_with(&format!("{line} --json"), TOKEN).exits(0);
        assert_eq!(ran.err, "", "{line}");
        assert!(!ran.out.is_empty(), "{line}");
        for one in ran.out.lines() {
            let value: Value = serde_json::from_str(one).unwrap();
            assert!(value.is_object(), "{line}: {one}");
        }
    }
}

#[test]
fn every_command_that_fails_writes_one_object_with_a_stable_code() {
    let place = Place::without_secrets(&["teller"]);
    for (line, code) in FAILING {
        let ran = place.run_with(&format!("{line} --json"), "weak");
        assert_ne!(ran.exit, 0, "{line}");
        let error = ran.error();
        assert_eq!(error["code"], code, "{line}");
        let keys: BTreeSet<&str> = error.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["code", "message", "places"].into(), "{line}");
    }
}

#[test]
fn a_mistake_in_a_file_is_told_with_its_place() {
    let place = Place::without_secrets(&["teller"]);
    place.change("policies/default.cedar", "@id", "@di");
    let error = place.run("call say text=a --json").exits(3).error();
    assert_eq!(error["code"], "configuration");
    let first = &error["places"][0];
    assert!(first["path"].as_str().unwrap().ends_with("policies/default.cedar"));
    assert_eq!((&first["line"], &first["column"]), (&4.into(), &1.into()));
    assert_eq!(first["help"], "did you mean `@id`?");
}

#[test]
fn every_command_of_the_help_is_in_these_tables() {
    let place = Place::empty();
    let help = place.run("--help").exits(0).out;
    let listed = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let commands = listed.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let commands: BTreeSet<&str> = commands.filter(|word| !word.is_empty()).collect();
    let tables = WORKING.into_iter().chain(FAILING.into_iter().map(|(line, _)| line));
    let mut known: BTreeSet<&str> = tables.filter_map(|line| line.split(' ').next()).collect();
    // The demo has a test of its own: it builds and plays for a minute.
    known.insert("demo");
    assert_eq!(commands, known);
}
