//! Which values must not come back now?
//!
//! Every value that can go out is registered before it does, and stays as long as somebody holds it; then for a
//! while, and at least until every response has ended that was begun before. A response is searched for the values
//! of all credentials of this host: one server may stand behind several of them.
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::time::Instant;
use toolward_gate::CredentialName;
use zeroize::Zeroizing;

use super::{
    search::Search,
    table::{Patterns, Place, Table},
};

/// The values of this host that must not come back.
#[derive(Clone, Default)]
pub(crate) struct Registry(Arc<Mutex<Shelf>>);

#[derive(Default)]
struct Shelf {
    entries: Vec<Entry>,
    table: Arc<Table>,
    /// Counts the values that were retired.
    era: u64,
    /// How many responses are on their way that were begun in an era.
    begun: BTreeMap<u64, usize>,
    swept: Option<Instant>,
}

struct Entry {
    credential: CredentialName,
    patterns: Arc<Patterns>,
    state: State,
}

enum State {
    Held(Weak<Registered>),
    /// Nobody holds it since then; responses of this era and of those before may still be on their way.
    Retired {
        since: Instant,
        era: u64,
    },
}

/// A response that is on its way.
struct Begun {
    registry: Registry,
    era: u64,
}

/// The values of a credential are searched for as long as this is held, and for [`GRACE`] after.
#[must_use = "a value that nobody holds is forgotten after a while"]
pub(crate) struct Registered {
    registry: Weak<Mutex<Shelf>>,
    patterns: Arc<Patterns>,
}

impl Registry {
    /// Makes values known. The ones that are known already cost nothing.
    pub(crate) fn register(&self, credential: &CredentialName, values: &[&str]) -> Arc<Registered> {
        if let Some(known) = self.known(credential, values) {
            return known;
        }
        let patterns = Patterns::of(values);
        let mut shelf = lock(&self.0);
        shelf.table = Arc::new(shelf.table.and(patterns.clone()));
        let registered = self.hold(patterns.clone());
        let state = State::Held(Arc::downgrade(&registered));
        shelf.entries.push(Entry { credential: credential.clone(), patterns, state });
        registered
    }

    /// For a response that is begun now.
    pub(crate) fn scanner(&self) -> Scanner {
        let mut shelf = lock(&self.0);
        shelf.sweep();
        let era = shelf.era;
        let count = shelf.begun.entry(era).or_default();
        *count = count.saturating_add(1);
        let begun = Begun { registry: self.clone(), era };
        Scanner { begun: Some(Arc::new(begun)), own: None }
    }

    fn known(&self, credential: &CredentialName, values: &[&str]) -> Option<Arc<Registered>> {
        let mut shelf = lock(&self.0);
        let entry = shelf
            .entries
            .iter_mut()
            .find(|entry| entry.credential == *credential && entry.patterns.is_of(values))?;
        if let State::Held(held) = &entry.state
            && let Some(held) = held.upgrade()
        {
            return Some(held);
        }
        let registered = self.hold(entry.patterns.clone());
        entry.state = State::Held(Arc::downgrade(&registered));
        Some(registered)
    }

    fn hold(&self, patterns: Arc<Patterns>) -> Arc<Registered> {
        Arc::new(Registered { registry: Arc::downgrade(&self.0), patterns })
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(shelf) = self.registry.upgrade() {
            lock(&shelf).retire(&self.patterns);
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let mut shelf = lock(&self.registry.0);
        if let Some(count) = shelf.begun.get_mut(&self.era) {
            *count = count.saturating_sub(1);
        }
        shelf.begun.retain(|_, count| *count > 0);
    }
}

impl Shelf {
    fn retire(&mut self, patterns: &Arc<Patterns>) {
        let entry = self.entries.iter_mut().find(|entry| Arc::ptr_eq(&entry.patterns, patterns));
        let Some(entry) = entry else { return };
        // Somebody else may hold it again by now.
        if matches!(&entry.state, State::Held(held) if held.strong_count() == 0) {
            entry.state = State::Retired { since: Instant::now(), era: self.era };
            self.era = self.era.saturating_add(1);
        }
    }

    /// Forgets what may be forgotten. Seldom: the table is made anew.
    fn sweep(&mut self) {
        let now = Instant::now();
        if self.swept.is_some_and(|swept| now.saturating_duration_since(swept) < SWEEP) {
            return;
        }
        self.swept = Some(now);
        let before = self.entries.len();
        let oldest = self.begun.keys().next().copied();
        self.entries.retain(|entry| match &entry.state {
            State::Held(_) => true,
            State::Retired { since, era } => {
                now.saturating_duration_since(*since) < GRACE
                    || oldest.is_some_and(|oldest| oldest <= *era)
            }
        });
        if self.entries.len() < before {
            let parts = self.entries.iter().map(|entry| entry.patterns.clone());
            self.table = Arc::new(Table::of(parts.collect()));
        }
    }

    fn credential(&self, patterns: &Arc<Patterns>) -> Option<CredentialName> {
        let entry = self.entries.iter().find(|entry| Arc::ptr_eq(&entry.patterns, patterns))?;
        Some(entry.credential.clone())
    }
}

fn lock(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What one text is searched for: everything that is registered while it is searched, and what was made for it
/// alone. Without either, it is searched for nothing.
#[derive(Clone, Default)]
pub(crate) struct Scanner {
    begun: Option<Arc<Begun>>,
    own: Option<Arc<Table>>,
}

/// A text held a value.
pub(crate) struct Hit {
    /// Whose it is; none where the value was made for this one request.
    pub(crate) credential: Option<CredentialName>,
    /// For a keyed fingerprint, and for nothing else.
    pub(crate) value: Zeroizing<String>,
}

impl Scanner {
    /// Searches for these values and for nothing else.
    pub(crate) fn for_values(values: &[&str]) -> Self {
        Self::default().and(values)
    }

    /// Searches for these values too: those that are made for one request, as a signature is.
    pub(crate) fn and(mut self, values: &[&str]) -> Self {
        if !values.is_empty() {
            let more = values.iter().map(|value| Patterns::of(&[value]));
            let own = self.own.iter().flat_map(|own| own.parts().iter().cloned());
            self.own = Some(Arc::new(Table::of(own.chain(more).collect())));
        }
        self
    }

    /// For a text that comes in pieces.
    pub(crate) fn search(&self) -> Search {
        Search::of_whole(self.clone())
    }

    /// What must not come back, if it stands in a text as it is, or under up to three layers of escapes.
    pub(crate) fn find(&self, text: &[u8]) -> Option<Hit> {
        let mut search = self.search();
        let place = search.push(text).or_else(|| search.finish())?;
        Some(self.hit(&place))
    }

    pub(crate) fn finds(&self, text: &[u8]) -> bool {
        self.find(text).is_some()
    }

    pub(super) fn hit(&self, place: &Place) -> Hit {
        let registry = self.begun.as_ref().map(|begun| &begun.registry);
        let credential =
            registry.and_then(|registry| lock(&registry.0).credential(&place.patterns));
        Hit { credential, value: Zeroizing::new(place.patterns.value(place.form).to_owned()) }
    }

    /// As of now: what is registered later is found from then on.
    pub(super) fn tables(&self) -> Vec<Arc<Table>> {
        let registered = self.begun.as_ref().map(|begun| lock(&begun.registry.0).table.clone());
        registered.into_iter().chain(self.own.clone()).collect()
    }
}

/// How long a value is searched for that nobody holds any more: as long as a minted one may live. A server may have
/// kept an answer that holds it.
const GRACE: Duration = Duration::from_secs(15 * 60);
/// Between two looks at what may be forgotten.
const SWEEP: Duration = Duration::from_secs(60);
