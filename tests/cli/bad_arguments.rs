//! Words and arguments that make no call: nothing runs, and nothing is recorded.
use insta::assert_snapshot;

use super::place::Place;

/// Every line fails with this code; all they said.
fn refused(exit: i32, lines: &[&str]) -> String {
    let place = Place::without_secrets(&["teller"]);
    place.run("call say text=hello").exits(0);
    let told = lines.iter().map(|line| place.fails_and_writes_nothing(line).exits(exit).told());
    told.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_duplicate_key() {
    assert_snapshot!(refused(2, &[r#"call say --args-json '{"text":"a","text":"b"}'"#]));
}

#[test]
fn arguments_that_are_not_json_or_no_object() {
    assert_snapshot!(refused(
        2,
        &[r#"call say --args-json '{"text":'"#, "call say --args-json '[1]'"]
    ));
}

#[test]
fn arguments_that_miss_the_schema() {
    assert_snapshot!(refused(
        2,
        &[
            "call say",
            "call say text=a number=many",
            "call say text=a txet=b",
            r#"call say --args-json '{"text":1,"list":[true]}'"#,
            r#"call say --args-json '{"text":"a","number":9007199254740993}'"#,
        ]
    ));
}

#[test]
fn a_tool_that_is_not_there() {
    assert_snapshot!(refused(
        10,
        &["call sya text=a", "call print", "tool show sya", "tool rm tell"]
    ));
}

#[test]
fn words_that_are_no_command() {
    assert_snapshot!(refused(
        2,
        &[
            "cal say",
            "call",
            "call say text",
            "call say --args-json {} text=a",
            "kill on evrything --reason x",
            "kill on tool --reason x",
            "kill on everything --reason x --for soon",
            "approval show 17",
            "secret set a/b",
        ]
    ));
}

#[test]
fn words_that_are_no_command_as_json() {
    let place = Place::without_secrets(&["teller"]);
    for line in ["--json cal say", "call --json", "call say text --json", "approval show 17 --json"]
    {
        let error = place.run(line).exits(2).error();
        assert_eq!(error["code"], "usage", "{line}");
        assert!(error["message"].as_str().unwrap().len() > 10, "{line}");
    }
    // Help is what was asked for, and no error.
    let help = place.run("call --help --json").exits(0);
    assert!(help.out.contains("KEY=VALUE") && help.err.is_empty());
}
