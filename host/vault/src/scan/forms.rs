//! How do servers write a value that they show?
//!
//! What is written with escapes (`%41`, `\u0041`, `&#65;`) is no form of its own: the text is decoded instead,
//! in `lanes.rs`. Upper and lower case count as the same, which `table.rs` sees to.
use std::{collections::BTreeSet, ops::Range};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use super::lanes;

/// One way to write a value.
pub(super) struct Form {
    pub(super) text: Zeroizing<Vec<u8>>,
    /// What many values share, as `ghp_` or the claims of a token: it counts for nothing.
    pub(super) public: Range<usize>,
    /// What a character holds, in tenths of a bit.
    pub(super) tenths: usize,
}

impl Form {
    /// Whether a stretch of the form could not be guessed with the help of the scan.
    pub(super) fn counts(&self, stretch: &Range<usize>) -> bool {
        let common =
            self.public.end.min(stretch.end).saturating_sub(self.public.start.max(stretch.start));
        let own = stretch.len().saturating_sub(common);
        stretch.len() >= WINDOW
            && own.saturating_mul(self.tenths) >= ENOUGH
            && self.text.get(stretch.clone()).is_some_and(is_varied)
    }
}

/// Every form of a value that holds enough to be looked for. A long value comes in pieces that overlap.
pub(super) fn forms(value: &[u8]) -> Vec<Form> {
    let public = public(value);
    let mut forms = Vec::new();
    let mut begins = 0_usize;
    loop {
        let ends = begins.saturating_add(PIECE).min(value.len());
        let piece = Written {
            text: value.get(begins..ends).unwrap_or_default().to_vec().into(),
            public: public.saturating_sub(begins).min(ends.saturating_sub(begins)),
            turned: false,
        };
        forms.extend(piece.forms(tenths(value.get(public..).unwrap_or_default())));
        if ends == value.len() {
            break;
        }
        begins = ends.saturating_sub(OVERLAP);
    }
    forms.retain(|form| form.counts(&(0..form.text.len())));
    forms.sort_unstable_by(|one, other| one.text.cmp(&other.text));
    forms.dedup_by(|one, other| one.text == other.text);
    forms
}

/// Whether a value, as it is, would be found when it comes back.
pub(crate) fn can_be_found(value: &str) -> bool {
    let (value, public) = (value.as_bytes(), public(value.as_bytes()));
    let tenths = tenths(value.get(public..).unwrap_or_default());
    let form = Form { text: value.to_vec().into(), public: 0..public, tenths };
    form.counts(&(0..value.len()))
}

/// A text that a value was written as.
struct Written {
    text: Zeroizing<Vec<u8>>,
    /// How much of its beginning is public; of its end, where it is turned around.
    public: usize,
    turned: bool,
}

impl Written {
    fn forms(&self, tenths: usize) -> Vec<Form> {
        let mut forms = self.as_text(tenths);
        let hex = self.hex(|text| hex::encode(text));
        forms.extend([hex.reversed().form(HEX), hex.copy().form(HEX)]);
        forms.push(self.each(|byte| format!("0x{byte:02x}")).form(HEX / 2));
        forms.push(self.each(|byte| byte.to_string()).form(DECIMAL));
        for upper in [hex, self.hex(|text| hex::encode_upper(text))] {
            forms.extend(upper.base64().map(|core| core.form(BASE64)));
        }
        forms.extend(self.wide().base64().map(|core| core.form(BASE64 / 2)));
        forms.extend(self.reversed().base64().map(|core| core.form(BASE64)));
        for core in self.base64() {
            forms.extend(core.base64().map(|twice| twice.form(BASE64)));
            forms.push(core.hex(|text| hex::encode(text)).form(HEX));
            forms.push(core.lettered().form(BASE64));
            forms.extend([core.reversed().form(BASE64), core.form(BASE64)]);
        }
        forms.extend((0..5).map(|offset| self.base32(offset).form(BASE32)));
        forms
    }

    /// As it is, backwards, rotated by 13, without its punctuation, and as decoding leaves it.
    fn as_text(&self, tenths: usize) -> Vec<Form> {
        let rotated = self.each(|byte| char::from(rotated(byte)).to_string());
        let (once, plus) = (
            self.decoded(),
            self.each(
                |byte| if byte == b' ' { "+".to_owned() } else { char::from(byte).to_string() },
            ),
        );
        let mut texts = vec![
            self.lettered(),
            self.reversed(),
            self.reversed().lettered(),
            once.decoded(),
            once,
            self.copy(),
        ];
        if self.text.is_ascii() {
            texts.extend([rotated, plus]);
        }
        texts.into_iter().map(|text| text.form(tenths)).collect()
    }

    fn form(self, tenths: usize) -> Form {
        let public = self.public_part();
        Form { text: self.text, public, tenths }
    }

    fn public_part(&self) -> Range<usize> {
        let length = self.text.len();
        if self.turned { length.saturating_sub(self.public)..length } else { 0..self.public }
    }

    fn of(text: impl Into<Vec<u8>>, public: usize) -> Self {
        Self { text: Zeroizing::new(text.into()), public, turned: false }
    }

    fn copy(&self) -> Self {
        Self { text: self.text.clone(), ..*self }
    }

    fn reversed(&self) -> Self {
        let text: Vec<u8> = self.text.iter().rev().copied().collect();
        Self { turned: !self.turned, ..Self::of(text, self.public) }
    }

    fn decoded(&self) -> Self {
        let begins = lanes::decoded(self.text.get(..self.public).unwrap_or_default());
        Self::of(lanes::decoded(&self.text), begins.len())
    }

    /// Letters and digits only.
    fn lettered(&self) -> Self {
        let of = |text: &[u8]| -> Vec<u8> {
            text.iter().filter(|byte| byte.is_ascii_alphanumeric()).copied().collect()
        };
        let public = of(self.text.get(self.public_part()).unwrap_or_default()).len();
        Self { turned: self.turned, ..Self::of(of(&self.text), public) }
    }

    fn each(&self, write: impl Fn(u8) -> String) -> Self {
        let of =
            |text: &[u8]| text.iter().map(|byte| write(*byte)).collect::<String>().into_bytes();
        let public = of(self.text.get(..self.public).unwrap_or_default()).len();
        Self::of(of(&self.text), public)
    }

    fn hex(&self, encode: fn(&[u8]) -> String) -> Self {
        Self::of(encode(&self.text), self.public.saturating_mul(2))
    }

    /// UTF-16, as PowerShell and .NET encode it further.
    fn wide(&self) -> Self {
        let text: Vec<u8> = self.text.iter().flat_map(|byte| [*byte, 0]).collect();
        Self::of(text, self.public.saturating_mul(2))
    }

    /// In both alphabets (RFC 4648 sections 4 and 5), behind no, one and two bytes.
    fn base64(&self) -> [Self; 6] {
        let standard = |offset| self.core(offset, 6, |text| STANDARD_NO_PAD.encode(text));
        let of_urls = |offset| self.core(offset, 6, |text| URL_SAFE_NO_PAD.encode(text));
        [standard(0), standard(1), standard(2), of_urls(0), of_urls(1), of_urls(2)]
    }

    /// RFC 4648 section 6.
    fn base32(&self, offset: usize) -> Self {
        self.core(offset, 5, |text| BASE32_NOPAD.encode(text))
    }

    /// The characters of an encoding, `bits` each, that do not depend on the neighbours when `offset` bytes stand
    /// before the text.
    fn core(&self, offset: usize, bits: usize, encode: impl Fn(&[u8]) -> String) -> Self {
        let padded = Zeroizing::new([vec![0; offset].as_slice(), &self.text].concat());
        let characters =
            |bytes: usize| bytes.saturating_mul(8).checked_div(bits).unwrap_or_default();
        // ceil(8 * offset / bits) characters begin before the text; the last may end after it.
        let lead = offset.saturating_mul(8).div_ceil(bits);
        let whole = characters(padded.len());
        let text: Vec<u8> =
            encode(&padded).into_bytes().into_iter().take(whole).skip(lead).collect();
        let public = match (self.public, self.turned) {
            (0, _) => 0,
            (public, false) => characters(public.saturating_add(offset)).saturating_sub(lead),
            (public, true) => characters(public),
        };
        Self { turned: self.turned, ..Self::of(text, public) }
    }
}

/// How many bytes of a value's beginning say what it is, and are the same in many others: the kind of a token, or
/// all of a JWT but its signature (RFC 7515 section 7.1). None where the rest would not be enough by itself.
fn public(value: &[u8]) -> usize {
    let signed = || {
        let dots: Vec<usize> =
            value.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at).collect();
        match dots.as_slice() {
            [_, second] if value.starts_with(b"eyJ") => Some(second.saturating_add(1)),
            _ => None,
        }
    };
    let begins = signed().unwrap_or_else(|| kind(value));
    let rest = value.get(begins..).unwrap_or_default();
    let enough = rest.len().saturating_mul(tenths(rest)) >= ENOUGH && is_varied(rest);
    if enough { begins } else { 0 }
}

/// Up to three words in front, as in `sk_live_` and `github_pat_`.
fn kind(value: &[u8]) -> usize {
    let mut ends = 0_usize;
    for _ in 0..3 {
        let rest = value.get(ends..).unwrap_or_default();
        let word = rest.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
        if !(1..=10).contains(&word) || !matches!(rest.get(word), Some(b'_' | b'-')) {
            break;
        }
        ends = ends.saturating_add(word).saturating_add(1);
    }
    ends
}

/// What a character holds at most, by the smallest alphabet that holds all of them.
fn tenths(text: &[u8]) -> usize {
    let joins = |byte: &u8| matches!(byte, b'-' | b'_' | b'.' | b':');
    let all = |within: fn(&u8) -> bool| text.iter().all(|byte| within(byte) || joins(byte));
    if all(u8::is_ascii_digit) {
        DECIMAL_DIGIT
    } else if all(u8::is_ascii_hexdigit) {
        HEX
    } else if all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        || all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    {
        BASE32
    } else {
        BASE64
    }
}

/// A row of dashes is no secret, however long.
fn is_varied(text: &[u8]) -> bool {
    text.iter().collect::<BTreeSet<_>>().len() >= VARIED
}

fn rotated(byte: u8) -> u8 {
    match byte {
        b'a'..=b'm' | b'A'..=b'M' => byte.saturating_add(13),
        b'n'..=b'z' | b'N'..=b'Z' => byte.saturating_sub(13),
        _ => byte,
    }
}

/// The shortest stretch of a form that counts, in bytes.
pub(crate) const WINDOW: usize = 16;
/// What a stretch must hold, in tenths of a bit: with less, the scan would help to guess. A tool that may ask a server
/// to repeat any text learns from each answer whether the text is a part of the value; with 64 bits to be right about
/// at once, it does not get there. So half of a value passes where it holds less, as 15 hexadecimal digits do: what is
/// left to guess of a value of 128 bits is then 64 bits still.
const ENOUGH: usize = 640;
/// The longest stretch that is needed to hold enough: 32 characters of `0x41`.
pub(super) const LONGEST: usize = 32;
const VARIED: usize = 5;
const DECIMAL_DIGIT: usize = 33;
/// A byte as two or three decimal digits.
const DECIMAL: usize = 22;
const HEX: usize = 40;
const BASE32: usize = 50;
const BASE64: usize = 60;
/// Bytes of a value whose forms are made at once.
const PIECE: usize = 2048;
/// More than stands behind the shortest stretch of any form.
const OVERLAP: usize = 64;
