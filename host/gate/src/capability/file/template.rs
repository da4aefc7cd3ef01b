//! How the text that an HMAC signs is written, and the header that holds the signature.
use crate::{HmacTemplate, SignedPart, WrittenPart};

/// Reads what is signed: text, and `{timestamp}`, `{method}`, `{path}`, `{target}`, `{body}`, `{body_sha256}`.
pub(super) fn signed(text: &str) -> Result<Vec<SignedPart>, String> {
    let part = |name: &str| {
        Some(match name {
            "timestamp" => SignedPart::Timestamp,
            "method" => SignedPart::Method,
            "path" => SignedPart::Path,
            "target" => SignedPart::Target,
            "body" => SignedPart::Body,
            "body_sha256" => SignedPart::BodySha256,
            _ => return None,
        })
    };
    let plain = |byte: u8| byte == b'\n' || (b' '..=b'~').contains(&byte);
    let known = "`{timestamp}`, `{method}`, `{path}`, `{target}`, `{body}` and `{body_sha256}`";
    pieces(text, "sign", known, plain, part, SignedPart::Text)
}

/// Reads what the header holds: text, and `{timestamp}`, `{hex}`, `{base64}`.
pub(super) fn written(text: &str) -> Result<Vec<WrittenPart>, String> {
    let part = |name: &str| {
        Some(match name {
            "timestamp" => WrittenPart::Timestamp,
            "hex" => WrittenPart::Hex,
            "base64" => WrittenPart::Base64,
            _ => return None,
        })
    };
    let plain = |byte: u8| (b' '..=b'~').contains(&byte);
    let known = "`{timestamp}`, `{hex}` and `{base64}`";
    pieces(text, "write", known, plain, part, WrittenPart::Text)
}

/// What is signed must bind the request, and what is written must be a signature that a server can check.
pub(super) fn check(template: &HmacTemplate) -> Result<(), String> {
    use SignedPart::{Body, BodySha256, Path, Target};
    let binds = |part: &SignedPart| matches!(part, Body | BodySha256 | Path | Target);
    if !template.signed.iter().any(binds) {
        return Err("`sign` holds nothing of the request: a signature over it would be a password"
            .to_owned());
    }
    let signature = |part: &WrittenPart| matches!(part, WrittenPart::Hex | WrittenPart::Base64);
    if !template.written.iter().any(signature) {
        return Err(
            "`write` holds neither `{hex}` nor `{base64}`, so the signature is nowhere".to_owned()
        );
    }
    let timed = template.signed.contains(&SignedPart::Timestamp);
    let told =
        template.written.contains(&WrittenPart::Timestamp) || template.timestamp_header.is_some();
    if timed != told {
        return Err(
            "a timestamp is signed and sent, or neither: `{timestamp}` in `sign`, and in `write` or `timestamp_header`"
                .to_owned(),
        );
    }
    if template.timestamp_header.as_ref() == Some(&template.header) {
        return Err("`header` and `timestamp_header` are the same".to_owned());
    }
    Ok(())
}

fn pieces<T>(
    text: &str,
    key: &str,
    known: &str,
    plain: impl Fn(u8) -> bool,
    part: impl Fn(&str) -> Option<T>,
    literal: impl Fn(String) -> T,
) -> Result<Vec<T>, String> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) =
            after.split_once('}').ok_or_else(|| format!("a brace in `{key}` is not closed"))?;
        push(&mut all, before, key, &plain, &literal)?;
        all.push(part(name).ok_or_else(|| format!("`{key}` knows {known}"))?);
        rest = after;
    }
    push(&mut all, rest, key, &plain, &literal)?;
    Ok(all)
}

fn push<T>(
    all: &mut Vec<T>,
    text: &str,
    key: &str,
    plain: &impl Fn(u8) -> bool,
    literal: &impl Fn(String) -> T,
) -> Result<(), String> {
    if !text.bytes().all(plain) || text.contains('}') {
        return Err(format!("`{key}` has a character that cannot stand there"));
    }
    if !text.is_empty() {
        all.push(literal(text.to_owned()));
    }
    Ok(())
}
