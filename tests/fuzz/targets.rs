//! What a fuzzer feeds to the sandbox. The same targets run under `cargo fuzz`, and for a moment in every test run.
use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use toolward_gate::PathPattern;
use toolward_sandbox::fuzzing;
use toolward_vault::{Marker, fuzzing as requests};

pub(crate) use worlds::each_world;

// Here for the tests and for the fuzzers, who each have this file somewhere else.
#[path = "targets/worlds.rs"]
mod worlds;

/// Bytes as they are, the same after the preamble of a component, and a component made from them.
pub(crate) fn loading(data: &[u8]) {
    fuzzing::loading(data);
    fuzzing::loading(&[PREAMBLE, data].concat());
    let config = wasm_smith::Config { max_components: 3, ..wasm_smith::Config::default() };
    if let Ok(component) = wasm_smith::Component::new(config, &mut Unstructured::new(data)) {
        fuzzing::loading(&component.to_bytes());
    }
}

/// The worlds of any WIT as components.
pub(crate) fn schemas(data: &[u8]) {
    let _ = each_world(&mut Unstructured::new(data), |component, _| {
        let _counted = fuzzing::schemas(component);
        Ok(())
    });
}

/// JSON for the functions of any WIT, and back.
pub(crate) fn values(data: &[u8]) {
    let _ = each_world(&mut Unstructured::new(data), |component, data| {
        fuzzing::values(component, data).map(drop)
    });
}

/// Any bytes as a target, and the same bytes in letters that targets are made of.
pub(crate) fn urls(data: &[u8]) {
    requests::target(data);
    requests::target(format!("/{}", spelled(data)).as_bytes());
    requests::target(format!("https://api.example.com/{}", spelled(data)).as_bytes());
}

/// A request from any bytes, signed for AWS.
pub(crate) fn signatures(data: &[u8]) {
    let (target, rest) = data.split_at(data.len() / 2);
    let value = String::from_utf8_lossy(rest).replace('\n', " ");
    requests::signature(format!("GET\n/{}\n{value}\n{value}", spelled(target)).as_bytes());
}

/// Any pattern and any path: they fit exactly where each segment does.
pub(crate) fn paths(data: &[u8]) {
    let (pattern, path) = data.split_at(data.len() / 2);
    let piece = |byte: &u8| PIECES.iter().cycle().nth(usize::from(*byte)).copied().unwrap_or("a");
    let mut pattern: Vec<&str> = pattern.iter().take(6).map(piece).collect();
    if pattern.is_empty() {
        // `/` is one segment, and that is empty.
        pattern.push("");
    }
    let path = format!("/{}", spelled(path));
    let written = format!("/{}", pattern.join("/"));
    let Ok(read) = written.parse::<PathPattern>() else { return };
    assert_eq!(read.to_string(), written);
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    assert_eq!(read.matches(&path), naively(&pattern, &parts), "{written} {path}");
}

fn naively(pattern: &[&str], parts: &[&str]) -> bool {
    match (pattern, parts) {
        ([], []) => true,
        (["{rest...}"], parts) => !parts.is_empty() && parts.iter().all(|part| !part.is_empty()),
        ([first, pattern @ ..], [part, parts @ ..]) => {
            let all = |one: fn(char) -> bool| !part.is_empty() && part.chars().all(one);
            let fits = match *first {
                "{any}" => !part.is_empty(),
                "{n:int}" => {
                    all(|one| one.is_ascii_digit())
                        && (*part == "0" || !part.starts_with('0'))
                        && part.parse::<u64>().is_ok()
                }
                "{s:slug}" => all(|one| one.is_ascii_alphanumeric() || one == '-' || one == '_'),
                "{h:hex}" => all(|one| one.is_ascii_hexdigit()),
                literal => literal == *part,
            };
            fits && naively(pattern, parts)
        }
        _ => false,
    }
}

/// Bytes as characters that mean something in a target.
fn spelled(data: &[u8]) -> String {
    let one = |byte: &u8| LETTERS.iter().cycle().nth(usize::from(*byte)).copied().unwrap_or("a");
    data.iter().map(one).collect()
}

const LETTERS: [&str; 32] = [
    "a", "b", "1", "0", "-", "_", ".", "~", "/", "/", "?", "&", "=", "+", "@", ":", ";", "\\", "#",
    "%20", "%2F", "%2f", "%C3%BC", "%FF", "%41", "%", "..", "//", " ", "\u{fc}", "a=", "x/",
];
const PIECES: [&str; 7] = ["a", "b", "{any}", "{n:int}", "{s:slug}", "{h:hex}", "{rest...}"];

/// A text between and in pieces of a value: found whenever 16 bytes of it stand there, however the text is cut.
pub(crate) fn scanning(data: &[u8]) {
    static MARKER: LazyLock<Marker> = LazyLock::new(|| Marker::of(&[VALUE]));
    let mut data = Unstructured::new(data);
    let mut text = Vec::new();
    while let Ok(piece) = piece(&mut data) {
        text.extend(piece);
        if data.is_empty() {
            break;
        }
    }
    let cut = text.len().checked_div(3).unwrap_or_default();
    let found = MARKER.is_in(&text);
    assert_eq!(found, MARKER.is_in_pieces(text.chunks(cut.max(1))), "in thirds");
    assert_eq!(found, MARKER.is_in_pieces(text.chunks(1)), "byte by byte");
    // It knows one thing, and that without any of what the search is made of.
    let stands = VALUE
        .as_bytes()
        .windows(16)
        .any(|window| text.windows(16).any(|one| one.eq_ignore_ascii_case(window)));
    assert!(found || !stands, "{}", String::from_utf8_lossy(&text));
}

fn piece(data: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let (from, length) = (data.choose_index(VALUE.len())?, data.int_in_range(0..=24)?);
    let part = VALUE.as_bytes().iter().skip(from).take(length);
    Ok(match data.int_in_range(0..=5)? {
        0 => part.copied().collect(),
        1 => part.flat_map(|byte| format!("\\u{byte:04x}").into_bytes()).collect(),
        2 => part.flat_map(|byte| format!("%25{byte:02x}").into_bytes()).collect(),
        3 => part.flat_map(|byte| format!("&#{byte};\n").into_bytes()).collect(),
        4 => b"%\\&;#xu 0".iter().copied().cycle().skip(from).take(length).collect(),
        _ => data.bytes(length.min(data.len()))?.to_vec(),
    })
}

const PREAMBLE: &[u8] = b"\0asm\x0d\0\x01\0";
const VALUE: &str = "Zx81+kQ/7mW=0pLr5vTn9eQa3hYd";
