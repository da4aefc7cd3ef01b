//! What a person and a program are told of a question.
use serde_json::json;

use super::*;

/// Everything that a question can hold.
fn whole() -> Request {
    let mut all = request();
    let filing = &mut all.filing;
    filing.principal = "p\u{430}y-7".to_owned();
    filing.acts_for = vec!["bea".to_owned(), "carl\u{202e}".to_owned()];
    let tools = vec!["outer".parse().unwrap(), "inner".parse().unwrap()];
    filing.caller = Some(Caller { call: CallId::generate(), tools });
    filing.capabilities.push("money:charges:read".parse().unwrap());
    filing.approvers =
        Approvers { count: 2, roles: ["boss".to_owned(), "payer".to_owned()].into() };
    let turn = |roles: &[&str], until| Turn {
        approvers: roles.iter().map(|one| (*one).to_owned()).collect(),
        until: at(until),
    };
    filing.turns = vec![turn(&["boss", "payer"], 20), turn(&[], 50)];
    filing.arguments = "{\"to\":\"x\u{202e}y\"}".to_owned();
    let difference = Difference {
        at: "/to".to_owned(),
        before: Some("\"a\"".to_owned()),
        now: None,
        same: (0, 0),
    };
    let with = ApprovalId::generate();
    filing.compared = Some(Compared { with, differences: vec![difference], more: 2 });
    let limits = AnswerLimits { time_ms: Some(5), ..AnswerLimits::default() };
    all.answers = vec![
        Answer { limits, ..yes("ana") },
        Answer { comment: String::new(), ..yes("fay") },
        Answer { comment: "no\n".to_owned(), ..answer("dan", Verdict::Deny) },
    ];
    all.lapsed = ["ana".to_owned(), "dan".to_owned()].into();
    all
}

#[test]
fn a_person_is_shown_everything_that_an_answer_binds_and_nothing_that_acts_on_the_screen() {
    let all = whole();
    let filing = &all.filing;
    let (id, call) = (all.id, filing.caller.as_ref().unwrap().call);
    let (till, binds, policies) = (filing.tool_digest, filing.digest.digest(), Digest::ZERO);
    let with = filing.compared.as_ref().unwrap().with;
    let shown = format!(
        r#"approval      {id}
state         open
principal     pаy-7
acts for      bea, carl\u{{202e}}
tool          charge ({till})
called by     `inner` `outer` in call {call}
capabilities  money:charges:create, money:charges:read
risk          high
needs         2 of boss, payer
asked         boss, payer until 1970-01-01T00:00:20Z
asked         whoever the policies name until 1970-01-01T00:00:50Z
filed         1970-01-01T00:00:00Z
expires       1970-01-01T00:01:40Z
policies      {policies}
answer        approve by ana at 1970-01-01T00:00:10Z within 5 ms because; it does not count any more: the role is gone
answer        approve by fay at 1970-01-01T00:00:10Z
answer        deny by dan at 1970-01-01T00:00:10Z no\u{{a}}
look twice    p\u{{430}}y is written as `pаy` and is not `pay`
compared with {with}, the last one of this tool and principal
differs       /to: "a" -> nothing
differs       in 2 more places
binds         {binds}
arguments
{{"to":"x\u{{202e}}y"}}"#
    );
    assert_eq!(all.described(), shown);
}

#[test]
fn of_what_is_not_there_a_person_is_shown_no_line() {
    let mut plain = request();
    plain.filing.approvers.roles.clear();
    for (risk, word) in [(Risk::Low, "low"), (Risk::Medium, "medium"), (Risk::High, "high")] {
        plain.filing.risk = risk;
        assert!(plain.described().contains(&format!("\nrisk          {word}\n")));
    }
    let shown = plain.described();
    assert!(shown.contains("\nneeds         1 of anybody else\n"), "{shown}");
    assert!(shown.ends_with("\narguments\n{}"), "{shown}");
    for absent in ["called by", "asked", "answer", "look twice", "compared", "differs", "reason"] {
        assert!(!shown.lines().any(|line| line.starts_with(absent)), "{absent}: {shown}");
    }
    // The same as before, in all its places.
    let with = ApprovalId::generate();
    plain.filing.compared = Some(Compared { with, differences: Vec::new(), more: 0 });
    let shown = plain.described();
    let same = "the last one of this tool and principal; the arguments are the same\nbinds";
    assert!(shown.contains(&format!("\ncompared with {with}, {same}")), "{shown}");
}

#[test]
fn of_access_for_a_time_a_person_is_shown_how_long_and_why() {
    let mut lent = request();
    lent.filing.access = Some(Access { seconds: 60, reason: "an\u{1b} accident".to_owned() });
    let shown = lent.described();
    let last = r"access for    60 s, counted from the last yes
reason        an\u{1b} accident";
    assert!(shown.ends_with(last), "{shown}");
    assert!(!shown.contains("arguments"), "{shown}");
}

#[test]
fn a_program_reads_the_question_and_what_a_person_is_shown_of_it() {
    let all = whole();
    let mut read = all.to_json().unwrap();
    let shown = read.as_object_mut().unwrap().remove("shown").unwrap();
    assert_eq!(shown, all.described());
    assert_eq!(read, json!(all));
    assert_eq!(read["arguments"], all.filing.arguments);
}

#[test]
fn an_answer_says_where_its_roles_come_from_unless_a_token_named_them() {
    let named = json!({
        "by": "ana", "roles": ["payer"], "verdict": "approve", "comment": "because", "at": at(10),
    });
    let token = json!(yes("ana"));
    assert_eq!(token, named);
    let read = |written| serde_json::from_value::<Answer>(written).unwrap().roles_from;
    assert_eq!(read(token), RolesFrom::Token);
    for (from, word) in [(RolesFrom::Operator, "operator"), (RolesFrom::Person, "person")] {
        let written = json!(Answer { roles_from: from, ..yes("ana") });
        assert_eq!(written["roles_from"], word);
        assert_eq!(read(written), from);
    }
}

#[test]
fn a_message_holds_no_text_of_the_arguments() {
    let mut filing = request().filing;
    filing.arguments = r#"{"amount":3,"to":"ana"}"#.to_owned();
    assert_eq!(filing.redacted(), json!({ "amount": 3, "to": "[text of 3 bytes]" }));
    // A question about a capability has none.
    filing.arguments.clear();
    assert_eq!(filing.redacted(), json!(null));
}
