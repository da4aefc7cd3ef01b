//! What is kept, for how long, and what ends it. Time is moved.
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures::future::{join, join_all};
use tokio::{
    sync::Semaphore,
    time::{advance, timeout},
};

use super::{super::tests::Bench, *};
use crate::Secret;

/// A recipe that is counted. Two with the same name are the same.
#[derive(Clone)]
struct Dish {
    name: &'static str,
    kitchen: Arc<Kitchen>,
}

struct Kitchen {
    asked: AtomicUsize,
    /// Whether dishes can be taken back, and those that were.
    takes_back: bool,
    taken_back: Mutex<Vec<String>>,
    lasts: Mutex<Result<Duration, AskError>>,
    open: Semaphore,
}

impl PartialEq for Dish {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
impl Eq for Dish {}
impl Hash for Dish {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Recipe for Dish {
    fn ask(self, _: Arc<House>) -> BoxFuture<'static, Result<Fresh, AskError>> {
        let number = self.kitchen.asked.fetch_add(1, Ordering::SeqCst);
        async move {
            self.kitchen.open.acquire().await.unwrap().forget();
            let lasts = (*self.kitchen.lasts.lock().unwrap())?;
            let value = format!("{}-{number}-0123456789abcdef", self.name);
            Ok(Fresh { credential: Credential::Token(Secret::new(value)), lasts })
        }
        .boxed()
    }
    fn shown(&self) -> Vec<Zeroizing<String>> {
        Vec::new()
    }
    fn is_revocable(&self) -> bool {
        self.kitchen.takes_back
    }
    fn revoke(self, value: Credential, _: Arc<House>) -> Revocation {
        async move {
            self.kitchen.taken_back.lock().unwrap().push(value.values()[0].to_string());
            Ok(())
        }
        .boxed()
    }
}

struct Table {
    cache: Cache<Dish>,
    kitchen: Arc<Kitchen>,
    bench: Bench,
}

impl Table {
    fn set(lasts: Duration) -> Self {
        let table = Self::waiting(lasts);
        table.kitchen.open.add_permits(1 << 20);
        table
    }

    /// Nothing comes out of the kitchen before it is opened.
    fn waiting(lasts: Duration) -> Self {
        Self::of(lasts, false)
    }

    fn of(lasts: Duration, takes_back: bool) -> Self {
        let kitchen = Kitchen {
            asked: AtomicUsize::new(0),
            takes_back,
            taken_back: Mutex::default(),
            lasts: Mutex::new(Ok(lasts)),
            open: Semaphore::new(0),
        };
        let bench = Bench::of(STATIC, "", &[]);
        Self { cache: Cache::default(), kitchen: Arc::new(kitchen), bench }
    }

    async fn fetch(&self, name: &'static str) -> Result<Minted, AskError> {
        let dish = Dish { name, kitchen: self.kitchen.clone() };
        self.bench.with_purpose(async |purpose| self.cache.fetch(dish, purpose).await).await
    }

    async fn value(&self, name: &'static str) -> String {
        let minted = self.fetch(name).await.unwrap_or_else(|error| panic!("{error}"));
        minted.credential.values()[0].to_string()
    }

    fn asked(&self) -> usize {
        self.kitchen.asked.load(Ordering::SeqCst)
    }

    fn kept(&self) -> usize {
        lock(&self.cache.0).entries.len()
    }

    fn fail(&self, error: AskError) {
        *self.kitchen.lasts.lock().unwrap() = Err(error);
    }
}

const STATIC: &str = "kind = \"static-token\"\nstore = \"local\"\nsecret = \"a\"";
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

async fn pass(seconds: u64) {
    advance(Duration::from_secs(seconds)).await;
    tokio::task::yield_now().await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_first_uses_at_once_mint_once() {
    let table = Table::waiting(LONG);
    let all = join_all((0..1000).map(|_| table.value("a")));
    let (values, ()) = join(all, async { table.kitchen.open.add_permits(1) }).await;
    assert_eq!(table.asked(), 1);
    assert!(values.iter().all(|value| *value == values[0]) && values.len() == 1000);
    table.kitchen.open.add_permits(1);
    assert_ne!(table.value("b").await, values[0]);
    assert_eq!(table.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_first_uses_at_once_fail_once_and_the_failure_is_soon_forgotten() {
    let table = Table::set(LONG);
    table.fail(AskError::Fault);
    let all = join_all((0..1000).map(|_| table.fetch("a"))).await;
    assert!(all.iter().all(|one| matches!(one, Err(AskError::Fault))));
    assert_eq!(table.asked(), 1);
    *table.kitchen.lasts.lock().unwrap() = Ok(LONG);
    assert!(table.fetch("a").await.is_err());
    pass(1).await;
    table.value("a").await;
    assert_eq!(table.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_goes_on_failing_is_asked_less_and_less() {
    let table = Table::set(LONG);
    table.fail(AskError::Fault);
    for _ in 0..600 {
        assert!(table.fetch("a").await.is_err());
        pass(1).await;
    }
    // After 1, 2, 4, 8 and 16 seconds, then every 30.
    assert_eq!(table.asked(), 24);
}

#[tokio::test(start_paused = true)]
async fn a_value_lives_for_a_quarter_of_an_hour_less_a_minute_at_most() {
    let table = Table::set(LONG);
    let first = table.value("a").await;
    pass(14 * 60 - 1).await;
    assert_eq!(table.value("a").await, first);
    pass(1).await;
    assert_eq!(table.kept(), 0, "wiped without being asked for");
    assert_ne!(table.value("a").await, first);
}

#[tokio::test(start_paused = true)]
async fn a_value_does_not_outlive_what_its_server_said() {
    let table = Table::set(Duration::from_secs(100));
    let first = table.value("a").await;
    pass(89).await;
    assert_eq!(table.value("a").await, first);
    pass(1).await;
    assert_ne!(table.value("a").await, first);
}

#[tokio::test(start_paused = true)]
async fn a_refused_value_is_dropped_and_nothing_else_is() {
    let table = Table::set(LONG);
    let (first, other) = (table.fetch("a").await.ok().unwrap(), table.value("b").await);
    table.cache.refused(first.serial.unwrap());
    let second = table.value("a").await;
    assert_ne!(second, *first.credential.values()[0]);
    // What was refused is gone: its successor is not dropped for it.
    table.cache.refused(first.serial.unwrap());
    assert_eq!(table.value("a").await, second);
    assert_eq!(table.value("b").await, other);
}

/// J-16: a server that refuses everything does not become a stream of requests to the token endpoint.
#[tokio::test(start_paused = true)]
async fn values_that_are_refused_again_and_again_are_minted_every_half_minute_at_most() {
    let table = Table::set(LONG);
    for _ in 0..300 {
        let minted = table.fetch("a").await.ok().unwrap();
        table.cache.refused(minted.serial.unwrap());
        pass(1).await;
    }
    assert_eq!(table.asked(), 11);
}

#[tokio::test(start_paused = true)]
async fn a_switch_drops_what_is_kept_and_what_is_on_its_way_is_not_kept() {
    let table = Table::waiting(LONG);
    table.kitchen.open.add_permits(1);
    let first = table.value("a").await;
    table.cache.clear();
    let (second, ()) = join(table.value("a"), async {
        table.cache.clear();
        table.kitchen.open.add_permits(1);
    })
    .await;
    assert_ne!(second, first);
    assert_eq!(table.kept(), 0);
    table.kitchen.open.add_permits(1);
    let third = table.value("a").await;
    assert_ne!(third, second);
    assert_eq!(table.value("a").await, third, "without a switch it is kept");
}

#[tokio::test(start_paused = true)]
async fn the_first_to_ask_may_leave_and_the_others_get_their_value() {
    let table = Table::waiting(LONG);
    let hurried = timeout(Duration::from_secs(1), table.fetch("a"));
    let patient = async {
        tokio::task::yield_now().await;
        table.value("a").await
    };
    let opened = async {
        // Both are waiting by then.
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        pass(2).await;
        table.kitchen.open.add_permits(1);
    };
    let ((hurried, _), ()) = join(join(hurried, patient), opened).await;
    assert!(hurried.is_err());
    assert_eq!(table.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_any_more_is_asked_for_anew() {
    let table = Table::waiting(LONG);
    assert!(timeout(Duration::from_secs(1), table.fetch("a")).await.is_err());
    table.kitchen.open.add_permits(1);
    table.value("a").await;
    assert_eq!(table.asked(), 2);
}

/// A table whose dishes can be taken back.
fn revocable(lasts: Duration) -> Table {
    let table = Table::of(lasts, true);
    table.kitchen.open.add_permits(1 << 20);
    table
}

impl Table {
    /// What is taken back with a switch, in any order.
    async fn withdrawn(&self, provider: Option<&str>) -> Vec<String> {
        let revoking = self.cache.withdraw(provider, &self.bench.house);
        assert!(join_all(revoking).await.iter().all(Result::is_ok));
        let mut taken = std::mem::take(&mut *self.kitchen.taken_back.lock().unwrap());
        taken.sort();
        taken
    }
}

/// H-24: also what was dropped before, as long as its server takes it.
#[tokio::test(start_paused = true)]
async fn a_switch_withdraws_what_its_server_still_takes_and_nothing_twice() {
    let table = revocable(Duration::from_secs(3600));
    let first = table.value("a").await;
    table.cache.clear();
    let second = table.value("a").await;
    let refused = table.fetch("b").await.ok().unwrap();
    table.cache.refused(refused.serial.unwrap());
    let mut all = vec![first, second, refused.credential.values()[0].to_string()];
    all.sort();
    assert_eq!(table.withdrawn(None).await, all);
    assert!(table.withdrawn(None).await.is_empty());
    let third = table.value("a").await;
    assert!(!all.contains(&third), "none of them is used again");
    assert_eq!(table.withdrawn(None).await, [third]);
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_by_itself_is_not_withdrawn_and_not_kept() {
    let table = revocable(Duration::from_secs(3600));
    let first = table.value("a").await;
    pass(15 * 60).await;
    assert_eq!((table.kept(), lock(&table.cache.0).retired.len()), (0, 1), "it is used no longer");
    let second = table.value("a").await;
    pass(40 * 60).await;
    assert_eq!(table.withdrawn(None).await, [first, second]);
    table.value("a").await;
    pass(3600).await;
    assert_eq!((table.kept(), lock(&table.cache.0).retired.len()), (0, 0));
    assert!(table.withdrawn(None).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_switch_for_one_provider_withdraws_what_was_lent_for_it() {
    let table = revocable(LONG);
    let value = table.value("a").await;
    assert!(table.withdrawn(Some("shop")).await.is_empty());
    assert_eq!(table.value("a").await, value, "and leaves the rest");
    assert_eq!(table.withdrawn(Some("crm")).await, [value]);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_nobody_takes_back_is_forgotten_as_it_was() {
    let table = Table::set(LONG);
    let first = table.value("a").await;
    assert!(table.withdrawn(None).await.is_empty());
    assert_eq!(table.value("a").await, first, "dropping it is another step");
    table.cache.clear();
    assert_eq!(lock(&table.cache.0).retired.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_so_many_values_are_remembered_for_a_switch() {
    let table = revocable(LONG);
    for _ in 0..300 {
        table.value("a").await;
        table.cache.clear();
    }
    assert_eq!(table.withdrawn(None).await.len(), 256);
}
