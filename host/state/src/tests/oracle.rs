//! A naive ledger beside the real one: whatever happens, they say the same.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers")]
use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, TestRunner},
};
use toolward_gate::{
    Adjustment, AuditLog as _, BudgetLedger as _, BudgetLimit, By, Call, Closed, Cost, Held,
    RateLimit, Refusal, Reservation, ReserveError, Tally, Usage, Window,
};
use uuid::Uuid;

use super::support::{Place, call, closed};
use crate::State;

/// By provider `a` and `b`.
type Amounts = [(u8, u8, u8, u8); 2];

#[derive(Clone, Debug)]
enum Event {
    Reserve { who: bool, tool: bool, usage: Amounts, spent: bool, lasts: u16 },
    Adjust { which: Index, usage: Amounts, checked: bool },
    Close { which: Index, usage: Amounts },
    Pass(u32),
    TurnBack(u16),
    Sweep,
}

fn amounts() -> impl Strategy<Value = Amounts> {
    let one = || (0..40_u8, 0..40_u8, 0..4_u8, 0..40_u8);
    [one(), one()]
}

fn event() -> impl Strategy<Value = Event> {
    let reserve = (any::<bool>(), any::<bool>(), amounts(), any::<bool>(), 0..7200_u16);
    prop_oneof![
        6 => reserve.prop_map(|(who, tool, usage, spent, lasts)| Event::Reserve { who, tool, usage, spent, lasts }),
        2 => (any::<Index>(), amounts(), any::<bool>()).prop_map(|(which, usage, checked)| Event::Adjust { which, usage, checked }),
        4 => (any::<Index>(), amounts()).prop_map(|(which, usage)| Event::Close { which, usage }),
        3 => prop_oneof![1..120_u32, 1..90_000_u32, 1..2_000_000_u32].prop_map(Event::Pass),
        1 => (1..3000_u16).prop_map(Event::TurnBack),
        1 => Just(Event::Sweep),
    ]
}

/// Of these, each case has some.
const BUDGETS: [&str; 8] = [
    "usd:0.0001/minute",
    "tokens:120/hour",
    "requests:9/day of a",
    "bytes:150/month by tool",
    "usd:0.0003/total",
    "requests:12/total of b by principal",
    "usd:0.0002/month of a by principal",
    "tokens:200/day by tool",
];

fn rates() -> [RateLimit; 4] {
    let by = |by, rate: RateLimit| RateLimit { by, ..rate };
    [
        RateLimit::new(3, Duration::from_secs(60)),
        by(By::Principal, RateLimit::new(6, Duration::from_secs(86_400))),
        by(By::Tool, RateLimit::new(9, Window::Month)),
        RateLimit::new(12, Window::Total),
    ]
}

fn tally(amounts: Amounts) -> Tally {
    let of = |name: &str, (cost, tokens, requests, bytes): (u8, u8, u8, u8)| {
        let (tokens, requests, bytes) = (tokens.into(), requests.into(), bytes.into());
        Tally::of(name.parse().unwrap(), Usage { cost: Cost(cost.into()), tokens, requests, bytes })
    };
    of("a", amounts[0]).with(&of("b", amounts[1]))
}

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A call that was admitted, as it ought to be counted.
struct Admitted {
    call: Call,
    at: Timestamp,
    expires_at: Timestamp,
    usage: Tally,
    spent: Tally,
    settled: Option<Tally>,
}

/// Everything in one list, looked at from its beginning to its end.
struct Model {
    /// Two principals and two tools, of this case alone.
    names: [String; 2],
    rates: Vec<RateLimit>,
    budgets: Vec<BudgetLimit>,
    admitted: Vec<Admitted>,
}

impl Model {
    fn call(&self, who: bool, tool: bool) -> Call {
        let mut call = call(&self.names[usize::from(who)]);
        let name = &self.names[usize::from(tool)];
        call.tool.name = format!("tool-{name}").parse().unwrap();
        call
    }

    fn counts(&self, by: By, one: &Admitted, of: &Call) -> bool {
        let same = one.call.principal.id() == of.principal.id();
        let tool = one.call.tool.name == of.tool.name;
        match by {
            By::Both => same && tool,
            By::Principal => same,
            By::Tool => tool,
        }
    }

    /// The time, which does not run backwards for whom it concerns.
    fn now(&self, place: &Place, call: &Call) -> Timestamp {
        let rates = self.rates.iter().map(|one| one.by);
        let is_for_all =
            rates.chain(self.budgets.iter().map(|one| one.by)).any(|by| by == By::Tool);
        let concerns = |one: &&Admitted| {
            self.counts(By::Principal, one, call)
                || (is_for_all && self.counts(By::Tool, one, call))
        };
        let latest = self.admitted.iter().filter(concerns).map(|one| one.at).max();
        latest.map_or(place.now(), |at| at.max(place.now()))
    }

    /// What is used and what is set aside.
    fn sum(
        &self,
        budget: &BudgetLimit,
        of: &Call,
        now: Timestamp,
        but: Option<&Call>,
    ) -> (u64, u64) {
        let counted = self.admitted.iter().filter(|one| {
            self.counts(budget.by, one, of)
                && but.is_none_or(|but| but.id != one.call.id)
                && budget.window.begin(now).is_none_or(|begin| one.at > begin)
        });
        let amount = |tally: &Tally| budget.most.of(tally.at(budget.of.as_ref()));
        counted.fold((0, 0), |(used, reserved), one| match &one.settled {
            Some(settled) => (used + amount(settled), reserved),
            None if one.expires_at > now => {
                let spent = amount(&one.spent);
                (used + spent, reserved + amount(&one.usage) - spent)
            }
            None => (used + amount(&one.spent), reserved),
        })
    }

    fn calls(&self, rate: &RateLimit, of: &Call, now: Timestamp) -> u64 {
        let counted = self.admitted.iter().filter(|one| {
            self.counts(rate.by, one, of)
                && rate.window.begin(now).is_none_or(|begin| one.at > begin)
        });
        counted.count() as u64
    }

    fn fits(&self, usage: &Tally, of: &Call, now: Timestamp) -> bool {
        self.budgets.iter().all(|budget| {
            let (used, reserved) = self.sum(budget, of, now, Some(of));
            used + reserved + budget.most.of(usage.at(budget.of.as_ref())) <= budget.most.most()
        })
    }

    async fn reserve(
        &mut self,
        place: &Place,
        state: &State,
        call: Call,
        usage: Tally,
        spent: bool,
        lasts: u16,
    ) {
        let now = self.now(place, &call);
        let in_rate =
            self.rates.iter().all(|rate| self.calls(rate, &call, now) < rate.calls.into());
        let fits = in_rate && self.fits(&usage, &call, now);
        let spent = if spent { usage.clone() } else { Tally::default() };
        let lasts = Duration::from_secs(lasts.into());
        let done = state
            .reserve(Reservation {
                call: &call,
                usage: usage.clone(),
                spent: spent.clone(),
                rates: &self.rates,
                budgets: &self.budgets,
                approval: None,
                now: place.now(),
                expires_at: place.now().checked_add(lasts).unwrap(),
            })
            .await;
        assert_eq!(agreed(done), fits, "{usage:?} of {}", call.principal.id());
        if fits {
            let expires_at = now.checked_add(lasts).unwrap();
            self.admitted.push(Admitted { call, at: now, expires_at, usage, spent, settled: None });
        }
    }

    async fn adjust(
        &mut self,
        place: &Place,
        state: &State,
        which: Index,
        usage: Tally,
        checked: bool,
    ) {
        let Some(which) = self.running(place, which) else { return };
        let (id, now) = {
            let call = &self.admitted[which].call;
            (call.id, self.now(place, call))
        };
        let fits = !checked || self.fits(&usage, &self.admitted[which].call, now);
        let (budgets, behalf) = (if checked { &self.budgets[..] } else { &[] }, &[][..]);
        let (spent, at) = (usage.clone(), place.now());
        let adjustment =
            Adjustment { call: id, usage: usage.clone(), spent, budgets, behalf, now: at };
        assert_eq!(agreed(state.adjust(adjustment).await), fits, "{usage:?}");
        if fits {
            let one = &mut self.admitted[which];
            (one.usage, one.spent) = (usage.clone(), usage);
        }
    }

    async fn close(&mut self, place: &Place, state: &State, which: Index, used: Tally) {
        let Some(which) = self.running(place, which) else { return };
        let one = &mut self.admitted[which];
        state.close(Closed { used: used.clone(), ..closed(&one.call, 0) }).await.unwrap();
        // Of money and tokens at most what was set aside.
        let mut settled = Tally::default();
        for (provider, usage) in used.iter() {
            let aside = one.usage.at(provider);
            let cost = usage.cost.min(aside.cost);
            let tokens = usage.tokens.min(aside.tokens);
            settled = settled
                .with(&Tally::of(provider.unwrap().clone(), Usage { cost, tokens, ..usage }));
        }
        one.settled = Some(settled);
    }

    fn running(&self, place: &Place, which: Index) -> Option<usize> {
        // No call is closed a day after all of it is over.
        let soon = |one: &Admitted| one.expires_at.checked_add(DAY).unwrap() > place.now();
        let open = self.admitted.iter().enumerate();
        let open = open.filter(|(_, one)| one.settled.is_none() && soon(one));
        let open: Vec<usize> = open.map(|(place, _)| place).collect();
        (!open.is_empty()).then(|| open[which.index(open.len())])
    }

    /// What people are shown is what is counted.
    async fn shown(&self, place: &Place, state: &State) {
        for who in [false, true] {
            let principal = self.names[usize::from(who)].as_str();
            for standing in state.standings(Some(principal), place.now()).await.unwrap() {
                let mut of = self.call(who, false);
                of.tool.name = standing.tool.clone();
                let expected = match &standing.limit {
                    Held::Rate(rate) => (self.calls(rate, &of, place.now()), 0),
                    Held::Budget(budget) => self.sum(budget, &of, place.now(), None),
                };
                assert_eq!((standing.used, standing.reserved), expected, "{}", standing.limit);
            }
        }
    }
}

fn agreed(done: Result<(), ReserveError>) -> bool {
    match done {
        Ok(()) => true,
        Err(ReserveError::Refused(Refusal::OverBudget | Refusal::OverRate { .. })) => false,
        Err(other) => panic!("{other}"),
    }
}

async fn take(state: &State, place: &Place, (budgets, rates, events): Case) {
    let names = [Uuid::new_v4(), Uuid::new_v4()].map(|id| id.to_string());
    let budgets = budgets.into_iter().map(|text| text.parse().unwrap()).collect();
    let mut model = Model { names, rates, budgets, admitted: Vec::new() };
    let mut seen = BTreeMap::<&str, u32>::new();
    for event in events {
        match event {
            Event::Reserve { who, tool, usage, spent, lasts } => {
                let call = model.call(who, tool);
                model.reserve(place, state, call, tally(usage), spent, lasts).await;
            }
            Event::Adjust { which, usage, checked } => {
                model.adjust(place, state, which, tally(usage), checked).await;
            }
            Event::Close { which, usage } => model.close(place, state, which, tally(usage)).await,
            Event::Pass(seconds) => place.clock.pass(Duration::from_secs(seconds.into())),
            Event::TurnBack(seconds) => place.clock.step_back(Duration::from_secs(seconds.into())),
            Event::Sweep => {
                let swept = state.sweep().await.unwrap();
                *seen.entry("swept").or_default() += u32::from(swept.uses > 0);
            }
        }
        model.shown(place, state).await;
    }
}

type Case = (Vec<&'static str>, Vec<RateLimit>, Vec<Event>);

#[test]
fn no_sequence_of_events_makes_the_ledger_differ_from_a_naive_one() {
    let place = Place::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let state = runtime.block_on(place.open());
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let case = (
        prop::sample::subsequence(BUDGETS.to_vec(), 0..4),
        prop::sample::subsequence(rates().to_vec(), 0..3),
        prop::collection::vec(event(), 1..30),
    );
    let run = |case: Case| {
        runtime.block_on(take(&state, &place, case));
        Ok(())
    };
    TestRunner::new(config).run(&case, run).unwrap();
}
