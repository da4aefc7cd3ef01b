//! What is found, said as plainly as can be: all lanes of the whole text, and every place of every form in them.
use std::{collections::HashMap, ops::Range, sync::LazyLock};

use proptest::prelude::*;

use crate::scan::{
    Scanner,
    forms::{Form, LONGEST, WINDOW, forms},
    lanes,
};

/// Nothing of it is public, and most kinds of characters are in it.
const VALUE: &str = "Zx81+kQ/7mW=0pLr5 vTn%4t9eQa\\uBc2&D_e-F";

struct Oracle {
    forms: Vec<Form>,
    /// Where each stretch of 16 bytes stands, by form and place.
    places: HashMap<Vec<u8>, Vec<(usize, usize)>>,
}

impl Oracle {
    fn of(value: &str) -> Self {
        let (forms, mut places) = (forms(value.as_bytes()), HashMap::<_, Vec<_>>::new());
        for (number, form) in forms.iter().enumerate() {
            for (place, stretch) in form.text.windows(WINDOW).enumerate() {
                places.entry(stretch.to_ascii_lowercase()).or_default().push((number, place));
            }
        }
        Self { forms, places }
    }

    /// Whether a stretch of a form stands in the text that counts, and is no longer than this.
    fn finds(&self, text: &[u8], longest: usize) -> bool {
        lanes_of(text).iter().any(|lane| {
            lane.windows(WINDOW).enumerate().any(|(at, stretch)| {
                let places = self.places.get(&stretch.to_ascii_lowercase());
                places.into_iter().flatten().any(|(number, place)| {
                    let form = &self.forms[*number];
                    let same = |(one, other): &(&u8, &u8)| one.eq_ignore_ascii_case(other);
                    let common = lane[at..].iter().zip(&form.text[*place..]).take_while(same);
                    let common: Range<usize> = *place..*place + common.take(longest).count();
                    // From here on, by any length that is left.
                    (place + WINDOW..=common.end).any(|end| form.counts(&(*place..end)))
                })
            })
        })
    }
}

/// As it came; decoded once, without spaces; twice; three times; and the letters of the second.
fn lanes_of(text: &[u8]) -> [Vec<u8>; 5] {
    let once: Vec<u8> = decoded(text, |byte| byte > b' ');
    let twice = decoded(&once, |_| true);
    let thrice = decoded(&twice, |_| true);
    let letters = once.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
    [text.to_vec(), once, twice, thrice, letters]
}

fn decoded(text: &[u8], is_kept: fn(u8) -> bool) -> Vec<u8> {
    let (mut decoded, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let escape = b"%\\&".contains(&text[at]).then(|| lanes::meaning(&text[at..])).flatten();
        let (meant, length) = match escape {
            Some((meant, length)) => (meant, length),
            None => {
                (Some(&text[at..=at]).filter(|one| is_kept(one[0])).unwrap_or_default().to_vec(), 1)
            }
        };
        decoded.extend(meant);
        at += length;
    }
    decoded
}

fn found(scanner: &Scanner, text: &[u8], cuts: &[prop::sample::Index]) -> bool {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    ends.sort_unstable();
    let (mut search, mut begins) = (scanner.search(), 0);
    for end in ends.into_iter().chain([text.len()]) {
        if search.push(&text[begins..end]).is_some() {
            return true;
        }
        begins = end;
    }
    search.finish().is_some()
}

/// Parts of forms that are nearly long enough or just so, under layers, in noise, with what lanes leave out.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| forms(VALUE.as_bytes()));
    let part = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 8..40_usize, 0..8_u8);
    let part = part.prop_map(|(form, from, length, layer)| {
        let form = &FORMS[form.index(FORMS.len())].text;
        let from = from.index(form.len());
        let part = &form[from..form.len().min(from + length)];
        let each = |write: &dyn Fn(u8) -> String| -> Vec<u8> {
            part.iter().map(|byte| write(*byte)).collect::<String>().into_bytes()
        };
        match layer {
            0 => each(&|byte| format!("%{byte:02x}")),
            1 => each(&|byte| format!("\\u{byte:04X}")),
            2 => each(&|byte| format!("%25{byte:02x}")),
            3 => each(&|byte| format!("&amp;#{byte};")),
            4 => part.chunks(5).collect::<Vec<_>>().join(b"\r\n ".as_slice()),
            5 => part.chunks(3).collect::<Vec<_>>().join(b"\", ".as_slice()),
            6 => part.iter().flat_map(|byte| [*byte, 0]).collect(),
            _ => part.to_vec(),
        }
    });
    let noise = prop_oneof![
        "[ -~]{0,70}".prop_map(String::into_bytes),
        "[ \n\t]{0,140}".prop_map(String::into_bytes),
        "[%&\\\\#x0-9a-f;u\n]{0,40}".prop_map(String::into_bytes),
        "[A-Za-z0-9]{0,140}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..40),
    ];
    proptest::collection::vec(prop_oneof![part, noise], 1..7).prop_map(|parts| parts.concat())
}

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::for_values(&[VALUE]));
static ORACLE: LazyLock<Oracle> = LazyLock::new(|| Oracle::of(VALUE));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_found_is_what_the_plain_search_finds(
        text in texts(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..9),
    ) {
        let is_found = found(&SCANNER, &text, &cuts);
        // What fits in the longest stretch that can be needed is found; what is found stands there.
        prop_assert!(is_found || !ORACLE.finds(&text, LONGEST), "missed");
        prop_assert!(!is_found || ORACLE.finds(&text, usize::MAX), "there is nothing");
    }
}

#[test]
fn the_plain_search_tells_texts_apart() {
    let spaced: Vec<u8> = VALUE.bytes().flat_map(|byte| [byte, b'\n']).collect();
    assert!(ORACLE.finds(&spaced, LONGEST) && found(&SCANNER, &spaced, &[]));
    let near = [&VALUE.as_bytes()[..15], b"|", &VALUE.as_bytes()[20..35]].concat();
    assert!(!ORACLE.finds(&near, usize::MAX) && !found(&SCANNER, &near, &[]));
}
