//! Which imports of a component with a manifest are linked, and which refuse its calls.
use serde_json::json;
use toolward_gate::{Digest, Interface};

use super::*;
use crate::{
    manifest::Manifest,
    testing::{manifest, terms},
};

/// A component with a manifest that wants `github:issues:write` where it can get it.
fn importing(names: &[&str]) -> Inspection {
    let wants = json!([{ "name": "github:issues:write", "required": false }]);
    let text = manifest(&wants).to_string();
    let import = |name: &&str| Import {
        name: (*name).to_owned(),
        interface: wasi::part(name).map(|part| Interface(part.to_owned())),
        functions: vec!["one".to_owned()],
    };
    Inspection {
        digest: Digest::ZERO,
        bytes: 0,
        imports: names.iter().map(import).collect(),
        manifest: Manifest::parse(text.as_bytes()).unwrap(),
        exports: None,
    }
}

fn linked(
    names: &[&str],
    granted: &[(&str, &str)],
    unlinked: Unlinked,
) -> Result<Vec<&'static str>, String> {
    let linked = links(
        &importing(names),
        &"act".parse().unwrap(),
        &terms(granted).sandbox.grants,
        unlinked,
        &[],
    );
    match linked {
        Ok(links) => Ok(links.into_iter().collect()),
        Err(Stop::Refused(Refusal::NotLinked { interface, .. })) => Err(interface),
        Err(other) => panic!("{other:?}"),
    }
}

const INERT: &str = "wasi:cli/environment@0.2.6";
const CLOCK: &str = "wasi:clocks/wall-clock@0.2.0";
const HTTP: &str = "wasi:http/outgoing-handler@0.2.9";
const SOCKETS: &str = "wasi:sockets/tcp@0.2.3";

#[test]
fn a_component_with_a_manifest_is_linked_to_what_is_inert_and_to_what_is_granted() {
    let strict =
        |names: &[&str], granted: &[(&str, &str)]| linked(names, granted, Unlinked::RefusesTheCall);
    assert_eq!(strict(&[INERT], &[]), Ok(vec!["wasi"]));
    assert_eq!(strict(&[INERT, CLOCK], &[]), Err(CLOCK.to_owned()));
    let clocks = [("host:clocks:read", "wasi-clocks")];
    assert_eq!(strict(&[INERT, CLOCK], &clocks), Ok(vec!["wasi", "wasi-clocks"]));
    assert_eq!(strict(&[HTTP], &[("github:issues:write", "http")]), Ok(vec!["wasi-http"]));
    assert_eq!(
        strict(&[SOCKETS], &[("host:clocks:read", "wasi-sockets")]),
        Err(SOCKETS.to_owned())
    );
    assert_eq!(
        strict(&["wasi:config/store@0.2.0-rc.1"], &clocks).unwrap_err(),
        "wasi:config/store@0.2.0-rc.1"
    );
}

#[test]
fn what_an_optional_capability_would_open_is_filled_with_traps() {
    assert_eq!(linked(&[HTTP], &[], Unlinked::RefusesTheCall), Ok(vec![]));
}

#[test]
fn an_import_that_nothing_opens_is_let_be_where_the_operator_says_so() {
    assert_eq!(linked(&[INERT, CLOCK, SOCKETS], &[], Unlinked::Refuses), Ok(vec!["wasi"]));
}

#[test]
fn types_alone_are_nothing_to_refuse() {
    let mut inspection = importing(&[CLOCK]);
    inspection.imports[0].functions.clear();
    let grants = terms(&[]).sandbox.grants;
    let tool = "act".parse().unwrap();
    assert!(links(&inspection, &tool, &grants, Unlinked::RefusesTheCall, &[]).unwrap().is_empty());
}
