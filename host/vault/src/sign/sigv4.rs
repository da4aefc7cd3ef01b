//! AWS Signature Version 4, in headers or in the query.
use std::{iter, time::SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
        SigningSettings, UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use toolward_gate::{AwsSigV4, SignaturePlace};
use tracing::subscriber::{NoSubscriber, with_default};
use zeroize::Zeroizing;

use super::{Injection, SignError, field, value};
use crate::{broker::AwsKeys, check::Checked};

/// What is signed: the bytes that leave, and nothing that a library made of them.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// `host` or `host:port`.
    pub(crate) authority: String,
    pub(crate) url: String,
    /// Without `host`.
    pub(crate) headers: Vec<(&'a str, &'a str)>,
    pub(crate) body: &'a [u8],
}

impl<'a> Request<'a> {
    pub(super) fn of(checked: &'a Checked) -> Self {
        let text = |(name, value): &'a (http::HeaderName, http::HeaderValue)| {
            Some((name.as_str(), value.to_str().ok()?))
        };
        Self {
            method: checked.method.as_str(),
            authority: checked.destination.authority(),
            url: format!("{}{}", checked.destination, checked.target.path_and_query()),
            headers: checked.headers.iter().filter_map(text).collect(),
            body: &checked.body,
        }
    }
}

/// Fails when the library cannot sign such a request. Its errors are not repeated: they quote what they saw.
pub(crate) fn inject(
    scope: &AwsSigV4,
    keys: &AwsKeys<'_>,
    request: &Request<'_>,
    now: Timestamp,
) -> Result<Injection, SignError> {
    let unfit = SignError::Unfit("the request cannot be signed for AWS");
    let identity =
        Credentials::new(keys.id, keys.secret, keys.token.map(str::to_owned), None, "toolward")
            .into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(&scope.region)
        .name(&scope.service)
        .time(SystemTime::from(now))
        .settings(settings(scope))
        .build();
    let Ok(parameters) = parameters else { return Err(unfit) };
    let parameters = parameters.into();
    let headers =
        iter::once(("host", request.authority.as_str())).chain(request.headers.iter().copied());
    let body = match scope.place {
        // A presigned URL of S3 does not bind the body: S3 reads its hash from a header alone.
        SignaturePlace::Query(_) if scope.service == S3 => SignableBody::UnsignedPayload,
        SignaturePlace::Query(_) | SignaturePlace::Headers => SignableBody::Bytes(request.body),
    };
    let Ok(signable) = SignableRequest::new(request.method, request.url.as_str(), headers, body)
    else {
        return Err(unfit);
    };
    // The library writes requests into its traces, and with them the session token of a presigned query.
    let signed = with_default(NoSubscriber::default(), || sign(signable, &parameters));
    let Ok(signed) = signed else { return Err(unfit) };
    let (instructions, signature) = signed.into_parts();
    let (fields, pairs) = instructions.into_parts();
    let fields = fields.iter().map(|one| field(one.name(), one.value()));
    let query: Vec<String> =
        pairs.iter().map(|(key, text)| format!("{key}={}", encoded(text))).collect();
    let mut values = vec![value(keys.secret)];
    values.extend(keys.token.map(value));
    Ok(Injection {
        fields: fields.collect::<Result<_, _>>()?,
        query: (!query.is_empty()).then(|| Zeroizing::new(query.join("&"))),
        values,
        once: vec![Zeroizing::new(signature)],
        identity: None,
    })
}

/// S3 reads a path as it stands; every other service encodes it once more and without dot segments, of which a
/// canonical path has none. S3 alone wants the body's hash in a header.
fn settings(scope: &AwsSigV4) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if scope.service == S3 {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    if let SignaturePlace::Query(holds) = scope.place {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(holds);
    }
    settings
}

const S3: &str = "s3";

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// All but the unreserved characters of RFC 3986 section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests;
