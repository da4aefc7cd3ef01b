//! `policy prove`: claims about every call there can be. Without a solver, it is said how to get one.
use super::place::{Place, command};

/// The solver, where there is one.
#[expect(clippy::print_stderr, reason = "what is left out is said")]
fn solver() -> Option<String> {
    let program = std::env::var("CVC5").unwrap_or_else(|_| "cvc5".to_owned());
    let there = command(&program).arg("--version").output().is_ok_and(|ran| ran.status.success());
    if !there {
        eprintln!("left out: proofs, since there is no cvc5; `.ci/solver` runs them with one");
    }
    there.then_some(program)
}

#[test]
fn without_a_solver_it_is_said_how_to_get_one() {
    let place = Place::without_secrets(&["payments"]);
    // Of low risk by definition: only the policies ask a person.
    place.change("policies/capabilities.toml", "risk = \"high\"", "risk = \"low\"");
    let line = "policy prove approval payments:charges:create";
    let ran = place.run_in(&[("CVC5", "/nowhere/cvc5")], line, "").exits(1);
    insta::assert_snapshot!(ran.told());
    place.run("policy prove approval payments:refunds:create").exits(10);
}

#[test]
fn a_hole_is_told_as_a_call_that_goes_through_here() {
    let Some(solver) = solver() else { return };
    let place = Place::without_secrets(&["payments"]);
    place.change("policies/capabilities.toml", "risk = \"high\"", "risk = \"low\"");
    let prove = |line: &str| place.run_in(&[("CVC5", &solver)], line, "");
    let line = "policy prove approval payments:charges:create --json";
    assert_eq!(prove(line).exits(0).json()["proved"], true);
    place.write("other/capabilities.toml", &place.read("policies/capabilities.toml"));
    for name in ["default.cedar", "payments.cedar"] {
        place.write(&format!("other/{name}"), &place.read(&format!("policies/{name}")));
    }
    let hole = "\n@id(\"hole\") permit(principal in Role::\"till\", action, resource in Component::\"payments\") when { context.arguments has amount && context.arguments.amount < 5 };";
    place.write("policies/payments.cedar", &(place.read("policies/payments.cedar") + hole));
    let found = prove(line).exits(1).json();
    let refuted = &found["findings"][0];
    assert_eq!(
        (&refuted["verdict"], &refuted["confirmed"]),
        (&"refuted".into(), &true.into()),
        "{found}"
    );
    assert!(refuted["call"]["arguments"]["amount"].as_i64().unwrap() < 5);
    let text = prove("policy prove no-more-than other").exits(1);
    assert!(text.out.contains("toolward policy explain create_charge"), "{}", text.told());
    // The other way round, nothing is more.
    let line = "policy prove no-more-than policies --policies other";
    assert!(prove(line).exits(0).out.ends_with("proved\n"));
}
