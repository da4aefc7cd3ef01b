//! Which answer of AWS STS gives keys (AWS STS API, AssumeRole).
use std::{str, time::Duration};

use http::StatusCode;
use jiff::Timestamp;
use quick_xml::{Reader, events::Event};
use zeroize::Zeroizing;

use super::super::{AskError, Credential, cache::Fresh};
use crate::{Secret, host_request::Answer};

pub(super) fn read(answer: &Answer, now: Timestamp) -> Result<Fresh, AskError> {
    let text = str::from_utf8(&answer.body).unwrap_or_default();
    match answer.status {
        StatusCode::OK => given(text, now),
        status if status.is_server_error() => Err(AskError::Fault),
        _ => {
            // Some stand-ins write a list of errors, as the service's older protocols do.
            let places: [&[&str]; 2] = [
                &["ErrorResponse", "Error", "Code"],
                &["ErrorResponse", "Errors", "Error", "Code"],
            ];
            let code = texts(text, places).unwrap_or_default().into_iter().flatten().next();
            Err(AskError::refused(code.as_deref().map_or("", String::as_str), &KNOWN))
        }
    }
}

fn given(text: &str, now: Timestamp) -> Result<Fresh, AskError> {
    let wanted = ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"];
    let path = |name| ["AssumeRoleResponse", "AssumeRoleResult", "Credentials", name];
    let paths = wanted.map(path);
    let found = texts(text, paths.each_ref().map(|path| path.as_slice()));
    let Some([Some(id), Some(secret), Some(token), Some(end)]) = found else {
        return Err(AskError::Answer("it is not XML with one of each of the credentials' parts"));
    };
    if !(16..=128).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(AskError::Answer("its `AccessKeyId` is none"));
    }
    let (secret_access_key, session_token) = (secret_of(&secret)?, secret_of(&token)?);
    let end: Timestamp =
        end.parse().map_err(|_| AskError::Answer("its `Expiration` is not a time"))?;
    let lasts = Duration::try_from(end.duration_since(now)).unwrap_or_default();
    if lasts.is_zero() {
        return Err(AskError::Answer("its `Expiration` is over, by this machine's clock"));
    }
    let access_key_id = id.as_str().to_owned();
    let session_token = Some(session_token);
    let credential = Credential::AwsKeys { access_key_id, secret_access_key, session_token };
    Ok(Fresh { credential, lasts })
}

fn secret_of(text: &str) -> Result<Secret, AskError> {
    let secret = Secret::new(text);
    secret.check().map_err(|_| AskError::Answer("a key in it is too short or too regular"))?;
    Ok(secret)
}

type Text = Zeroizing<String>;

/// The texts at these paths. `None` when it is not well-formed, when one path occurs twice, or when there is
/// anything in it that no such answer needs: document types, instructions, references in a value.
fn texts<const N: usize>(xml: &str, paths: [&[&str]; N]) -> Option<[Option<Text>; N]> {
    let mut found = [const { None::<Text> }; N];
    let (mut reader, mut at) = (Reader::from_str(xml), Vec::<String>::new());
    loop {
        let place = paths.iter().position(|path| at.iter().eq(path.iter()));
        let slot = place.and_then(|place| found.get_mut(place));
        match (reader.read_event().ok()?, slot) {
            (Event::Start(tag), None) if at.len() < MAX_DEPTH => {
                at.push(tag.local_name().as_ref().to_owned());
                if let Some(place) = paths.iter().position(|path| at.iter().eq(path.iter())) {
                    let slot = found.get_mut(place)?;
                    if slot.replace(Zeroizing::default()).is_some() {
                        return None;
                    }
                }
            }
            (Event::End(_), _) => drop(at.pop()?),
            (Event::Text(text), Some(Some(value))) => value.push_str(&text),
            (Event::Text(_) | Event::Empty(_) | Event::Comment(_) | Event::GeneralRef(_), None) => {
            }
            (Event::Decl(_), None) if at.is_empty() => {}
            (Event::Eof, None) if at.is_empty() => return Some(found),
            _ => return None,
        }
    }
}

/// AWS STS API, AssumeRole and common errors.
const KNOWN: [(&str, &str); 12] = [
    (
        "AccessDenied",
        "`AccessDenied`; the key's user may not assume the role, or `external_id` is another",
    ),
    ("ExpiredToken", "`ExpiredToken`"),
    ("IncompleteSignature", "`IncompleteSignature`"),
    ("InvalidClientTokenId", "`InvalidClientTokenId`; check the stored `access_key_id`"),
    (
        "MalformedPolicyDocument",
        "`MalformedPolicyDocument`; check the capability's `session_policy`",
    ),
    ("PackedPolicyTooLarge", "`PackedPolicyTooLarge`; shorten the capability's `session_policy`"),
    (
        "RegionDisabledException",
        "`RegionDisabledException`; STS is off in this region for the account",
    ),
    ("RequestExpired", "`RequestExpired`; check this machine's clock"),
    (
        "SignatureDoesNotMatch",
        "`SignatureDoesNotMatch`; check the stored `secret_access_key`, and this machine's clock",
    ),
    ("Throttling", "`Throttling`; it is asked again later"),
    ("ValidationError", "`ValidationError`; check `role_arn` and `external_id`"),
    ("NotAuthorized", "`NotAuthorized`"),
];
const MAX_DEPTH: usize = 8;
