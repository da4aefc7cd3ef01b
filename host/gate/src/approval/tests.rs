use super::*;
use crate::{Cost, Denial, DenialTarget, Denials, Identity, Kind};

mod told;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// What these people allowed the caller of a call, from `now` for so many seconds.
pub(crate) fn lent(
    call: &Call,
    capability: &str,
    policy_version: Digest,
    people: &[&str],
    (now, seconds): (Timestamp, u64),
) -> Request {
    let wanted = WantedAccess {
        principal: &call.principal,
        tool: &call.tool,
        capability: capability.parse().unwrap(),
        access: Access { seconds: 60, reason: "an accident".to_owned() },
        roles: BTreeSet::new(),
        policy_version,
        expires_in: Duration::from_secs(seconds),
    };
    let yes = |by: &&str| Answer {
        by: (*by).to_owned(),
        acts_for: vec![],
        roles: BTreeSet::new(),
        roles_from: RolesFrom::Token,
        verdict: Verdict::Approve,
        limits: AnswerLimits::default(),
        comment: String::new(),
        at: now,
    };
    let (id, state) = (ApprovalId::generate(), ApprovalState::Approved);
    let (filing, answers) = (wanted.file(now).unwrap(), people.iter().map(yes).collect());
    Request { id, filing, state, answers, lapsed: BTreeSet::new() }
}

/// Asked for by `agent-7`, who acts for `bea`, at 0; open until 100.
pub(super) fn request() -> Request {
    let approvers = Approvers { count: 1, roles: ["payer".to_owned()].into() };
    let filing = Filing {
        digest: CallDigest::from_digest(Digest::of(b"call")),
        principal: "agent-7".to_owned(),
        acts_for: vec!["bea".to_owned()],
        tool: "charge".parse().unwrap(),
        tool_digest: Digest::of(b"till"),
        caller: None,
        arguments: "{}".to_owned(),
        capabilities: vec!["money:charges:create".parse().unwrap()],
        policy_version: Digest::ZERO,
        risk: Risk::High,
        approvers,
        turns: Vec::new(),
        access: None,
        compared: None,
        filed_at: at(0),
        expires_at: at(100),
    };
    let (id, state) = (ApprovalId::generate(), ApprovalState::Open);
    Request { id, filing, state, answers: Vec::new(), lapsed: [].into() }
}

fn answer(by: &str, verdict: Verdict) -> Answer {
    Answer {
        by: by.to_owned(),
        acts_for: Vec::new(),
        roles: ["payer".to_owned()].into(),
        roles_from: RolesFrom::default(),
        verdict,
        limits: AnswerLimits::default(),
        comment: "because".to_owned(),
        at: at(10),
    }
}

fn yes(by: &str) -> Answer {
    answer(by, Verdict::Approve)
}

fn asker(id: &str) -> Principal {
    Principal::authenticated(Identity {
        id: id.to_owned(),
        kind: Kind::Agent,
        roles: [].into(),
        groups: [].into(),
        acts_for: Vec::new(),
        scope: None,
        ends_at: None,
    })
}

#[test]
fn a_question_is_what_time_made_of_it() {
    use ApprovalState::{Approved, Denied, Expired, Open, Spent};
    let mut filing = request().filing;
    for (state, second, is) in [
        (Open, 99, Open),
        (Open, 100, Expired),
        (Approved, 99, Approved),
        (Approved, 100, Expired),
        (Denied, 100, Denied),
        (Spent, 100, Spent),
        (Expired, 0, Expired),
    ] {
        assert_eq!(state.by(at(second), &filing), is, "{state:?} at {second}");
    }
    // Everybody was asked until 50, and a yes from before stands.
    filing.turns = vec![Turn { approvers: [].into(), until: at(50) }];
    assert_eq!(Open.by(at(49), &filing), Open);
    assert_eq!(Open.by(at(50), &filing), Denied);
    assert_eq!(Approved.by(at(50), &filing), Approved);
}

#[test]
fn the_first_no_and_the_last_yes_decide() {
    let mut one = request();
    one.take(yes("ana")).unwrap();
    assert_eq!(one.state, ApprovalState::Approved);
    let mut two = request();
    two.filing.approvers.count = 2;
    two.take(yes("ana")).unwrap();
    assert_eq!(two.state, ApprovalState::Open);
    two.take(yes("dan")).unwrap();
    assert_eq!(two.state, ApprovalState::Approved);
    let mut no = request();
    no.filing.approvers.count = 2;
    no.take(yes("ana")).unwrap();
    no.take(answer("dan", Verdict::Deny)).unwrap();
    assert_eq!(no.state, ApprovalState::Denied);
}

#[test]
fn whoever_may_not_answer_is_told_why_and_changes_nothing() {
    let refused = |request: &mut Request, answer: Answer| {
        let before = request.answers.len();
        let error = request.take(answer).unwrap_err();
        assert_eq!(request.answers.len(), before);
        error
    };
    for party in ["agent-7", "bea"] {
        assert!(matches!(refused(&mut request(), yes(party)), DecideError::OwnCall(_)));
        let through = Answer { acts_for: vec![party.to_owned()], ..yes("ana") };
        assert!(matches!(refused(&mut request(), through), DecideError::OwnCall(_)));
    }
    let gardener = Answer { roles: ["gardener".to_owned()].into(), ..yes("ana") };
    assert!(matches!(refused(&mut request(), gardener), DecideError::NotAnApprover { .. }));
    let mut two = request();
    two.filing.approvers.count = 2;
    two.take(yes("ana")).unwrap();
    assert!(matches!(refused(&mut two, yes("ana")), DecideError::AnsweredBefore(_)));
    let mut spent = Request { state: ApprovalState::Spent, ..request() };
    assert!(matches!(refused(&mut spent, yes("ana")), DecideError::NotOpen { .. }));
    let mut turns = request();
    let turn = |role: &str, until| Turn { approvers: [role.to_owned()].into(), until: at(until) };
    turns.filing.turns = vec![turn("oncall", 20), turn("payer", 50)];
    assert!(matches!(refused(&mut turns, yes("ana")), DecideError::NotAskedYet(_)));
    turns.take(Answer { at: at(20), ..yes("ana") }).unwrap();
}

#[test]
fn a_yes_is_narrowed_to_what_is_asked_for_and_a_no_to_nothing() {
    let within = |name: &str| AnswerLimits {
        capabilities: [(name.parse().unwrap(), RequestLimits::default())].into(),
        ..AnswerLimits::default()
    };
    let used = "money:charges:create";
    request().take(Answer { limits: within(used), ..yes("ana") }).unwrap();
    let unfit = |mut request: Request, answer: Answer| {
        let error = request.take(answer).unwrap_err();
        assert!(matches!(error, DecideError::Unfit(_)) && request.answers.is_empty());
        error.to_string()
    };
    let other = Answer { limits: within("money:charges:read"), ..yes("ana") };
    let told = "the call does not use `money:charges:read`; it uses `money:charges:create`";
    assert_eq!(unfit(request(), other), told);
    let no = Answer { limits: within(used), ..answer("ana", Verdict::Deny) };
    assert_eq!(unfit(request(), no), "a no has no limits");
    let mut lent = request();
    lent.filing.access = Some(Access { seconds: 60, reason: "an accident".to_owned() });
    let told = "access for a time is not narrowed: deny it, and ask for less";
    assert_eq!(unfit(lent, Answer { limits: within(used), ..yes("ana") }), told);
}

#[test]
fn access_for_a_time_begins_with_the_last_yes_and_ends_with_the_first_no() {
    let mut lent = request();
    lent.filing.access = Some(Access { seconds: 60, reason: "an accident".to_owned() });
    lent.take(yes("ana")).unwrap();
    assert_eq!((lent.state, lent.filing.expires_at), (ApprovalState::Approved, at(70)));
    // No further yes makes it longer.
    assert!(matches!(lent.take(yes("dan")), Err(DecideError::NotOpen { .. })));
    lent.take(answer("dan", Verdict::Deny)).unwrap();
    assert_eq!(lent.state, ApprovalState::Denied);
    // A yes to one call is not taken back by a no that comes later.
    let mut call = request();
    call.take(yes("ana")).unwrap();
    assert!(call.take(answer("dan", Verdict::Deny)).is_err());
}

#[test]
fn what_was_denied_is_no_question_any_more_and_a_yes_brings_its_limits() {
    let agent = asker("agent-7");
    let mut open = request();
    assert!(Approval::check(&open, &agent).unwrap().is_none());
    open.state = ApprovalState::Denied;
    assert!(matches!(Approval::check(&open, &agent), Err(Refusal::Unanswered)));
    let limits = AnswerLimits { cost: Some(Cost(5)), ..AnswerLimits::default() };
    let answers = vec![Answer { limits: limits.clone(), ..yes("ana") }];
    let approved = Request { state: ApprovalState::Approved, answers, ..request() };
    let approval = Approval::check(&approved, &agent).unwrap().unwrap();
    assert_eq!((approval.limits(), approval.id()), (&limits, approved.id));
    assert!(approval.by().contains("ana"));
}

/// Whoever filed it, and whoever asks by now: neither counts.
#[test]
fn an_answer_of_either_party_does_not_count() {
    for (by, counts) in [("agent-7", false), ("bea", false), ("agent-8", false), ("ana", true)] {
        let answered = Request { answers: vec![yes(by)], ..request() };
        let found = Approval::check(&answered, &asker("agent-8")).unwrap();
        assert_eq!(found.is_some(), counts, "{by}");
    }
}

/// Whoever has lost the role: the yes is gone, and the no stands.
#[test]
fn a_yes_that_lapsed_does_not_count_and_a_no_still_does() {
    let agent = asker("agent-7");
    for (lapsed, counts) in [("ana", false), ("dan", true)] {
        let lapsed = [lapsed.to_owned()].into();
        let answered = Request { answers: vec![yes("ana")], lapsed, ..request() };
        assert_eq!(Approval::check(&answered, &agent).unwrap().is_some(), counts);
        let answers = vec![answer("ana", Verdict::Deny)];
        let denied = Request { answers, ..answered };
        assert!(matches!(Approval::check(&denied, &agent), Err(Refusal::Denied { .. })));
    }
}

/// It was given at 10. What is denied is what came before a time, and not what comes at it.
#[test]
fn a_yes_of_somebody_who_was_denied_after_it_does_not_count() {
    let approved = || {
        let through = Answer { acts_for: vec!["carl".to_owned()], ..yes("ana") };
        let mut approved = request();
        approved.take(through).unwrap();
        approved
    };
    let cases = [("ana", 9, true), ("ana", 10, true), ("ana", 11, false), ("carl", 11, false)];
    for (id, before, counts) in cases.into_iter().chain([("dan", 11, true)]) {
        let target = DenialTarget::Subject { id: id.to_owned(), issuer: None, before: at(before) };
        let (reason, by) = ("lost".to_owned(), "fay".to_owned());
        let denial = Denial { target, reason, by, since: at(before), expires_at: None };
        let now = approved().as_of(&Roles::default(), &Denials::of(vec![denial]));
        assert_eq!(now.lapsed.is_empty(), counts, "{id} before {before}");
        assert_eq!(now.state == ApprovalState::Approved, counts, "{id} before {before}");
    }
}

#[test]
fn words_are_those_of_json_and_a_line_says_who_asks_for_what() {
    use ApprovalState::{Approved, Denied, Expired, Open, Spent};
    for state in [Open, Approved, Denied, Spent, Expired] {
        assert_eq!(serde_json::to_value(state).unwrap(), state.word());
    }
    for verdict in [Verdict::Approve, Verdict::Deny] {
        assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.word());
    }
    let mut filing = request().filing;
    assert_eq!(filing.summary(), "`charge` by `agent-7`");
    let call = CallId::generate();
    let tools = vec!["outer".parse().unwrap(), "inner".parse().unwrap()];
    filing.caller = Some(Caller { call, tools });
    let called = format!("`charge` by `agent-7`, called by `inner` `outer` in call {call}");
    assert_eq!(filing.summary(), called);
    filing.access = Some(Access { seconds: 60, reason: String::new() });
    let access = "access to `money:charges:create` with `charge` for 60 s by `agent-7`";
    assert_eq!(filing.summary(), access);
}
