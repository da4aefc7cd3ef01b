//! Patterns over canonical URL paths.
use std::{fmt, str::FromStr};

/// A pattern such as `/repos/{owner}/{repo}/issues`: a literal segment matches itself, `{name}` exactly one
/// segment that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Any,
}

/// Why a text is not a path pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a path pattern: {why}")]
pub struct PathPatternError {
    text: String,
    why: &'static str,
}

impl PathPattern {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a canonical path (percent-encoding already checked, no dot segments) fits.
    pub fn matches(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix('/') else { return false };
        let mut parts = rest.split('/');
        let fits = self.segments.iter().all(|segment| match (segment, parts.next()) {
            (Segment::Literal(literal), Some(part)) => literal == part,
            (Segment::Any, Some(part)) => !part.is_empty(),
            (_, None) => false,
        });
        fits && parts.next().is_none()
    }
}

impl FromStr for PathPattern {
    type Err = PathPatternError;
    fn from_str(text: &str) -> Result<Self, PathPatternError> {
        let wrong = |why| PathPatternError { text: text.to_owned(), why };
        let rest = text.strip_prefix('/').ok_or_else(|| wrong("it must begin with `/`"))?;
        let segments = rest
            .split('/')
            .map(|part| segment(part).map_err(wrong))
            .collect::<Result<Vec<_>, _>>()?;
        if segments.len() > 1 && segments.contains(&Segment::Literal(String::new())) {
            return Err(wrong("it has an empty segment"));
        }
        Ok(Self { text: text.to_owned(), segments })
    }
}

fn segment(part: &str) -> Result<Segment, &'static str> {
    if let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        let named =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        return if named {
            Ok(Segment::Any)
        } else {
            Err("a name in braces is lower case letters and `_`")
        };
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@:+$,=!'()".contains(&byte);
    match part {
        "." | ".." => Err("it has a dot segment"),
        _ if part.bytes().all(plain) => Ok(Segment::Literal(part.to_owned())),
        _ => Err(
            "a literal segment has letters, digits and `-._~@:+$,=!'()` only; wildcards are written `{name}`",
        ),
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
