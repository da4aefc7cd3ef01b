//! Has anything come by that must not come back? In pieces of any size, with the same answer for all.
use std::{collections::VecDeque, sync::Arc};

use super::{
    forms::LONGEST,
    lanes::{self, LONGEST_ESCAPE, Lane},
    registry::Scanner,
    table::{CONTEXT, GRAM, Place, Table},
};

/// One text that is searched while it comes in.
pub(crate) struct Search {
    scanner: Scanner,
    /// As it came; then decoded once, twice, three times.
    layers: [Lane; LAYERS],
    /// Letters and digits of what was decoded once.
    letters: Lane,
    /// Where text and lanes were at times, if somebody asks how much is settled.
    marks: Option<VecDeque<Mark>>,
    seen: u64,
    settled: u64,
}

struct Mark {
    seen: u64,
    lanes: [u64; LAYERS + 1],
}

impl Search {
    /// For a text that is let go when all of it was searched.
    pub(super) fn of_whole(scanner: Scanner) -> Self {
        Self {
            scanner,
            layers: Default::default(),
            letters: Lane::default(),
            marks: None,
            seen: 0,
            settled: 0,
        }
    }

    /// For a text that is let go as it is settled.
    pub(crate) fn of_stream(scanner: Scanner) -> Self {
        Self { marks: Some(VecDeque::new()), ..Self::of_whole(scanner) }
    }

    /// Takes the next piece. What is found is found as soon as the last byte that it needs is there.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Option<Place> {
        let tables = self.scanner.tables();
        let size = if self.marks.is_some() { MARKED } else { PIECE };
        piece.chunks(size).find_map(|piece| self.step(piece, &tables, false))
    }

    /// There is no more: what was left open ends here.
    pub(crate) fn finish(&mut self) -> Option<Place> {
        let tables = self.scanner.tables();
        let found = self.step(&[], &tables, true);
        self.settle_all();
        found
    }

    /// How many bytes of the text are part of nothing that is still to be found.
    pub(crate) fn settled(&self) -> u64 {
        self.settled
    }

    fn step(&mut self, piece: &[u8], tables: &[Arc<Table>], is_last: bool) -> Option<Place> {
        self.mark();
        self.seen = self.seen.saturating_add(piece.len() as u64);
        if tables.iter().all(|table| table.is_empty()) {
            self.settle_all();
            return None;
        }
        let [raw, once, twice, thrice] = &mut self.layers;
        raw.push(piece);
        let mut spelled = lanes::Spelled { words: once, letters: &mut self.letters };
        lanes::decode(raw, &mut spelled, is_last);
        lanes::decode(once, twice, is_last);
        lanes::decode(twice, thrice, is_last);
        thrice.read = thrice.text.len();
        self.letters.read = self.letters.text.len();
        let found = self.lanes().find_map(|lane| search(lane, tables));
        self.settle();
        found
    }

    fn lanes(&mut self) -> impl Iterator<Item = &mut Lane> {
        self.layers.iter_mut().chain([&mut self.letters])
    }

    fn totals(&self) -> [u64; LAYERS + 1] {
        let [raw, once, twice, thrice] = &self.layers;
        [raw, once, twice, thrice, &self.letters].map(Lane::total)
    }

    fn mark(&mut self) {
        let mark = Mark { seen: self.seen, lanes: self.totals() };
        if let Some(marks) = &mut self.marks {
            marks.push_back(mark);
        }
    }

    fn settle_all(&mut self) {
        self.settled = self.seen;
        if let Some(marks) = &mut self.marks {
            marks.clear();
        }
    }

    fn settle(&mut self) {
        let totals = self.totals();
        let is_past = |mark: &mut Mark| {
            mark.lanes.iter().zip(totals).all(|(then, now)| now >= then.saturating_add(HELD))
        };
        let Some(marks) = &mut self.marks else { return };
        while let Some(mark) = marks.pop_front_if(is_past) {
            self.settled = mark.seen;
        }
    }
}

/// Searches what is new in a lane, and lets go of what is not needed for what comes.
fn search(lane: &mut Lane, tables: &[Arc<Table>]) -> Option<Place> {
    let length = lane.text.len();
    let last = length.saturating_sub(GRAM).saturating_add(1);
    for range in &lane.todo {
        let range = range.start..range.end.min(last);
        if let Some(place) = tables.iter().find_map(|table| table.find(&lane.text, &range)) {
            return Some(place);
        }
    }
    // What stands behind a gram there is not known yet.
    let open = length.saturating_sub(CONTEXT);
    lane.todo.retain_mut(|range| {
        range.start = range.start.max(open);
        range.start < range.end
    });
    lane.trim(lane.read.min(open).saturating_sub(CONTEXT));
    None
}

/// As it came, and decoded three times.
const LAYERS: usize = 4;
/// Bytes that go through all lanes at once, while they are in the nearest cache.
const PIECE: usize = 16 << 10;
/// Bytes from one mark to the next.
const MARKED: usize = 64;
/// What a lane must have gone on since a mark: the longest stretch that may be needed, and the escapes that the
/// layers before it had not read.
const HELD: u64 = (LONGEST + (LAYERS - 1) * LONGEST_ESCAPE) as u64;
