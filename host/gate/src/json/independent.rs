//! Does another program, in another language, take the same digest of the same arguments?
#![expect(clippy::arithmetic_side_effects, reason = "a test fails where a number overflows")]
#![expect(clippy::print_stdout, reason = "how many values were compared is a figure")]
use std::{
    fmt::Write as _,
    fs,
    process::{Command, Output},
};

use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::Arguments;

/// Random texts of JSON in the spellings that readers disagree on.
struct Writer(TestRng);

impl Writer {
    fn below(&mut self, most: u64) -> u64 {
        self.0.next_u64() % most
    }

    fn object(&mut self, depth: u64) -> String {
        let count = self.below(5);
        let members: Vec<String> =
            (0..count).map(|_| format!("{} :{}", self.string(), self.value(depth))).collect();
        format!("{{{}}}", members.join(", "))
    }

    fn value(&mut self, depth: u64) -> String {
        match self.below(if depth == 0 { 8 } else { 10 }) {
            0 => ["null", "true", "false"][usize::try_from(self.below(3)).unwrap()].to_owned(),
            1..=4 => self.number(),
            5..=7 => self.string(),
            8 => self.object(depth - 1),
            _ => {
                let count = self.below(4);
                let items: Vec<String> = (0..count).map(|_| self.value(depth - 1)).collect();
                format!("[{}]", items.join(" ,"))
            }
        }
    }

    fn number(&mut self) -> String {
        let bits = self.0.next_u64();
        let double = f64::from_bits(bits);
        let small = i64::from_le_bytes(bits.to_le_bytes()) >> (bits % 60);
        match self.below(9) {
            0 if double.is_finite() => format!("{double:e}"),
            1 if double.is_finite() => format!("{double:.25e}"),
            2 => ["-0", "0", "-0.0", "0e5", "1E400", "-1e-400", "1e21", "1e-7", "0.000001"]
                [usize::try_from(bits % 9).unwrap()]
            .to_owned(),
            3 => format!("{}.{:020}", small % 1000, bits),
            4 => format!("{}E{}", small % 100_000, (bits % 40).cast_signed() - 20),
            // About the last whole number that every reader keeps.
            5 => format!("{}", 9_007_199_254_740_991_u64 - 3 + bits % 6),
            6 => format!("0.{bits}"),
            _ => small.to_string(),
        }
    }

    fn string(&mut self) -> String {
        let mut text = "\"".to_owned();
        for _ in 0..self.below(6) {
            let unit = self.below(0x1_0000);
            match self.below(12) {
                0..=4 => text.push(char::from(b'a' + u8::try_from(unit % 4).unwrap())),
                5 => text.push_str(
                    ["\\n", "\\\"", "\\/", "\\\\", "\\b", "\\u0041", "\\u001F", "\\u00e9"]
                        [usize::try_from(unit % 8).unwrap()],
                ),
                6 => write!(text, "\\u{:04x}", 0x20 + unit % 0xd7e0).unwrap(),
                // A pair, and seldom half of one.
                7 => write!(text, "\\ud8{:02X}\\udc{:02x}", unit % 256, unit / 256).unwrap(),
                8 if unit < 800 => write!(text, "\\ud{:03x}", 0x800 + unit).unwrap(),
                // Characters whose order differs between UTF-8 and UTF-16.
                _ => {
                    let code = [unit, 0xfb00 + unit % 200, 0x1_f600 + unit % 60]
                        [usize::try_from(unit % 3).unwrap()];
                    let one = char::from_u32(u32::try_from(code).unwrap());
                    text.extend(one.filter(|one| !one.is_control() && !"\"\\".contains(*one)));
                }
            }
        }
        text + "\""
    }
}

#[expect(clippy::disallowed_methods, reason = "this test is about another program")]
fn told(lines: &str) -> Option<Output> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    fs::write(&path, lines).unwrap();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/src/json/canonical.py");
    Command::new("python3").arg(program).arg(path).output().ok()
}

/// I-18. As many as `CANONICAL_VALUES` says.
#[test]
fn another_program_takes_the_same_digest_of_any_arguments() {
    let values = std::env::var("CANONICAL_VALUES").ok().and_then(|text| text.parse().ok());
    let values: u64 = values.unwrap_or(5000);
    let mut writer = Writer(TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let mut lines = String::new();
    for _ in 0..values {
        let text = writer.object(3);
        let digest = Arguments::parse(&text).map(|read| hex::encode(read.digest().as_bytes()));
        writeln!(lines, "{}\t{text}", digest.as_deref().unwrap_or("refused")).unwrap();
    }
    let counted = |lines: &str| {
        let output = told(lines)?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap();
        let counts: Vec<u64> = said.split_whitespace().map(|one| one.parse().unwrap()).collect();
        Some((counts, String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let Some((counts, wrong)) = counted(&lines) else {
        println!("left out: the other program; it needs `python3`");
        return;
    };
    let [seen, refused, disagreed] = counts[..] else { panic!("{counts:?}") };
    println!("{seen} values, of which both refuse {refused}");
    assert_eq!((seen, disagreed), (values, 0), "{wrong}");
    assert!(refused > values / 100 && refused < values / 2, "{refused}");
    // It notices: a digest that is another one, and a text that says something else.
    let (one, text) = lines
        .lines()
        .find_map(|line| {
            line.split_once('\t').filter(|(one, text)| *one != "refused" && text.len() > 2)
        })
        .unwrap();
    let other = format!("{one}\t{{\"a\":1}}\n{}\t{text}\nrefused\t{text}\n", "0".repeat(64));
    assert_eq!(counted(&other).unwrap().0, [3, 0, 3]);
}
