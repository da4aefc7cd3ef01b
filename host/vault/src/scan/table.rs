//! Which form of which value stands here?
//!
//! Every 8-byte gram of every form is known; of the text, every ninth gram is looked up. A stretch of 16 bytes of
//! a form holds such a gram wherever it begins (16 - 8 + 1 = 9), so that halves, ranges and cut-off echoes are found
//! as well as whole values. What is looked up and found is compared byte for byte.
use std::{ops::Range, sync::Arc};

use zeroize::{Zeroize as _, Zeroizing};

use super::forms::{Form, LONGEST, WINDOW, forms};

/// The values of one credential, in every form that is looked for. Made once, when the values are.
pub(crate) struct Patterns {
    forms: Vec<Form>,
    /// Every gram of every form: its tag (32 bits), the form's number and the place in it (16 each). Sorted.
    grams: Zeroizing<Vec<u64>>,
    /// The forms of each value end here.
    ends: Vec<usize>,
    values: Vec<Zeroizing<String>>,
    /// There are more forms than can be told apart: everything counts as found.
    overfull: bool,
}

impl Patterns {
    /// A value that holds under 64 bits has no form that is looked for; nothing else is left out.
    pub(crate) fn of(values: &[&str]) -> Arc<Self> {
        let (mut all, mut ends) = (Vec::new(), Vec::new());
        for value in values {
            all.extend(forms(value.as_bytes()));
            ends.push(all.len());
        }
        let values = values.iter().map(|value| Zeroizing::new((*value).to_owned())).collect();
        let overfull = all.len() > usize::from(u16::MAX);
        let mut grams = Zeroizing::new(Vec::new());
        for (number, form) in all.iter().enumerate() {
            for (place, gram) in form.text.array_windows::<GRAM>().enumerate() {
                // What stands so far within the public part is in no stretch that counts.
                if place.saturating_add(WINDOW) >= form.public.end || place < form.public.start {
                    grams.push(packed(tag(*gram), number, place));
                }
            }
        }
        grams.sort_unstable();
        Arc::new(Self { forms: all, grams, ends, values, overfull })
    }

    pub(crate) fn is_of(&self, values: &[&str]) -> bool {
        self.values.iter().map(|value| value.as_str()).eq(values.iter().copied())
    }

    /// The value that a form belongs to.
    pub(crate) fn value(&self, number: usize) -> &str {
        let value = self.ends.partition_point(|end| *end <= number);
        self.values.get(value).map_or("", |value| value.as_str())
    }

    /// The form that stands around the gram at `at`, if enough of it does.
    fn stands(&self, text: &[u8], at: usize, tag: u32) -> Option<usize> {
        let first = self.grams.partition_point(|one| one >> 32 < u64::from(tag));
        let same = self.grams.iter().skip(first).take_while(|one| *one >> 32 == u64::from(tag));
        same.map(|one| ((one >> 16 & 0xffff) as usize, (one & 0xffff) as usize)).find_map(
            |(number, place)| {
                let form = self.forms.get(number)?;
                form.counts(&common(text, at, &form.text, place)).then_some(number)
            },
        )
    }
}

/// Patterns of any number, to be searched for together.
#[derive(Default)]
pub(crate) struct Table {
    parts: Vec<Arc<Patterns>>,
    /// A tag, and the part that has it (32 bits each), of the first `indexed` parts. Sorted.
    owners: Zeroizing<Vec<u64>>,
    indexed: usize,
    /// Some bits for each gram, so that most grams of a text need no search.
    filter: Filter,
    grams: usize,
    overfull: Option<Arc<Patterns>>,
}

/// Where in a table something was found.
pub(crate) struct Place {
    pub(crate) patterns: Arc<Patterns>,
    pub(crate) form: usize,
}

impl Table {
    pub(crate) fn of(parts: Vec<Arc<Patterns>>) -> Self {
        let grams = parts.iter().map(|part| part.grams.len()).sum();
        let mut table = Self {
            indexed: parts.len(),
            filter: Filter::for_grams(grams),
            grams,
            ..Self::default()
        };
        let mut owners =
            Zeroizing::new(Vec::with_capacity(if parts.len() == 1 { 0 } else { grams }));
        for (number, part) in parts.iter().enumerate() {
            for gram in part.grams.iter() {
                table.filter.add(top(*gram));
                if parts.len() > 1 {
                    owners.push(gram & !0xffff_ffff | number as u64);
                }
            }
        }
        owners.sort_unstable();
        owners.dedup();
        table.owners = owners;
        if parts.len() == 1 {
            table.indexed = 0;
        }
        table.overfull = parts.iter().find(|part| part.overfull).cloned();
        table.parts = parts;
        table
    }

    /// One more; what is there is not sorted again every time.
    pub(crate) fn and(&self, part: Arc<Patterns>) -> Self {
        let mut parts = self.parts.clone();
        let grams = self.grams.saturating_add(part.grams.len());
        parts.push(part.clone());
        let apart = parts.len().saturating_sub(self.indexed);
        if apart > APART || part.overfull || self.filter.is_full(grams) {
            return Self::of(parts);
        }
        let mut filter = self.filter.clone();
        part.grams.iter().for_each(|gram| filter.add(top(*gram)));
        Self {
            parts,
            owners: self.owners.clone(),
            indexed: self.indexed,
            filter,
            grams,
            overfull: self.overfull.clone(),
        }
    }

    pub(crate) fn parts(&self) -> &[Arc<Patterns>] {
        &self.parts
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// What stands in the text around the grams that begin in `range`, of which every ninth is looked up.
    /// The text goes [`CONTEXT`] bytes beyond the range on both sides, or it ends there.
    pub(crate) fn find(&self, text: &[u8], range: &Range<usize>) -> Option<Place> {
        if let Some(patterns) = self.overfull.clone() {
            return Some(Place { patterns, form: 0 });
        }
        let looked_up = range.len().div_ceil(STRIDE);
        let grams = text.get(range.start..)?.chunks(STRIDE).take(looked_up);
        for (number, gram) in grams.enumerate() {
            let Some(gram) = gram.first_chunk::<GRAM>() else { break };
            let tag = tag(*gram);
            if self.filter.may_hold(tag) {
                let at = range.start.saturating_add(number.saturating_mul(STRIDE));
                if let Some(place) = self.stands(text, at, tag) {
                    return Some(place);
                }
            }
        }
        None
    }

    #[cold]
    fn stands(&self, text: &[u8], at: usize, tag: u32) -> Option<Place> {
        let first = self.owners.partition_point(|one| one >> 32 < u64::from(tag));
        let owners = self.owners.iter().skip(first).take_while(|one| *one >> 32 == u64::from(tag));
        let indexed = owners.map(|one| (*one & 0xffff_ffff) as usize);
        indexed.chain(self.indexed..self.parts.len()).find_map(|number| {
            let patterns = self.parts.get(number)?;
            let form = patterns.stands(text, at, tag)?;
            Some(Place { patterns: patterns.clone(), form })
        })
    }
}

/// A blocked Bloom filter: three bits for a tag, all in one word.
#[derive(Clone)]
struct Filter {
    words: Vec<u64>,
    /// Leaves as many bits of a product as number the words.
    shift: u32,
}

impl Default for Filter {
    fn default() -> Self {
        Self { words: vec![0; 2], shift: 63 }
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        self.words.zeroize();
    }
}

impl Filter {
    /// Sixteen bits for a gram: of a hundred others, one or two are taken for known.
    fn for_grams(grams: usize) -> Self {
        let words = (grams / 4).next_power_of_two().max(1 << 8);
        Self { words: vec![0; words], shift: 64_u32.saturating_sub(words.trailing_zeros()) }
    }

    fn is_full(&self, grams: usize) -> bool {
        grams > self.words.len().saturating_mul(6)
    }

    fn add(&mut self, tag: u32) {
        let (word, bits) = self.slot(tag);
        if let Some(word) = self.words.get_mut(word) {
            *word |= bits;
        }
    }

    fn may_hold(&self, tag: u32) -> bool {
        let (word, bits) = self.slot(tag);
        self.words.get(word).is_some_and(|word| word & bits == bits)
    }

    fn slot(&self, tag: u32) -> (usize, u64) {
        let mixed = u64::from(tag).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bit = |from: u32| 1_u64 << (mixed >> from & 63);
        ((mixed >> self.shift) as usize, bit(18) | bit(24) | bit(30))
    }
}

/// The part of the form that agrees with the text around a place that is thought to agree. No more is compared than
/// can be needed, and letters of either case are the same.
fn common(text: &[u8], at: usize, form: &[u8], place: usize) -> Range<usize> {
    let (before, after) = text.split_at_checked(at).unwrap_or_default();
    let (form_before, form_after) = form.split_at_checked(place).unwrap_or_default();
    let same = |(one, other): &(&u8, &u8)| one.eq_ignore_ascii_case(other);
    let back =
        before.iter().rev().zip(form_before.iter().rev()).take(CONTEXT).take_while(same).count();
    let on = after.iter().zip(form_after).take(CONTEXT).take_while(same).count();
    place.saturating_sub(back)..place.saturating_add(on)
}

/// The same for letters of either case. Some other characters share one: they are compared later.
fn tag(gram: [u8; GRAM]) -> u32 {
    let folded = u64::from_le_bytes(gram) | 0x2020_2020_2020_2020;
    let product = u128::from(folded).wrapping_mul(0xa076_1d64_78bd_642f);
    ((product >> 64 ^ product) as u64 >> 32) as u32
}

fn packed(tag: u32, form: usize, place: usize) -> u64 {
    u64::from(tag) << 32 | (form as u64 & 0xffff) << 16 | place as u64 & 0xffff
}

fn top(gram: u64) -> u32 {
    (gram >> 32) as u32
}

/// How far around a gram it can matter what stands there, in bytes.
pub(super) const CONTEXT: usize = LONGEST + GRAM;
pub(super) const GRAM: usize = 8;
const STRIDE: usize = WINDOW - GRAM + 1;
/// Parts that are asked one by one before all are sorted together.
const APART: usize = 16;
