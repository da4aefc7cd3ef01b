//! A text in pieces is judged as it is whole, and nothing is let go that is found later.
use proptest::prelude::*;

use super::TOKEN;
use crate::scan::{Scanner, Search, forms::forms};

/// What a stream would have let go before it was stopped, and whether it was.
fn streamed(scanner: &Scanner, text: &[u8], ends: &[usize]) -> (Vec<u8>, bool) {
    let mut search = Search::of_stream(scanner.clone());
    let mut begins = 0;
    for end in ends.iter().copied().chain([text.len()]) {
        if search.push(&text[begins..end]).is_some() {
            return (text[..usize::try_from(search.settled()).unwrap()].to_vec(), true);
        }
        begins = end;
    }
    if search.finish().is_some() {
        return (text[..usize::try_from(search.settled()).unwrap()].to_vec(), true);
    }
    (text[..usize::try_from(search.settled()).unwrap()].to_vec(), false)
}

fn cuts(count: usize) -> impl Strategy<Value = Vec<prop::sample::Index>> {
    proptest::collection::vec(any::<prop::sample::Index>(), 0..count)
}

fn sorted(cuts: &[prop::sample::Index], text: &[u8]) -> Vec<usize> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    ends.sort_unstable();
    ends
}

/// The value under layers of escapes, between texts that look like some.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(TOKEN.to_owned()),
        (0..TOKEN.len() - 1).prop_map(|at| TOKEN[at..].to_owned()),
        Just(TOKEN.bytes().map(|byte| format!("\\u{byte:04x}")).collect()),
        Just(TOKEN.bytes().map(|byte| format!("%25{byte:02x}")).collect()),
        Just(TOKEN.bytes().map(|byte| format!("&amp;#{byte};")).collect()),
        Just(TOKEN.bytes().map(|byte| format!("{}\n   ", char::from(byte))).collect()),
        Just(hex::encode(TOKEN)),
        "[ -~]{0,60}",
        "[%&\\\\ #x0-9a-f;u\n]{0,60}",
        "[ \n]{0,300}",
        "[a-z]{0,200}",
    ];
    proptest::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_pieces_are_judged_like_the_whole(text in texts(), cuts in cuts(12)) {
        let scanner = Scanner::for_values(&[TOKEN]);
        let whole = scanner.finds(&text);
        let mut search = scanner.search();
        let mut begins = 0;
        let mut found = false;
        for end in sorted(&cuts, &text).into_iter().chain([text.len()]) {
            found = found || search.push(&text[begins..end]).is_some();
            begins = end;
        }
        prop_assert_eq!(found || search.finish().is_some(), whole);
        let (_, stopped) = streamed(&scanner, &text, &sorted(&cuts, &text));
        prop_assert_eq!(stopped, whole);
    }

    #[test]
    fn a_byte_at_a_time_is_judged_like_the_whole(text in texts()) {
        let scanner = Scanner::for_values(&[TOKEN]);
        let ends: Vec<usize> = (0..text.len()).collect();
        prop_assert_eq!(streamed(&scanner, &text, &ends).1, scanner.finds(&text));
    }

    #[test]
    fn what_was_let_go_holds_no_beginning_of_what_is_found(
        before in "[ -~]{0,400}", layer in 0..5_usize, cuts in cuts(12),
    ) {
        // Nothing of it is public.
        const VALUE: &str = "Zx81+kQ/7mW=0pLr5vTn9eQa";
        let written = |each: fn(u8) -> String| -> String { VALUE.bytes().map(each).collect() };
        let value = [
            VALUE.to_owned(),
            written(|byte| format!("\\u{byte:04x}")),
            written(|byte| format!("%25{byte:02X}")),
            written(|byte| format!("{}   \n", char::from(byte))),
            written(|byte| format!("0x{byte:02x}, ")),
        ][layer].clone();
        let text = format!("{before}{value}").into_bytes();
        let (passed, stopped) = streamed(&Scanner::for_values(&[VALUE]), &text, &sorted(&cuts, &text));
        prop_assert!(stopped);
        prop_assert!(passed.len() <= before.len(), "{} of {} went by", passed.len(), before.len());
    }

    #[test]
    fn what_holds_nothing_is_let_go_whole(text in "[ -~]{0,2000}", cuts in cuts(12)) {
        let text = text.into_bytes();
        let (passed, stopped) = streamed(&Scanner::for_values(&[TOKEN]), &text, &sorted(&cuts, &text));
        prop_assert!(!stopped);
        prop_assert_eq!(passed, text);
    }

    #[test]
    fn any_sixteen_bytes_of_any_form_are_found(
        value in "[A-Za-z0-9+/=_.~-]{24,64}", start in any::<prop::sample::Index>(), form in any::<prop::sample::Index>(), before in "[ -~]{0,20}",
    ) {
        let forms = forms(value.as_bytes());
        let form = &forms[form.index(forms.len())];
        let start = start.index(form.text.len() - 15);
        // Where sixteen bytes hold under 64 bits, it takes more.
        let counts = |end: &usize| form.counts(&(start..*end));
        if let Some(end) = (start + 16..=form.text.len()).find(counts) {
            prop_assert!(end - start <= 33 || form.public.contains(&start), "{}", end - start);
            let text = [before.as_bytes(), &form.text[start..end], b"|"].concat();
            prop_assert!(Scanner::for_values(&[&value]).finds(&text), "{}", String::from_utf8_lossy(&text));
        }
    }
}

#[test]
fn a_stream_lets_go_of_what_is_settled_while_more_comes() {
    let mut search = Search::of_stream(Scanner::for_values(&[TOKEN]));
    for _ in 0..100 {
        assert!(search.push(b"data: {\"delta\":\"one word and another\"}\n\n").is_none());
    }
    assert!(search.settled() > 3_600, "{} of 4000", search.settled());
}
