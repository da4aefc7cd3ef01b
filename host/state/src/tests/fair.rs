//! Two hosts on one file: one that writes without a pause does not keep the other one out.
#![expect(clippy::print_stdout, reason = "how long a write waited is a figure")]
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Instant,
};

use futures::future::join_all;
use toolward_gate::AuditLog as _;

use super::support::{Place, call, opened};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_host_that_writes_without_a_pause_lets_another_one_in() {
    let place = Place::new();
    let (busy, other) = (place.open().await, place.open().await);
    let over = Arc::new(AtomicBool::new(false));
    // While one of them waits for the disk, the next one comes: there is always a group.
    let writing = (0..16).map(|_| {
        let (busy, over) = (busy.clone(), over.clone());
        tokio::spawn(async move {
            let mut written = 0_u32;
            while !over.load(SeqCst) {
                // It may be the one that waits for too long.
                written = written
                    .saturating_add(u32::from(busy.append(&opened(&call("robo"))).await.is_ok()));
            }
            written
        })
    });
    let writing: Vec<_> = writing.collect();
    let mut waits = Vec::new();
    for _ in 0..WRITES {
        let began = Instant::now();
        // It fails where it waits for longer than a write may.
        other.append(&opened(&call("ana"))).await.unwrap();
        waits.push(began.elapsed());
    }
    over.store(true, SeqCst);
    let written: u32 = join_all(writing).await.into_iter().map(Result::unwrap).sum();
    waits.sort();
    println!(
        "a write beside {written} of another host: median {:?}, longest {:?}",
        waits[WRITES / 2],
        waits[WRITES - 1]
    );
    assert!(written > 0);
}

const WRITES: usize = 50;
