//! Reads the clocks, and keeps a map whose order is random.
use std::{
    collections::HashMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

wit_bindgen::generate!({
    inline: "
        package acme:clockwork;
        interface time {
            /// Milliseconds since 1970.
            now: func() -> u64;
            /// Nanoseconds that some work took, and whether the clock showed parts of a millisecond.
            work: func() -> tuple<u64, bool>;
            /// Sleeps.
            sleep: func(millis: u32);
            /// How often each letter stands in a text.
            letters: func(text: string) -> list<tuple<char, u32>>;
        }
        world clockwork { export time; }
    ",
});

struct Clockwork;
export!(Clockwork);

impl exports::acme::clockwork::time::Guest for Clockwork {
    #[expect(
        clippy::disallowed_methods,
        reason = "a component of others knows nothing of the host's clock"
    )]
    fn now() -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        u64::try_from(now.as_millis()).unwrap()
    }
    fn work() -> (u64, bool) {
        let begin = Instant::now();
        let mut fine = false;
        for _ in 0..1000 {
            fine |= !begin.elapsed().as_nanos().is_multiple_of(1_000_000);
        }
        (u64::try_from(begin.elapsed().as_nanos()).unwrap(), fine)
    }
    fn sleep(millis: u32) {
        std::thread::sleep(Duration::from_millis(millis.into()));
    }
    fn letters(text: String) -> Vec<(char, u32)> {
        let mut letters = HashMap::new();
        for letter in text.chars() {
            *letters.entry(letter).or_insert(0) += 1;
        }
        letters.into_iter().collect()
    }
}
