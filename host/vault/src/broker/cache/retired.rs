//! Values that are used no longer and that their server still takes: a switch may have them revoked.
use std::{collections::VecDeque, sync::Arc};

use tokio::time::Instant;

use super::{Kept, Recipe};

/// Those of one broker, the newest last. Values that cannot be revoked are not kept here.
pub(super) struct Retired<R>(VecDeque<(R, Arc<Kept>)>);

impl<R> Default for Retired<R> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<R: Recipe> Retired<R> {
    pub(super) fn put(&mut self, recipe: R, kept: Arc<Kept>) {
        if recipe.is_revocable() && Instant::now() < kept.ends {
            if self.0.len() >= MOST {
                self.0.pop_front();
            }
            self.0.push_back((recipe, kept));
        }
    }

    /// Takes out those that were lent for this provider, or all.
    pub(super) fn take(&mut self, provider: Option<&str>, now: Instant) -> Vec<(R, Arc<Kept>)> {
        self.sweep(now);
        let (taken, left) = self.0.drain(..).partition(|(_, kept)| kept.is_of(provider));
        self.0 = left;
        Vec::from(taken)
    }

    /// Lets go of what has ended by itself.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.0.retain(|(_, kept)| now < kept.ends);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Over this, the oldest is forgotten.
const MOST: usize = 256;
