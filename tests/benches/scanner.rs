//! How fast is a response searched for 1, 100 and 1,000 values?
//!
//! `cargo bench -p toolward-tests --bench scanner`. All lanes, on text that an API answers with and on text made
//! to be slow: nothing but escapes, letters with spaces between them, and pieces of values that are just too short.
#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    reason = "a bench says what it found, and ends where it cannot go on"
)]
use std::time::{Duration, Instant};

use toolward_vault::Marker;

fn main() {
    for count in [1, 100, 1_000] {
        let mut random = Random(7);
        let values: Vec<String> = (0..count).map(|_| random.value()).collect();
        let borrowed: Vec<&str> = values.iter().map(String::as_str).collect();
        let began = Instant::now();
        let marker = Marker::of(&borrowed);
        println!(
            "\n{count} values; their tables took {:.1} ms",
            began.elapsed().as_secs_f64() * 1e3
        );
        for (name, text) in texts(&values) {
            assert!(!marker.is_in(&text), "{name}");
            let mut took: Vec<Duration> = (0..TIMES).map(|_| timed(&marker, &text)).collect();
            took.sort_unstable();
            let speed = text.len() as f64 / f64::from(1 << 20) / took[TIMES / 2].as_secs_f64();
            println!("  {name:<28}{speed:>8.0} MiB/s");
        }
    }
}

fn timed(marker: &Marker, text: &[u8]) -> Duration {
    let began = Instant::now();
    std::hint::black_box(marker.is_in(std::hint::black_box(text)));
    began.elapsed()
}

fn texts(values: &[String]) -> Vec<(&'static str, Vec<u8>)> {
    let mut random = Random(11);
    let near = |at: usize| format!("\"{}\",", &values[at % values.len()][at % 20..at % 20 + 12]);
    vec![
        (
            "JSON",
            filled(|at| {
                format!(
                    "{{\"number\":{at},\"title\":\"The button for \\\"log in\\\" does nothing\",\"body\":\"It happens.\\n\\n1. Push &amp; wait\",\"url\":\"https://api.example.com/issues/{at}?label=a%20bug&page=1\"}},"
                )
            }),
        ),
        (
            "prose",
            filled(|_| {
                "It happens on every page that one opens and reads for a while. ".to_owned()
            }),
        ),
        ("base64", filled(|_| random.value())),
        ("escapes only", filled(|at| ["%41", "\\u0042", "&#67;", "\\n"][at % 4].to_owned())),
        ("letters and spaces", filled(|at| ["a ", "Z ", "7 "][at % 3].to_owned())),
        ("12 characters of the values", filled(near)),
    ]
}

fn filled(mut piece: impl FnMut(usize) -> String) -> Vec<u8> {
    let mut text = String::new();
    for at in 0.. {
        if text.len() > 1 << 20 {
            break;
        }
        text.push_str(&piece(at));
    }
    text.into_bytes()
}

/// The same in every run.
struct Random(u64);

impl Random {
    fn value(&mut self) -> String {
        (0..40).map(|_| char::from(LETTERS[self.next() % LETTERS.len()])).collect()
    }

    fn next(&mut self) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default()
    }
}

const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const TIMES: usize = 15;
