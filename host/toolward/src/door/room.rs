//! Is there room for one more connection? Counted in all, and for each caller's address.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// What one listener holds at once.
#[derive(Debug)]
pub(super) struct Room {
    all: usize,
    each: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: HashMap<String, usize>,
}

/// One connection's place; it is free again when this is gone.
#[derive(Debug)]
pub(super) struct Seat {
    room: Arc<Room>,
    caller: String,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    #[error("every connection that there may be is there; the operator sets `connections`")]
    All,
    #[error(
        "one address has as many connections as it may; the operator sets `connections_per_address`"
    )]
    Address,
}

impl Room {
    pub(super) fn new(all: usize, each: usize) -> Arc<Self> {
        Arc::new(Self { all, each, taken: Mutex::default() })
    }

    pub(super) fn take(self: &Arc<Self>, caller: String) -> Result<Seat, Full> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_caller = taken.by.get(&caller).copied().unwrap_or_default();
        if of_caller >= self.each {
            return Err(Full::Address);
        }
        if taken.all >= self.all {
            return Err(Full::All);
        }
        taken.all = taken.all.saturating_add(1);
        taken.by.insert(caller.clone(), of_caller.saturating_add(1));
        drop(taken);
        Ok(Seat { room: self.clone(), caller })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.room.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        // Who has none left is forgotten: addresses come and go.
        match taken.by.get_mut(&self.caller) {
            Some(left) if *left > 1 => *left = left.saturating_sub(1),
            Some(_) | None => drop(taken.by.remove(&self.caller)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_takes_its_part_and_all_of_them_no_more_than_there_is() {
        let room = Room::new(3, 2);
        let take = |caller: &str| room.take(caller.to_owned());
        let first = take("a").unwrap();
        let _second = take("a").unwrap();
        assert_eq!(take("a").unwrap_err(), Full::Address);
        let _other = take("b").unwrap();
        assert_eq!(take("b").unwrap_err(), Full::All);
        assert_eq!(take("c").unwrap_err(), Full::All);
        drop(first);
        let _again = take("c").unwrap();
        assert_eq!(take("a").unwrap_err(), Full::All);
    }

    #[test]
    fn nothing_is_remembered_of_those_who_left() {
        let room = Room::new(10, 5);
        for one in 0..100 {
            drop(room.take(one.to_string()).unwrap());
        }
        let taken = room.taken.lock().unwrap();
        assert_eq!((taken.all, taken.by.len()), (0, 0));
    }
}
