//! How long did each of several things take, when they took turns?
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// Samples of several things, in columns. A round takes one of each, so that what slows the machine down for
/// a while slows down all of them.
pub(crate) struct Rounds {
    names: Vec<&'static str>,
    samples: Vec<Vec<Duration>>,
}

impl Rounds {
    pub(crate) fn of(names: &[&'static str]) -> Self {
        Self { names: names.to_vec(), samples: names.iter().map(|_| Vec::new()).collect() }
    }

    /// One sample for each name, in the order of the names.
    pub(crate) fn push(&mut self, round: &[Duration]) {
        assert_eq!(round.len(), self.names.len(), "one sample for each of {:?}", self.names);
        for (samples, sample) in self.samples.iter_mut().zip(round) {
            samples.push(*sample);
        }
    }

    pub(crate) fn median(&self, name: &str) -> Duration {
        self.quantile(name, 0.5)
    }

    /// The median, and how many times the median of `base` that is.
    pub(crate) fn table(&self, base: &str) -> String {
        let mut table = String::new();
        for name in &self.names {
            let (median, tail) = (self.median(name), self.quantile(name, 0.99));
            let times = ratio(median, self.median(base));
            let (median, tail) = (micros(median), micros(tail));
            let line = format!("  {name:<44}{median:>12}   99%: {tail:>12}   {times:>8.2} x\n");
            table.push_str(&line);
        }
        table
    }

    fn quantile(&self, name: &str, quantile: f64) -> Duration {
        let column = self.names.iter().position(|one| *one == name).unwrap();
        let mut sorted = self.samples[column].clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1).unwrap();
        sorted[(last as f64 * quantile).round() as usize]
    }
}

/// How long a future takes, and what it comes to.
pub(crate) async fn timed<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let began = Instant::now();
    let done = work.await;
    (began.elapsed(), done)
}

/// What so many take in all, one after the other: for criterion.
pub(crate) async fn sum<F: Future<Output = anyhow::Result<Duration>>>(
    times: u64,
    mut once: impl FnMut() -> F,
) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..times {
        total += once().await.context("what is measured goes through").unwrap();
    }
    total
}

/// How many times the other it is.
pub(crate) fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

fn micros(duration: Duration) -> String {
    format!("{:.1} µs", duration.as_secs_f64() * 1e6)
}
