//! Which words may be labels? Names of the configuration, and a few words of the host's own.
//!
//! A label that a caller or a tool could choose would make a series for each choice, and the series would fill the
//! memory of the host and of whoever keeps them.
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock, PoisonError, RwLock},
};

/// Where a label's words come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Tool,
    Capability,
    Credential,
    /// A text that stands in the host's source, as the code of an error or the name of a door.
    Word,
    /// A status of HTTP, by its first digit.
    Status,
}

#[derive(Debug, Default)]
pub(super) struct Vocabulary(RwLock<HashMap<Kind, HashSet<Arc<str>>>>);

impl Vocabulary {
    pub(super) fn add<'a>(&self, kind: Kind, names: impl IntoIterator<Item = &'a str>) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(kind).or_default().extend(names.into_iter().map(Arc::from));
    }

    /// The word as a label; [`OTHER`] where it is none.
    pub(super) fn label(&self, kind: Kind, text: &str) -> Arc<str> {
        match kind {
            Kind::Tool | Kind::Capability | Kind::Credential => self.find(kind, text),
            Kind::Word => self.find(kind, text).or_else(|| self.learn(text)),
            Kind::Status => None,
        }
        .unwrap_or_else(|| OTHER.clone())
    }

    fn find(&self, kind: Kind, text: &str) -> Option<Arc<str>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&kind)?.get(text).cloned()
    }

    /// There are as many words as the source has: a hundred at most. Whatever else comes here by a mistake has
    /// another form, or is too much.
    fn learn(&self, text: &str) -> Option<Arc<str>> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || text.len() > MAX_WORD || !text.bytes().all(plain) {
            return None;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let words = known.entry(Kind::Word).or_default();
        if words.len() >= MAX_WORDS {
            return None;
        }
        let word: Arc<str> = text.into();
        words.insert(word.clone());
        Some(word)
    }
}

/// `2xx` for 204.
pub(super) fn status(status: u64) -> Arc<str> {
    let class = usize::try_from(status / 100).ok().and_then(|digit| digit.checked_sub(1));
    class.and_then(|class| CLASSES.get(class)).unwrap_or(&OTHER).clone()
}

/// What has no name that is known.
pub(super) static OTHER: LazyLock<Arc<str>> = LazyLock::new(|| "other".into());
/// A field that was not filled in: a step that was dropped half way has no outcome.
pub(super) static NONE: LazyLock<Arc<str>> = LazyLock::new(|| "none".into());
static CLASSES: LazyLock<[Arc<str>; 5]> =
    LazyLock::new(|| ["1xx", "2xx", "3xx", "4xx", "5xx"].map(Arc::from));
const MAX_WORDS: usize = 100;
const MAX_WORD: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nobody_configured_is_other_and_one_that_somebody_did_is_itself() {
        let vocabulary = Vocabulary::default();
        vocabulary.add(Kind::Tool, ["open_issue"]);
        assert_eq!(&*vocabulary.label(Kind::Tool, "open_issue"), "open_issue");
        assert_eq!(&*vocabulary.label(Kind::Tool, "open_issue2"), "other");
        assert_eq!(&*vocabulary.label(Kind::Capability, "open_issue"), "other");
    }

    #[test]
    fn words_are_of_one_form_and_there_are_a_hundred_at_most() {
        let vocabulary = Vocabulary::default();
        assert_eq!(&*vocabulary.label(Kind::Word, "over-budget"), "over-budget");
        for odd in ["", "Over Budget", "a\nb", "ü", &"a".repeat(41)] {
            assert_eq!(&*vocabulary.label(Kind::Word, odd), "other");
        }
        let made: HashSet<_> =
            (0..1000).map(|n| vocabulary.label(Kind::Word, &format!("word-{n}"))).collect();
        assert_eq!(made.len(), MAX_WORDS);
        assert_eq!(&*vocabulary.label(Kind::Word, "over-budget"), "over-budget");
    }

    #[test]
    fn a_status_is_told_by_its_class() {
        assert_eq!([200, 404, 599].map(|one| status(one).to_string()), ["2xx", "4xx", "5xx"]);
        assert_eq!([0, 99, 600, u64::MAX].map(|one| status(one).to_string()), ["other"; 4]);
    }
}
