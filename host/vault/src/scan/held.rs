//! How much of a body may go on while more of it comes?
use super::{Hit, Scanner, Search};

/// A body on its way to a tool, as far as it was not let go. Nothing else lets go of a part of one.
pub(crate) struct Held {
    scanner: Scanner,
    search: Search,
    bytes: Vec<u8>,
    /// How many bytes were let go.
    gone: u64,
}

impl Held {
    pub(crate) fn of(scanner: &Scanner) -> Self {
        let search = Search::of_stream(scanner.clone());
        Self { scanner: scanner.clone(), search, bytes: Vec::new(), gone: 0 }
    }

    /// Takes what came, and lets go of what is part of nothing that is still to be found. After a hit, nobody
    /// asks again.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<Vec<u8>, Hit> {
        self.bytes.extend_from_slice(piece);
        if let Some(place) = self.search.push(piece) {
            return Err(self.scanner.hit(&place));
        }
        let settled = self.search.settled().saturating_sub(self.gone);
        self.gone = self.gone.saturating_add(settled);
        let count = usize::try_from(settled).unwrap_or(usize::MAX).min(self.bytes.len());
        Ok(self.bytes.drain(..count).collect())
    }

    /// There is no more: lets go of the rest.
    pub(crate) fn finish(&mut self) -> Result<Vec<u8>, Hit> {
        match self.search.finish() {
            Some(place) => Err(self.scanner.hit(&place)),
            None => Ok(std::mem::take(&mut self.bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Nothing of it is public.
    const VALUE: &str = "Zx81+kQ/7mW=0pLr5vTn9eQa";

    /// What is let go of a text that comes in pieces of this size, and whether it ends well.
    fn let_go(scanner: &Scanner, text: &[u8], size: usize) -> (Vec<u8>, bool) {
        let (mut held, mut gone) = (Held::of(scanner), Vec::new());
        for piece in text.chunks(size) {
            match held.push(piece) {
                Ok(settled) => gone.extend(settled),
                Err(_) => return (gone, false),
            }
        }
        match held.finish() {
            Ok(rest) => ([gone, rest].concat(), true),
            Err(_) => (gone, false),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_text_goes_on_whole_or_ends_before_the_value(
            before in "[ -~\n]{0,600}", after in "[ -~]{0,600}", size in 1..200_usize,
        ) {
            static SCANNER: std::sync::LazyLock<Scanner> =
                std::sync::LazyLock::new(|| Scanner::for_values(&[VALUE]));
            let harmless = format!("{before}{after}").into_bytes();
            prop_assert_eq!(let_go(&SCANNER, &harmless, size), (harmless, true));
            let text = format!("{before}{VALUE}{after}").into_bytes();
            let (gone, is_whole) = let_go(&SCANNER, &text, size);
            prop_assert!(!is_whole && before.as_bytes().starts_with(&gone));
        }
    }

    #[test]
    fn where_nothing_is_searched_for_everything_goes_on_at_once() {
        let mut held = Held::of(&Scanner::default());
        assert_eq!(held.push(b"one").ok().unwrap(), b"one");
        assert!(held.finish().ok().unwrap().is_empty());
    }
}
