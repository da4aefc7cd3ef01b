#![expect(clippy::arithmetic_side_effects, reason = "small numbers")]
use std::{
    future::{pending, poll_fn},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::runtime::Handle;
use toolward_gate::{Digest, Limit, Stop};

use super::{Background, Meter, STALL, Which, Work, processor_time};
use crate::run::Output;

const SHARE: Duration = Duration::from_millis(2);

fn which(tool: &str) -> Which {
    (Digest::ZERO, tool.parse().unwrap())
}

fn answer() -> Output {
    Output { value: json!({}) }
}

/// Where each poll of a run was made.
#[derive(Clone, Default)]
struct Places(Arc<Mutex<Vec<bool>>>);

impl Places {
    /// Notes whether this is a thread of the background.
    fn note(&self) {
        let name = thread::current().name().unwrap_or_default().to_owned();
        self.0.lock().unwrap().push(name == "sandbox-background");
    }

    fn read(&self) -> Vec<bool> {
        self.0.lock().unwrap().clone()
    }

    /// A run that gives way so many times, and computes for this long between.
    fn run(&self, times: u32, each: Duration) -> Work {
        let places = self.clone();
        Box::pin(async move {
            for _ in 0..times {
                places.note();
                compute(each);
                tokio::task::yield_now().await;
            }
            places.note();
            Ok(answer())
        })
    }
}

fn compute(long: Duration) {
    let until = processor_time() + long;
    while processor_time() < until {}
}

#[tokio::test]
async fn a_short_run_stays_where_it_was_made_and_a_long_one_moves() {
    let background = Background::start(SHARE).unwrap();
    let (short, long) = (Places::default(), Places::default());
    background.carry(which("short"), short.run(3, SHARE / 8)).await.unwrap();
    assert_eq!(short.read(), [false; 4]);
    background.carry(which("long"), long.run(3, SHARE)).await.unwrap();
    assert_eq!(long.read().first(), Some(&false));
    assert_eq!(long.read().get(1), Some(&true), "{:?}", long.read());
}

#[tokio::test]
async fn a_tool_that_took_long_begins_in_the_background_until_a_call_of_it_was_short() {
    let background = Background::start(SHARE).unwrap();
    let begins = async |run: Duration| {
        let places = Places::default();
        background.carry(which("act"), places.run(2, run)).await.unwrap();
        background.carry(which("other"), Places::default().run(1, Duration::ZERO)).await.unwrap();
        places.read()[0]
    };
    assert!(!begins(SHARE).await);
    assert!(begins(SHARE).await);
    assert!(begins(Duration::ZERO).await);
    assert!(!begins(Duration::ZERO).await);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn threads_of_the_background_give_way_to_those_of_callers() {
    let background = Background::start(SHARE).unwrap();
    background.slow().insert(which("act"));
    let priority = || rustix::process::getpriority_process(None).unwrap();
    let work: Work = Box::pin(async move {
        let apart = rustix::process::getpriority_process(None).unwrap();
        if apart == super::NICENESS { Ok(answer()) } else { Err(Stop::Limit(Limit::Output)) }
    });
    let before = priority();
    background.carry(which("act"), work).await.unwrap();
    assert_eq!(priority(), before, "and no other thread does");
}

#[tokio::test]
async fn tasks_and_timers_of_a_run_are_its_callers() {
    let background = Background::start(SHARE).unwrap();
    background.slow().insert(which("act"));
    let home = Handle::current().id();
    let work: Work = Box::pin(async move {
        let task = tokio::spawn(async { Handle::current().id() });
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(Handle::current().id(), home);
        if task.await.unwrap() == home { Ok(answer()) } else { Err(Stop::Limit(Limit::Output)) }
    });
    background.carry(which("act"), work).await.unwrap();
}

/// Says when it is dropped, and on which thread. A timer can be made there.
struct Falls(mpsc::Sender<String>);

impl Drop for Falls {
    fn drop(&mut self) {
        drop(tokio::time::sleep(Duration::ZERO));
        drop(self.0.send(thread::current().name().unwrap_or_default().to_owned()));
    }
}

#[tokio::test]
async fn a_run_that_waits_ends_with_its_caller_and_on_a_thread_that_gives_way() {
    let background = Background::start(SHARE).unwrap();
    background.slow().insert(which("act"));
    let (sender, fallen) = mpsc::channel();
    let (begins, begun) = tokio::sync::oneshot::channel();
    let falls = Falls(sender);
    let work: Work = Box::pin(async move {
        let _falls = falls;
        begins.send(()).unwrap();
        pending().await
    });
    tokio::select! {
        biased;
        _ = background.carry(which("act"), work) => unreachable!(),
        _ = async {
            begun.await.unwrap();
            // The thread is out of it again.
            while background.runtime.as_ref().unwrap().metrics().num_alive_tasks() == 0 {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    assert_eq!(fallen.recv_timeout(Duration::from_secs(10)).unwrap(), "sandbox-background");
}

#[tokio::test]
async fn what_a_short_run_leaves_is_given_back_there_and_one_that_ended_leaves_nothing() {
    let background = Background::start(SHARE).unwrap();
    let (sender, fallen) = mpsc::channel();
    let waits = Falls(sender.clone());
    let work: Work = Box::pin(async move {
        let _waits = waits;
        pending().await
    });
    let mut carried = Box::pin(background.carry(which("act"), work));
    assert!(futures::poll!(&mut carried).is_pending());
    drop(carried);
    assert_eq!(fallen.recv_timeout(Duration::from_secs(10)).unwrap(), "sandbox-background");
    let ends = Falls(sender);
    let work: Work = Box::pin(async move {
        let _ends = ends;
        Ok(answer())
    });
    background.carry(which("act"), work).await.unwrap();
    let here = thread::current().name().unwrap_or_default().to_owned();
    assert_eq!(fallen.try_recv().unwrap(), here);
}

#[tokio::test]
async fn a_destructor_that_panics_ends_nothing_but_its_own_run() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("a destructor that panics");
        }
    }
    let background = Background::start(SHARE).unwrap();
    let (sender, fallen) = mpsc::channel();
    let (panics, falls) = (Panics, Falls(sender));
    let [first, second]: [Work; 2] = [
        Box::pin(async move {
            let _panics = panics;
            pending().await
        }),
        Box::pin(async move {
            let _falls = falls;
            pending().await
        }),
    ];
    for work in [first, second] {
        let mut carried = Box::pin(background.carry(which("act"), work));
        assert!(futures::poll!(&mut carried).is_pending());
    }
    assert_eq!(fallen.recv_timeout(Duration::from_secs(10)).unwrap(), "sandbox-background");
}

#[tokio::test]
async fn a_run_in_which_a_thread_is_ends_when_that_comes_out() {
    let background = Background::start(SHARE).unwrap();
    background.slow().insert(which("act"));
    let (sender, fallen) = mpsc::channel();
    let (begins, begun) = tokio::sync::oneshot::channel();
    let (may_end, stay) = (Arc::new(AtomicBool::new(false)), Falls(sender));
    let goes_on = may_end.clone();
    let mut begins = Some(begins);
    let work: Work = Box::pin(poll_fn(move |_| {
        let _held = &stay;
        if let Some(begins) = begins.take() {
            begins.send(()).unwrap();
        }
        while !goes_on.load(Ordering::Acquire) {
            thread::yield_now();
        }
        Poll::Pending
    }));
    tokio::select! {
        biased;
        _ = background.carry(which("act"), work) => unreachable!(),
        _ = begun => {}
    }
    assert!(fallen.try_recv().is_err());
    may_end.store(true, Ordering::Release);
    assert_eq!(fallen.recv_timeout(Duration::from_secs(10)).unwrap(), "sandbox-background");
}

/// A machine on which all others are busy, in one thread: it is in the run, and does not run.
#[tokio::test]
async fn a_run_that_is_kept_waiting_gets_a_share_of_its_callers_threads() {
    let background = Background::start(SHARE).unwrap();
    background.slow().insert(which("act"));
    let places = Places::default();
    let noted = places.clone();
    let work: Work = Box::pin(async move {
        for stalls in [true, false, false] {
            noted.note();
            if stalls {
                thread::sleep(STALL * 2);
            }
            tokio::task::yield_now().await;
        }
        Ok(answer())
    });
    background.carry(which("act"), work).await.unwrap();
    assert_eq!(places.read(), [true, false, false]);
}

#[test]
fn a_thread_that_does_not_run_uses_nothing_and_is_stalled() {
    let (meter, began) = (Meter::start(), Instant::now());
    thread::sleep(Duration::from_millis(50));
    assert!(meter.processor() < began.elapsed() / 2);
    assert!(meter.stalled() >= Duration::from_millis(25));
    let meter = Meter::start();
    compute(Duration::from_millis(5));
    assert!(meter.processor() >= Duration::from_millis(5));
}
