//! What a tool's schema says of its arguments, and what is told of a call that was found.
use cedar_policy_symcc::Env;
use serde_json::json;

use super::{
    one_call::{call, known, listing, robo, seen, so},
    *,
};
use crate::{Cost, cedar::request::Circumstances};

/// A tool whose arguments have bounds.
fn bounded() -> InstalledTool {
    let mut tool = listing();
    tool.input_schema = json!({
        "type": "object",
        "properties": {
            "state": {"type": "string", "enum": ["open", "closed"]},
            "page": {"type": "integer", "minimum": 1, "maximum": 9},
            "sort": {"enum": ["newest", "oldest"]},
            "least": {"type": "integer", "minimum": 3},
            "most": {"type": "integer", "maximum": 3},
            "order": {"type": ["string", "null"], "enum": ["up", "down"]},
            "maybe": {"type": ["integer", "null"], "minimum": 3},
            "null_too": {"type": ["string", "null"], "enum": ["a", null]},
            "any": {"type": "integer"},
            "label": {"type": "string", "minimum": 3},
            "odd name": {"type": "integer", "minimum": 3},
            "not this": {"type": "string", "enum": ["a"]},
            "narrow": {"type": "integer", "minimum": 3, "not": {"const": 4}},
        },
        "required": ["state", "page", "order"],
    });
    tool
}

fn bounded_policy() -> CedarPolicy {
    let files = [SourceFile::new("a.cedar", "permit(principal, action, resource);")];
    CedarPolicy::load(&files, capabilities(), &[bounded()], "development").unwrap()
}

#[test]
fn only_arguments_that_the_tool_takes_are_thought_of() {
    let (policy, tool) = (bounded_policy(), bounded());
    let model = Model::of(&policy, &tool, None, None);
    let none = BTreeSet::new();
    let thought_of = |more: Value| {
        let mut arguments = json!({"state": "open", "page": 1, "order": "up"});
        for (name, value) in more.as_object().unwrap() {
            arguments[name] = value.clone();
        }
        let call = call(robo(), &tool, arguments);
        so(&model, &seen(&policy, &call, known(&none)), model.truths())
    };
    for (more, expected) in [
        (json!({}), true),
        (json!({"state": "closed"}), true),
        (json!({"state": "gone"}), false),
        (json!({"state": ""}), false),
        (json!({"page": 9}), true),
        (json!({"page": 0}), false),
        (json!({"page": 10}), false),
        (json!({"sort": "newest"}), true),
        (json!({"sort": "oldest"}), true),
        (json!({"sort": "longest"}), false),
        (json!({"least": 3}), true),
        (json!({"least": 2}), false),
        (json!({"most": 3}), true),
        (json!({"most": 4}), false),
        (json!({"order": "down"}), true),
        (json!({"order": "left"}), false),
        (json!({"maybe": 3}), true),
        (json!({"maybe": null}), true),
        (json!({"maybe": 2}), false),
        (json!({"null_too": "a"}), true),
        (json!({"null_too": null}), true),
        (json!({"null_too": "b"}), false),
        (json!({"any": -7, "label": "x", "odd name": 0, "not this": "b", "narrow": 0}), true),
    ] {
        assert_eq!(thought_of(more.clone()), expected, "{more}");
    }
}

/// What the solver cannot be asked would leave the tool without a proof.
#[test]
fn what_is_said_of_arguments_can_be_asked_of_the_solver() {
    let (policy, tool) = (bounded_policy(), bounded());
    let model = Model::of(&policy, &tool, None, None);
    let mut all = model.truths();
    all.push(expression::truth(false));
    match found(&tool, "is never so", None, &model, all) {
        Ok(findings) => assert!(refuted(&findings).is_empty()),
        Err(told) => assert!(matches!(told, ProveError::NoSolver), "{told}"),
    }
}

#[test]
fn what_the_solver_cannot_be_asked_is_neither_proved_nor_refuted_and_the_reason_is_told() {
    let (policy, tool) = (bounded_policy(), bounded());
    let model = Model::of(&policy, &tool, None, None);
    let ill_typed = expression::equal(expression::context(&["door"]), expression::whole(7));
    for finding in found(&tool, "is typed", None, &model, vec![ill_typed]).unwrap() {
        let Verdict::Unknown { why } = finding.verdict else { panic!("{finding:?}") };
        assert!(why.contains("String") && why.contains("Long"), "{why}");
    }
}

#[test]
fn a_counterexample_tells_everything_of_its_call() {
    let (policy, tool) = (bounded_policy(), bounded());
    let arguments = json!({"state": "open", "page": 2, "order": "up", "any": -7});
    let call = call(robo(), &tool, arguments.clone());
    let by = ["rita".to_owned(), "carl".to_owned()].into();
    let none = BTreeSet::new();
    let told = |known: Circumstances<'_>| {
        let (request, entities) = seen(&policy, &call, known);
        Counterexample::of(&tool, Kind::Agent, &Env { request, entities })
    };
    let bare = Counterexample {
        principal: "robo".to_owned(),
        kind: Kind::Agent,
        roles: ["assistant".to_owned()].into(),
        groups: ["desk".to_owned()].into(),
        acts_for: vec!["ana".to_owned(), "bea".to_owned()],
        tool: tool.name.clone(),
        arguments,
        door: "test".to_owned(),
        hour: 3,
        weekday: 4,
        epoch_seconds: 10_800,
        approved_by: None,
        remaining: None,
    };
    assert_eq!(told(known(&none)), bare);
    let known = Circumstances { approved_by: Some(&by), remaining: Some(Cost(7)), ..known(&none) };
    let (approved_by, remaining) = (Some(by.clone()), Some(7));
    assert_eq!(told(known), Counterexample { approved_by, remaining, ..bare });
}
