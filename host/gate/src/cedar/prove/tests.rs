//! With a solver these prove; without one they check that it is said how to get one.
use std::process::Command;

use super::*;
use crate::SourceFile;
use crate::cedar::tests::{capabilities, load, shipped, tools};

mod arguments;
mod claims;
mod one_call;

#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test may look whether there is a solver, and says so where there is none"
)]
fn solver() -> bool {
    let program = std::env::var("CVC5").unwrap_or_else(|_| "cvc5".to_owned());
    let there =
        Command::new(program).arg("--version").output().is_ok_and(|ran| ran.status.success());
    if !there {
        eprintln!("left out: proofs, since there is no cvc5; `.ci/solver` runs them with one");
    }
    there
}

fn charges() -> CapabilityName {
    "payments:charges:create".parse().unwrap()
}

fn policies(more: &str) -> CedarPolicy {
    let mut files = shipped();
    files.push(SourceFile::new("more.cedar", more));
    load(&files).unwrap()
}

fn refuted(findings: &[Finding]) -> Vec<&Counterexample> {
    let mut calls = Vec::new();
    for finding in findings {
        match &finding.verdict {
            Verdict::Proved => {}
            Verdict::Refuted { call } => calls.push(call.as_ref()),
            Verdict::Unknown { why } => panic!("{}: {why}", finding.claim),
        }
    }
    calls
}

/// A capability of low risk, so that only policies ask.
fn write() -> CapabilityName {
    "github:issues:write".parse().unwrap()
}

const ASKING: &str = r#"@id("own-call") permit(principal, action == Action::"call", resource in Component::"github-issues");
@id("asking") @approval("one-of:oncall") permit(principal in Role::"writer", action == Action::"github:issues:write", resource) when { context.arguments.repo == "site" };"#;

/// The shipped policies without those about issues, and these.
fn issues(text: &str) -> CedarPolicy {
    load(&[SourceFile::new("issues.cedar", text)]).unwrap()
}

#[test]
fn a_capability_that_every_way_asks_a_person_about_is_proved_to() {
    if !solver() {
        let told = issues(ASKING).prove_approval(&tools(), &write(), None).unwrap_err();
        assert!(matches!(told, ProveError::NoSolver), "{told}");
        return;
    }
    let findings = issues(ASKING).prove_approval(&tools(), &write(), None).unwrap();
    assert_eq!((findings.len(), refuted(&findings).len()), (3, 0), "{findings:?}");
    assert!(refuted(&policies("").prove_approval(&tools(), &charges(), None).unwrap()).is_empty());
}

#[test]
fn a_way_past_the_person_is_found_and_the_call_does_go_through() {
    if !solver() {
        return;
    }
    let hole = format!(
        "{ASKING}\n@id(\"hole\") permit(principal is Agent in Role::\"cleaner\", action == Action::\"github:issues:write\", resource) when {{ context.arguments.owner like \"acme-*\" && context.time.hour > 20 }};"
    );
    let policy = issues(&hole);
    let findings = policy.prove_approval(&tools(), &write(), None).unwrap();
    let [call] = refuted(&findings)[..] else { panic!("{findings:?}") };
    assert!(
        call.roles.contains("cleaner") && call.hour > 20 && call.approved_by.is_none(),
        "{call:?}"
    );
    assert!(call.arguments["owner"].as_str().unwrap().starts_with("acme-"), "{call:?}");
    // A `forbid` closes it.
    let closed = format!(
        "{hole}\nforbid(principal in Role::\"cleaner\", action == Action::\"github:issues:write\", resource);"
    );
    let findings = issues(&closed).prove_approval(&tools(), &write(), None).unwrap();
    assert!(refuted(&findings).is_empty(), "{findings:?}");
}

#[test]
fn a_set_that_allows_more_is_told_from_one_that_allows_less() {
    if !solver() {
        return;
    }
    // Of two tools: each question takes a while.
    let (forecast, open) = (&tools()[..1], &tools()[2..3]);
    let (old, less) = (
        policies(""),
        policies("forbid(principal, action, resource) when { context.time.hour < 6 };"),
    );
    let more = policies(
        "permit(principal in Role::\"intern\", action, resource in Component::\"weather\") when { context.arguments has city && context.arguments.city == \"Oslo\" };",
    );
    let findings = less.prove_no_more_than(&old, forecast, None).unwrap();
    assert!(refuted(&findings).is_empty(), "{findings:?}");
    let findings = more.prove_no_more_than(&old, forecast, None).unwrap();
    let calls = refuted(&findings);
    assert!(
        !calls.is_empty() && calls.iter().all(|call| call.arguments["city"] == "Oslo"),
        "{calls:?}"
    );
    let findings = old.prove_no_more_than(&less, forecast, None).unwrap();
    assert!(refuted(&findings).iter().all(|call| call.hour < 6) && !refuted(&findings).is_empty());
    // An approval that is no longer asked for is more, too.
    let asked = issues(ASKING);
    let unasked = issues(&ASKING.replace("@approval(\"one-of:oncall\") ", ""));
    assert!(refuted(&asked.prove_no_more_than(&unasked, open, None).unwrap()).is_empty());
    let findings = unasked.prove_no_more_than(&asked, open, None).unwrap();
    assert!(!refuted(&findings).is_empty(), "{findings:?}");
}

#[test]
fn a_capability_that_no_tool_wants_cannot_be_asked_about() {
    let unused = "host:random:read".parse().unwrap();
    let told = policies("").prove_approval(&tools(), &unused, None).unwrap_err();
    assert!(matches!(told, ProveError::Unused(_)), "{told}");
}

/// The token for issues is `ana`'s; `grants` lend it.
fn lent(to: &str, tool: Option<&str>) -> CredentialGrant {
    CredentialGrant {
        credential: "github".parse().unwrap(),
        to: to.parse().unwrap(),
        tool: tool.map(|name| name.parse().unwrap()),
        by: "ana".to_owned(),
        reason: String::new(),
        since: jiff::Timestamp::UNIX_EPOCH,
        ends_at: jiff::Timestamp::MAX,
    }
}

#[test]
fn who_neither_owns_a_credential_nor_was_lent_it_is_no_hole_where_grants_are_looked_at() {
    if !solver() {
        return;
    }
    let unasked = ASKING.replace("@approval(\"one-of:oncall\") ", "");
    let owners = [("github".parse().unwrap(), ["principal:ana".parse().unwrap()].into())];
    let policy = issues(&unasked).owned_by(std::sync::Arc::new(owners.into()));
    let found = |grants: Option<&[CredentialGrant]>| {
        policy.prove_approval(&tools(), &write(), grants).unwrap()
    };
    // Every grant is supposed: anybody with the role gets through.
    assert!(!refuted(&found(None)).is_empty());
    // Only the owner does.
    let alone = found(Some(&[]));
    let calls = refuted(&alone);
    assert!(!calls.is_empty());
    assert!(calls.iter().all(|call| call.principal == "ana"), "{calls:?}");
    // And whoever was lent it, with the tool that it was lent for.
    let role = found(Some(&[lent("role:triage", None)]));
    let triage = |call: &&&Counterexample| call.principal == "ana" || call.roles.contains("triage");
    assert_eq!(refuted(&role).iter().filter(triage).count(), refuted(&role).len());
    assert!(refuted(&role).len() >= calls.len());
    let elsewhere = found(Some(&[lent("role:triage", Some("charge"))]));
    assert!(refuted(&elsewhere).iter().all(|call| call.principal == "ana"));
}

#[test]
fn capabilities_that_are_defined_otherwise_are_named_and_those_that_stayed_are_not() {
    let of = |text: &str| {
        let file = SourceFile::new("capabilities.toml", text);
        let capabilities = Capabilities::parse(&file, &["log", "http"]).unwrap();
        CedarPolicy::load(&[], capabilities.into(), &[], "development").unwrap()
    };
    let log = "[capability.\"host:log:write\"]\ndescription = \"Lines.\"\ninterface = \"log\"\nrisk = \"low\"\n";
    let mail = "[capability.\"mail:letters:send\"]\ndescription = \"Letters.\"\ninterface = \"http\"\ndestination = \"https://mail.example\"\nmethods = [\"POST\"]\npaths = [\"/letters\"]\nrisk = \"low\"\nresponse = { content_types = [\"application/json\"], max_bytes = 1_024 }\n";
    let (both, alone) = (of(&format!("{log}{mail}")), of(log));
    let elsewhere = of(&format!("{log}{}", mail.replace("mail.example", "elsewhere.example")));
    let send: CapabilityName = "mail:letters:send".parse().unwrap();
    assert!(both.redefined(&of(&format!("{mail}{log}"))).is_empty());
    for (new, old) in [(&both, &alone), (&alone, &both), (&elsewhere, &both)] {
        assert_eq!(new.redefined(old), std::slice::from_ref(&send));
    }
}

/// Which solver there is stands in the environment, which only a process of its own has to itself.
#[test]
#[expect(clippy::disallowed_methods, reason = "it runs itself, and is told how")]
fn a_solver_that_is_not_there_is_told_from_one_that_cannot_be_started() {
    const WANTED: &str = "TOOLWARD_TEST_SOLVER";
    const NAME: &str =
        "cedar::prove::tests::a_solver_that_is_not_there_is_told_from_one_that_cannot_be_started";
    if let Ok(wanted) = std::env::var(WANTED) {
        let told = issues(ASKING).prove_approval(&tools(), &write(), None).unwrap_err();
        let expected = match wanted.as_str() {
            "missing" => matches!(told, ProveError::NoSolver),
            _ => matches!(told, ProveError::Failed(_)),
        };
        assert!(expected, "{wanted}: {told}");
        return;
    }
    let directory = env!("CARGO_MANIFEST_DIR");
    let missing = format!("{directory}/there-is-no-cvc5");
    for (wanted, program) in [("missing", missing.as_str()), ("directory", directory)] {
        let mut this = Command::new(std::env::current_exe().unwrap());
        let ran = this.args(["--exact", NAME]).env(WANTED, wanted).env("CVC5", program).output();
        let ran = ran.unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("1 passed"), "{wanted}: {said}");
    }
}
