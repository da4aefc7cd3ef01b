//! What is lent besides requests: memory, time, a directory, a stand-in.
use std::time::Duration;

use super::*;
use crate::KeyQuota;

const INTERFACES: [&str; 7] =
    ["log", "clock", "key-value", "http", "wasi-http", "wasi-filesystem", "wasi-clocks"];
const BEARER: &str = "{ header = \"authorization\", as = \"bearer\" }";

/// A file with one capability over this interface; its own lines begin at the fifth.
fn read(interface: &str, lines: &str) -> Result<CapabilityDefinition, String> {
    let text = format!(
        "[capability.\"a:b:c\"]\ndescription = \"Do it.\"\nrisk = \"low\"\ninterface = \"{interface}\"\n{lines}\n"
    );
    let file = SourceFile::new("capabilities.toml", text);
    let all = Capabilities::parse(&file, &INTERFACES).map_err(|errors| {
        errors.iter().map(|error| format!("{error:?}")).collect::<Vec<_>>().join("\n")
    })?;
    Ok(all.find(&"a:b:c".parse().unwrap()).unwrap().clone())
}

fn requests(slot: &str, lines: &str) -> String {
    format!(
        "destination = \"https://api.example.com\"\nmethods = [\"GET\"]\npaths = [\"/a\"]\ncredential = \"example\"\ninject = {slot}\n{lines}"
    )
}

fn directory(access: &str, lines: &str) -> String {
    format!("directory = \"/srv/notes\"\naccess = \"{access}\"\n{lines}")
}

#[test]
fn how_much_a_tool_remembers_and_how_finely_it_tells_the_time_is_read() {
    let key_value = |bytes, entries| Some(Scope::KeyValue(KeyQuota { bytes, entries }));
    let clock = |milliseconds| Some(Scope::Clock(Duration::from_millis(milliseconds)));
    for (interface, lines, scope) in [
        ("key-value", "", key_value(1 << 20, 1_000)),
        ("key-value", "quota_bytes = 1\nquota_entries = 1", key_value(1, 1)),
        ("key-value", "quota_entries = 100_000", key_value(1 << 20, 100_000)),
        ("key-value", "quota_bytes = 67_108_864", key_value(64 << 20, 1_000)),
        ("clock", "", clock(1)),
        ("clock", "resolution_ms = 1_000", clock(1_000)),
        ("clock", "resolution_ms = 86_400_000", clock(86_400_000)),
        ("log", "", None),
    ] {
        let read = read(interface, lines).unwrap().scope;
        assert_eq!(read.as_deref(), scope.as_ref(), "{interface} {lines}");
    }
}

#[test]
fn a_directory_that_can_be_written_has_a_quota() {
    let quota = |bytes, entries| Some(DirectoryQuota { bytes, entries });
    for (access, lines, quota) in [
        ("read", "", None),
        ("read-write", "", quota(256 << 20, 10_000)),
        ("read-write", "quota_bytes = 7\nquota_entries = 2", quota(7, 2)),
        ("read-write", "quota_bytes = 1_099_511_627_776", quota(1 << 40, 10_000)),
    ] {
        let read = read("wasi-filesystem", &directory(access, lines)).unwrap();
        let lent = WasiScope::Directory { path: "/srv/notes".into(), quota };
        assert_eq!(read.wasi.as_deref(), Some(&lent), "{access} {lines}");
        assert_eq!(read.scope, None);
    }
}

#[test]
fn every_mistake_about_what_is_lent_is_told_with_its_place_and_what_to_change() {
    let stand_in = "stand_in = { variable = \"KEY\" }";
    let mistakes = [
        ("key-value", "quota_bytes = 0".to_owned()),
        ("key-value", "quota_bytes = 67_108_865".to_owned()),
        ("key-value", "quota_entries = 0".to_owned()),
        ("key-value", "quota_entries = 100_001".to_owned()),
        ("clock", "resolution_ms = 0".to_owned()),
        ("clock", "resolution_ms = 86_400_001".to_owned()),
        ("wasi-filesystem", directory("read-write", "quota_bytes = 1_099_511_627_777")),
        ("wasi-filesystem", directory("read-write", "quota_entries = 0")),
        ("wasi-filesystem", directory("read", "quota_bytes = 7")),
        ("wasi-filesystem", directory("read", "quota_entries = 7")),
        // What belongs to another interface.
        ("log", "quota_bytes = 7".to_owned()),
        ("clock", "quota_entries = 7".to_owned()),
        ("key-value", "resolution_ms = 7".to_owned()),
        ("wasi-clocks", "resolution_ms = 7".to_owned()),
        ("wasi-filesystem", directory("read-write", "resolution_ms = 7")),
        ("wasi-filesystem", directory("read", "lends = [\"a:b:c\"]")),
        ("http", requests(BEARER, "quota_bytes = 7")),
        ("http", requests(BEARER, "access = \"read\"")),
        ("wasi-http", requests(BEARER, "directory = \"/srv/notes\"")),
        ("wasi-http", requests(BEARER, "variables = [\"LANG\"]")),
        ("log", stand_in.to_owned()),
        ("wasi-filesystem", directory("read", stand_in)),
    ];
    let told = mistakes.map(|(interface, lines)| read(interface, &lines).unwrap_err());
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_component_looks_for_its_key_in_one_place() {
    let variable = |name: &str| StandIn::Variable(name.to_owned());
    let config = |name: &str| StandIn::Config(name.to_owned());
    let (long, longer) = ("a".repeat(128), "b".repeat(256));
    for (written, place) in [
        ("{ variable = \"GITHUB_TOKEN\" }".to_owned(), variable("GITHUB_TOKEN")),
        ("{ variable = \"_key1\" }".to_owned(), variable("_key1")),
        (format!("{{ variable = \"{long}\" }}"), variable(&long)),
        ("{ config = \"github-token\" }".to_owned(), config("github-token")),
        ("{ config = \"1: the key\" }".to_owned(), config("1: the key")),
        (format!("{{ config = \"{longer}\" }}"), config(&longer)),
    ] {
        for interface in ["http", "wasi-http"] {
            let lines = requests(BEARER, &format!("stand_in = {written}"));
            let read = read(interface, &lines).unwrap().wasi;
            assert_eq!(read.as_deref(), Some(&WasiScope::StandIn(place.clone())), "{written}");
        }
    }
    for written in [
        "{}",
        "{ variable = \"KEY\", config = \"key\" }",
        "{ variable = \"\" }",
        "{ variable = \"1KEY\" }",
        "{ variable = \"A KEY\" }",
        "{ variable = \"A=B\" }",
        "{ variable = \"K\u{c9}Y\" }",
        &format!("{{ variable = \"{long}a\" }}"),
        "{ config = \"\" }",
        "{ config = \"a\\u0000b\" }",
        &format!("{{ config = \"{longer}b\" }}"),
    ] {
        let told = read("http", &requests(BEARER, &format!("stand_in = {written}"))).unwrap_err();
        assert_eq!(
            told,
            "capabilities.toml:10:12: `stand_in` names the one place where the component looks for its key; write `{ variable = \"GITHUB_TOKEN\" }` or `{ config = \"github-token\" }`",
            "{written}"
        );
    }
}

#[test]
fn a_stand_in_goes_where_a_component_writes_its_key_itself() {
    let lines = |slot: &str| requests(slot, "stand_in = { variable = \"KEY\" }");
    for slot in [BEARER, "{ header = \"x-api-key\", as = \"raw\" }", "{ query = \"key\" }"] {
        assert!(read("wasi-http", &lines(slot)).unwrap().wasi.is_some(), "{slot}");
    }
    for slot in [
        "{ cookie = \"session\" }",
        "{ tls = \"client-certificate\" }",
        "{ aws_sigv4 = \"headers\", service = \"s3\", region = \"eu-central-1\" }",
        "{ hmac = \"sha256\", sign = \"{body}\", header = \"x-signature\", write = \"{hex}\" }",
    ] {
        let told = read("wasi-http", &lines(slot)).unwrap_err();
        assert!(told.contains("10:12: a stand-in goes into a header or a query key"), "{told}");
        assert!(read("wasi-http", &requests(slot, "")).unwrap().wasi.is_none(), "{slot}");
    }
}
