//! What becomes of a connection whose answer nobody read to its end?
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::Key;

pub(super) type Clients = Arc<Mutex<HashMap<Key, reqwest::Client>>>;

/// Lets go of the connections of a request that ends before its answer. Over HTTP/2 a server that answers nobody
/// could keep its connection, and the host, busy for as long as that stays open. What others have under way on it
/// goes on.
pub(super) struct Unread {
    clients: Clients,
    key: Option<Key>,
}

impl Unread {
    pub(super) fn of(clients: &Clients, key: Key) -> Self {
        Self { clients: clients.clone(), key: Some(key) }
    }

    pub(super) fn forget(mut self) {
        self.key = None;
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            let let_go = self.clients.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            drop(let_go);
        }
    }
}
