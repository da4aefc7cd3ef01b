//! Minted values, for as long as they are good: each is made once, for all that ask for the same.
mod retired;

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use tokio::time::Instant;
use zeroize::Zeroizing;

use self::retired::Retired;
use super::{AskError, Credential, House, Minted, Purpose, Revocation, Serial};
use crate::scan::Registered;

/// Everything that shapes a minted value. The request to the server is made from it and from nothing else, and
/// it is the key under which the answer is kept: an input that is not in the key cannot be in the request.
pub(crate) trait Recipe: Clone + Eq + Hash + Send + Sync + 'static {
    fn ask(self, house: Arc<House>) -> BoxFuture<'static, Result<Fresh, AskError>>;
    /// What the server gets to see of the recipe and nobody else may, in the forms in which it goes out.
    fn shown(&self) -> Vec<Zeroizing<String>>;
    /// Whether the server can be told that a value is good no longer.
    fn is_revocable(&self) -> bool {
        false
    }
    /// Tells it so. Asked only where [`Recipe::is_revocable`].
    fn revoke(self, _value: Credential, _house: Arc<House>) -> Revocation {
        std::future::ready(Err(AskError::Request("there is no way to revoke it"))).boxed()
    }
}

/// What a server gave, and for how long it says that it is good.
pub(crate) struct Fresh {
    pub(crate) credential: Credential,
    pub(crate) lasts: Duration,
}

/// The values of one broker.
pub(crate) struct Cache<R>(Arc<Mutex<Shelf<R>>>);

/// What is there, under one lock that is never held while anything is waited for.
struct Shelf<R> {
    entries: HashMap<R, Entry>,
    retired: Retired<R>,
    /// Counts how often everything was dropped: what was asked for before is not kept after.
    age: u64,
    serials: u64,
}

enum Entry {
    /// Ends when nobody waits for it any more.
    Asking(WeakShared<Asking>),
    Kept(Arc<Kept>),
    /// The server is not asked again before the pause is over.
    Failed {
        error: AskError,
        until: Instant,
        pause: Duration,
    },
    /// The value was refused where it was used, and dropped.
    Refused {
        at: Instant,
    },
}

type Asking = BoxFuture<'static, Result<Arc<Kept>, AskError>>;

struct Kept {
    credential: Credential,
    /// What must not come back while it is kept.
    _known: Known,
    serial: Serial,
    since: Instant,
    /// Until then it is used.
    until: Instant,
    /// Until then its server takes it.
    ends: Instant,
    /// It took the place of one that was refused.
    replaces: bool,
    /// Whose requests it was lent for.
    providers: Mutex<BTreeSet<String>>,
}

type Known = [Option<Arc<Registered>>; 2];

impl Kept {
    fn lend(&self, purpose: &Purpose<'_>) -> Minted {
        self.providers().insert(purpose.capability.provider().to_string());
        let (credential, serial) = (self.credential.another(), Some(self.serial));
        Minted { credential, serial, ends: Some(self.ends) }
    }

    /// Whether it was lent for this provider; for any, where none is named.
    fn is_of(&self, provider: Option<&str>) -> bool {
        provider.is_none_or(|provider| self.providers().contains(provider))
    }

    fn providers(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.providers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Recipe> Default for Cache<R> {
    fn default() -> Self {
        let shelf =
            Shelf { entries: HashMap::new(), retired: Retired::default(), age: 0, serials: 0 };
        Self(Arc::new(Mutex::new(shelf)))
    }
}

enum Found {
    Kept(Arc<Kept>),
    Asking(Shared<Asking>),
    Failed(AskError),
}

impl<R: Recipe> Cache<R> {
    /// The kept value, or the one that is on its way, or a new one.
    pub(crate) async fn fetch(&self, recipe: R, purpose: &Purpose<'_>) -> Result<Minted, AskError> {
        match self.find(recipe, purpose) {
            Found::Kept(kept) => Ok(kept.lend(purpose)),
            Found::Asking(asking) => asking.await.map(|kept| kept.lend(purpose)),
            Found::Failed(error) => Err(error),
        }
    }

    /// Drops the value with this serial: the server that it was shown to refused it.
    ///
    /// One that replaced a refused value within [`PAUSE`] stays until that is over. A newer one would fare no
    /// better, and no tool gets to ask the token endpoint as often as it likes.
    pub(crate) fn refused(&self, serial: Serial) {
        let (now, mut shelf) = (Instant::now(), lock(&self.0));
        let kept = shelf.entries.iter().find_map(|(recipe, entry)| match entry {
            Entry::Kept(kept) if kept.serial == serial => Some((recipe.clone(), kept.clone())),
            Entry::Kept(_) | Entry::Asking(_) | Entry::Failed { .. } | Entry::Refused { .. } => {
                None
            }
        });
        if let Some((recipe, kept)) = kept
            && !(kept.replaces && now < after(kept.since, PAUSE))
        {
            shelf.put(recipe, Entry::Refused { at: now });
        }
    }

    /// Drops every value, and what is on its way: it is not kept when it comes.
    pub(crate) fn clear(&self) {
        let mut shelf = lock(&self.0);
        shelf.age = shelf.age.wrapping_add(1);
        shelf.empty();
    }

    /// Drops every value that was lent for this provider, or every one, and says how to revoke each that its
    /// server still takes, also those that were dropped before.
    ///
    /// What is on its way has nobody left who waits for it: the same switch ends their calls.
    pub(crate) fn withdraw(&self, provider: Option<&str>, house: &Arc<House>) -> Vec<Revocation> {
        let (now, mut shelf) = (Instant::now(), lock(&self.0));
        let withdrawn = shelf.entries.extract_if(|recipe, entry| {
            let is_of = matches!(entry, Entry::Kept(kept) if kept.is_of(provider));
            is_of && recipe.is_revocable()
        });
        let withdrawn: Vec<(R, Arc<Kept>)> = withdrawn
            .filter_map(|(recipe, entry)| match entry {
                Entry::Kept(kept) => Some((recipe, kept)),
                Entry::Asking(_) | Entry::Failed { .. } | Entry::Refused { .. } => None,
            })
            .collect();
        let before = shelf.retired.take(provider, now);
        before
            .into_iter()
            .chain(withdrawn)
            .map(|(recipe, kept)| revoke(recipe, kept, house))
            .collect()
    }

    fn find(&self, recipe: R, purpose: &Purpose<'_>) -> Found {
        let (now, mut shelf) = (Instant::now(), lock(&self.0));
        let (mut pause, mut replaces) = (FIRST_PAUSE, false);
        match shelf.entries.get(&recipe) {
            Some(Entry::Kept(kept)) if now < kept.until => return Found::Kept(kept.clone()),
            Some(Entry::Failed { error, until, .. }) if now < *until => {
                return Found::Failed(*error);
            }
            Some(Entry::Asking(asking)) => {
                if let Some(asking) = asking.upgrade() {
                    return Found::Asking(asking);
                }
            }
            Some(Entry::Failed { pause: last, .. }) => pause = last.saturating_mul(2).min(PAUSE),
            Some(Entry::Refused { at }) => replaces = now < after(*at, PAUSE),
            Some(Entry::Kept(_)) | None => {}
        }
        let work = self.asking(&recipe, purpose, shelf.age, pause, replaces);
        let asking = work.boxed().shared();
        shelf.make_room(now);
        if let Some(weak) = asking.downgrade() {
            shelf.put(recipe, Entry::Asking(weak));
        }
        Found::Asking(asking)
    }

    fn asking(
        &self,
        recipe: &R,
        purpose: &Purpose<'_>,
        age: u64,
        pause: Duration,
        replaces: bool,
    ) -> impl Future<Output = Result<Arc<Kept>, AskError>> + Send + 'static {
        let (shelf, recipe) = (self.0.clone(), recipe.clone());
        let (name, house) = (purpose.credential.clone(), purpose.house.clone());
        async move {
            // What a server says of time counts from before it was asked.
            let since = Instant::now();
            let shown = house.know(&name, &recipe.shown());
            let answer = recipe.clone().ask(house.clone()).await;
            match &answer {
                Ok(Fresh { lasts, .. }) => {
                    tracing::info!(credential.name = %name, ?lasts, "a credential was minted");
                }
                Err(error) => {
                    tracing::warn!(credential.name = %name, %error, "a credential was not minted");
                }
            }
            let given = answer.as_ref().ok();
            let given = given.and_then(|fresh| house.know(&name, &fresh.credential.values()));
            let known = [shown, given];
            let mut locked = lock(&shelf);
            let kept = answer.map(|fresh| locked.kept(fresh, known, since, replaces));
            let entry = match &kept {
                Ok(kept) => Entry::Kept(kept.clone()),
                Err(error) => {
                    Entry::Failed { error: *error, until: after(Instant::now(), pause), pause }
                }
            };
            if locked.age == age {
                let last = |kept: &Kept| if recipe.is_revocable() { kept.ends } else { kept.until };
                let ends = kept.as_ref().map(|kept| [kept.until, last(kept)]);
                ends.into_iter().for_each(|ends| sweep_at(ends, Arc::downgrade(&shelf)));
                locked.put(recipe, entry);
            } else if let Ok(kept) = &kept {
                locked.retired.put(recipe, kept.clone());
            }
            kept
        }
    }
}

impl<R: Recipe> Shelf<R> {
    fn kept(&mut self, fresh: Fresh, known: Known, since: Instant, replaces: bool) -> Arc<Kept> {
        self.serials = self.serials.wrapping_add(1);
        let (until, ends) =
            (after(since, life(fresh.lasts)), after(since, fresh.lasts.min(MAX_END)));
        let serial = Serial(self.serials);
        Arc::new(Kept {
            credential: fresh.credential,
            _known: known,
            serial,
            since,
            until,
            ends,
            replaces,
            providers: Mutex::default(),
        })
    }

    /// What was there before in its place is used no longer.
    fn put(&mut self, recipe: R, entry: Entry) {
        if let Some(Entry::Kept(kept)) = self.entries.insert(recipe.clone(), entry) {
            self.retired.put(recipe, kept);
        }
    }

    fn empty(&mut self) {
        for (recipe, entry) in self.entries.drain() {
            if let Entry::Kept(kept) = entry {
                self.retired.put(recipe, kept);
            }
        }
    }

    /// Lets go of what is over.
    fn sweep(&mut self, now: Instant) {
        let over = self.entries.extract_if(|_, entry| match entry {
            Entry::Kept(kept) => now >= kept.until,
            Entry::Asking(asking) => asking.upgrade().is_none(),
            // Twice the pause, so that a server that fails for long is asked less and less.
            Entry::Failed { until, pause, .. } => now >= after(*until, *pause),
            Entry::Refused { at } => now >= after(*at, PAUSE),
        });
        for (recipe, entry) in over {
            if let Entry::Kept(kept) = entry {
                self.retired.put(recipe, kept);
            }
        }
        self.retired.sweep(now);
    }

    fn make_room(&mut self, now: Instant) {
        if self.entries.len() >= MAX_ENTRIES {
            self.sweep(now);
        }
        if self.entries.len() >= MAX_ENTRIES {
            self.empty();
        }
    }
}

/// Wipes what has ended, also where nobody asks for it any more.
fn sweep_at<R: Recipe>(ends: [Instant; 2], shelf: Weak<Mutex<Shelf<R>>>) {
    tokio::spawn(async move {
        for end in ends {
            tokio::time::sleep_until(end).await;
            let Some(shelf) = shelf.upgrade() else { return };
            lock(&shelf).sweep(Instant::now());
        }
    });
}

/// It is known until then, so that the server's answer is searched for it as well.
fn revoke<R: Recipe>(recipe: R, kept: Arc<Kept>, house: &Arc<House>) -> Revocation {
    let revoking = recipe.revoke(kept.credential.another(), house.clone());
    async move {
        let revoked = revoking.await;
        drop(kept);
        revoked
    }
    .boxed()
}

fn after(start: Instant, time: Duration) -> Instant {
    start.checked_add(time).unwrap_or(start)
}

fn lock<R>(shelf: &Mutex<Shelf<R>>) -> MutexGuard<'_, Shelf<R>> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a value is used: what the server says, 15 minutes at most, less a tenth of it or a minute, so that
/// no request is under way when it ends.
fn life(lasts: Duration) -> Duration {
    let lasts = lasts.min(MAX_LIFE);
    let tenth = lasts.checked_div(10).unwrap_or_default();
    lasts.saturating_sub(tenth.min(MARGIN))
}

pub(crate) const MAX_LIFE: Duration = Duration::from_secs(15 * 60);
/// How long it is remembered at most that a server may still take a value.
const MAX_END: Duration = Duration::from_secs(24 * 60 * 60);
const MARGIN: Duration = Duration::from_secs(60);
/// After a first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest time that a server is not asked after a failure, and the shortest between two values of which
/// both were refused.
const PAUSE: Duration = Duration::from_secs(30);
/// Over this, all are let go and made anew as they are needed.
const MAX_ENTRIES: usize = 4096;

#[cfg(test)]
mod tests;
