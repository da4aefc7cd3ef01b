//! `secret`: values come in through standard input, and never come out.
use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use serde_json::json;

use super::place::{KEY, Place, TOKEN};

#[test]
fn a_secret_is_set_listed_used_and_removed() {
    let place = Place::without_secrets(&["github-issues"]);
    let call = "call list_issues owner=acme repo=site";
    place.run(call).exits(8);
    // A line feed at the end belongs to the terminal, not to the value.
    let set = place.run_with("secret set github-token", &format!("{TOKEN}\n")).exits(0);
    assert_eq!((set.out.as_str(), set.err.as_str()), ("set github-token\n", ""));
    place.run_with("secret set payments-key", KEY).exits(0);
    let listed = place.run("secret list --json").exits(0).json();
    assert_eq!(listed, json!({ "secrets": ["github-token", "payments-key"] }));
    place.run(call).exits(0);
    assert_eq!(place.upstream.seen()[0].authorization, format!("Bearer {TOKEN}"));
    place.run("secret rm github-token").exits(0);
    place.run(call).exits(8);
    assert_eq!(place.upstream.seen().len(), 1, "without the secret, nothing went out");
    assert_eq!(place.run("secret list").exits(0).out, "payments-key\n");
    place.run("secret rm github-token").exits(10);
}

#[test]
fn no_file_and_no_log_holds_a_value() {
    let place = Place::with(&["github-issues"]);
    place.run("-vv call list_issues owner=acme repo=site").exits(0);
    place.run("call fetch_debug_page page=echo").exits(10);
    place.run("audit tail --json").exits(0);
    let tree = place.tree();
    assert!(tree.keys().any(|path| path.ends_with("data/toolward.db")));
    for (path, bytes) in &tree {
        for secret in [TOKEN, KEY] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{} holds a secret", path.display());
        }
    }
    // The sweep finds what is there.
    assert!(place.upstream.seen()[0].authorization.contains(TOKEN));
    let holds = |bytes: &Vec<u8>| bytes.windows(11).any(|window| window == b"list_issues");
    let trail = |path: &&PathBuf| path.to_string_lossy().contains("toolward.db");
    assert!(tree.keys().filter(trail).any(|path| holds(&tree[path])));
}

#[test]
fn the_files_of_secrets_are_their_owners_alone() {
    let place = Place::with(&[]);
    for file in ["secrets.age", "secrets.key", "data/toolward.db"] {
        let mode = fs::metadata(place.path(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
}

#[test]
fn a_value_that_is_no_secret_is_not_taken() {
    let place = Place::with(&[]);
    let before = fs::read(place.path("secrets.age")).unwrap();
    for weak in ["", "\n", "hunter2", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
        let error = place.run_with("secret set other --json", weak).exits(1).error();
        assert_eq!(error["code"], "secret-store", "{weak:?}");
        assert!(weak.len() < 2 || !error.to_string().contains(weak));
    }
    assert_eq!(before, fs::read(place.path("secrets.age")).unwrap());
    assert_eq!(place.run("secret list").out.lines().count(), 2);
}

#[test]
fn a_store_is_named_where_there_are_several_or_none() {
    let place = Place::with(&[]);
    place.run("secret list --store local").exits(0);
    place.run("secret list --store remote").exits(10);
    let more = "\n[secret_store.other]\nkind = \"env\"\nprefix = \"SECRET_\"\n";
    place.change("toolward.toml", "\n[caller]", &format!("{more}\n[caller]"));
    let several = place.run("secret list").exits(2);
    assert!(several.err.contains("--store"), "{}", several.told());
    let listed = place.run_in(&[("SECRET_ONE_TWO", TOKEN)], "secret list --store other", "");
    assert_eq!(listed.exits(0).out, "one_two\n");
    let set = place.run_with("secret set x --store other", TOKEN).exits(1);
    assert!(set.err.contains("read-only"), "{}", set.told());
}
