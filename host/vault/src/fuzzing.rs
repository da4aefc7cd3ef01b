//! What must hold for any target, and for any request that is signed? Asked by fuzzers and tests, and built only
//! for them. Each function panics where something does not hold.
#![expect(clippy::unwrap_used, reason = "what does not hold here is what the fuzzer looks for")]
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest as _, Sha256};
use toolward_gate::{AwsSigV4, SignaturePlace};

use crate::{broker::AwsKeys, check, sign::sigv4, target::Target};

/// What is taken as canonical leaves as it came, and means the same to the readers that see it later: the URL
/// library of the client, and the one of the signer.
pub fn target(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(target) = Target::parse(&text) else { return };
    let origin = target.origin.clone().unwrap_or_default();
    assert_eq!(format!("{origin}{}", target.path_and_query()), text);
    let url = format!("https://api.example.com{}", target.path_and_query());
    let read = reqwest::Url::parse(&url).unwrap();
    assert_eq!(read.as_str(), url);
    assert_eq!(read.host_str(), Some("api.example.com"));
    let uri: http::Uri = url.parse().unwrap();
    assert_eq!((uri.path(), uri.query()), (target.path.as_str(), target.query.as_deref()));
    let again = Target::parse(&target.path_and_query()).unwrap();
    assert_eq!((again.path, again.query), (target.path, target.query));
}

/// A signature is the one that AWS's own description gives, for every target that may be signed. The data is
/// method, target, a header's value and body, one in a line.
pub fn signature(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.splitn(4, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (method, path, value, body) = (line(), line(), line(), line());
    let Ok(target) = Target::parse(path) else { return };
    if target.origin.is_some() || !check::can_be_signed_for_aws(&target) {
        return;
    }
    let method = if method.len() % 2 == 0 { "GET" } else { "POST" };
    let value: String = value.chars().filter(|one| (' '..='~').contains(one)).collect();
    for service in ["s3", "execute-api"] {
        let seen = Seen {
            method: method.to_owned(),
            path: target.path.clone(),
            query: target.query.clone().unwrap_or_default(),
            headers: vec![("accept".to_owned(), value.clone())],
            body: body.as_bytes().to_vec(),
        };
        agrees(service, seen);
    }
}

fn agrees(service: &str, mut seen: Seen) {
    let scope = AwsSigV4 {
        service: service.to_owned(),
        region: "eu-central-1".to_owned(),
        place: SignaturePlace::Headers,
    };
    let query = if seen.query.is_empty() { String::new() } else { format!("?{}", seen.query) };
    let request = sigv4::Request {
        method: &seen.method,
        authority: "api.example.com".to_owned(),
        url: format!("https://api.example.com{}{query}", seen.path),
        headers: seen.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        body: &seen.body,
    };
    let keys = AwsKeys { id: "AKIDEXAMPLE", secret: SECRET, token: None };
    let now: Timestamp = "2015-08-30T12:36:00Z".parse().unwrap();
    let made = sigv4::inject(&scope, &keys, &request, now).unwrap();
    let fields: Vec<(String, String)> = made
        .fields
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    seen.headers.push(("host".to_owned(), "api.example.com".to_owned()));
    seen.headers.extend(fields);
    assert_eq!(seen.checked(SECRET), Ok(()), "{service} {} {}", seen.path, seen.query);
}

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A request as a server sees it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    /// Without the mark.
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(one, _)| one.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.as_str())
    }

    /// Checks the signature as AWS describes it: from the bytes that came, with code that shares nothing with
    /// the signer. Says what it would have signed where it is another one.
    pub fn checked(&self, secret: &str) -> Result<(), String> {
        let presigned = self.pairs().into_iter().any(|(key, _)| key == "X-Amz-Signature");
        let (credential, signed, signature, stamp) = if presigned {
            let of = |key: &str| {
                let pair = self.pairs().into_iter().find(|(one, _)| one == key);
                pair.map_or(String::new(), |(_, value)| value)
            };
            let (credential, signed) = (of("X-Amz-Credential"), of("X-Amz-SignedHeaders"));
            (credential, signed, of("X-Amz-Signature"), of("X-Amz-Date"))
        } else {
            let of = |key: &str| {
                let part = self.header("authorization").split([' ', ',']).find_map(|part| {
                    part.strip_prefix(key).and_then(|part| part.strip_prefix('='))
                });
                part.unwrap_or_default().to_owned()
            };
            let stamp = self.header("x-amz-date").to_owned();
            (of("Credential"), of("SignedHeaders"), of("Signature"), stamp)
        };
        let scope: Vec<&str> = credential.split('/').skip(1).collect();
        let canonical = self.canonical(&signed, presigned, scope.get(2) == Some(&"s3"));
        let text = format!(
            "AWS4-HMAC-SHA256\n{stamp}\n{}\n{}",
            scope.join("/"),
            hex::encode(Sha256::digest(canonical.as_bytes()))
        );
        let first = format!("AWS4{secret}").into_bytes();
        let key = scope.iter().fold(first, |key, part| hmac(&key, part.as_bytes()));
        let expected = hex::encode(hmac(&key, text.as_bytes()));
        if expected == signature { Ok(()) } else { Err(format!("{canonical}\n{text}\n{expected}")) }
    }

    fn canonical(&self, signed: &str, presigned: bool, s3: bool) -> String {
        let path = if s3 { self.path.clone() } else { self.path.replace('%', "%25") };
        let escaped = |text: &str| utf8_percent_encode(text, STRICT).to_string();
        let mut pairs: Vec<(String, String)> = self
            .pairs()
            .iter()
            .filter(|(key, _)| !presigned || key != "X-Amz-Signature")
            .map(|(key, value)| (escaped(key), escaped(value)))
            .collect();
        pairs.sort();
        let query: Vec<String> =
            pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mut headers = String::new();
        for name in signed.split(';') {
            let words: Vec<&str> =
                self.header(name).split(' ').filter(|word| !word.is_empty()).collect();
            headers.push_str(&format!("{name}:{}\n", words.join(" ")));
        }
        let hash = match (presigned && s3, self.header("x-amz-content-sha256")) {
            (true, _) => "UNSIGNED-PAYLOAD".to_owned(),
            _ => hex::encode(Sha256::digest(&self.body)),
        };
        format!("{}\n{path}\n{}\n{headers}\n{signed}\n{hash}", self.method, query.join("&"))
    }

    fn pairs(&self) -> Vec<(String, String)> {
        let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (plain(key), plain(value))
        };
        self.query.split('&').filter(|part| !part.is_empty()).map(pair).collect()
    }
}

/// RFC 2104, by hand.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let short = if key.len() > 64 { Sha256::digest(key).to_vec() } else { key.to_vec() };
    let pad = |with: u8| -> Vec<u8> {
        (0..64).map(|at| short.get(at).copied().unwrap_or_default() ^ with).collect()
    };
    let inner = Sha256::digest([pad(0x36), text.to_vec()].concat());
    Sha256::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
}

const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
