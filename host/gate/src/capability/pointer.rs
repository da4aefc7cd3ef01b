//! Where in a JSON document? JSON pointers (RFC 6901), with `*` for every item of a list.
use std::{fmt, str::FromStr};

use serde_json::Value;

/// A place in a document, or one in each item of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    written: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A member of an object, whatever its name looks like. Items of lists have no numbers here.
    Member(String),
    Items,
}

impl Pointer {
    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether it stands for one place only.
    pub(super) fn is_single(&self) -> bool {
        !self.steps.contains(&Step::Items)
    }

    /// What stands there. Nothing, where the pointer is for several places.
    pub(super) fn find<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.steps.iter().try_fold(document, |value, step| match step {
            Step::Member(name) => value.as_object()?.get(name),
            Step::Items => None,
        })
    }
}

/// Why a text is no pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PointerError {
    #[error("it does not begin with `/`")]
    Slash,
    #[error("`~` is written `~0`, and `/` in a name `~1`")]
    Escape,
    #[error("it has more than {MAX_STEPS} steps")]
    Deep,
}

impl FromStr for Pointer {
    type Err = PointerError;

    /// The empty pointer is the whole document.
    fn from_str(text: &str) -> Result<Self, PointerError> {
        let steps = match text.strip_prefix('/') {
            Some(rest) => rest.split('/').map(step).collect::<Result<Vec<_>, _>>()?,
            None if text.is_empty() => Vec::new(),
            None => return Err(PointerError::Slash),
        };
        if steps.len() > MAX_STEPS {
            return Err(PointerError::Deep);
        }
        Ok(Self { written: text.to_owned(), steps })
    }
}

fn step(text: &str) -> Result<Step, PointerError> {
    if text == "*" {
        return Ok(Step::Items);
    }
    unescaped(text).map(Step::Member).ok_or(PointerError::Escape)
}

/// One token of a pointer; `None` where an escape is none (RFC 6901 section 3).
pub(crate) fn unescaped(text: &str) -> Option<String> {
    let mut pieces = text.split('~');
    let mut name = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (sign, rest) = match piece.as_bytes() {
            [b'0', ..] => ('~', piece.get(1..)?),
            [b'1', ..] => ('/', piece.get(1..)?),
            _ => return None,
        };
        name.push(sign);
        name.push_str(rest);
    }
    Some(name)
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

const MAX_STEPS: usize = 32;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_examples_of_the_standard_find_what_it_says() {
        // RFC 6901 section 5, without the one that numbers an item.
        let document = json!({ "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8 });
        let found = |text: &str| text.parse::<Pointer>().unwrap().find(&document).cloned();
        assert_eq!(found(""), Some(document.clone()));
        assert_eq!(found("/foo"), Some(json!(["bar", "baz"])));
        let numbered = ["/", "/a~1b", "/c%d", "/e^f", "/g|h", "/i\\j", "/k\"l", "/ ", "/m~0n"];
        for (number, text) in numbered.into_iter().enumerate() {
            assert_eq!(found(text), Some(json!(number)), "{text}");
        }
        assert_eq!((found("/foo/0"), found("/foo/*"), found("/none")), (None, None, None));
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        let error = |text: &str| text.parse::<Pointer>().unwrap_err();
        assert_eq!(error("id"), PointerError::Slash);
        assert_eq!(error("/a~2"), PointerError::Escape);
        assert_eq!(error("/a~"), PointerError::Escape);
        assert_eq!(error(&"/a".repeat(33)), PointerError::Deep);
        assert!("/a".repeat(32).parse::<Pointer>().is_ok());
    }
}
