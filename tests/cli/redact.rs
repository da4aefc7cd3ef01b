//! What differs from run to run, masked.

/// Masks digests, ids, times and ports.
pub(crate) fn redact(text: &str) -> String {
    let (mut masked, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let found =
            KINDS.iter().find_map(|(matches, mask)| matches(rest).map(|length| (length, mask)));
        let (length, mask) = found.unwrap_or((first.len_utf8(), &""));
        masked.push_str(if mask.is_empty() { &rest[..length] } else { mask });
        rest = &rest[length..];
    }
    masked
}

/// How many bytes at the beginning of a text are of a kind, and what stands in their place.
type Kind = (fn(&str) -> Option<usize>, &'static str);

const KINDS: [Kind; 6] = [
    (|text| shaped(text, &format!("sha256:{}", "x".repeat(64))), "sha256:DIGEST"),
    (|text| shaped(text, &"x".repeat(64)), "KEY"),
    (|text| shaped(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"), "ID"),
    (time, "TIME"),
    (|text| counted(text, "127.0.0.1:"), "127.0.0.1:PORT"),
    (|text| counted(text, "at byte "), "at byte NUMBER"),
];

/// In a shape, `x` is a hexadecimal digit, `0` a decimal one, anything else itself.
fn shaped(text: &str, shape: &str) -> Option<usize> {
    let fits = |(found, wanted): (u8, u8)| match wanted {
        b'x' => found.is_ascii_hexdigit(),
        b'0' => found.is_ascii_digit(),
        other => found == other,
    };
    let long = text.len() >= shape.len();
    (long && text.bytes().zip(shape.bytes()).all(fits)).then_some(shape.len())
}

fn time(text: &str) -> Option<usize> {
    let seconds = shaped(text, "0000-00-00T00:00:00")?;
    let rest = text[seconds..].find(|one: char| !one.is_ascii_digit() && one != '.' && one != 'Z');
    Some(rest.map_or(text.len(), |rest| seconds + rest))
}

fn counted(text: &str, before: &str) -> Option<usize> {
    let digits = text.strip_prefix(before)?.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0).then_some(before.len() + digits)
}

#[test]
fn what_differs_is_masked_and_the_rest_stays() {
    let digest = format!("sha256:{}", "0a".repeat(32));
    let text = format!(
        "a {digest} at 2026-11-21T08:22:20.123Z, 127.0.0.1:80 ä 9f0c1b2a-0000-4000-8000-0123456789ab"
    );
    assert_eq!(redact(&text), "a sha256:DIGEST at TIME, 127.0.0.1:PORT ä ID");
    assert_eq!(redact("sha256:0a and 127.0.0.1: and 9f0c"), "sha256:0a and 127.0.0.1: and 9f0c");
}
