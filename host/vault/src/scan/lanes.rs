//! What does a text say under its escapes, its spaces and its punctuation?
//!
//! A lane is the text in one normal form, made from the one before it as the text comes in. Where a lane says the
//! same as the one before it, it is not searched a second time.
use std::ops::Range;

use zeroize::Zeroize as _;

/// One normal form of a text, as far as it is still needed.
#[derive(Default)]
pub(super) struct Lane {
    pub(super) text: Vec<u8>,
    /// How far the next lane has read.
    pub(super) read: usize,
    /// Where it is still to be searched, in order. What touches the end is searched again when there is more.
    pub(super) todo: Vec<Range<usize>>,
    /// Bytes that were taken from the beginning.
    pub(super) gone: u64,
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.text.zeroize();
    }
}

impl Lane {
    /// Adds what is searched wherever it stands.
    pub(super) fn push(&mut self, text: &[u8]) {
        let begins = self.text.len();
        self.text.extend_from_slice(text);
        self.changed(begins..self.text.len());
    }

    /// How many bytes there were in all.
    pub(super) fn total(&self) -> u64 {
        self.gone.saturating_add(self.text.len() as u64)
    }

    fn changed(&mut self, range: Range<usize>) {
        let range = range.start.saturating_sub(REACH)..range.end.saturating_add(REACH);
        match self.todo.last_mut() {
            Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
            _ => self.todo.push(range),
        }
    }

    /// Lets go of what neither the search nor the next lane needs any more.
    pub(super) fn trim(&mut self, from: usize) {
        let from = from.min(self.text.len());
        self.text.drain(..from);
        self.read = self.read.saturating_sub(from);
        self.gone = self.gone.saturating_add(from as u64);
        for range in &mut self.todo {
            *range = range.start.saturating_sub(from)..range.end.saturating_sub(from);
        }
    }
}

/// Carries what is new in a lane into the next one, with every escape that can be read turned into what it stands
/// for. What could go on is left for the next time, if there is one.
pub(super) fn decode(from: &mut Lane, to: &mut Lane, plain: Plain, is_last: bool) {
    while let Some(rest) = from.text.get(from.read..).filter(|rest| !rest.is_empty()) {
        from.read = from.read.saturating_add(plain(rest, to));
        let marked = from.text.get(from.read..).unwrap_or_default();
        if !marked.first().is_some_and(|byte| MARKS.contains(byte)) {
            continue;
        }
        if marked.len() < LONGEST_ESCAPE && !is_last {
            break;
        }
        from.read = from.read.saturating_add(escaped(marked, to));
    }
}

/// Carries over what begins a text and has no mark. Says how much that was.
pub(super) type Plain = fn(&[u8], &mut Lane) -> usize;

/// As it is.
pub(super) fn whole(text: &[u8], to: &mut Lane) -> usize {
    let [one, two, three] = MARKS;
    let plain = memchr::memchr3(one, two, three, text).unwrap_or(text.len());
    to.text.extend_from_slice(text.get(..plain).unwrap_or_default());
    plain
}

/// Without spaces and control characters.
pub(super) fn words(text: &[u8], to: &mut Lane) -> usize {
    keep(text.get(..WORDS).unwrap_or(text), to, &WORDS_KEEP)
}

/// Letters and digits of what is new in a lane.
pub(super) fn letter(from: &[u8], to: &mut Lane) {
    for block in from.chunks(LETTERS) {
        keep(block, to, &LETTERS_KEEP);
    }
}

/// Carries over the bytes whose entry is 1, leaves out those with 0, and stops at others. There is no branch for
/// what is left out: every second word of a text would be foretold wrongly.
fn keep(block: &[u8], to: &mut Lane, table: &[u8; 256]) -> usize {
    let begins = to.text.len();
    to.text.resize(begins.saturating_add(block.len()), 0);
    let place = to.text.get_mut(begins..).unwrap_or_default();
    let (mut read, mut kept) = (0_usize, 0_usize);
    for byte in block {
        let entry = table.get(usize::from(*byte)).copied().unwrap_or_default();
        if entry > 1 {
            break;
        }
        if let Some(place) = place.get_mut(kept) {
            *place = *byte;
        }
        kept = kept.wrapping_add(usize::from(entry));
        read = read.wrapping_add(1);
    }
    to.text.truncate(begins.saturating_add(kept));
    if kept < read {
        to.changed(begins..to.text.len());
    }
    read
}

/// Writes what the escape at the beginning stands for, or its mark where it stands for nothing.
fn escaped(marked: &[u8], to: &mut Lane) -> usize {
    let begins = to.text.len();
    let Some((code, length)) = read(marked) else {
        to.text.extend(marked.first());
        return 1;
    };
    if code > u32::from(b' ') {
        match char::from_u32(code) {
            Some(one) if code < 0x80 || length > 4 => {
                to.text.extend(one.encode_utf8(&mut [0; 4]).bytes())
            }
            // A byte of something longer.
            _ => to.text.extend(u8::try_from(code)),
        }
    }
    to.changed(begins..to.text.len());
    length
}

/// What an escape stands for, and how long it is.
fn read(text: &[u8]) -> Option<(u32, usize)> {
    match text {
        // RFC 3986 section 2.1, and what old scripts write.
        [b'%', b'u' | b'U', digits @ ..] => fixed(digits, 4, 2),
        [b'%', digits @ ..] => fixed(digits, 2, 1),
        [b'&', ..] => reference(text),
        [b'\\', rest @ ..] => backslash(rest),
        _ => None,
    }
}

/// JSON's escapes (RFC 8259 section 7), and those of the languages around it.
fn backslash(rest: &[u8]) -> Option<(u32, usize)> {
    Some(match rest {
        [b'u', b'{', digits @ ..] => {
            let count = digits.iter().take(8).take_while(|byte| byte.is_ascii_hexdigit()).count();
            let closed = digits.get(count) == Some(&b'}');
            (number(digits.get(..count).filter(|_| closed)?, 16)?, count.saturating_add(4))
        }
        [b'u', digits @ ..] => fixed(digits, 4, 2)?,
        [b'U', digits @ ..] => fixed(digits, 8, 2).or_else(|| fixed(digits, 4, 2))?,
        [b'x', digits @ ..] => fixed(digits, 2, 2)?,
        [b'0'..=b'3', b'0'..=b'7', b'0'..=b'7', ..] => (number(rest.get(..3)?, 8)?, 4),
        [b'n' | b'r' | b't' | b'b' | b'f' | b'v' | b'0', ..] => (0, 2),
        [other, ..] => (u32::from(*other), 2),
        [] => return None,
    })
}

fn fixed(digits: &[u8], count: usize, before: usize) -> Option<(u32, usize)> {
    Some((number(digits.get(..count)?, 16)?, count.saturating_add(before)))
}

/// A reference of HTML (section 13.5): by number or by name, of those that stand for one ASCII character.
fn reference(text: &[u8]) -> Option<(u32, usize)> {
    let (digits, radix, before) = match text {
        [b'&', b'#', b'x' | b'X', digits @ ..] => (digits, 16, 3_usize),
        [b'&', b'#', digits @ ..] => (digits, 10, 2),
        [b'&', name @ ..] => return named(name),
        _ => return None,
    };
    let count = digits
        .iter()
        .take(LONGEST_NUMBER)
        .take_while(|byte| char::from(**byte).is_digit(radix))
        .count();
    let closed = usize::from(digits.get(count) == Some(&b';'));
    let code = number(digits.get(..count)?, radix)?;
    Some((code, before.saturating_add(count).saturating_add(closed)))
}

fn named(name: &[u8]) -> Option<(u32, usize)> {
    let length =
        name.iter().take(LONGEST_NAME).take_while(|byte| byte.is_ascii_alphabetic()).count();
    let word = name.get(..length)?;
    if name.get(length) == Some(&b';') {
        let (_, code) = NAMES.iter().find(|(name, _)| name.as_bytes() == word)?;
        return Some((u32::from(*code), length.saturating_add(2)));
    }
    // These few were once written without an end.
    let (name, code) =
        NAMES.iter().take(UNENDED).find(|(one, _)| word.starts_with(one.as_bytes()))?;
    Some((u32::from(*code), name.len().saturating_add(1)))
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    u32::from_str_radix(digits, radix).ok()
}

/// A text as the second lane has it.
pub(super) fn decoded(text: &[u8]) -> Vec<u8> {
    let (mut from, mut to) = (Lane::default(), Lane::default());
    from.push(text);
    decode(&mut from, &mut to, words, true);
    std::mem::take(&mut to.text)
}

/// How many of the names below need no end.
const UNENDED: usize = 5;
const LONGEST_NAME: usize = 12;
const NAMES: [(&str, char); 44] = [
    ("amp", '&'),
    ("AMP", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", ' '),
    ("Tab", '\t'),
    ("NewLine", '\n'),
    ("excl", '!'),
    ("num", '#'),
    ("dollar", '$'),
    ("percnt", '%'),
    ("lpar", '('),
    ("rpar", ')'),
    ("ast", '*'),
    ("midast", '*'),
    ("plus", '+'),
    ("comma", ','),
    ("hyphen", '-'),
    ("dash", '-'),
    ("period", '.'),
    ("sol", '/'),
    ("colon", ':'),
    ("semi", ';'),
    ("equals", '='),
    ("quest", '?'),
    ("commat", '@'),
    ("lsqb", '['),
    ("lbrack", '['),
    ("bsol", '\\'),
    ("rsqb", ']'),
    ("rbrack", ']'),
    ("Hat", '^'),
    ("lowbar", '_'),
    ("UnderBar", '_'),
    ("grave", '`'),
    ("lcub", '{'),
    ("lbrace", '{'),
    ("verbar", '|'),
    ("vert", '|'),
    ("VerticalLine", '|'),
    ("rcub", '}'),
    ("rbrace", '}'),
];
/// Digits of a number with zeros in front.
const LONGEST_NUMBER: usize = 12;
/// With mark and end: `&#x000000000041;`, `&VerticalLine;`.
pub(super) const LONGEST_ESCAPE: usize = LONGEST_NUMBER + 4;
const MARKS: [u8; 3] = [b'%', b'\\', b'&'];
/// Bytes that count as changed when one of them is left out.
const WORDS: usize = 256;
const LETTERS: usize = 64;
const WORDS_KEEP: [u8; 256] = {
    let mut table = [1; 256];
    let mut byte = 0;
    while byte <= b' ' as usize {
        table[byte] = 0;
        byte += 1;
    }
    table[b'%' as usize] = 2;
    table[b'\\' as usize] = 2;
    table[b'&' as usize] = 2;
    table
};
const LETTERS_KEEP: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() as u8;
        byte += 1;
    }
    table
};
/// How far from a change something can begin or end that the lane before does not say.
const REACH: usize = super::forms::LONGEST;
