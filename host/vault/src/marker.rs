//! Does a text hold a value that must not be in it?
use crate::scan::Scanner;

/// Finds values that mean nothing and stand for a credential, as they are and under one layer of encoding, with
/// the search that keeps credentials out of responses.
pub struct Marker(Scanner);

impl Marker {
    /// Values shorter than 16 bytes are not found.
    pub fn of(values: &[&str]) -> Self {
        Self(Scanner::for_values(values))
    }

    /// Whether 16 bytes of one of them stand in the text.
    pub fn is_in(&self, text: &[u8]) -> bool {
        self.0.finds(text)
    }

    /// The same for a text that comes in pieces.
    pub fn is_in_pieces<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> bool {
        let mut search = self.0.search();
        pieces.into_iter().any(|piece| search.push(piece).is_some()) || search.finish().is_some()
    }
}

impl std::fmt::Debug for Marker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Marker").finish_non_exhaustive()
    }
}
