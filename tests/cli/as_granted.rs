//! Who is granted a credential, where policies are asked before they are relied on.
use super::place::{Place, command};

const CALL: &str = "call list_issues owner=acme repo=site";

/// The token for issues is `ana`'s; the caller, `agent-7`, has what it is granted.
fn place() -> Place {
    let place = Place::with(&["github-issues"]);
    let owned = "[credential.github]\nowners = [\"principal:ana\"]\n";
    place.change("toolward.toml", "[credential.github]\n", owned);
    place
}

fn grant(place: &Place) {
    place.run("secret grant github --to principal:agent-7 --for 1h --reason cleaning").exits(0);
}

fn revoke(place: &Place) {
    place.run("secret revoke github --to principal:agent-7").exits(0);
}

/// One call, with what the case says of grants and of its end.
fn case(granted: &str, end: &str) -> String {
    format!(
        "[[case]]\nname = \"one\"\ntool = \"list_issues\"\narguments = {{ owner = \"acme\", repo = \"site\" }}\nprincipal = {{ id = \"agent-7\", roles = [\"assistant\"] }}\n{granted}\n{end}\n"
    )
}

const ALLOWED: &str = "expect = \"allow\"";
const REFUSED: &str = "expect = \"refuse\"\ncode = \"not-yours\"";

#[test]
fn a_case_supposes_every_grant_or_names_them_or_takes_them_as_they_are() {
    let place = place();
    let test = |granted: &str, end: &str, flag: &str| {
        place.write("cases.toml", &case(granted, end));
        place.run(&format!("policy test cases.toml{flag}"))
    };
    test("", ALLOWED, "").exits(0);
    test("granted = []", REFUSED, "").exits(0);
    test("granted = [\"github\"]", ALLOWED, "").exits(0);
    // As they are: there is none, then there is one, then there is none again.
    test("", REFUSED, " --as-granted").exits(0);
    assert!(test("", ALLOWED, " --as-granted").exits(1).out.contains("the outcome is refuse"));
    grant(&place);
    test("", ALLOWED, " --as-granted").exits(0);
    // What the case says goes before.
    test("granted = []", REFUSED, " --as-granted").exits(0);
    revoke(&place);
    test("", REFUSED, " --as-granted").exits(0);
    test("granted = [\"github\"]", ALLOWED, " --as-granted").exits(0);
    let wrong = test("granted = [\"stripe\"]", ALLOWED, "").exits(1);
    assert!(wrong.out.contains("no credential with `owners`"), "{}", wrong.told());
    // An owner needs no grant.
    let owner = case("granted = []", ALLOWED).replace("id = \"agent-7\"", "id = \"ana\"");
    place.write("cases.toml", &owner);
    place.run("policy test cases.toml").exits(0);
}

#[test]
fn recorded_calls_are_decided_again_with_the_grants_that_there_are() {
    let place = place();
    grant(&place);
    place.run(CALL).exits(0);
    let what_if = |flag: &str| place.run(&format!("policy what-if policies{flag} --json")).exits(0);
    assert_eq!(what_if(" --as-granted").json()["unchanged"], 1);
    revoke(&place);
    assert_eq!(what_if("").json()["unchanged"], 1);
    let found = what_if(" --as-granted").json();
    assert_eq!(
        (&found["changed"][0]["was"], &found["changed"][0]["would_be"]),
        (&"allow".into(), &"refuse".into()),
        "{found}"
    );
}

#[expect(clippy::print_stderr, reason = "what is left out is said")]
#[test]
fn a_claim_is_proved_about_those_who_have_the_credential() {
    let solver = std::env::var("CVC5").unwrap_or_else(|_| "cvc5".to_owned());
    if !command(&solver).arg("--version").output().is_ok_and(|ran| ran.status.success()) {
        eprintln!("left out: a proof, since there is no cvc5; `.ci/solver` runs it with one");
        return;
    }
    let place = place();
    let prove = |flag: &str| {
        let line = format!("policy prove approval github:issues:read{flag} --json");
        place.run_in(&[("CVC5", &solver)], &line, "").exits(1).json()
    };
    let callers = |found: &serde_json::Value| -> Vec<String> {
        let refuted = found["findings"].as_array().unwrap().iter();
        let refuted = refuted.filter(|one| one["verdict"] == "refuted");
        refuted
            .map(|one| {
                assert_eq!(one["confirmed"], true, "{found}");
                one["call"]["principal"].as_str().unwrap().to_owned()
            })
            .collect()
    };
    // Whoever has the role reads without being asked about it; of them, only the owner has the token.
    assert!(callers(&prove("")).iter().any(|one| one != "ana"));
    let alone = callers(&prove(" --as-granted"));
    assert!(!alone.is_empty() && alone.iter().all(|one| one == "ana"), "{alone:?}");
}
