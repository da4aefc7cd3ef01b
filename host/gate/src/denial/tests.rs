//! What a denial hits, and what it leaves alone.
use proptest::prelude::*;

use super::*;
use crate::{Identity, Kind};

const ISSUER: &str = "https://login.example.com";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn proven(id: &str, second: i64) -> Proven {
    Proven { issuer: ISSUER.to_owned(), id: id.to_owned(), issued_at: at(second) }
}

fn principal(id: &str, acts_for: &[&str], by: Vec<Proven>) -> Principal {
    let identity = Identity {
        id: id.to_owned(),
        kind: Kind::Agent,
        roles: [].into(),
        groups: [].into(),
        acts_for: acts_for.iter().map(|one| (*one).to_owned()).collect(),
        scope: None,
        ends_at: None,
    };
    Principal::proven(identity, by)
}

fn hits(target: DenialTarget, principal: &Principal) -> bool {
    let denial = Denial {
        target,
        reason: "a test".to_owned(),
        by: "ana".to_owned(),
        since: at(0),
        expires_at: None,
    };
    Denials::of(vec![denial]).hit(principal).is_some()
}

fn token(issuer: &str, id: &str, tree: bool) -> DenialTarget {
    DenialTarget::Token { issuer: issuer.to_owned(), id: id.to_owned(), tree }
}

fn subject(id: &str, issuer: Option<&str>, before: i64) -> DenialTarget {
    DenialTarget::Subject {
        id: id.to_owned(),
        issuer: issuer.map(str::to_owned),
        before: at(before),
    }
}

#[test]
fn a_denied_token_is_one_of_one_issuer() {
    let one = principal("robo", &[], vec![proven("t1", 10)]);
    assert!(hits(token(ISSUER, "t1", false), &one));
    assert!(!hits(token(ISSUER, "t2", false), &one));
    assert!(!hits(token("https://login.example.org", "t1", false), &one));
}

#[test]
fn what_a_token_was_exchanged_for_is_denied_with_it_only_as_a_tree() {
    let below = principal("robo", &["ana"], vec![proven("t1", 10), proven("t2", 20)]);
    assert!(!hits(token(ISSUER, "t1", false), &below));
    assert!(hits(token(ISSUER, "t1", true), &below));
    assert!(hits(token(ISSUER, "t2", false), &below));
    let above = principal("ana", &[], vec![proven("t1", 10)]);
    assert!(!hits(token(ISSUER, "t2", true), &above));
}

#[test]
fn a_denied_subject_speaks_again_with_what_was_issued_after_it() {
    let one = principal("robo", &["ana"], vec![proven("t1", 10)]);
    for id in ["robo", "ana"] {
        assert!(hits(subject(id, None, 11), &one));
        assert!(hits(subject(id, Some(ISSUER), 11), &one));
        assert!(!hits(subject(id, None, 10), &one), "it was issued then, and not before");
        assert!(!hits(subject(id, Some("https://login.example.org"), 11), &one));
    }
    assert!(!hits(subject("owen", None, 11), &one));
    // What was exchanged later is as old as what it was exchanged for.
    let below = principal("robo", &["ana"], vec![proven("t1", 10), proven("t2", 20)]);
    assert!(hits(subject("ana", None, 15), &below));
}

#[test]
fn a_denied_issuer_is_denied_in_what_others_made_of_its_tokens() {
    let mut by = vec![proven("t1", 10)];
    let one = principal("robo", &[], by.clone());
    by.push(Proven { issuer: "urn:toolward:exchange".to_owned(), ..proven("t2", 20) });
    let below = principal("robo", &[], by);
    let issuer = |issuer: &str| DenialTarget::Issuer { issuer: issuer.to_owned() };
    assert!(hits(issuer(ISSUER), &one) && hits(issuer(ISSUER), &below));
    assert!(hits(issuer("urn:toolward:exchange"), &below));
    assert!(!hits(issuer("urn:toolward:exchange"), &one));
}

#[test]
fn a_caller_that_nothing_proved_has_nothing_to_be_taken_back() {
    let nobody = principal("robo", &[], vec![]);
    assert!(!hits(token(ISSUER, "t1", true), &nobody));
    assert!(!hits(subject("robo", None, 11), &nobody));
}

#[test]
fn what_is_denied_is_told_in_words() {
    let told = |target: DenialTarget| target.to_string();
    assert_eq!(told(token("a", "t1", false)), "token t1 of a");
    assert_eq!(told(token("a", "t1", true)), "token t1 of a, and what it was exchanged for");
    let before = "issued before 1970-01-01T00:00:11Z";
    assert_eq!(told(subject("ana", None, 11)), format!("subject ana, {before}"));
    assert_eq!(told(subject("ana", Some("a"), 11)), format!("subject ana of a, {before}"));
    assert_eq!(told(DenialTarget::Issuer { issuer: "a".to_owned() }), "issuer a");
}

proptest! {
    /// The index finds what looking at each one finds.
    #[test]
    fn the_index_hits_what_each_denial_hits(
        denied in prop::collection::vec((0..6_usize, 0..6_i64, any::<bool>(), 0..3_u8), 0..20),
        shown in prop::collection::vec((0..6_usize, 0..6_i64), 0..4),
    ) {
        let by = shown.iter().map(|(id, second)| proven(&format!("t{id}"), *second)).collect();
        let principal = principal("p0", &["p1"], by);
        let target = |(id, second, tree, kind): &(usize, i64, bool, u8)| match kind {
            0 => token(ISSUER, &format!("t{id}"), *tree),
            1 => subject(&format!("p{id}"), None, *second),
            _ => DenialTarget::Issuer { issuer: format!("i{id}") },
        };
        let targets: Vec<_> = denied.iter().map(target).collect();
        let denial = |target: &DenialTarget| Denial {
            target: target.clone(), reason: String::new(), by: String::new(), since: at(0), expires_at: None,
        };
        let expected = targets.iter().any(|target| target.hits(&principal));
        let denials = Denials::of(targets.iter().map(denial).collect());
        prop_assert_eq!(denials.hit(&principal).is_some(), expected);
    }
}
