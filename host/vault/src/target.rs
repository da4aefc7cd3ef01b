//! The one reading of a request's target. What is not canonical is refused, never repaired: policy, audit and
//! wire then speak of the same bytes.
use toolward_gate::Destination;

/// A canonical path and query (RFC 3986 sections 3.3 and 3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Where a full URL was written, its destination.
    pub(crate) origin: Option<String>,
    pub(crate) path: String,
    /// Without the `?`.
    pub(crate) query: Option<String>,
}

/// Why a target is refused, in words for the tool's author.
pub(crate) type Fault = &'static str;

impl Target {
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        if text.len() > MAX_LENGTH {
            return Err("the target is longer than 8 KiB");
        }
        let (origin, rest) = split_origin(text)?;
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        check_path(path)?;
        query.map_or(Ok(()), check_query)?;
        Ok(Self { origin, path: path.to_owned(), query: query.map(str::to_owned) })
    }

    /// The query's keys, decoded.
    pub(crate) fn keys(&self) -> impl Iterator<Item = String> + '_ {
        let pairs =
            self.query.iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty());
        pairs.map(|pair| decoded(pair.split('=').next().unwrap_or_default()))
    }

    /// Path and query as they go on the wire.
    pub(crate) fn path_and_query(&self) -> String {
        self.query.iter().fold(self.path.clone(), |path, query| format!("{path}?{query}"))
    }
}

fn split_origin(text: &str) -> Result<(Option<String>, &str), Fault> {
    if text.starts_with('/') {
        return Ok((None, text));
    }
    let start = text.find("://").ok_or("the target begins with `/`")?;
    let host = start.saturating_add(3);
    let path = text.get(host..).and_then(|rest| rest.find('/')).ok_or("the target has no path")?;
    let (origin, rest) = text.split_at(host.saturating_add(path));
    Ok((Some(origin.to_owned()), rest))
}

/// The destination that a full URL names, among those of the capability.
pub(crate) fn destination<'a>(origin: &str, all: &'a [Destination]) -> Option<&'a Destination> {
    all.iter().find(|destination| destination.to_string() == origin)
}

fn check_path(path: &str) -> Result<(), Fault> {
    let rest = path.strip_prefix('/').ok_or("the target begins with `/`")?;
    check_escapes(rest)?;
    if !rest.bytes().all(|byte| is_unreserved(byte) || b"%!$&'()*+,=:@/".contains(&byte)) {
        return Err(
            "the path has a character that must be percent-encoded, or one that is never sent (`;`, `\\`, `#`)",
        );
    }
    if rest.is_empty() {
        return Ok(());
    }
    let segment = |segment: &str| match segment {
        "" => Err("the path has an empty segment"),
        "." | ".." => Err("the path has a dot segment"),
        _ => Ok(()),
    };
    rest.split('/').try_for_each(segment)
}

fn check_query(query: &str) -> Result<(), Fault> {
    check_escapes(query)?;
    // RFC 3986 allows `'` here, and readers of URLs escape it (WHATWG URL, special-query percent-encode set).
    if query.bytes().all(|byte| is_unreserved(byte) || b"%!$&()*+,=:@/?".contains(&byte)) {
        Ok(())
    } else {
        Err(
            "the query has a character that must be percent-encoded, or one that is never sent (`;`, `\\`, `#`)",
        )
    }
}

/// Escapes are in upper case, and only where they are needed (RFC 3986 section 6.2.2). What would turn into a
/// separator or a dot when a server decodes it twice is refused.
fn check_escapes(text: &str) -> Result<(), Fault> {
    for escape in text.split('%').skip(1) {
        let digits = escape.get(..2).ok_or("a `%` is not followed by two hexadecimal digits")?;
        let byte = u8::from_str_radix(digits, 16)
            .map_err(|_| "a `%` is not followed by two hexadecimal digits")?;
        if digits != format!("{byte:02X}") {
            return Err("percent-encoding is written in upper case");
        }
        if is_unreserved(byte) {
            return Err("a letter, digit or one of `-._~` is percent-encoded");
        }
        if byte.is_ascii_control() || b"/\\%;".contains(&byte) {
            return Err("an encoded separator or control character is never sent");
        }
    }
    Ok(())
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

const MAX_LENGTH: usize = 8 << 10;

#[cfg(test)]
mod tests;
