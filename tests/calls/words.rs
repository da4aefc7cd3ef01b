//! The code and the words of every stop, in one file: reviewers see when a wording changes.
use std::{fmt::Write as _, time::Duration};

use toolward_gate::{
    ApprovalId, Cause, Cost, Limit, Refusal, Stop, SwitchTarget, ToolFailure, Unavailable, Window,
};

/// One of each. A new variant does not compile here until it is listed in [`all`], too.
fn is_listed(stop: &Stop) -> bool {
    match stop {
        Stop::Held { .. }
        | Stop::Halted(
            Cause::SwitchThrown(_)
            | Cause::SwitchesUnreadable
            | Cause::TimeOver
            | Cause::IdentityEnded
            | Cause::IdentityDenied
            | Cause::CredentialEnded(_),
        )
        | Stop::Failed(_)
        | Stop::Limit(
            Limit::Memory
            | Limit::Stack
            | Limit::Output
            | Limit::Handles
            | Limit::HostCall
            | Limit::Tables
            | Limit::Instances
            | Limit::Values,
        )
        | Stop::Trapped { .. }
        | Stop::BadOutput { .. }
        | Stop::Cancelled
        | Stop::Unavailable(_)
        | Stop::Refused(
            Refusal::Forbidden
            | Refusal::OtherDoor { .. }
            | Refusal::NotGranted { .. }
            | Refusal::NotYours { .. }
            | Refusal::NotLinked { .. }
            | Refusal::Denied { .. }
            | Refusal::Unanswered
            | Refusal::TooManyQuestions { .. }
            | Refusal::OverApproved { .. }
            | Refusal::AlreadySpent
            | Refusal::OverRate { .. }
            | Refusal::OverBudget
            | Refusal::QueueFull
            | Refusal::QueueTime { .. }
            | Refusal::Halted(_),
        ) => true,
    }
}

fn all() -> Vec<Stop> {
    let approval: ApprovalId = "6f1c1a52-3c55-4a3e-9c3f-2b8d7e1f0a44".parse().unwrap();
    let mut all = vec![Stop::Held { approval, summary: "`pay` by `agent-7`".to_owned() }];
    all.extend(refusals().into_iter().map(Stop::Refused));
    all.extend(causes().map(Stop::Halted));
    let (code, message) = ("out-of-stock".to_owned(), "there is nothing left".to_owned());
    all.push(Stop::Failed(ToolFailure { code, message }));
    let limits = [
        Limit::Memory,
        Limit::Stack,
        Limit::Output,
        Limit::Handles,
        Limit::HostCall,
        Limit::Tables,
        Limit::Instances,
        Limit::Values,
    ];
    all.extend(limits.map(Stop::Limit));
    all.extend([
        Stop::Trapped { cause: "for the operator".into() },
        Stop::BadOutput { cause: "for the operator".into() },
        Stop::Cancelled,
        Stop::Unavailable(Unavailable::new("the state", "for the operator")),
    ]);
    all
}

fn refusals() -> Vec<Refusal> {
    let (tool, capability) = ("pay".parse().unwrap(), "shop:payments:create".parse().unwrap());
    let interface = "toolward:tool/clock@0.1.0".to_owned();
    let denied =
        |comment: &str| Refusal::Denied { by: "ana".to_owned(), comment: comment.to_owned() };
    let not_granted = |interface: Option<&str>| Refusal::NotGranted {
        tool: toolward_gate::ToolName::clone(&tool),
        capability: toolward_gate::CapabilityName::clone(&capability),
        interface: interface.map(str::to_owned),
    };
    let mut all = vec![
        Refusal::Forbidden,
        Refusal::OtherDoor { door: "rest" },
        not_granted(Some("http")),
        not_granted(None),
        Refusal::NotYours {
            tool: tool.clone(),
            capability: capability.clone(),
            credential: "stripe".parse().unwrap(),
        },
        Refusal::NotLinked { interface: interface.clone(), wanted: vec![] },
        Refusal::NotLinked { interface, wanted: vec![capability.clone()] },
        denied(""),
        denied("not this month"),
        Refusal::Unanswered,
        Refusal::TooManyQuestions { open: 20 },
        Refusal::OverApproved { most: Cost(50_000) },
        Refusal::AlreadySpent,
        Refusal::OverRate {
            calls: 10,
            window: Duration::from_secs(60).into(),
            retry_after: Some(Duration::from_millis(12_700)),
        },
        Refusal::OverRate { calls: 10, window: Window::Total, retry_after: None },
        Refusal::OverBudget,
        Refusal::QueueFull,
        Refusal::QueueTime { waited: Duration::from_secs(10) },
    ];
    all.extend(causes().map(Refusal::Halted));
    all
}

fn causes() -> [Cause; 6] {
    [
        Cause::SwitchThrown(SwitchTarget::Provider("shop".to_owned())),
        Cause::SwitchesUnreadable,
        Cause::TimeOver,
        Cause::IdentityEnded,
        Cause::IdentityDenied,
        Cause::CredentialEnded("shop".parse().unwrap()),
    ]
}

#[test]
fn every_stop_keeps_its_code_and_its_words() {
    let mut text = String::new();
    for stop in all() {
        assert!(is_listed(&stop));
        writeln!(text, "{:<15} {stop}", stop.code()).unwrap();
    }
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("stops", text);
    });
}

#[test]
fn no_stop_tells_a_caller_what_is_for_the_operator() {
    assert!(all().iter().any(|stop| format!("{stop:?}").contains("for the operator")));
    for stop in all() {
        assert!(!stop.to_string().contains("for the operator"), "{stop}");
    }
}
