//! A signature that a server recomputes: the key stays here.
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use hmac::Hmac;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use toolward_gate::{HmacHash, HmacTemplate, KeyForm, SignedPart, WrittenPart};
use zeroize::Zeroizing;

use super::{Injection, SignError, field, value};
use crate::check::Checked;

pub(super) fn inject(
    template: &HmacTemplate,
    key: &str,
    checked: &Checked,
    now: Timestamp,
) -> Result<Injection, SignError> {
    let seconds = now.as_second().to_string();
    let parts = template.signed.iter().map(|part| signed(part, checked, &seconds));
    let signature = signature(template.hash, &bytes(template.key, key)?, parts);
    let (hex, base64) = (hex::encode(&signature), STANDARD.encode(&signature));
    let written = template.written.iter().map(|part| match part {
        WrittenPart::Text(text) => text.as_str(),
        WrittenPart::Timestamp => &seconds,
        WrittenPart::Hex => &hex,
        WrittenPart::Base64 => &base64,
    });
    let mut fields = vec![field(&template.header, &written.collect::<String>())?];
    if let Some(name) = &template.timestamp_header {
        fields.push(field(name, &seconds)?);
    }
    Ok(Injection {
        fields,
        values: vec![value(key)],
        once: vec![value(&hex), value(&base64)],
        ..Injection::default()
    })
}

fn signed<'a>(part: &'a SignedPart, checked: &'a Checked, seconds: &'a str) -> Vec<u8> {
    match part {
        SignedPart::Text(text) => text.clone().into_bytes(),
        SignedPart::Timestamp => seconds.as_bytes().to_vec(),
        SignedPart::Method => checked.method.as_str().as_bytes().to_vec(),
        SignedPart::Path => checked.target.path.clone().into_bytes(),
        SignedPart::Target => checked.target.path_and_query().into_bytes(),
        SignedPart::Body => checked.body.clone(),
        SignedPart::BodySha256 => hex::encode(Sha256::digest(&checked.body)).into_bytes(),
    }
}

fn bytes(form: KeyForm, key: &str) -> Result<Zeroizing<Vec<u8>>, SignError> {
    let bytes = match form {
        KeyForm::Text => Some(key.as_bytes().to_vec()),
        KeyForm::Hex => hex::decode(key).ok(),
        KeyForm::Base64 => PADDED_OR_NOT.decode(key).ok(),
    };
    bytes.map(Zeroizing::new).ok_or(SignError::Unfit("the key is not written as `key` says"))
}

fn signature(hash: HmacHash, key: &[u8], parts: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    match hash {
        HmacHash::Sha256 => over::<Hmac<Sha256>>(key, parts),
        HmacHash::Sha384 => over::<Hmac<Sha384>>(key, parts),
        HmacHash::Sha512 => over::<Hmac<Sha512>>(key, parts),
    }
}

fn over<M: hmac::Mac + hmac::digest::KeyInit>(
    key: &[u8],
    parts: impl Iterator<Item = Vec<u8>>,
) -> Vec<u8> {
    // HMAC takes keys of any length (RFC 2104 section 3).
    let Ok(mut mac) = <M as hmac::Mac>::new_from_slice(key) else { return Vec::new() };
    parts.for_each(|part| mac.update(&part));
    mac.finalize().into_bytes().to_vec()
}

const PADDED_OR_NOT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests;
