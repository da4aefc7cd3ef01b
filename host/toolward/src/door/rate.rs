//! Does one caller ask too much? Counted in memory, for every caller apart.
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// So many requests in a second for each caller; twice as many after a pause.
#[derive(Debug)]
pub(super) struct Rates {
    per_second: u32,
    held: Mutex<HashMap<String, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// What is left at `at`.
    left: f64,
    at: Instant,
}

impl Rates {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second, held: Mutex::default() }
    }

    /// Takes one; where there is none, says when there will be.
    pub(super) fn take(&self, caller: &str) -> Result<(), Duration> {
        self.take_at(caller, Instant::now())
    }

    fn take_at(&self, caller: &str, now: Instant) -> Result<(), Duration> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= MOST && !held.contains_key(caller) {
            held.retain(|_, bucket| self.filled(*bucket, now).left < self.most());
            if held.len() >= MOST {
                return Err(Duration::from_secs(1));
            }
        }
        let full = Bucket { left: self.most(), at: now };
        let bucket = held.entry(caller.to_owned()).or_insert(full);
        *bucket = self.filled(*bucket, now);
        if bucket.left < 1.0 {
            let missing = (1.0 - bucket.left) / f64::from(self.per_second);
            return Err(Duration::try_from_secs_f64(missing).unwrap_or(Duration::from_secs(1)));
        }
        bucket.left -= 1.0;
        Ok(())
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> Bucket {
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        let left = passed.mul_add(f64::from(self.per_second), bucket.left).min(self.most());
        Bucket { left, at: now }
    }

    fn most(&self) -> f64 {
        f64::from(self.per_second) * 2.0
    }
}

/// Callers that are counted at once; the rest waits until one of them was quiet for two seconds.
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_twice_its_rate_at_once_and_then_its_rate() {
        let (rates, start) = (Rates::new(10), Instant::now());
        let taken = |at: Instant| (0..100).filter(|_| rates.take_at("a", at).is_ok()).count();
        assert_eq!(taken(start), 20);
        assert_eq!(taken(start + Duration::from_secs(1)), 10);
        assert_eq!(taken(start + Duration::from_secs(3600)), 20);
    }

    #[test]
    fn one_caller_takes_nothing_from_another_and_is_told_when_to_come_back() {
        let (rates, start) = (Rates::new(1), Instant::now());
        assert!(rates.take_at("a", start).is_ok() && rates.take_at("a", start).is_ok());
        let wait = rates.take_at("a", start).unwrap_err();
        assert!(rates.take_at("b", start).is_ok());
        assert!(rates.take_at("a", start + wait).is_ok());
    }

    #[test]
    fn callers_that_nobody_has_room_for_are_turned_away_until_others_were_quiet() {
        let (rates, start) = (Rates::new(1), Instant::now());
        for one in 0..MOST {
            rates.take_at(&one.to_string(), start).unwrap();
        }
        assert!(rates.take_at("late", start).is_err());
        assert!(rates.take_at("late", start + Duration::from_secs(2)).is_ok());
        assert!(rates.held.lock().unwrap().len() < MOST);
    }
}
