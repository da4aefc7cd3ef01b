use std::time::Duration;

use async_trait::async_trait;
use proptest::prelude::*;

use super::*;
use crate::{Amount, Cost, Refusal, Reservation, SystemClock, Unavailable};

/// A ledger of one call and one budget of money.
struct Ledger {
    budget: u64,
    held: Mutex<Usage>,
    /// What of it counts although nobody settles it.
    spent: Mutex<Usage>,
    writes: Mutex<u32>,
    broken: bool,
}

#[async_trait]
impl BudgetLedger for Ledger {
    async fn reserve(&self, _: Reservation<'_>) -> Result<(), ReserveError> {
        Err(Unavailable::new("the ledger", "nothing is admitted here").into())
    }
    async fn adjust(&self, adjustment: Adjustment<'_>) -> Result<(), ReserveError> {
        if self.broken {
            return Err(Unavailable::new("the ledger", "the disk is full").into());
        }
        if adjustment.budgets.iter().any(|budget| !budget.fits(&adjustment.usage)) {
            return Err(Refusal::OverBudget.into());
        }
        *self.held.lock().unwrap() = adjustment.usage.total();
        *self.spent.lock().unwrap() = adjustment.spent.total();
        let mut writes = self.writes.lock().unwrap();
        *writes = writes.saturating_add(1);
        Ok(())
    }
}

impl Ledger {
    fn of(budget: u64) -> Self {
        let (held, spent, writes) = Default::default();
        Self { budget, held, spent, writes, broken: false }
    }
    fn held(&self) -> u64 {
        self.held.lock().unwrap().cost.0
    }
}

fn micros(cost: u64) -> Usage {
    Usage { cost: Cost(cost), tokens: cost, ..Usage::default() }
}

fn call() -> Call {
    let (principal, arguments) = (
        crate::Identity {
            id: "robo".to_owned(),
            kind: crate::Kind::Agent,
            roles: [].into(),
            groups: [].into(),
            acts_for: Vec::new(),
            scope: None,
            ends_at: None,
        },
        crate::Arguments::parse("{}").unwrap(),
    );
    Call {
        id: CallId::generate(),
        principal: crate::Principal::authenticated(principal),
        tool: crate::ToolRef {
            name: "chat".parse().unwrap(),
            component: "models".parse().unwrap(),
            digest: crate::Digest::ZERO,
            wants: [].into(),
        },
        arguments,
        door: "test",
        notes: crate::Notes::default(),
        progress: crate::ProgressSink::default(),
        parent: None,
    }
}

fn name() -> CapabilityName {
    "model:chat:create".parse().unwrap()
}

/// A call that costs 1, and has set aside 10 for its first request.
fn account(ledger: &Arc<Ledger>) -> Account {
    let most = Amount::Cost(Cost(ledger.budget));
    let budgets = vec![BudgetLimit::new(most, Duration::from_secs(60))];
    account_with(ledger, budgets)
}

fn account_with(ledger: &Arc<Ledger>, budgets: Vec<BudgetLimit>) -> Account {
    let opening = opening(&AnswerLimits::default());
    *ledger.held.lock().unwrap() = opening.total().total();
    Account::open(&call(), opening, budgets, ledger.clone(), Arc::new(SystemClock))
}

/// No budget holds it, only what whoever approved it allowed.
fn account_under(ledger: &Arc<Ledger>, limits: &AnswerLimits) -> Account {
    Account::open(&call(), opening(limits), Vec::new(), ledger.clone(), Arc::new(SystemClock))
}

fn opening(limits: &AnswerLimits) -> Opening {
    let ahead = [(name(), micros(10))].into();
    Opening { used: micros(1).into(), ahead, limits: Limits::of(limits) }
}

#[tokio::test]
async fn the_first_request_uses_what_admission_set_aside() {
    let ledger = Arc::new(Ledger::of(100));
    let account = account(&ledger);
    assert_eq!((account.usage().total(), ledger.held()), (micros(1), 11));
    let aside = account.set_aside(&name(), micros(10)).await.unwrap();
    assert_eq!((account.usage().total(), ledger.held()), (micros(11), 11));
    assert_eq!(ledger.spent.lock().unwrap().cost, Cost(11), "on the disk before it leaves");
    aside.settle(micros(4)).await;
    assert_eq!((account.usage().total(), ledger.held()), (micros(5), 5));
}

#[tokio::test]
async fn a_request_that_does_not_fit_beside_what_was_used_is_refused() {
    let ledger = Arc::new(Ledger::of(20));
    let account = account(&ledger);
    account.set_aside(&name(), micros(10)).await.unwrap().settle(micros(10)).await;
    let refused = account.set_aside(&name(), micros(10)).await;
    assert!(matches!(refused, Err(ReserveError::Refused(Refusal::OverBudget))), "{refused:?}");
    assert_eq!(account.usage().total(), micros(11), "what was refused is not used");
    let fits = account.set_aside(&name(), micros(9)).await.unwrap();
    assert_eq!((account.usage().total(), ledger.held()), (micros(20), 20));
    fits.give_back().await;
    assert_eq!((account.usage().total(), ledger.held()), (micros(11), 11));
}

/// H-02 and H-03.
#[tokio::test]
async fn what_is_dropped_counts_to_the_full_and_what_is_settled_counts_once() {
    let ledger = Arc::new(Ledger::of(100));
    let account = account(&ledger);
    let dropped = account.set_aside(&name(), micros(10)).await.unwrap();
    drop(dropped);
    assert_eq!(account.usage().total(), micros(11));
    let more = account.set_aside(&name(), micros(10)).await.unwrap();
    more.settle(micros(30)).await;
    assert_eq!(
        (account.usage().total(), ledger.held()),
        (micros(41), 41),
        "more than was set aside"
    );
    account.set_aside(&name(), micros(10)).await.unwrap().settle(micros(0)).await;
    assert_eq!((account.usage().total(), ledger.held()), (micros(41), 41));
}

#[tokio::test]
async fn a_ledger_that_cannot_be_written_lets_no_more_requests_leave() {
    let ledger = Arc::new(Ledger { broken: true, ..Ledger::of(100) });
    let account = account(&ledger);
    let refused = account.set_aside(&name(), micros(10)).await;
    assert_eq!(account.usage().total(), micros(1), "nothing left");
    assert!(matches!(refused, Err(ReserveError::Unavailable(_))), "{refused:?}");
}

fn requests(requests: u64, bytes: u64) -> Usage {
    Usage { requests, bytes, ..Usage::default() }
}

#[tokio::test]
async fn requests_and_bytes_are_written_down_before_they_leave_where_somebody_limits_them() {
    let ledger = Arc::new(Ledger::of(100));
    let limited = BudgetLimit::parse_all("requests:1/day of model, bytes:500/day").unwrap();
    let account = account_with(&ledger, limited);
    account.set_aside(&name(), requests(1, 400)).await.unwrap().settle(requests(1, 30)).await;
    assert_eq!(ledger.spent.lock().unwrap().bytes, 30);
    let elsewhere: CapabilityName = "shop:items:read".parse().unwrap();
    account.set_aside(&elsewhere, requests(1, 470)).await.unwrap().give_back().await;
    assert!(account.set_aside(&elsewhere, requests(1, 471)).await.is_err(), "bytes of everybody");
    assert!(account.set_aside(&name(), requests(1, 1)).await.is_err(), "a second request of it");
    let free = account_with(&ledger, Vec::new());
    let before = *ledger.writes.lock().unwrap();
    free.set_aside(&elsewhere, requests(1, 400)).await.unwrap().settle(requests(1, 9)).await;
    assert_eq!(*ledger.writes.lock().unwrap(), before, "nobody limits them");
    assert_eq!(free.usage().at(Some(&elsewhere.provider())), requests(1, 9), "they are counted");
}

#[tokio::test]
async fn what_was_said_last_counts_where_a_response_is_dropped_half_way() {
    let ledger = Arc::new(Ledger::of(100));
    let account = account_with(&ledger, BudgetLimit::parse_all("bytes:500/day").unwrap());
    let mut aside = account.set_aside(&name(), requests(1, 400)).await.unwrap();
    aside.counts(requests(1, 70));
    drop(aside);
    assert_eq!(account.usage().total().bytes, 70);
}

proptest! {
    /// H-02: over the budget by no more than requests used beyond what was set aside for them.
    #[test]
    fn no_requests_at_once_spend_more_than_the_budget(
        requests in prop::collection::vec((1_u64..20, 0_u64..20), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let ledger = Arc::new(Ledger::of(60));
            let account = account(&ledger);
            let mut running = Vec::new();
            for (number, (most, used)) in requests.into_iter().enumerate() {
                // The first one has what admission set aside for it.
                let most = if number == 0 { 10 } else { most };
                match account.set_aside(&name(), micros(most)).await {
                    Ok(aside) => running.push((aside, used.min(most))),
                    Err(_) => if let Some((aside, used)) = running.pop() { aside.settle(micros(used)).await },
                }
                assert!(account.usage().total().cost.0 <= 60 && ledger.held() <= 60);
            }
            for (aside, used) in running {
                aside.settle(micros(used)).await;
            }
            let ahead = account.0.sums().ahead.values().map(|most| most.cost.0).sum::<u64>();
            assert_eq!(account.usage().total().cost.0.saturating_add(ahead), ledger.held());
        });
    }
}

#[tokio::test]
async fn of_many_requests_at_once_as_many_leave_as_were_allowed() {
    let limits = AnswerLimits { http_requests: Some(3), ..AnswerLimits::default() };
    let limited = Arc::new(Limits::of(&limits));
    let taking = (0..50).map(|_| {
        let limited = limited.clone();
        tokio::spawn(async move { limited.take_request() })
    });
    let mut taken = 0;
    for one in taking.collect::<Vec<_>>() {
        taken += usize::from(one.await.unwrap());
    }
    assert_eq!(taken, 3);
    assert!(Limits::default().take_request(), "without a limit, all of them");
}

#[tokio::test]
async fn a_yes_to_so_much_is_no_yes_to_more() {
    let ledger = Arc::new(Ledger::of(100));
    let limits = AnswerLimits { cost: Some(Cost(20)), ..AnswerLimits::default() };
    let account = account_under(&ledger, &limits);
    account.set_aside(&name(), micros(10)).await.unwrap().settle(micros(10)).await;
    let over = account.set_aside(&name(), micros(10)).await;
    let most = Cost(20);
    let is_refused = matches!(over, Err(ReserveError::Refused(Refusal::OverApproved { most: said })) if said == most);
    assert!(is_refused, "{over:?}");
    assert_eq!((account.usage().total(), ledger.held()), (micros(11), 11), "nothing leaves");
    let all = account.set_aside(&name(), micros(9)).await.unwrap();
    assert_eq!((account.usage().total(), ledger.held()), (micros(20), 20), "all that was allowed");
    all.give_back().await;
    let unlimited = account_under(&ledger, &AnswerLimits::default());
    unlimited.set_aside(&name(), micros(u64::MAX)).await.unwrap().give_back().await;
}

#[test]
fn a_call_sends_as_many_requests_as_were_allowed() {
    let ledger = Arc::new(Ledger::of(100));
    let limits = AnswerLimits { http_requests: Some(2), ..AnswerLimits::default() };
    let account = account_under(&ledger, &limits);
    let clone = account.clone();
    assert_eq!(
        [account.take_request(), clone.take_request(), account.take_request()],
        [true, true, false]
    );
    assert!(account_under(&ledger, &AnswerLimits::default()).take_request());
}

#[tokio::test]
async fn what_costs_is_written_down_before_it_leaves_although_nobody_limits_it() {
    let one = Usage::default();
    let cases = [
        (Usage { cost: Cost(1), ..one }, true),
        (Usage { tokens: 1, ..one }, true),
        (Usage { cost: Cost(1), tokens: 1, ..one }, true),
        (requests(1, 400), false),
        (one, false),
    ];
    for (most, is_written) in cases {
        let ledger = Arc::new(Ledger::of(100));
        let account = account_with(&ledger, Vec::new());
        let aside = account.set_aside(&name(), most).await.unwrap();
        assert_eq!(*ledger.writes.lock().unwrap(), u32::from(is_written), "{most:?}");
        aside.give_back().await;
    }
}

#[tokio::test]
async fn a_budget_of_money_or_of_another_provider_makes_nobody_write_down_a_free_request() {
    let cases = [
        ("usd:1/day", false),
        ("tokens:9/day of model", false),
        ("requests:9/day of shop", false),
        ("requests:9/day of model", true),
        ("bytes:900/day", true),
    ];
    for (budget, is_written) in cases {
        let ledger = Arc::new(Ledger::of(100));
        let account = account_with(&ledger, BudgetLimit::parse_all(budget).unwrap());
        let aside = account.set_aside(&name(), requests(1, 400)).await.unwrap();
        assert_eq!(*ledger.writes.lock().unwrap(), u32::from(is_written), "{budget}");
        aside.give_back().await;
    }
}

/// Admits, and keeps no account.
struct Door;

#[async_trait]
impl BudgetLedger for Door {
    async fn reserve(&self, _: Reservation<'_>) -> Result<(), ReserveError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_ledger_that_keeps_no_account_knows_nothing_and_lets_nothing_leave_that_costs() {
    let opening = opening(&AnswerLimits::default());
    let clock = Arc::new(SystemClock);
    let account = Account::open(&call(), opening, Vec::new(), Arc::new(Door), clock.clone());
    let refused = account.set_aside(&name(), micros(10)).await;
    assert!(matches!(refused, Err(ReserveError::Unavailable(_))), "{refused:?}");
    account.set_aside(&name(), requests(1, 9)).await.unwrap().give_back().await;
    let budgets = BudgetLimit::parse_all("usd:1/day").unwrap();
    assert_eq!(Door.remaining(&call(), &budgets, clock.now()).await.unwrap(), None);
    let standings = Door.standings(None, clock.now()).await;
    assert_eq!(standings.unwrap_err().to_string(), "the ledger cannot be read or written");
}

#[tokio::test]
async fn a_log_names_the_call_of_an_account_and_what_is_aside_and_nothing_else() {
    let account = account(&Arc::new(Ledger::of(100)));
    let text = format!("Account {{ call: {:?}, .. }}", account.0.call);
    assert_eq!(format!("{account:?}"), text);
    let aside = account.set_aside(&name(), micros(10)).await.unwrap();
    assert_eq!(format!("{aside:?}"), format!("Aside {{ most: {:?}, .. }}", Some(micros(10))));
}
