use toolward_gate::{Scope, ToolsScope};

use super::{Handle, Limits, Refusal, Spent, Widest};
use crate::testing::http;

const NOTHING: Limits = Limits {
    methods: None,
    path_prefix: None,
    tools: None,
    max_bytes: None,
    uses: None,
    time_ms: None,
};

fn scope() -> Widest {
    Widest { http: Some(http(1000).into()), own: None }
}

fn none() -> Widest {
    Widest::default()
}

fn tools(names: &[&str]) -> Limits {
    Limits { tools: Some(names.iter().map(|&name| name.to_owned()).collect()), ..NOTHING }
}

fn handle() -> Handle {
    Handle::new("github:issues:write".parse().unwrap())
}

fn methods(names: &[&str]) -> Limits {
    Limits { methods: Some(names.iter().map(|&name| name.to_owned()).collect()), ..NOTHING }
}

fn prefix(prefix: &str) -> Limits {
    Limits { path_prefix: Some(prefix.to_owned()), ..NOTHING }
}

fn refusal(handle: &Handle, to: Limits) -> Refusal {
    handle.narrow(to, &scope()).unwrap_err()
}

#[test]
fn methods_only_become_fewer() {
    let get = handle().narrow(methods(&["GET"]), &scope()).unwrap();
    assert_eq!(get.narrowing.methods, Some(["GET".to_owned()].into()));
    assert!(matches!(refusal(&handle(), methods(&["DELETE"])), Refusal::NotNarrower));
    assert!(matches!(refusal(&get, methods(&["GET", "POST"])), Refusal::NotNarrower));
}

#[test]
fn a_path_prefix_only_becomes_longer() {
    let acme = handle().narrow(prefix("/repos/acme/"), &scope()).unwrap();
    let site = acme.narrow(prefix("/repos/acme/site"), &scope()).unwrap();
    assert_eq!(site.narrowing.path_prefix.as_deref(), Some("/repos/acme/site"));
    for wider in ["/", "/repos/acme/", "/repos/other/site", "repos/acme/site"] {
        assert!(matches!(refusal(&acme, prefix(wider)), Refusal::NotNarrower), "{wider}");
    }
}

#[test]
fn bodies_only_become_shorter() {
    let bytes = |most| Limits { max_bytes: Some(most), ..NOTHING };
    let short = handle().narrow(bytes(999), &scope()).unwrap();
    assert_eq!(short.narrowing.max_bytes, Some(999));
    for longer in [999, 1000, u64::MAX] {
        assert!(matches!(refusal(&short, bytes(longer)), Refusal::NotNarrower), "{longer}");
    }
    assert!(matches!(refusal(&handle(), bytes(1000)), Refusal::NotNarrower));
    assert!(handle().narrow(bytes(1), &none()).is_err());
}

#[test]
fn what_has_no_paths_is_not_narrowed_by_them() {
    assert!(handle().narrow(prefix("/a"), &none()).is_err());
    assert!(handle().narrow(methods(&[]), &none()).is_err());
    assert!(handle().narrow(NOTHING, &scope()).is_err());
    handle().narrow(Limits { uses: Some(1), ..NOTHING }, &none()).unwrap();
}

#[test]
fn tools_only_become_fewer() {
    let names = ["read", "write"].map(|name| name.parse().unwrap()).into();
    let own = Scope::Tools(ToolsScope { tools: names, lends: [].into() });
    let widest = Widest { http: None, own: Some(own.into()) };
    let reaches = |handle: &Handle, tool: &str| handle.reaches(&tool.parse().unwrap());
    assert!(reaches(&handle(), "read") && reaches(&handle(), "write"));
    let read = handle().narrow(tools(&["read"]), &widest).unwrap();
    assert!(reaches(&read, "read") && !reaches(&read, "write"));
    for wider in [&["write"][..], &["read", "write"], &["other"], &["no name"]] {
        let refused = read.narrow(tools(wider), &widest);
        assert!(matches!(refused, Err(Refusal::NotNarrower)), "{wider:?}");
    }
    assert!(handle().narrow(tools(&["other"]), &widest).is_err());
    assert!(handle().narrow(tools(&["read"]), &none()).is_err());
    assert!(!reaches(&read.narrow(tools(&[]), &widest).unwrap(), "read"));
}

#[test]
fn a_use_counts_in_every_handle_that_it_was_made_from() {
    let two = handle().narrow(Limits { uses: Some(2), ..NOTHING }, &none()).unwrap();
    let nine = two.narrow(Limits { uses: Some(9), ..NOTHING }, &none()).unwrap();
    nine.spend().unwrap();
    two.spend().unwrap();
    assert_eq!(nine.spend(), Err(Spent::Uses));
    assert_eq!(two.spend(), Err(Spent::Uses));
    handle().spend().unwrap();
}

#[test]
fn time_only_becomes_shorter() {
    let long = handle().narrow(Limits { time_ms: Some(60_000), ..NOTHING }, &none()).unwrap();
    let over = long.narrow(Limits { time_ms: Some(0), ..NOTHING }, &none()).unwrap();
    long.spend().unwrap();
    assert_eq!(over.spend(), Err(Spent::Time));
    assert!(matches!(refusal(&over, prefix("/a")), Refusal::Expired));
    let longer = long.narrow(Limits { time_ms: Some(u64::MAX), ..NOTHING }, &none()).unwrap();
    assert_eq!(longer.expires_at, long.expires_at);
}
