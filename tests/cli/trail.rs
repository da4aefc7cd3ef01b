//! `audit` and `backup`: a trail that is anchored, searched, exported, kept for a time and put back.
use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::Value;

use super::place::Place;

/// A place with checkpoints in a file elsewhere, and one call that was carried.
fn anchored() -> Place {
    let place = Place::without_secrets(&["teller"]);
    let text = place.read("toolward.toml");
    place.write(
        "toolward.toml",
        &format!("{text}\n[audit.checkpoints]\nfile = \"elsewhere.jsonl\"\n"),
    );
    place.run("call say text=hello").exits(0);
    place
}

fn mode(place: &Place, name: &str) -> u32 {
    fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_key_is_made_with_the_configuration_and_is_its_owners_alone() {
    let place = Place::empty();
    let made = place.run("init . --json").exits(0).json();
    assert_eq!((mode(&place, "data/audit.key"), mode(&place, "data")), (0o600, 0o700));
    let shown = place.run("audit key").exits(0).out;
    assert_eq!(shown.trim(), made["audit_key"]);
    let secret = place.read("data/audit.key");
    let secret = secret.trim().rsplit(':').next().unwrap();
    assert_ne!(shown.trim(), secret);
    place.set_mode("data/audit.key", 0o644);
    let refused = place.run("audit verify").exits(3);
    assert!(refused.err.contains("chmod 600"), "{}", refused.told());
    assert!(!refused.told().contains(secret));
}

#[test]
fn a_call_ends_with_a_checkpoint_and_verify_says_how_far_the_trail_is_anchored() {
    let place = anchored();
    assert_eq!(mode(&place, "elsewhere.jsonl"), 0o600);
    let whole = place.run("audit verify").exits(0);
    assert!(whole.err.contains("anchored up to record 4, the last"), "{}", whole.told());
    // What another program writes is anchored by the next that says how far the trail goes.
    fs::copy(place.path("elsewhere.jsonl"), place.path("before.jsonl")).unwrap();
    place.run("kill on tool refuse --reason x").exits(0);
    let after = place.run("audit verify").exits(0);
    assert!(after.err.contains("anchored up to record 5, the last"), "{}", after.told());
    fs::rename(place.path("before.jsonl"), place.path("elsewhere.jsonl")).unwrap();
    let data = place.run("audit verify --json").exits(0).json();
    assert_eq!((&data["anchored"], &data["unanchored"]), (&4.into(), &1.into()));
    // What came to another place is held against the trail in the same way.
    let key = place.run("audit key").exits(0).out;
    fs::rename(place.path("elsewhere.jsonl"), place.path("fetched.jsonl")).unwrap();
    let fetched = format!("audit verify --checkpoints fetched.jsonl --key {}", key.trim());
    assert!(place.run(&fetched).exits(0).err.contains("unanchored after: 1 records"));
    let other = format!("audit verify --checkpoints fetched.jsonl --key {}", "00".repeat(32));
    assert!(place.run(&other).exits(1).out.contains("this host's key is another one"));
    place.run("audit verify --checkpoints missing.jsonl").exits(10);
    place.run("audit verify --key nonsense").exits(2);
}

#[test]
fn a_tail_that_was_cut_off_is_found_and_no_host_starts_on_it_until_it_is_given_up() {
    let place = anchored();
    place.run("call refuse").exits(8);
    place.sql("DROP TRIGGER audit_is_not_cut; DELETE FROM audit WHERE sequence > 5");
    let cut = place.run("audit verify").exits(1);
    assert!(cut.out.contains("broken at record 6: records are missing"), "{}", cut.told());
    let refused = place.run("call say text=hello").exits(3);
    assert!(refused.err.contains("audit resume"), "{}", refused.told());
    place.run("audit resume").exits(2);
    place.run("audit resume --reason 'the disk was lost'").exits(0);
    place.run("call say text=hello").exits(0);
    let after = place.run("audit verify").exits(0);
    assert!(after.out.contains("stand for records that were lost"), "{}", after.told());
    let found = lines(&place.run("audit search --code audit-resumed --json").exits(0).out);
    assert_eq!(found[0]["detail"], "the disk was lost");
}

#[test]
fn a_forged_checkpoint_is_told_from_a_genuine_one() {
    let place = anchored();
    let text = place.read("elsewhere.jsonl");
    place.write("elsewhere.jsonl", &text.replace("\"sequence\":4", "\"sequence\":3"));
    let forged = place.run("audit verify").exits(1);
    assert!(forged.out.contains("is not genuine: its signature does not fit"), "{}", forged.told());
    place.write("elsewhere.jsonl", &text);
    place.run("audit verify").exits(0);
}

#[test]
fn a_host_whose_checkpoints_cannot_be_written_does_not_start_unless_it_is_told_to_go_on() {
    let place = anchored();
    place.change("toolward.toml", "\"elsewhere.jsonl\"", "\"missing/elsewhere.jsonl\"");
    let refused = place.run("call say text=hello").exits(3);
    assert!(refused.err.contains("missing/elsewhere.jsonl"), "{}", refused.told());
    let go_on = "\"missing/elsewhere.jsonl\"\non_failure = \"go-on\"";
    place.change("toolward.toml", "\"missing/elsewhere.jsonl\"", go_on);
    let warned = place.run("call say text=hello").exits(0);
    assert!(warned.err.contains("cannot be written"), "{}", warned.told());
}

#[test]
fn what_is_wrong_with_the_settings_is_told_with_what_to_write() {
    let place = Place::without_secrets(&["teller"]);
    let text = place.read("toolward.toml");
    for (written, told) in [
        ("[audit]\nkeep = \"soon\"", "`keep` is a time, as in `30s`, `5m`, `12h` or `90d`"),
        ("[audit]\nkeep = \"0d\"", "`keep` is a time"),
        ("[audit]\nkept = \"90d\"", "unknown field `kept`"),
        ("[audit]\narchive = \"old\"", "write `keep`"),
        ("[audit.checkpoints]\nevery = \"1m\"", "write one of them"),
        ("[audit.checkpoints.webhook]\nurl = \"http://a.example.com/\"", "over `https`"),
        (
            "[audit.checkpoints.webhook]\nurl = \"https://a.example.com/\"\nsecret = \"a\"",
            "`store`",
        ),
        ("[audit.checkpoints.bucket]\nurl = \"https://a.example.com/?b\"", "no `?`"),
        ("[audit.checkpoints]\nfile = \"f\"\nevery_records = 0", "at least 1"),
        ("[audit.checkpoints]\nfile = \"f\"\non_failure = \"perhaps\"", "`stop`"),
    ] {
        place.write("toolward.toml", &format!("{text}\n{written}\n"));
        let refused = place.run("audit verify").exits(3);
        assert!(refused.err.contains(told), "{}", refused.told());
    }
    place.write("toolward.toml", &format!("{text}\n[audit]\nkeep = \"90d\"\n"));
    place.run("audit verify").exits(0);
}

#[test]
fn calls_and_changes_are_found_by_what_they_were() {
    let place = Place::without_secrets(&["teller"]);
    place.run("call say text=hello").exits(0);
    place.run("call refuse").exits(8);
    place.run("kill on tool say --reason 'a test'").exits(0);
    place.run("call say text=hello").exits(4);
    let ends = |line: &str| -> Vec<String> {
        let found = place.run(format!("audit search --json {line}").trim_end()).exits(0);
        lines(&found.out).iter().map(|one| one["end"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ends(""), ["tool-accept", "ok", "tool-failed", "kill-on", "halted"]);
    assert_eq!(ends("--tool say"), ["ok", "halted"]);
    assert_eq!(ends("--tool say --decision allow"), ["ok"]);
    assert_eq!(ends("--decision refuse"), ["halted"]);
    assert_eq!(ends("--code tool-failed"), ["tool-failed"]);
    assert_eq!(ends("--principal agent-7"), ["ok", "tool-failed", "halted"]);
    assert_eq!(ends("--since 1h"), ["tool-accept", "ok", "tool-failed", "kill-on", "halted"]);
    assert!(ends("--until 1h").is_empty());
    assert!(ends("--capability shop:orders:write").is_empty());
    assert!(place.run("audit search --tool say").exits(0).out.contains("agent-7"));
    place.run("audit search --since yesterday").exits(2);
    let one = lines(&place.run("audit search --json --code ok").exits(0).out).remove(0);
    for field in [
        "at",
        "call",
        "principal",
        "door",
        "component",
        "tool",
        "tool_digest",
        "arguments_digest",
        "decision",
        "policies",
        "policy_version",
        "bytes_sent",
        "cost",
        "millis",
        "end",
        "records",
    ] {
        assert!(!one[field].is_null(), "{field} is missing: {one}");
    }
}

#[test]
fn what_is_exported_is_the_chain_or_events_that_others_read() {
    let place = Place::with(&["github-issues"]);
    place.run("call list_issues owner=acme repo=site").exits(0);
    let records = lines(&place.run("audit export").exits(0).out);
    let links = records.windows(2).all(|pair| pair[1]["previous"] == pair[0]["hash"]);
    assert!(links && records.len() == 6, "two secrets, a first use and a call: {records:?}");
    let entries = lines(&place.run("audit export --format entries --code ok").exits(0).out);
    let sent = &entries[0]["destinations"][0];
    assert_eq!((&sent["method"], &sent["status"]), (&"GET".into(), &200.into()));
    assert!(sent["path_template"].as_str().unwrap().contains("{owner}"));
    assert_eq!(entries[0]["capabilities_used"], entries[0]["capabilities_tried"]);
    let events = lines(&place.run("audit export --format ocsf").exits(0).out);
    assert_eq!(events.len(), 4);
    for event in &events {
        // What the class API Activity of OCSF 1.5 requires.
        for field in [
            "activity_id",
            "actor",
            "api",
            "category_uid",
            "class_uid",
            "metadata",
            "severity_id",
            "src_endpoint",
            "time",
            "type_uid",
        ] {
            assert!(!event[field].is_null(), "{field} is missing: {event}");
        }
        assert_eq!(event["type_uid"], 600_399);
        assert!(event["api"]["operation"].is_string() && event["metadata"]["product"].is_object());
    }
    let called = &events[3];
    assert_eq!(
        (&called["status_id"], &called["api"]["operation"]),
        (&1.into(), &"list_issues".into())
    );
    assert!(!place.run("audit export").out.contains(super::TOKEN));
}

#[test]
fn old_records_go_to_the_archive_and_the_trail_still_holds() {
    let place = anchored();
    let kept = place.run("audit prune").exits(2);
    assert!(kept.err.contains("keep = \"90d\""), "{}", kept.told());
    place.change(
        "toolward.toml",
        "[audit.checkpoints]",
        "[audit]\nkeep = \"1s\"\n[audit.checkpoints]",
    );
    // Until a second has passed there is nothing to remove; the first use may be that much older than the call.
    // What was removed is on record itself, and may be old enough before all is.
    let mut removed = 0;
    while removed < 4 {
        let pruned = place.run("audit prune --json").exits(0).json();
        removed += pruned["removed"].as_u64().unwrap_or_default();
    }
    let archive: Vec<String> = fs::read_dir(place.path("data/audit-archive"))
        .unwrap()
        .map(|file| format!("data/audit-archive/{}", file.unwrap().file_name().to_string_lossy()))
        .collect();
    let archived = archive.iter().map(|name| lines(&place.read(name)).len());
    assert_eq!(archived.sum::<usize>() as u64, removed, "{archive:?}");
    let last = format!("-{removed:012}.jsonl");
    assert!(archive.iter().any(|name| name.ends_with(&last)), "{archive:?}");
    assert!(archive.iter().all(|name| mode(&place, name) == 0o600), "{archive:?}");
    let verified = place.run("audit verify").exits(0);
    assert!(
        verified.out.contains(&format!("records 1 to {removed} were removed")),
        "{}",
        verified.told()
    );
    place.run("call say text=hello").exits(0);
    place.run("audit verify").exits(0);
}

#[test]
fn a_backup_is_a_data_directory_to_start_again_from() {
    let place = anchored();
    place.run("kill on tool refuse --reason 'a test'").exits(0);
    let made = place.run("backup kept --json").exits(0).json();
    let backup = made["backup"].as_str().unwrap().to_owned();
    assert_eq!(mode(&place, "kept"), 0o700);
    for file in ["toolward.db", "audit.key"] {
        assert_eq!(mode(&place, &format!("{backup}/{file}")), 0o600, "{file}");
    }
    let verified_before = place.run("audit verify --json").exits(0).json();
    fs::remove_dir_all(place.path("data")).unwrap();
    fs::create_dir(place.path("data")).unwrap();
    place.set_mode("data", 0o700);
    for file in ["toolward.db", "audit.key"] {
        fs::copy(place.path(&format!("{backup}/{file}")), place.path(&format!("data/{file}")))
            .unwrap();
    }
    place.run("call refuse").exits(4);
    place.run("call say text=hello").exits(0);
    let verified = place.run("audit verify --json").exits(0).json();
    assert_eq!(verified["whole"], true);
    assert!(
        verified["records"].as_u64() > verified_before["records"].as_u64().map(|count| count - 1)
    );
    place.run("backup kept").exits(0);
    assert_eq!(
        fs::read_dir(place.path("kept")).unwrap().count(),
        2,
        "each has a folder of its own"
    );
}
