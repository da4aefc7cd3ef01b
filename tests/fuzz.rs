//! The targets of the fuzzers, each for a bounded time: on the usual compiler, with the same data in every run.
//!
//! `FUZZ_TIMES=100` makes that a hundred times as much. For longer: `cargo +nightly fuzz run --fuzz-dir tests/fuzz loading` (or `scanning`, `schemas`, `values`, `urls`, `paths`, `signatures`).
mod targets;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use arbitrary::Unstructured;
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use toolward_sandbox::fuzzing;

use crate::world::Guest;

/// Feeds `target` the same random data in every run, so that a failure comes again.
fn feed(cases: u32, bytes: usize, target: impl Fn(&[u8])) {
    let times = std::env::var("FUZZ_TIMES").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    let config = Config {
        cases: cases.saturating_mul(times),
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let data = proptest::collection::vec(any::<u8>(), 0..bytes);
    let fed = runner.run(&data, |data| {
        target(&data);
        Ok(())
    });
    fed.unwrap();
}

#[test]
fn any_bytes_are_read_or_refused() {
    feed(400, 2048, targets::loading);
}

///
#[test]
fn a_component_that_is_cut_or_changed_anywhere_is_read_or_refused() {
    let whole = Guest::Probe.component();
    fuzzing::loading(whole);
    for at in (0..whole.len()).step_by(997) {
        fuzzing::loading(&whole[..at]);
        let mut changed = whole.to_vec();
        changed[at] ^= 0x41;
        fuzzing::loading(&changed);
    }
}

#[test]
fn any_text_is_judged_as_a_plain_search_and_its_pieces_say() {
    feed(300, 400, targets::scanning);
}

#[test]
fn any_wit_has_schemas_or_is_refused_in_words() {
    feed(60, 4096, targets::schemas);
}

#[test]
fn any_value_is_the_same_after_it_was_json() {
    feed(25, 8192, targets::values);
}

#[test]
fn any_target_leaves_as_it_came_or_not_at_all() {
    feed(4000, 96, targets::urls);
}

#[test]
fn any_path_fits_a_pattern_exactly_where_its_segments_do() {
    feed(4000, 24, targets::paths);
}

#[test]
fn any_request_is_signed_as_aws_describes_it() {
    feed(1000, 64, targets::signatures);
}

/// Otherwise the two tests of worlds above would hold by refusing everything.
#[test]
fn nearly_all_generated_worlds_have_tools_and_the_others_are_refused_for_a_reason_with_a_name() {
    let (served, asked) = (Cell::new(0), Cell::new(0));
    let refused = RefCell::new(BTreeMap::<&str, u32>::new());
    feed(100, 8192, |data| {
        let visited = targets::each_world(&mut Unstructured::new(data), |component, data| {
            match fuzzing::schemas(component) {
                Ok(()) => served.set(served.get() + 1),
                Err(reason) => *refused.borrow_mut().entry(reason).or_default() += 1,
            }
            asked.set(asked.get() + fuzzing::values(component, data)?);
            Ok(())
        });
        assert!(visited.is_ok(), "{visited:?}");
    });
    let (served, asked, refused) = (served.get(), asked.get(), refused.take());
    let all = served + refused.values().sum::<u32>();
    let told = format!("{served} of {all} have tools, {asked} tools were asked; {refused:?}");
    assert!(served >= 100 && served * 10 >= all * 8 && asked >= 40, "{told}");
    // The positive control: what no tool can have is among what is generated.
    assert!(refused.contains_key("a stream"), "{told}");
}
