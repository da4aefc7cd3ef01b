//! What a policy that allows asks for: its annotations, read and typed once, at load.
use std::{collections::BTreeSet, time::Duration};

use crate::{Approvers, BudgetLimit, Projection, RateLimit, Recording, Risk};

/// The obligations of one policy, or the strictest of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Obligations {
    pub(super) risk: Option<Risk>,
    pub(super) approvers: Option<Agreement>,
    pub(super) time: Option<Duration>,
    pub(super) budgets: Vec<BudgetLimit>,
    pub(super) rates: Vec<RateLimit>,
    pub(super) recording: Option<Recording>,
    pub(super) projections: Vec<Projection>,
}

/// How many people must agree, and which roles they may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agreement {
    count: u8,
    /// `None`: any role.
    roles: Option<BTreeSet<String>>,
}

impl Default for Agreement {
    fn default() -> Self {
        Self { count: 1, roles: None }
    }
}

impl Agreement {
    /// Who satisfies both.
    fn and(self, other: Self) -> Self {
        let roles = match (self.roles, other.roles) {
            (Some(one), Some(two)) => Some(one.intersection(&two).cloned().collect()),
            (one, two) => one.or(two),
        };
        Self { count: self.count.max(other.count), roles }
    }

    pub(super) fn nobody(&self) -> bool {
        self.roles.as_ref().is_some_and(BTreeSet::is_empty)
    }
}

impl From<Agreement> for Approvers {
    fn from(agreement: Agreement) -> Self {
        Self { count: agreement.count, roles: agreement.roles.unwrap_or_default() }
    }
}

impl Obligations {
    /// The strictest of each: every rate and budget counts, time is the shortest, risk the highest, and an
    /// approver must satisfy every policy that asks for one.
    pub(super) fn strictest(all: &[&Self]) -> Self {
        all.iter().fold(Self::default(), |strictest, one| strictest.and(one))
    }

    fn and(mut self, other: &Self) -> Self {
        self.risk = self.risk.max(other.risk);
        self.time = match (self.time, other.time) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        self.approvers = match (self.approvers, other.approvers.clone()) {
            (Some(one), Some(two)) => Some(one.and(two)),
            (one, two) => one.or(two),
        };
        self.budgets.extend(
            other
                .budgets
                .iter()
                .filter(|one| !self.budgets.contains(one))
                .cloned()
                .collect::<Vec<_>>(),
        );
        self.rates.extend(
            other.rates.iter().filter(|one| !self.rates.contains(one)).cloned().collect::<Vec<_>>(),
        );
        // The later one holds less.
        self.recording = self.recording.max(other.recording);
        for one in &other.projections {
            if !self.projections.contains(one) {
                self.projections.push(one.clone());
            }
        }
        self
    }

    /// Whether what this one asks for under a name holds in the strictest of several, too.
    pub(super) fn prevails(&self, name: &str, strictest: &Self) -> bool {
        match name {
            "risk" => self.risk == strictest.risk,
            "approval" => self.approvers == strictest.approvers,
            "ttl" => self.time == strictest.time,
            "audit" => self.recording == strictest.recording,
            // Every one of them counts.
            _ => true,
        }
    }

    /// Takes one annotation. Fails with what is wrong, and how it is written.
    pub(super) fn take(&mut self, name: &str, value: &str) -> Result<(), Mistake> {
        let wrong = |form| Mistake::Value { form };
        match name {
            "risk" => self.risk = Some(risk(value).ok_or(wrong("`low`, `medium` or `high`"))?),
            "approval" => {
                self.approvers = Some(agreement(value).ok_or(wrong(
                    "`one-of:ROLE,ROLE` or `two-of:ROLE,ROLE`, as in `one-of:oncall`; `one-of` or `two-of` for anybody else",
                ))?);
            }
            "ttl" => {
                self.time = Some(
                    time(value)
                        .ok_or(wrong("a time of at most 15 minutes, as in `30s` or `5m`"))?,
                );
            }
            "budget" => self.budgets.extend(BudgetLimit::parse_all(value).ok_or(wrong(
                "`usd`, `tokens`, `requests` or `bytes` per `minute`, `hour`, `day`, `month` or in `total`, as in `usd:20/day` or `requests:1000/hour of github by principal, tokens:100000/month`",
            ))?),
            "rate" => self.rates.extend(RateLimit::parse_all(value).ok_or(wrong(
                "calls per `second`, `minute`, `hour`, `day`, `month` or in `total`, as in `10/minute` or `10/minute, 1000/month by principal`",
            ))?),
            "audit" => {
                self.recording =
                    Some(Recording::parse(value).ok_or(wrong("`digest`, `redacted` or `whole`"))?);
            }
            "project" => self.projections.push(Projection::parse(value).ok_or(wrong(
                "the fields of the result that stay, as JSON Pointers with spaces between them, as in `/id /items/*/title`",
            ))?),
            _ => return Err(Mistake::Unknown),
        }
        Ok(())
    }
}

/// What is wrong about an annotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    Unknown,
    /// How the value is written.
    Value {
        form: &'static str,
    },
}

/// Every annotation that means something.
pub(super) const ANNOTATIONS: [&str; 8] =
    ["id", "risk", "approval", "ttl", "budget", "rate", "audit", "project"];

fn risk(value: &str) -> Option<Risk> {
    match value {
        "low" => Some(Risk::Low),
        "medium" => Some(Risk::Medium),
        "high" => Some(Risk::High),
        _ => None,
    }
}

fn agreement(value: &str) -> Option<Agreement> {
    let (count, roles) = value.split_once(':').map_or((value, None), |(one, two)| (one, Some(two)));
    let count = match count {
        "one-of" => 1,
        "two-of" => 2,
        _ => return None,
    };
    let Some(roles) = roles else { return Some(Agreement { count, roles: None }) };
    let roles: BTreeSet<String> = roles.split(',').map(|role| role.trim().to_owned()).collect();
    (!roles.contains("")).then_some(Agreement { count, roles: Some(roles) })
}

fn time(value: &str) -> Option<Duration> {
    let unit = value.find(|one: char| !one.is_ascii_digit())?;
    let (number, unit) = value.split_at(unit);
    let number: u64 = number.parse().ok()?;
    let time = match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.checked_mul(60)?),
        _ => return None,
    };
    (!time.is_zero() && time <= MAX_TIME).then_some(time)
}

/// A call that needs longer is not a call but a job.
const MAX_TIME: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Amount, Cost};

    fn read(annotations: &[(&str, &str)]) -> Result<Obligations, Mistake> {
        let mut obligations = Obligations::default();
        annotations.iter().try_for_each(|(name, value)| obligations.take(name, value))?;
        Ok(obligations)
    }

    #[test]
    fn the_strictest_of_each_obligation_applies() {
        let one = read(&[
            ("risk", "high"),
            ("ttl", "5m"),
            ("approval", "one-of:a,b"),
            ("rate", "1/second"),
        ])
        .unwrap();
        let two = read(&[
            ("risk", "low"),
            ("ttl", "10s"),
            ("approval", "two-of:b,c"),
            ("rate", "10/minute"),
        ])
        .unwrap();
        let both = Obligations::strictest(&[&one, &two]);
        assert_eq!((both.risk, both.time), (Some(Risk::High), Some(Duration::from_secs(10))));
        assert_eq!(both.rates.len(), 2);
        let approvers: Approvers = both.approvers.unwrap().into();
        assert_eq!(approvers, Approvers { count: 2, roles: ["b".to_owned()].into() });
    }

    #[test]
    fn two_of_anybody_are_two_of_those_whom_another_policy_names() {
        let any = read(&[("approval", "two-of")]).unwrap();
        let alone: Approvers = any.approvers.clone().unwrap().into();
        assert_eq!(alone, Approvers { count: 2, roles: BTreeSet::new() });
        let named = read(&[("approval", "one-of:a,b")]).unwrap();
        let both = Obligations::strictest(&[&any, &named]).approvers.unwrap();
        assert!(!both.nobody());
        let roles = ["a".to_owned(), "b".to_owned()].into();
        assert_eq!(Approvers::from(both), Approvers { count: 2, roles });
    }

    #[test]
    fn approvers_that_nobody_can_be_at_once_are_nobody() {
        let one = read(&[("approval", "one-of:a")]).unwrap();
        let two = read(&[("approval", "one-of:b")]).unwrap();
        assert!(Obligations::strictest(&[&one, &two]).approvers.unwrap().nobody());
        assert!(!one.approvers.unwrap().nobody());
    }

    #[test]
    fn a_budget_is_one_of_dollars_or_of_tokens() {
        let day = Duration::from_secs(24 * 3600);
        let cases = [
            ("usd:20/day", Amount::Cost(Cost(20_000_000))),
            ("usd:18446744073709.551615/day", Amount::Cost(Cost(u64::MAX))),
            ("tokens:100000/day", Amount::Tokens(100_000)),
        ];
        for (value, most) in cases {
            let read = read(&[("budget", value)]).unwrap().budgets;
            assert_eq!(read, [BudgetLimit::new(most, day)], "{value}");
        }
    }

    #[test]
    fn a_budget_that_two_policies_ask_for_counts_once_and_every_other_counts_too() {
        let one = read(&[("budget", "usd:20/day")]).unwrap();
        let two = read(&[("budget", "usd:20/day, tokens:100/day")]).unwrap();
        let both = Obligations::strictest(&[&one, &two]).budgets;
        assert_eq!(both, two.budgets);
        assert_eq!(Obligations::strictest(&[&two, &one]).budgets, both);
    }

    #[test]
    fn what_is_asked_for_prevails_unless_something_stricter_is_asked_for_elsewhere() {
        for (name, lax, strict) in [
            ("risk", "low", "high"),
            ("approval", "one-of:a", "two-of:a"),
            ("ttl", "5m", "10s"),
            ("audit", "whole", "digest"),
        ] {
            let (lax, strict) = (read(&[(name, lax)]).unwrap(), read(&[(name, strict)]).unwrap());
            let both = Obligations::strictest(&[&lax, &strict]);
            assert!(!lax.prevails(name, &both) && strict.prevails(name, &both), "{name}");
            assert!(lax.prevails(name, &Obligations::strictest(&[&lax])), "{name}");
            // What is said under other names does not matter to it.
            let others =
                [("risk", "medium"), ("approval", "two-of"), ("ttl", "1s"), ("audit", "redacted")];
            for other in others.into_iter().filter(|(other, _)| *other != name) {
                let both = Obligations::strictest(&[&strict, &read(&[other]).unwrap()]);
                assert!(strict.prevails(name, &both), "{name} beside {other:?}");
            }
        }
        for (name, one, two) in [
            ("rate", "10/minute", "1/minute"),
            ("budget", "usd:20/day", "usd:1/day"),
            ("project", "/id /title", "/id"),
        ] {
            let (one, two) = (read(&[(name, one)]).unwrap(), read(&[(name, two)]).unwrap());
            let both = Obligations::strictest(&[&one, &two]);
            assert!(one.prevails(name, &both) && two.prevails(name, &both), "{name}");
        }
    }

    #[test]
    fn a_time_is_read_in_each_of_its_units() {
        for (written, millis) in
            [("1ms", 1), ("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("900000ms", 900_000)]
        {
            let read = read(&[("ttl", written)]).unwrap().time;
            assert_eq!(read, Some(Duration::from_millis(millis)), "{written}");
        }
        assert!(read(&[("ttl", "900001ms")]).is_err());
    }

    /// H-05.
    #[test]
    fn values_that_cannot_be_read_are_refused() {
        let wrong = [
            ("risk", "High"),
            ("approval", "three-of:a"),
            ("approval", "one-of:"),
            ("approval", "two-of:"),
            ("approval", "two-of:a,"),
            ("approval", "two"),
            ("approval", ""),
            ("ttl", "16m"),
            ("ttl", "0s"),
            ("ttl", "5"),
            ("budget", "20/day"),
            ("budget", "usd:1/second"),
            ("budget", "usd:-1/day"),
            ("budget", "usd:NaN/day"),
            ("budget", "usd:1e3/day"),
            ("budget", "usd:18446744073709.551616/day"),
            ("budget", "tokens:/day"),
            ("budget", "tokens:-1/day"),
            ("budget", "tokens:+1/day"),
            ("budget", "tokens:1.5/day"),
            ("budget", "tokens:18446744073709551616/day"),
            ("budget", "tokens:1/second"),
            ("rate", "0/minute"),
            ("rate", "1/week"),
            ("audit", "none"),
            ("project", "id"),
            ("project", ""),
        ];
        for (name, value) in wrong {
            assert!(
                matches!(read(&[(name, value)]), Err(Mistake::Value { .. })),
                "@{name}({value:?})"
            );
        }
        assert_eq!(read(&[("rsik", "high")]), Err(Mistake::Unknown));
    }
}
