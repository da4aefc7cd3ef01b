//! Which import belongs to which part, and what an import without one does.
use super::*;

#[test]
fn an_import_belongs_to_one_part_in_any_stable_version() {
    for patch in 0..10 {
        assert_eq!(part(&format!("wasi:cli/environment@0.2.{patch}")), Some("wasi"));
        assert_eq!(part(&format!("wasi:http/outgoing-handler@0.2.{patch}")), Some("wasi-http"));
    }
    assert_eq!(part("wasi:random/insecure-seed@0.2.3"), Some("wasi-random"));
    assert_eq!(part("wasi:config/store@0.2.0-rc.1"), Some("wasi-config"));
    for other in [
        "wasi:cli/environment",
        "wasi:cli/environment@0.3.0",
        "wasi:cli/environment@0.2.",
        "wasi:cli/environment@0.2.0-rc.1",
        "wasi:cli/run@0.2.0",
        "wasi:config/store@0.2.0",
        "wasi:sockets/tcp@0.2.3",
        "wasi:http/incoming-handler@0.2.3",
        "evil:cli/environment@0.2.3",
    ] {
        assert_eq!(part(other), None, "{other}");
    }
}

#[test]
fn no_interface_is_in_two_parts_and_thirteen_are_inert() {
    let all: Vec<_> = PARTS.iter().flat_map(|part| part.interfaces()).collect();
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(all.len(), distinct.len());
    assert_eq!(PARTS[0].interfaces().len(), 13);
    assert!(all.iter().all(|name| !name.contains("sockets")));
}

#[test]
fn only_requests_are_asked_for_in_two_ways() {
    assert_eq!(opened("http").collect::<Vec<_>>(), ["http", "wasi-http"]);
    assert_eq!(opened("wasi-http").collect::<Vec<_>>(), ["wasi-http"]);
    assert_eq!(opened("clock").collect::<Vec<_>>(), ["clock"]);
}
