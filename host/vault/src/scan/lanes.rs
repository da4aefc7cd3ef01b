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

    /// Place for a block, behind what there is. What is not written is taken off again.
    fn room(&mut self) -> Option<&mut [u8; BLOCK]> {
        let begins = self.text.len();
        self.text.resize(begins.saturating_add(BLOCK), 0);
        self.text.get_mut(begins..)?.first_chunk_mut()
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

/// Carries what is new in a lane into what is under it, with every escape that can be read turned into what it
/// stands for. What could go on is left for the next time, if there is one.
pub(super) fn decode(from: &mut Lane, to: &mut impl Under, is_last: bool) {
    let [one, two, three] = MARKS;
    while let Some(rest) = from.text.get(from.read..).filter(|rest| !rest.is_empty()) {
        if rest.first().is_some_and(|byte| MARKS.contains(byte)) {
            if rest.len() < LONGEST_ESCAPE && !is_last {
                break;
            }
            from.read = from.read.saturating_add(escaped(rest, to));
        } else {
            let plain = memchr::memchr3(one, two, three, rest).unwrap_or(rest.len());
            to.plain(rest.get(..plain).unwrap_or_default());
            from.read = from.read.saturating_add(plain);
        }
    }
}

/// What a text becomes when its escapes are read.
pub(super) trait Under {
    /// Takes what stands there as it is.
    fn plain(&mut self, text: &[u8]);

    /// Takes what an escape stands for, which the text itself does not say.
    fn meant(&mut self, text: &[u8]);
}

/// As it is.
impl Under for Lane {
    fn plain(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }

    fn meant(&mut self, text: &[u8]) {
        self.push(text);
    }
}

/// Without spaces and control characters, and beside it with nothing but letters and digits.
pub(super) struct Spelled<'a> {
    pub(super) words: &'a mut Lane,
    pub(super) letters: &'a mut Lane,
}

impl Under for Spelled<'_> {
    fn plain(&mut self, text: &[u8]) {
        let (blocks, rest) = text.as_chunks::<BLOCK>();
        for block in blocks {
            self.block(block);
        }
        if !rest.is_empty() {
            self.block(rest);
        }
    }

    fn meant(&mut self, text: &[u8]) {
        let begins = self.words.text.len();
        for byte in text {
            self.words.text.push(*byte);
            if byte.is_ascii_alphanumeric() {
                self.letters.text.push(*byte);
            } else {
                self.letters.changed(self.letters.text.len()..self.letters.text.len());
            }
        }
        self.words.changed(begins..self.words.text.len());
    }
}

impl Spelled<'_> {
    /// A block at most, in one pass for both. There is no branch for what is left out: every second word of a text
    /// would be foretold wrongly.
    #[inline(always)]
    fn block(&mut self, block: &[u8]) {
        let begins = (self.words.text.len(), self.letters.text.len());
        let (mut words, mut letters) = (0_usize, 0_usize);
        if let (Some(word), Some(letter)) = (self.words.room(), self.letters.room()) {
            for byte in block {
                put(word, words, *byte);
                put(letter, letters, *byte);
                words = words.wrapping_add(kept(&OF_WORDS, *byte));
                letters = letters.wrapping_add(kept(&LETTERS, *byte));
            }
        }
        let ends = (begins.0.saturating_add(words), begins.1.saturating_add(letters));
        self.words.text.truncate(ends.0);
        self.letters.text.truncate(ends.1);
        if words < block.len() {
            self.words.changed(begins.0..ends.0);
        }
        if letters < words {
            self.letters.changed(begins.1..ends.1);
        }
    }
}

/// A block holds no more bytes than there is room for, so that the remainder only spares a check.
fn put(room: &mut [u8; BLOCK], at: usize, byte: u8) {
    if let Some(place) = room.get_mut(at % BLOCK) {
        *place = byte;
    }
}

fn kept(table: &[u8; 256], byte: u8) -> usize {
    table.get(usize::from(byte)).copied().map_or(0, usize::from)
}

/// Writes what the escape at the beginning stands for, or its mark where it stands for nothing.
fn escaped(marked: &[u8], to: &mut impl Under) -> usize {
    let Some((code, length)) = read(marked) else {
        to.plain(marked.get(..1).unwrap_or_default());
        return 1;
    };
    to.meant(bytes(code, length, &mut [0; 4]));
    length
}

/// A character as it is written in texts: none for a space, and as it is where it is a byte of something longer.
fn bytes(code: u32, length: usize, room: &mut [u8; 4]) -> &[u8] {
    if code <= u32::from(b' ') {
        return &[];
    }
    match (char::from_u32(code), u8::try_from(code)) {
        (Some(one), _) if code < 0x80 || length > 4 => one.encode_utf8(room).as_bytes(),
        (_, Ok(byte)) => {
            *room = [byte; 4];
            room.get(..1).unwrap_or_default()
        }
        _ => &[],
    }
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

/// None where there is no digit, or one of another kind, or too many.
fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let add = |number: u32, digit: &u8| {
        number.checked_mul(radix)?.checked_add(char::from(*digit).to_digit(radix)?)
    };
    digits.first()?;
    digits.iter().try_fold(0, add)
}

/// A text as the second lane has it.
pub(super) fn decoded(text: &[u8]) -> Vec<u8> {
    let (mut from, mut words, mut letters) = (Lane::default(), Lane::default(), Lane::default());
    from.push(text);
    decode(&mut from, &mut Spelled { words: &mut words, letters: &mut letters }, true);
    std::mem::take(&mut words.text)
}

/// What the escape that begins a text stands for, and how long it is.
#[cfg(test)]
pub(super) fn meaning(marked: &[u8]) -> Option<(Vec<u8>, usize)> {
    read(marked).map(|(code, length)| (bytes(code, length, &mut [0; 4]).to_vec(), length))
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
const BLOCK: usize = 64;
/// 1 for what is kept in a lane, 0 for what is left out.
const OF_WORDS: [u8; 256] = table(false);
const LETTERS: [u8; 256] = table(true);

#[expect(
    clippy::indexing_slicing,
    reason = "it runs when this is compiled, and in bounds or not at all"
)]
const fn table(letters_only: bool) -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    loop {
        let is_kept = if letters_only { byte.is_ascii_alphanumeric() } else { byte > b' ' };
        table[byte as usize] = is_kept as u8;
        match byte.checked_add(1) {
            Some(next) => byte = next,
            None => return table,
        }
    }
}
/// How far from a change something can begin or end that the lane before does not say.
const REACH: usize = super::forms::LONGEST;
