//! Every interleaving of a kill with what it races against.
//!
//! These are models, and not the code itself: that waits on `tokio`'s channels and on SQLite, which no explorer of
//! interleavings drives. Each step of a model is one that the code takes under one lock, in the same order; where
//! the order is changed here, as the second test of each pair does, the explorer finds the way in which it fails.
use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::{
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
};

/// Values of one broker: `Cache` in `vault/src/broker/cache.rs`.
#[derive(Default)]
struct Shelf {
    kept: Option<u32>,
    minted: u32,
    withdrawn: Vec<u32>,
}

struct Host {
    /// What is known of the switch: `Board` in `switchboard.rs`.
    thrown: RwLock<bool>,
    shelf: Mutex<Shelf>,
    /// The kill was acknowledged.
    told: AtomicBool,
    dispatched: Mutex<Vec<u32>>,
}

impl Host {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            thrown: RwLock::new(false),
            shelf: Mutex::new(Shelf::default()),
            told: AtomicBool::new(false),
            dispatched: Mutex::new(Vec::new()),
        })
    }

    fn is_over(&self) -> bool {
        *self.thrown.read().unwrap()
    }

    /// One request: admission, a value, and the check of `Lease::sign` right before it leaves.
    fn send(&self, checks: bool) {
        if self.is_over() {
            return;
        }
        let value = {
            let mut shelf = self.shelf.lock().unwrap();
            match shelf.kept {
                Some(kept) => kept,
                None => {
                    shelf.minted += 1;
                    shelf.kept = Some(shelf.minted);
                    shelf.minted
                }
            }
        };
        let begun_after = self.told.load(SeqCst);
        if checks && self.is_over() {
            return;
        }
        // What was begun before the kill was acknowledged may be on the wire by then; it is dropped there.
        assert!(!begun_after, "a request left that began after the kill was acknowledged");
        self.dispatched.lock().unwrap().push(value);
    }

    /// `Board::learn`: what must be done before anybody sees the switch is done under its lock.
    fn kill(&self, first: bool) {
        if first {
            let mut thrown = self.thrown.write().unwrap();
            *thrown = true;
            self.withdraw();
        } else {
            *self.thrown.write().unwrap() = true;
            thread::yield_now();
            self.withdraw();
        }
        self.shelf.lock().unwrap().kept = None;
        self.told.store(true, SeqCst);
    }

    fn withdraw(&self) {
        let mut shelf = self.shelf.lock().unwrap();
        let kept = shelf.kept.take();
        shelf.withdrawn.extend(kept);
    }
}

/// Nothing is sent after the acknowledgement.
fn sending_against_a_kill(checks: bool) {
    loom::model(move || {
        let host = Host::new();
        let killing = {
            let host = host.clone();
            thread::spawn(move || host.kill(true))
        };
        host.send(checks);
        killing.join().unwrap();
        let shelf = host.shelf.lock().unwrap();
        assert!(shelf.withdrawn.len() <= 1, "a value is withdrawn once");
        drop(shelf);
        let before = host.dispatched.lock().unwrap().len();
        host.send(checks);
        assert_eq!(host.dispatched.lock().unwrap().len(), before, "and nothing begins after it");
    });
}

#[test]
fn no_request_leaves_that_began_after_a_kill_was_acknowledged() {
    sending_against_a_kill(true);
}

#[test]
fn without_the_check_before_it_leaves_one_would() {
    assert!(catch_unwind(|| sending_against_a_kill(false)).is_err());
}

/// Who sees the switch and ends the host finds that the value was taken back: a call that ends lets a program end.
fn ending_against_a_kill(first: bool) {
    loom::model(move || {
        let host = Host::new();
        host.send(true);
        let killing = {
            let host = host.clone();
            thread::spawn(move || host.kill(first))
        };
        if host.is_over() {
            let shelf = host.shelf.lock().unwrap();
            assert_eq!(shelf.withdrawn, [1], "the host would end with a value that nobody revokes");
        }
        killing.join().unwrap();
    });
}

#[test]
fn who_sees_a_switch_finds_that_its_values_were_withdrawn() {
    ending_against_a_kill(true);
}

#[test]
fn withdrawn_after_the_switch_is_seen_it_would_be_too_late() {
    assert!(catch_unwind(AssertUnwindSafe(|| ending_against_a_kill(false))).is_err());
}

/// The ledger and the book, as one transaction sees them: `reserve` in `state/src/budgets.rs`.
#[derive(Default)]
struct Ledger {
    spent: bool,
    held: u32,
    runs: u32,
}

const LIMIT: u32 = 3;
const COST: u32 = 2;

/// `settle` finds the yes unspent, which is true when it is read; `admit` spends it.
fn admit(ledger: &Mutex<Ledger>, in_one: bool) {
    let unspent = !ledger.lock().unwrap().spent;
    if !unspent {
        return;
    }
    let fits = |ledger: &Ledger| ledger.held + COST <= LIMIT && (!in_one || !ledger.spent);
    let may = {
        let mut ledger = ledger.lock().unwrap();
        let may = fits(&ledger);
        if may && in_one {
            ledger.spent = true;
            ledger.held += COST;
        }
        may
    };
    if may {
        let mut ledger = ledger.lock().unwrap();
        if !in_one {
            ledger.spent = true;
            ledger.held += COST;
        }
        ledger.runs += 1;
    }
}

/// What was used is less than what was set aside.
fn settle(ledger: &Mutex<Ledger>) {
    let mut ledger = ledger.lock().unwrap();
    if ledger.runs > 0 {
        ledger.held -= 1;
    }
}

fn admissions(in_one: bool) {
    loom::model(move || {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let others: Vec<_> = (0..2)
            .map(|number| {
                let ledger = ledger.clone();
                thread::spawn(
                    move || if number == 0 { admit(&ledger, in_one) } else { settle(&ledger) },
                )
            })
            .collect();
        admit(&ledger, in_one);
        for other in others {
            other.join().unwrap();
        }
        let ledger = ledger.lock().unwrap();
        assert_eq!(ledger.runs, 1, "one yes, one run");
        assert!(ledger.held <= LIMIT, "no more than there is");
    });
}

#[test]
fn a_yes_is_spent_and_its_cost_set_aside_in_one_step() {
    admissions(true);
}

#[test]
fn in_two_steps_it_would_be_spent_twice() {
    assert!(catch_unwind(|| admissions(false)).is_err());
}
