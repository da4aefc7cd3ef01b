//! Configuration, policies, secrets and databases that cannot be used: the host does not start with half of them.
use std::fs;

use insta::assert_snapshot;

use super::place::{KEY, Place, TOKEN, component};

/// Calls with one file changed; before, the same call went through.
fn changed(file: &str, from: &str, to: &str) -> String {
    let place = Place::with(&["github-issues"]);
    place.run("call list_issues owner=acme repo=site").exits(0);
    place.change(file, from, to);
    let told = place.fails_and_writes_nothing("call list_issues owner=acme repo=site").exits(3);
    let seen = place.upstream.seen().len();
    assert_eq!(seen, 1, "only the call before the change went through");
    told.told()
}

#[test]
fn no_configuration() {
    let place = Place::empty();
    assert_snapshot!(place.fails_and_writes_nothing("tool list").exits(3).told());
}

#[test]
fn a_configuration_that_is_named_and_not_there() {
    let place = Place::empty();
    assert_snapshot!(
        place.fails_and_writes_nothing("tool list --config elsewhere.toml").exits(3).told()
    );
}

#[test]
fn a_configuration_with_an_unknown_key() {
    assert_snapshot!(changed("toolward.toml", "[credential.github]", "[credentail.github]"));
}

#[test]
fn a_configuration_with_an_unknown_key_in_a_table() {
    assert_snapshot!(changed("toolward.toml", "unlock = {", "unlok = {"));
}

#[test]
fn a_configuration_that_is_not_toml() {
    assert_snapshot!(changed("toolward.toml", "[caller]", "[caller"));
}

#[test]
fn a_configuration_without_a_credential_that_a_capability_uses() {
    assert_snapshot!(changed("toolward.toml", "[credential.github]", "[credential.gitlab]"));
}

#[test]
fn a_credential_in_a_store_that_is_not_there() {
    assert_snapshot!(changed("toolward.toml", "store = \"local\"", "store = \"remote\""));
}

#[test]
fn a_capability_with_an_unknown_key() {
    assert_snapshot!(changed(
        "policies/capabilities.toml",
        "methods = [\"GET\"]",
        "methds = [\"GET\"]"
    ));
}

#[test]
fn a_capability_of_an_interface_that_is_not_there() {
    assert_snapshot!(changed(
        "policies/capabilities.toml",
        "interface = \"log\"",
        "interface = \"lgo\""
    ));
}

#[test]
fn a_policy_that_does_not_parse() {
    assert_snapshot!(changed(
        "policies/github-issues.cedar",
        "permit(principal",
        "permti(principal"
    ));
}

#[test]
fn a_policy_that_does_not_fit_the_tools() {
    assert_snapshot!(changed("policies/github-issues.cedar", "arguments.owner", "arguments.ownr"));
}

#[test]
fn a_policy_about_an_action_that_is_not_there() {
    assert_snapshot!(changed(
        "policies/github-issues.cedar",
        "github:issues:write",
        "github:issues:wirte"
    ));
}

#[test]
fn a_policy_with_an_unknown_annotation() {
    assert_snapshot!(changed("policies/github-issues.cedar", "@rate(", "@raet("));
}

#[test]
fn policies_in_a_folder_that_is_not_there() {
    let place = Place::without_secrets(&[]);
    fs::rename(place.path("policies"), place.path("rules")).unwrap();
    assert_snapshot!(place.fails_and_writes_nothing("tool list").exits(3).told());
    place.change("toolward.toml", "environment =", "policies = \"rules\"\nenvironment =");
    place.run("tool list").exits(0);
}

#[test]
fn a_secret_file_that_others_can_read() {
    let place = Place::with(&["github-issues"]);
    place.run("call list_issues owner=acme repo=site").exits(0);
    place.set_mode("secrets.age", 0o644);
    let told =
        place.fails_and_writes_nothing("call list_issues owner=acme repo=site").exits(3).told();
    assert_snapshot!(told);
    place.fails_and_writes_nothing("secret list").exits(3);
    place.set_mode("secrets.age", 0o600);
    place.run("secret list").exits(0);
}

#[test]
fn a_wrong_passphrase() {
    let place = Place::without_secrets(&["github-issues"]);
    place.change("toolward.toml", "{ key_file = \"secrets.key\" }", "\"passphrase\"");
    place.write("right", "correct horse battery staple\n");
    place.write("wrong", "incorrect horse\n");
    let with = |file: &str, line: &str, input: &str| {
        let file = place.path(file);
        place.run_in(&[("TOOLWARD_PASSPHRASE_FILE", file.to_str().unwrap())], line, input)
    };
    with("right", "secret set github-token", TOKEN).exits(0);
    with("right", "call list_issues owner=acme repo=site", "").exits(0);
    let before = place.tree();
    let listed = with("wrong", "secret list", "").exits(1);
    let none = place.run("secret list").exits(1);
    assert_eq!(before, place.tree());
    let kept = || fs::read(place.path("secrets.age")).unwrap();
    let secrets = kept();
    let set = with("wrong", "secret set payments-key", KEY).exits(1);
    assert_eq!(secrets, kept(), "that it was tried is all that was written");
    let called = with("wrong", "call list_issues owner=acme repo=site", "").exits(8);
    assert_eq!(place.upstream.seen().len(), 1, "only the call with the right passphrase went out");
    assert_snapshot!([listed, set, none, called].map(|ran| ran.told()).join("\n"));
}

#[test]
fn a_secret_that_is_not_in_the_environment() {
    let place = Place::without_secrets(&["github-issues"]);
    place.change(
        "toolward.toml",
        "kind = \"file\"\npath = \"secrets.age\"\nunlock = { key_file = \"secrets.key\" }",
        "kind = \"env\"\nprefix = \"SECRET_\"",
    );
    let call = "call list_issues owner=acme repo=site";
    let told = place.run(call).exits(8).told();
    assert!(place.upstream.seen().is_empty());
    assert_snapshot!(told);
    place.run_in(&[("SECRET_GITHUB_TOKEN", TOKEN)], call, "").exits(0);
    assert_eq!(place.upstream.seen()[0].authorization, format!("Bearer {TOKEN}"));
}

#[test]
fn a_database_of_a_newer_version() {
    let place = Place::without_secrets(&["teller"]);
    place.run("call say text=hello").exits(0);
    place.sql("INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) VALUES (9999, 'later', '2030-01-01', TRUE, x'00', 0)",
    );
    place.write_bytes("new.wasm", component("hostile"));
    let called = place.fails_and_writes_nothing("call say text=hello").exits(3);
    place.fails_and_writes_nothing("tool rm teller").exits(3);
    place.fails_and_writes_nothing("kill on everything --reason x").exits(3);
    place.fails_and_writes_nothing("secret rm github-token").exits(3);
    place.fails_and_writes_nothing("audit verify").exits(3);
    assert_snapshot!(called.told());
    place.sql("DELETE FROM _sqlx_migrations WHERE version = 9999");
    place.run("call say text=hello").exits(0);
}

#[test]
fn a_database_that_others_can_read() {
    let place = Place::without_secrets(&["teller"]);
    place.run("call say text=hello").exits(0);
    place.set_mode("data/toolward.db", 0o644);
    assert_snapshot!(place.fails_and_writes_nothing("call say text=hello").exits(3).told());
}
