//! Every writing, in every place, in pieces of every kind: what is found, and what is not.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::string_slice,
    reason = "small numbers; a score; the independent search is another program"
)]
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use tempfile::TempDir;
use toolward_vault::Marker;

use super::writings::{PLACES, Writing, writings};

/// Keys of 40 characters, always the same ones.
pub(super) fn keys() -> Vec<String> {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_";
    let mut state = 7_u64;
    let mut letter = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(letters[usize::try_from(state >> 33).unwrap() % letters.len()])
    };
    (0..5).map(|_| (0..40).map(&mut letter).collect()).collect()
}

/// Whole, byte by byte, in pieces of some lengths, and cut in two at every place of what was written.
fn splits(text: &[u8], from: usize, to: usize) -> Vec<Vec<&[u8]>> {
    let mut splits: Vec<Vec<&[u8]>> =
        [text.len().max(1), 1, 7, 64].iter().map(|size| text.chunks(*size).collect()).collect();
    let every = (to - from).div_ceil(16).max(1);
    splits.extend((from..to).step_by(every).map(|at| vec![&text[..at], &text[at..]]));
    splits
}

/// [C-01] to [C-05], [C-07], [C-10], [C-12], [C-14] to [C-22], [C-26], [C-32], [C-38]
#[test]
fn the_matrix_is_found_but_for_what_is_named() {
    let (mut found, mut total) = (0, 0);
    let mut misses: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut predicted = BTreeSet::new();
    let all = writings();
    for key in keys() {
        let (marker, other) =
            (Marker::of(&[&key]), Marker::of(&["a-value-of-Another-kind-8Zq2Lw0Vx7Tn"]));
        for writing in &all {
            for (place, before, after) in PLACES {
                let written = writing.of(&key);
                let text = [before.as_bytes(), &written, after.as_bytes()].concat();
                assert!(
                    !other.is_in(&text),
                    "{} in {place} is taken for another value",
                    writing.name
                );
                let splits = splits(&text, before.len(), before.len() + written.len());
                let times = splits
                    .iter()
                    .filter(|split| marker.is_in_pieces(split.iter().copied()))
                    .count();
                assert!(
                    times == 0 || times == splits.len(),
                    "{} in {place} depends on the pieces",
                    writing.name
                );
                if writing.is_found {
                    (found, total) = (found + times, total + splits.len());
                    if times == 0 {
                        misses.entry(writing.name.clone()).or_default().insert(place);
                    }
                } else {
                    assert_eq!(
                        times, 0,
                        "{} in {place} is found: it belongs to what is found",
                        writing.name
                    );
                    predicted.insert(writing.name.as_str());
                }
            }
        }
    }
    let writings = all.iter().filter(|one| one.is_found).count();
    println!(
        "found: {found} of {total} ({writings} writings, {} places, 5 keys, in pieces)",
        PLACES.len()
    );
    println!("not found, as predicted: {}", predicted.into_iter().collect::<Vec<_>>().join(", "));
    assert!(misses.is_empty(), "missed: {misses:#?}");
}

/// Each line once, without its time: a log says the same of every call.
pub(super) fn distinct(log: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(log);
    let timeless = |line: &str| match line.split_once(' ') {
        Some((time, rest)) if time.ends_with('Z') && time.starts_with("20") => rest.to_owned(),
        _ => line.to_owned(),
    };
    let lines: BTreeSet<String> = text.lines().map(timeless).collect();
    lines.into_iter().collect::<Vec<_>>().join("\n").into_bytes()
}

/// What an independent program finds in these texts, by their names. `None` where there is no Python.
pub(super) fn swept(secrets: &[&str], texts: &[(&str, &[u8])]) -> Option<BTreeMap<String, String>> {
    let folder = TempDir::new().unwrap();
    let known = folder.path().join("secrets");
    fs::write(&known, secrets.join("\n")).unwrap();
    let mut names = BTreeMap::new();
    for (number, (name, text)) in texts.iter().enumerate() {
        let path = folder.path().join(number.to_string());
        fs::write(&path, text).unwrap();
        names.insert(path, (*name).to_owned());
    }
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/escape/reflection/decode.py");
    let run = Command::new("python3").arg(program).arg(&known).args(names.keys()).output();
    let Ok(run) = run else {
        println!("left out: the independent search; it needs `python3`");
        return None;
    };
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let found = String::from_utf8(run.stdout).unwrap();
    let found = found.lines().map(|line| line.split_once('\t').unwrap());
    Some(
        found
            .map(|(path, how)| (names[std::path::Path::new(path)].clone(), how.to_owned()))
            .collect(),
    )
}

/// Otherwise a sweep that finds nothing would mean nothing.
#[test]
fn another_program_finds_the_same_writings() {
    let (key, all) = (&keys()[0], writings());
    let found: Vec<&Writing> = all.iter().filter(|one| one.is_found).collect();
    let texts: Vec<(&str, Vec<u8>)> = found
        .iter()
        .map(|one| (one.name.as_str(), [b"{\"a\":\"", one.of(key).as_slice(), b"\"}"].concat()))
        .collect();
    let texts: Vec<(&str, &[u8])> =
        texts.iter().map(|(name, text)| (*name, text.as_slice())).collect();
    let Some(seen) = swept(&[key], &texts) else { return };
    let unseen: Vec<&str> =
        texts.iter().map(|(name, _)| *name).filter(|name| !seen.contains_key(*name)).collect();
    println!("the other program finds {} of {}", seen.len(), texts.len());
    assert_eq!(unseen, [""; 0]);
    let nothing = swept(&["a-value-of-Another-kind-8Zq2Lw0Vx7Tn"], &texts).unwrap();
    assert!(nothing.is_empty(), "{nothing:?}");
}

/// Whatever the other program finds in a part of any writing between other text, the search finds, too.
/// `DIFFERENTIAL_TEXTS=10000` for longer.
#[test]
fn what_another_program_finds_in_any_part_of_a_writing_is_found() {
    let count = std::env::var("DIFFERENTIAL_TEXTS").ok().and_then(|count| count.parse().ok());
    let key = &keys()[1];
    let all: Vec<Writing> = writings().into_iter().filter(|one| one.is_found).collect();
    // The other program gets less of the part: where a part begins within an escape, what stands there is neither one
    // nor none.
    let texts: Vec<(String, Vec<u8>, Vec<u8>)> = (0..count.unwrap_or(300))
        .map(|number: u32| {
            let draw = <sha2::Sha256 as sha2::Digest>::digest(number.to_be_bytes());
            let draw = |at: usize| usize::from(draw[at]) << 8 | usize::from(draw[at + 1]);
            let writing = &all[draw(0) % all.len()];
            let written = writing.of(key);
            let from = draw(2) % written.len();
            let to = written.len().min(from + 24 + draw(4) % 300);
            let inner = (from + EDGE).min(to)..to.saturating_sub(EDGE).max((from + EDGE).min(to));
            let noise = benign(number);
            let (before, after) = noise.split_at(draw(6) % noise.len());
            let around = |part: &[u8]| [before.as_bytes(), part, after.as_bytes()].concat();
            let name = format!("{number}: {from} to {to} of {}", writing.name);
            (name, around(&written[from..to]), around(&written[inner]))
        })
        .collect();
    let borrowed: Vec<(&str, &[u8])> =
        texts.iter().map(|(name, _, text)| (name.as_str(), text.as_slice())).collect();
    let Some(seen) = swept(&[key], &borrowed) else { return };
    let marker = Marker::of(&[key]);
    let found = texts.iter().filter(|(_, text, _)| marker.is_in(text)).count();
    println!("of {} texts the other program finds {}, the search {found}", texts.len(), seen.len());
    let missed: Vec<_> = texts
        .iter()
        .filter(|(name, text, _)| seen.contains_key(name) && !marker.is_in(text))
        .map(|(name, text, _)| (name, &seen[name], String::from_utf8_lossy(text)))
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
    assert!(seen.len() > texts.len() / 8 && found < texts.len(), "too few of either kind");
}

/// As long as the longest escape of a writing.
const EDGE: usize = 10;

/// [C-58] `BENIGN_BODIES=1000000` for the figure of the README; without it, some thousands.
#[test]
fn benign_bodies_are_not_taken_for_a_value() {
    let count: u32 =
        std::env::var("BENIGN_BODIES").ok().and_then(|count| count.parse().ok()).unwrap_or(3_000);
    let keys = keys();
    let marker = Marker::of(&keys.iter().map(String::as_str).collect::<Vec<_>>());
    let mut hits = 0;
    for number in 0..count {
        hits += u32::from(marker.is_in(benign(number).as_bytes()));
    }
    println!("false hits in {count} benign bodies: {hits}");
    assert_eq!(hits, 0);
    assert!(marker.is_in(format!("{}{}", benign(1), keys[0]).as_bytes()));
}

/// As APIs answer: ids, digests, tokens of others, links, prose.
fn benign(number: u32) -> String {
    let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(number.to_be_bytes()));
    let id = format!(
        "{}-{}-4{}-a{}-{}",
        &hash[..8],
        &hash[8..12],
        &hash[12..15],
        &hash[15..18],
        &hash[18..30]
    );
    let claims = base64::Engine::encode(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        format!("{{\"iss\":\"https://id.example.com\",\"sub\":\"{id}\"}}"),
    );
    serde_json::json!({
        "sha": &hash[..40], "node_id": id, "secretary": "ana@example.com", "number": number,
        "token": format!("eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.{claims}.{}", &hash),
        "url": format!("https://api.example.com/repos/acme/site/commits/{}?label=a%20bug&page={number}", &hash[24..]),
        "body": format!("Fixes \"#{number}\" &amp; more\n\n    0x{} {}", &hash[..8], hash.to_uppercase()),
    })
    .to_string()
}
