//! Where an issuer's keys come from, and for how long they are believed.
use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{sync::Mutex, time::Instant};
use toolward_gate::PrivateRanges;

use super::keys::Keys;

/// Reads a key set from its address: without redirects, and with a limit on time and size.
#[async_trait]
pub trait FetchKeys: Send + Sync {
    /// The text of the key set, or why there is none: for the operator's log. `allow_private` names networks
    /// besides the public one that it may be in.
    async fn fetch(&self, url: &str, allow_private: &PrivateRanges) -> Result<String, String>;
}

/// The keys of one issuer.
pub(super) enum Source {
    /// From a file or from the configuration: as they were when the host started.
    Fixed(Arc<Keys>),
    Fetched(Fetched),
}

impl Source {
    /// Keys among which the named one is, where the issuer has it.
    pub(super) async fn keys(&self, name: Option<&str>) -> Option<Arc<Keys>> {
        match self {
            Self::Fixed(keys) => Some(keys.clone()),
            Self::Fetched(fetched) => fetched.keys(name).await,
        }
    }
}

/// Keys that are fetched when somebody shows a token, and kept for [`FRESH`].
///
/// A name that is not among them asks the issuer once more, since it may have a new key; not more often than
/// every [`PAUSE`], since anybody can make names up.
pub(super) struct Fetched {
    url: String,
    private: PrivateRanges,
    fetch: Arc<dyn FetchKeys>,
    held: RwLock<Option<Held>>,
    /// When the issuer was asked last. Held while it is asked: whoever else needs keys waits for the answer.
    asked: Mutex<Option<Instant>>,
}

#[derive(Clone)]
struct Held {
    keys: Arc<Keys>,
    since: Instant,
}

impl Held {
    fn younger_than(&self, age: Duration) -> bool {
        self.since.elapsed() < age
    }
}

impl Fetched {
    pub(super) fn new(url: String, private: PrivateRanges, fetch: Arc<dyn FetchKeys>) -> Self {
        Self { url, private, fetch, held: RwLock::default(), asked: Mutex::default() }
    }

    async fn keys(&self, name: Option<&str>) -> Option<Arc<Keys>> {
        if let Some(keys) = self.fresh(name) {
            return Some(keys);
        }
        let mut asked = self.asked.lock().await;
        // Somebody else may have asked meanwhile.
        if let Some(keys) = self.fresh(name) {
            return Some(keys);
        }
        if asked.is_none_or(|at| at.elapsed() >= PAUSE) {
            *asked = Some(Instant::now());
            self.ask().await;
        }
        let held = self.held()?;
        held.younger_than(STALE).then_some(held.keys)
    }

    fn fresh(&self, name: Option<&str>) -> Option<Arc<Keys>> {
        let held = self.held()?;
        (held.younger_than(FRESH) && held.keys.find(name).is_some()).then_some(held.keys)
    }

    /// What cannot be had or read changes nothing: what is held is used until it is too old.
    async fn ask(&self) {
        let text = self.fetch.fetch(&self.url, &self.private).await;
        match text.and_then(|text| Keys::parse(&text)) {
            Ok(keys) => {
                let held = Held { keys: Arc::new(keys), since: Instant::now() };
                self.note_change(&held.keys);
                *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(held);
            }
            Err(cause) => tracing::warn!(url = %self.url, %cause, "an issuer's keys cannot be had"),
        }
    }

    fn note_change(&self, new: &Keys) {
        let same = self.held().is_some_and(|held| held.keys.names() == new.names());
        if !same {
            tracing::info!(url = %self.url, keys = ?new.names(), "an issuer has other keys");
        }
    }

    fn held(&self) -> Option<Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched").field("url", &self.url).finish_non_exhaustive()
    }
}

/// How long keys are used without asking again.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// How long they are used while the issuer cannot be reached; a key that it took back ends after this.
const STALE: Duration = Duration::from_secs(60 * 60);
/// Between two questions to one issuer.
const PAUSE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
