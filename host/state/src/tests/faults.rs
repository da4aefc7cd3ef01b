//! Faults that a test asks for: at the n-th time that a step is reached, it fails, or the process waits for its
//! end.
use std::{
    cell::RefCell,
    io::Write as _,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use toolward_gate::Unavailable;

/// What happens, where, and at which time of passing.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) step: &'static str,
    pub(super) left: usize,
}

thread_local! {
    /// Tests run on one thread each, and so do their runtimes.
    static FAIL: RefCell<Option<Fault>> = const { RefCell::new(None) };
    static PASSED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// The next step of this name fails, after so many that do not.
pub(super) fn fail(step: &'static str, after: usize) {
    FAIL.with_borrow_mut(|fault| *fault = Some(Fault { step, left: after }));
}

/// Every step that was passed on this thread since the last time this was asked.
pub(super) fn passed() -> Vec<&'static str> {
    PASSED.take()
}

pub(crate) fn at(step: &'static str) -> Result<(), Unavailable> {
    PASSED.with_borrow_mut(|passed| passed.push(step));
    wait_for_the_end(step);
    let fails = FAIL.with_borrow_mut(|fault| match fault {
        Some(found) if found.step == step && found.left == 0 => {
            *fault = None;
            true
        }
        Some(found) if found.step == step => {
            found.left = found.left.saturating_sub(1);
            false
        }
        _ => false,
    });
    if fails { Err(Unavailable::new("the state", "a fault that a test asked for")) } else { Ok(()) }
}

/// In a child that was told where to stop: says that it is there, and stays until it is killed.
fn wait_for_the_end(step: &str) {
    static STOP: OnceLock<Option<String>> = OnceLock::new();
    let count = COUNT.fetch_add(1, Ordering::SeqCst).to_string();
    let stop = STOP.get_or_init(|| std::env::var(STOP_AT).ok());
    if !stop.as_ref().is_some_and(|stop| *stop == count || stop == step) {
        return;
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{REACHED}{step}").unwrap();
    out.flush().unwrap();
    loop {
        std::thread::park();
    }
}

/// How many steps this process has passed.
pub(super) fn count() -> usize {
    COUNT.load(Ordering::SeqCst)
}

static COUNT: AtomicUsize = AtomicUsize::new(0);
/// The step at which a child stops: its number, or its name for the first of them.
pub(super) const STOP_AT: &str = "TOOLWARD_TEST_STOP_AT";
pub(super) const REACHED: &str = "reached the step ";
