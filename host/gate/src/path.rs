//! Patterns over canonical URL paths.
use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A pattern such as `/repos/{owner}/{repo}/issues/{number:int}`.
///
/// ```text
/// pattern = "/" | 1*( "/" segment ) [ "/{" name "...}" ]  |  "/{" name "...}"
/// segment = literal | "{" name "}" | "{" name ":" kind "}"
/// literal = 1*( letter | digit | one of -._~@:+$,=!'() ), and neither "." nor ".."
/// name    = 1*( lower case letter | "_" )
/// kind    = "int" | "uuid" | "slug" | "hex" | "date"
/// ```
///
/// A literal matches itself, byte for byte. `{name}` matches exactly one segment that is not empty; with a kind,
/// one that is written like that. `{name...}` stands at the end and matches one segment or more. A path is
/// matched as it is sent: what is percent-encoded in it stays so, and no kind but the last takes a `%`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Any,
    Typed(Kind),
    /// Only at the end.
    Rest,
}

/// How a segment is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A decimal number below 2^64, without sign and leading zeros.
    Int,
    /// 8-4-4-4-12 hexadecimal digits (RFC 9562 section 4), in either case.
    Uuid,
    /// Letters, digits, `-` and `_`.
    Slug,
    /// Hexadecimal digits, in either case.
    Hex,
    /// A day of the calendar, as `2024-02-29` (RFC 3339 section 5.6, `full-date`).
    Date,
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
            (Segment::Typed(kind), Some(part)) => kind.fits(part),
            (Segment::Rest, Some(part)) => !part.is_empty() && parts.all(|part| !part.is_empty()),
            (_, None) => false,
        });
        fits && parts.next().is_none()
    }
}

impl PathPattern {
    /// Whether every path that fits this pattern fits `wider`, too.
    pub fn is_within(&self, wider: &Self) -> bool {
        let mut mine = self.segments.iter();
        for segment in &wider.segments {
            match (segment, mine.next()) {
                (_, None) => return false,
                (Segment::Rest, Some(first)) => {
                    return std::iter::once(first).chain(mine).all(Segment::is_never_empty);
                }
                (segment, Some(one)) if one.is_within(segment) => {}
                (_, Some(_)) => return false,
            }
        }
        mine.next().is_none()
    }
}

impl Segment {
    fn is_within(&self, wider: &Self) -> bool {
        match (self, wider) {
            (Self::Literal(one), Self::Any) => !one.is_empty(),
            (Self::Literal(one), Self::Typed(kind)) => kind.fits(one),
            (Self::Any | Self::Typed(_), Self::Any) => true,
            (one, wider) => one == wider,
        }
    }

    fn is_never_empty(&self) -> bool {
        !matches!(self, Self::Literal(literal) if literal.is_empty())
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> Self {
        pattern.text
    }
}

impl TryFrom<String> for PathPattern {
    type Error = PathPatternError;
    fn try_from(text: String) -> Result<Self, PathPatternError> {
        text.parse()
    }
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "int" => Self::Int,
            "uuid" => Self::Uuid,
            "slug" => Self::Slug,
            "hex" => Self::Hex,
            "date" => Self::Date,
            _ => return None,
        })
    }

    fn fits(self, part: &str) -> bool {
        let all = |one: fn(&u8) -> bool| !part.is_empty() && part.as_bytes().iter().all(one);
        match self {
            Self::Int => part.parse::<u64>().is_ok_and(|number| number.to_string() == part),
            Self::Uuid => part.len() == 36 && uuid::Uuid::try_parse(part).is_ok(),
            Self::Slug => all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)),
            Self::Hex => all(u8::is_ascii_hexdigit),
            Self::Date => {
                let day = part.parse::<jiff::civil::Date>();
                day.is_ok_and(|day| day.to_string() == part && part.len() == 10)
            }
        }
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
        if segments.iter().rev().skip(1).any(|segment| *segment == Segment::Rest) {
            return Err(wrong("`{name...}` stands at the end"));
        }
        if segments.len() > 1 && segments.contains(&Segment::Literal(String::new())) {
            return Err(wrong("it has an empty segment"));
        }
        Ok(Self { text: text.to_owned(), segments })
    }
}

fn segment(part: &str) -> Result<Segment, &'static str> {
    if let Some(inner) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        return variable(inner);
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

fn variable(inner: &str) -> Result<Segment, &'static str> {
    let (name, segment) = match (inner.split_once(':'), inner.strip_suffix("...")) {
        (Some((name, kind)), _) => {
            let kind = Kind::of(kind)
                .ok_or("what stands after `:` is `int`, `uuid`, `slug`, `hex` or `date`")?;
            (name, Segment::Typed(kind))
        }
        (None, Some(name)) => (name, Segment::Rest),
        (None, None) => (inner, Segment::Any),
    };
    let named =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if named { Ok(segment) } else { Err("a name in braces is lower case letters and `_`") }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
