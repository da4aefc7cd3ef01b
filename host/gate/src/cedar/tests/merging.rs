//! The terms of several policies, against a naive model.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers")]
use std::collections::BTreeSet;

use super::*;
use crate::{Projection, cedar::obligations::Obligations};

/// What one policy says, as plainly as it can be said.
#[derive(Clone, Debug, Default)]
struct Said {
    risk: Option<u8>,
    seconds: Option<u64>,
    approval: Option<(u8, BTreeSet<&'static str>)>,
    rates: Vec<u32>,
    recording: Option<u8>,
    fields: Option<BTreeSet<&'static str>>,
}

const RISKS: [&str; 3] = ["low", "medium", "high"];
const RECORDINGS: [&str; 3] = ["whole", "redacted", "digest"];
const ROLES: [&str; 3] = ["payer", "oncall", "owner"];
const FIELDS: [&str; 3] = ["id", "title", "body"];

fn some_of(all: [&'static str; 3]) -> impl Strategy<Value = BTreeSet<&'static str>> {
    prop::sample::subsequence(all.to_vec(), 1..=3).prop_map(|some| some.into_iter().collect())
}

fn said() -> impl Strategy<Value = Said> {
    let approval = prop::option::of((1_u8..3, some_of(ROLES)));
    let (risk, recording) = (prop::option::of(0_u8..3), prop::option::of(0_u8..3));
    let rate = prop::option::of(1_u32..9);
    let fields = prop::option::of(some_of(FIELDS));
    (risk, prop::option::of(1_u64..900), approval, rate, recording, fields).prop_map(
        |(risk, seconds, approval, rate, recording, fields)| Said {
            risk,
            seconds,
            approval,
            rates: rate.into_iter().collect(),
            recording,
            fields,
        },
    )
}

impl Said {
    fn written(&self) -> Obligations {
        let mut taken = Obligations::default();
        let mut take = |name: &str, value: String| taken.take(name, &value).unwrap();
        let roles = |roles: &BTreeSet<&str>| roles.iter().copied().collect::<Vec<_>>().join(",");
        self.risk.iter().for_each(|risk| take("risk", RISKS[usize::from(*risk)].to_owned()));
        self.seconds.iter().for_each(|seconds| take("ttl", format!("{seconds}s")));
        if let Some((count, who)) = &self.approval {
            take(
                "approval",
                format!("{}-of:{}", ["one", "two"][usize::from(*count) - 1], roles(who)),
            );
        }
        self.rates.iter().for_each(|calls| take("rate", format!("{calls}/minute")));
        self.recording
            .iter()
            .for_each(|one| take("audit", RECORDINGS[usize::from(*one)].to_owned()));
        if let Some(fields) = &self.fields {
            take(
                "project",
                fields.iter().map(|name| format!("/{name}")).collect::<Vec<_>>().join(" "),
            );
        }
        taken
    }
}

proptest! {
    #[test]
    fn the_strictest_of_each_is_what_a_naive_model_says(all in prop::collection::vec(said(), 0..6), turn in 0_usize..6) {
        let mut written: Vec<Obligations> = all.iter().map(Said::written).collect();
        let length = written.len().max(1);
        written.rotate_left(turn % length);
        let merged = Obligations::strictest(&written.iter().collect::<Vec<_>>());
        let risk = all.iter().filter_map(|one| one.risk).max();
        prop_assert_eq!(merged.risk.map(|risk| risk as u8), risk);
        prop_assert_eq!(merged.time.map(|time| time.as_secs()), all.iter().filter_map(|one| one.seconds).min());
        prop_assert_eq!(merged.recording.map(|one| one as u8), all.iter().filter_map(|one| one.recording).max());
        let rates: BTreeSet<u32> = all.iter().flat_map(|one| one.rates.clone()).collect();
        prop_assert_eq!(merged.rates.iter().map(|rate| rate.calls).collect::<BTreeSet<_>>(), rates);
        // A person may answer who may answer for each; as many must as the most that any asks for.
        let asked: Vec<_> = all.iter().filter_map(|one| one.approval.clone()).collect();
        prop_assert_eq!(merged.approvers.is_some(), !asked.is_empty());
        if let Some(agreement) = merged.approvers.clone() {
            let may: BTreeSet<String> = ROLES.iter().filter(|role| asked.iter().all(|(_, who)| who.contains(*role))).map(|&role| role.to_owned()).collect();
            prop_assert_eq!(agreement.nobody(), may.is_empty());
            let approvers: Approvers = agreement.into();
            prop_assert_eq!((approvers.count, approvers.roles), (asked.iter().map(|(count, _)| *count).max().unwrap(), may));
        }
        // A field stays that every projection keeps.
        let value = json!({"id": 1, "title": 2, "body": 3});
        let kept = merged.projections.iter().fold(value, |value, one: &Projection| one.of(&value));
        let stays: BTreeSet<&str> = FIELDS.into_iter().filter(|name| all.iter().all(|one| one.fields.as_ref().is_none_or(|fields| fields.contains(name)))).collect();
        prop_assert_eq!(kept.as_object().unwrap().keys().map(String::as_str).collect::<BTreeSet<_>>(), stays);
    }
}
