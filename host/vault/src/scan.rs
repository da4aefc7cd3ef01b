//! What must not come back: the values that went out, in the forms that servers echo.
//!
//! Every 8-byte gram of every form is known; of the text, every ninth gram is looked up. A stretch of 16 bytes
//! of a form holds such a gram wherever it begins (16 - 8 + 1 = 9), so that halves, ranges and cut-off echoes
//! are found as well as whole values. What is looked up and found is compared byte for byte.
use std::iter;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use http::HeaderMap;
use zeroize::{Zeroize as _, Zeroizing};

use crate::transport::Raw;

/// A response that holds no credential. How much of it a tool sees is still to be said.
#[expect(missing_debug_implementations, reason = "what was not shaped is not printed")]
pub struct Scanned {
    pub(crate) status: http::StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// A response holds a credential. Where, and how often, is nobody's business.
#[derive(Debug)]
pub(crate) struct Hit;

/// The values of one request, in every form that is looked for. Without values, it looks for none.
#[derive(Default)]
pub(crate) struct Scanner {
    forms: Vec<Zeroizing<Vec<u8>>>,
    /// Every gram of every form: the gram, the form's number, and where in the form it stands. Sorted.
    grams: Vec<(u64, u32, u32)>,
    /// A bit for each gram's hash, so that most grams of a text need no search.
    filter: Vec<u64>,
}

impl Drop for Scanner {
    fn drop(&mut self) {
        self.grams.iter_mut().for_each(|(gram, ..)| gram.zeroize());
    }
}

impl Scanner {
    pub(crate) fn for_values(values: &[&str]) -> Self {
        let forms: Vec<_> = values
            .iter()
            .flat_map(|value| forms(value.as_bytes()))
            .filter(|form| form.len() >= WINDOW)
            .collect();
        let mut scanner = Self { forms, grams: Vec::new(), filter: vec![0; FILTER_WORDS] };
        for (number, form) in scanner.forms.iter().enumerate() {
            for (place, gram) in form.windows(GRAM).enumerate() {
                if let (Ok(number), Ok(place)) = (u32::try_from(number), u32::try_from(place)) {
                    scanner.grams.push((word(gram), number, place));
                }
            }
        }
        scanner.grams.sort_unstable();
        for (gram, ..) in &scanner.grams {
            let (slot, bit) = hash(*gram);
            if let Some(slot) = scanner.filter.get_mut(slot) {
                *slot |= bit;
            }
        }
        scanner
    }

    /// Lets a response through, or keeps all of it back.
    pub(crate) fn scan(&self, raw: Raw) -> Result<Scanned, Hit> {
        let Raw { status, headers, body } = raw;
        let in_headers = headers.iter().any(|(name, value)| {
            self.finds(name.as_str().as_bytes()) || self.finds(value.as_bytes())
        });
        if in_headers || self.finds(&body) {
            return Err(Hit);
        }
        Ok(Scanned { status, headers, body })
    }

    /// Whether 16 bytes of any form stand in the text, as it is or under one layer of encoding. A layer is taken
    /// off where the text has its mark.
    pub(crate) fn finds(&self, text: &[u8]) -> bool {
        let decoded = |mark: u8, decode: fn(&[u8]) -> Option<(u8, usize)>| {
            text.contains(&mark) && self.finds_in(&without(text, mark, decode))
        };
        let without_any = |dropped: fn(&u8) -> bool| {
            text.iter().any(dropped) && {
                let mut text = text.to_vec();
                text.retain(|byte| !dropped(byte));
                self.finds_in(&text)
            }
        };
        !self.forms.is_empty()
            && (self.finds_in(text)
                || decoded(b'%', percent)
                || decoded(b'\\', escape)
                || decoded(b'&', entity)
                || without_any(|byte| *byte == 0)
                || without_any(u8::is_ascii_whitespace))
    }

    fn finds_in(&self, text: &[u8]) -> bool {
        let last = text.len().saturating_sub(GRAM);
        (0..=last).step_by(STRIDE).any(|at| {
            text.get(at..at.saturating_add(GRAM))
                .is_some_and(|gram| self.stands(text, at, word(gram)))
        })
    }

    fn stands(&self, text: &[u8], at: usize, gram: u64) -> bool {
        let (slot, bit) = hash(gram);
        if self.filter.get(slot).is_none_or(|slot| slot & bit == 0) {
            return false;
        }
        let first = self.grams.partition_point(|(one, ..)| *one < gram);
        let same = self.grams.iter().skip(first).take_while(|(one, ..)| *one == gram);
        same.into_iter().any(|(_, number, place)| {
            let form = self.forms.get(*number as usize).map_or(&[][..], |form| form.as_slice());
            common(text, at, form, *place as usize) >= WINDOW
        })
    }
}

/// How many bytes agree around a place that is known to agree.
fn common(text: &[u8], at: usize, form: &[u8], place: usize) -> usize {
    let (before, after) = text.split_at_checked(at).unwrap_or_default();
    let (form_before, form_after) = form.split_at_checked(place).unwrap_or_default();
    let back = before
        .iter()
        .rev()
        .zip(form_before.iter().rev())
        .take_while(|(one, other)| one == other)
        .count();
    let on = after.iter().zip(form_after).take_while(|(one, other)| one == other).count();
    back.saturating_add(on)
}

/// How servers write a value that they show.
fn forms(value: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut forms = vec![value.to_vec(), value.iter().rev().copied().collect()];
    forms.extend([hex::encode(value).into_bytes(), hex::encode_upper(value).into_bytes()]);
    let percent = |digits: String| -> Vec<u8> {
        let digits = Zeroizing::new(digits);
        let pairs = digits.as_bytes().chunks(2);
        pairs.flat_map(|pair| iter::once(b'%').chain(pair.iter().copied())).collect()
    };
    forms.extend([percent(hex::encode_upper(value)), percent(hex::encode(value))]);
    forms.push(
        percent_encoding::percent_encode(value, percent_encoding::NON_ALPHANUMERIC)
            .to_string()
            .into_bytes(),
    );
    for offset in 0..3 {
        forms.extend(base64_cores(value, offset));
    }
    forms.sort_unstable();
    forms.dedup();
    forms.into_iter().map(Zeroizing::new).collect()
}

/// The characters of a value's base64 that do not depend on its neighbours, when `offset` bytes stand before
/// it, in both alphabets (RFC 4648 sections 4 and 5).
fn base64_cores(value: &[u8], offset: usize) -> [Vec<u8>; 2] {
    let padded = Zeroizing::new([vec![0; offset].as_slice(), value].concat());
    // ceil(8 * offset / 6) characters begin before the value; the last may end after it.
    let lead = offset.saturating_mul(8).div_ceil(6);
    let whole = padded.len().saturating_mul(8) / 6;
    let core = |text: String| text.into_bytes().into_iter().take(whole).skip(lead).collect();
    [core(STANDARD_NO_PAD.encode(&*padded)), core(URL_SAFE_NO_PAD.encode(&*padded))]
}

/// The text with everything decoded that begins with the mark, and what is between copied in one piece: most
/// of a response is. `decode` says which byte stands there, and how long it is written.
fn without(text: &[u8], mark: u8, decode: fn(&[u8]) -> Option<(u8, usize)>) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == mark) {
        let (between, marked) = rest.split_at_checked(at).unwrap_or_default();
        plain.extend_from_slice(between);
        let (byte, length) = decode(marked).unwrap_or((mark, 1));
        plain.push(byte);
        rest = marked.get(length..).unwrap_or_default();
    }
    plain.extend_from_slice(rest);
    plain
}

/// A percent-encoded byte (RFC 3986 section 2.1).
fn percent(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'%', a, b, ..] if a.is_ascii_hexdigit() => Some((code(&[*a, *b], 16)?, 3)),
        _ => None,
    }
}

/// One of JSON's escapes (RFC 8259 section 7), as far as it stands for one byte.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    Some(match text {
        [byte, b'u' | b'U', a, b, c, d, ..] => (code(&[*a, *b, *c, *d], 16).unwrap_or(*byte), 6),
        [byte, b'x', a, b, ..] => (code(&[*a, *b], 16).unwrap_or(*byte), 4),
        [_, next, ..] => (*next, 2),
        _ => return None,
    })
}

/// One of HTML's references, as far as it stands for one byte.
fn entity(text: &[u8]) -> Option<(u8, usize)> {
    let inner = text.strip_prefix(b"&")?;
    let end = inner.iter().take(10).position(|byte| *byte == b';')?;
    let name = inner.get(..end)?;
    let byte = match name {
        b"amp" => b'&',
        b"lt" => b'<',
        b"gt" => b'>',
        b"quot" => b'"',
        b"apos" => b'\'',
        [b'#', b'x' | b'X', digits @ ..] => code(digits, 16)?,
        [b'#', digits @ ..] => code(digits, 10)?,
        _ => return None,
    };
    Some((byte, end.saturating_add(2)))
}

fn code(digits: &[u8], radix: u32) -> Option<u8> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?.try_into().ok()
}

/// The shift leaves as many bits as the filter has slots and bits.
fn hash(gram: u64) -> (usize, u64) {
    let mixed = gram.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 47;
    ((mixed >> 6) as usize, 1 << (mixed & 63))
}

fn word(gram: &[u8]) -> u64 {
    gram.try_into().map_or(0, u64::from_le_bytes)
}

/// The shortest stretch of a form that counts.
pub(crate) const WINDOW: usize = 16;
const GRAM: usize = 8;
const STRIDE: usize = WINDOW - GRAM + 1;
/// 2^17 bits: one value has some 1,500 grams, so that one gram of a text in a hundred is searched for.
const FILTER_WORDS: usize = 1 << 11;

#[cfg(test)]
mod tests;
