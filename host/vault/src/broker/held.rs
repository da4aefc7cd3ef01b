//! The value of a credential that is the current one: what must not come back for as long as it is.
use std::sync::{Arc, Mutex, PoisonError};

use super::{Credential, Minted, Purpose};
use crate::scan::Registered;

/// Holds what was read last. The one before is let go when another one is read: it is still looked for until
/// every response has ended that was begun before, and for a while after.
#[derive(Default)]
pub(super) struct Held(Mutex<Option<Arc<Registered>>>);

impl Held {
    pub(super) fn hold(&self, purpose: &Purpose<'_>, credential: Credential) -> Minted {
        let known = purpose.house.know(purpose.credential, &credential.values());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = known;
        credential.into()
    }
}
