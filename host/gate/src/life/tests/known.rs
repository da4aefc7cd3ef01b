//! What a host knows of the switches, whom it tells, and what it does when it knows nothing.
use std::{fmt, sync::atomic::AtomicU32, time::Duration};

use tokio::time::{Instant, sleep};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::{
    ending::{Noon, call, terms},
    *,
};
use crate::{CapabilityName, HITS, STEP};

#[tokio::test(start_paused = true)]
async fn switches_that_cannot_be_read_stand_for_a_while_and_then_count_as_thrown() {
    let feed = Arc::new(Feed::default());
    let board = Switchboard::follow(feed.clone()).await.unwrap();
    let life = || board.watch(&call(None), &terms(60, false), &Noon);
    let running = life();
    feed.unreadable.store(true, Ordering::SeqCst);
    sleep(Duration::from_millis(1500)).await;
    running.check().expect("for a while");
    feed.unreadable.store(false, Ordering::SeqCst);
    sleep(Duration::from_millis(1500)).await;
    running.check().unwrap();
    feed.unreadable.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    assert_eq!(running.end().await, Cause::SwitchesUnreadable);
    let waited = begun.elapsed().as_millis();
    assert!((1900..2200).contains(&waited), "{waited} ms");
    assert_eq!(life().check(), Err(Cause::SwitchesUnreadable), "nothing begins");
    feed.unreadable.store(false, Ordering::SeqCst);
    sleep(Duration::from_millis(200)).await;
    life().check().expect("they are read again");
}

/// Hears what is said to whoever measures.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() != "message" {
            self.0 += &format!("{field}={value:?} ");
        }
    }
}

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == STEP && metadata.is_event()
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn whoever_measures_hears_how_many_switches_are_thrown_and_never_which() {
    let feed = Arc::new(Feed::default());
    // What was said before anybody listens is heard by who listens then, whatever other threads do meanwhile.
    drop(Switchboard::follow(feed.clone()).await.unwrap());
    let ear = Ear::default();
    let _listening = tracing::subscriber::set_default(ear.clone());
    let board = Switchboard::follow(feed.clone()).await.unwrap();
    board.throw(named("principal eve")).await.unwrap();
    board.throw(named("tool refund")).await.unwrap();
    feed.unreadable.store(true, Ordering::SeqCst);
    let running = board.watch(&call(None), &terms(60, false), &Noon);
    assert_eq!(running.end().await, Cause::SwitchesUnreadable);
    let told = [
        "thrown=0 readable=true ",
        "thrown=1 readable=true ",
        "thrown=2 readable=true ",
        "thrown=2 readable=false ",
    ];
    assert_eq!(*ear.0.lock().unwrap(), told);
}

/// Throws a switch with the last of the events that are counted towards it.
#[derive(Default)]
struct Counting {
    feed: Feed,
    counted: AtomicU32,
}

#[async_trait]
impl SwitchFeed for Counting {
    async fn read(&self) -> Result<SwitchSet, Unavailable> {
        self.feed.read().await
    }
    async fn throw(&self, switch: Switch) -> Result<(), Unavailable> {
        self.feed.throw(switch).await
    }
    async fn count_towards(&self, switch: Switch, most: u32) -> Result<bool, Unavailable> {
        let counted = self.counted.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        if counted == most {
            self.throw(switch).await?;
        }
        Ok(counted >= most)
    }
    async fn lift(&self, _: &SwitchTarget, _: &str, _: &str) -> Result<bool, Unavailable> {
        Ok(false)
    }
}

/// Which of so many responses with a credential in them ended the call; none of them lets another call end.
async fn suspending(feed: Arc<dyn SwitchFeed>) -> Vec<bool> {
    let board = Switchboard::follow(feed).await.unwrap();
    let uses = call(None);
    let (tripwire, life) =
        (board.tripwire(&uses, Arc::new(Noon)), board.watch(&uses, &terms(60, true), &Noon));
    let other = board.watch(&call(None), &terms(60, false), &Noon);
    let capability: CapabilityName = "shop:orders:write".parse().unwrap();
    let target = SwitchTarget::Use { digest: uses.tool.digest, capability: capability.clone() };
    let mut ended = Vec::new();
    for _ in 0..HITS {
        tripwire.hit(&capability).await.unwrap();
        ended.push(life.check() == Err(Cause::SwitchThrown(target.clone())));
        assert_eq!(life.check().is_err(), board.known().names(&target));
        other.check().unwrap();
    }
    ended
}

#[tokio::test(start_paused = true)]
async fn the_third_response_with_a_credential_in_it_ends_the_call_before_the_host_goes_on() {
    assert_eq!(suspending(Arc::new(Counting::default())).await, [false, false, true]);
    let first = suspending(Arc::new(Feed::default())).await;
    assert_eq!(first, [true, true, true], "who does not count suspends with the first");
}

#[tokio::test(start_paused = true)]
async fn a_credential_in_a_response_that_cannot_be_counted_is_an_error() {
    let feed = Arc::new(Feed { broken: true, ..Feed::default() });
    let board = Switchboard::follow(feed).await.unwrap();
    let tripwire = board.tripwire(&call(None), Arc::new(Noon));
    tripwire.hit(&"shop:orders:write".parse().unwrap()).await.unwrap_err();
    assert!(board.known().thrown.is_empty());
}

#[tokio::test]
async fn a_log_names_what_is_watched() {
    let board = Switchboard::follow(Arc::new(Feed::default())).await.unwrap();
    let call = call(None);
    let tripwire = board.tripwire(&call, Arc::new(Noon));
    let text = format!("Tripwire {{ digest: {:?}, .. }}", call.tool.digest);
    assert_eq!(format!("{tripwire:?}"), text);
    assert!(format!("{board:?}").starts_with("Switchboard { known: "), "{board:?}");
}
