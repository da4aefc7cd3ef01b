//! Signatures that AWS published, and signatures that are derived again from its description.
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::fuzzing::{self, Seen};

struct Case<'a> {
    scope: (&'a str, &'a str, SignaturePlace),
    keys: (&'a str, &'a str),
    now: &'a str,
    method: &'a str,
    authority: &'a str,
    target: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
}

impl Case<'_> {
    fn signed(&self) -> Injection {
        let (service, region, place) = self.scope;
        let scope = AwsSigV4 { service: service.to_owned(), region: region.to_owned(), place };
        let keys = AwsKeys { id: self.keys.0, secret: self.keys.1, token: None };
        let request = Request {
            method: self.method,
            authority: self.authority.to_owned(),
            url: format!("https://{}{}", self.authority, self.target),
            headers: self.headers.to_vec(),
            body: self.body,
        };
        let signed = inject(&scope, &keys, &request, self.now.parse().unwrap());
        signed.unwrap_or_else(|_| panic!("not signed"))
    }

    fn authorization(&self) -> String {
        let signed = self.signed();
        let found = signed.fields.iter().find(|(name, _)| name == "authorization").unwrap();
        assert!(found.1.is_sensitive());
        found.1.to_str().unwrap().to_owned()
    }
}

/// "Signature Version 4 signing process", the worked example: GET ListUsers of IAM.
#[test]
fn the_worked_example_of_the_general_reference_is_signed_as_it_says() {
    let case = Case {
        scope: ("iam", "us-east-1", SignaturePlace::Headers),
        keys: ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        now: "2015-08-30T12:36:00Z",
        method: "GET",
        authority: "iam.amazonaws.com",
        target: "/?Action=ListUsers&Version=2010-05-08",
        headers: &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")],
        body: b"",
    };
    assert_eq!(
        case.authorization(),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date, \
         Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    );
    let later = Case { now: "2015-08-30T12:36:01Z", ..case };
    assert!(!later.authorization().contains("5d672d79"));
}

const BUCKET: Case<'_> = Case {
    scope: ("s3", "us-east-1", SignaturePlace::Headers),
    keys: ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    now: "2013-05-24T00:00:00Z",
    method: "GET",
    authority: "examplebucket.s3.amazonaws.com",
    target: "/test.txt",
    headers: &[],
    body: b"",
};

/// "Signature calculations for the authorization header", the examples of the S3 reference.
#[test]
fn the_examples_of_s3_are_signed_as_its_reference_says() {
    let put: &[(&str, &str)] =
        &[("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")];
    let examples = [
        (
            Case { headers: &[("range", "bytes=0-9")], ..BUCKET },
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            Case {
                method: "PUT",
                target: "/test%24file.text",
                headers: put,
                body: b"Welcome to Amazon S3.",
                ..BUCKET
            },
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            Case { target: "/?lifecycle", ..BUCKET },
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            Case { target: "/?max-keys=2&prefix=J", ..BUCKET },
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ];
    for (case, signature) in examples {
        let written = case.authorization();
        assert!(written.ends_with(&format!("Signature={signature}")), "{} {written}", case.target);
    }
}

/// "Authenticating requests: using query parameters", the example of the S3 reference.
#[test]
fn a_presigned_query_holds_as_long_as_the_slot_says() {
    let query = |service| {
        let place = SignaturePlace::Query(Duration::from_secs(86400));
        let signed = Case { scope: (service, "us-east-1", place), ..BUCKET }.signed();
        assert!(signed.fields.is_empty());
        signed.query.unwrap().to_string()
    };
    let published = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    assert!(query("s3").contains(&format!("X-Amz-Signature={published}")), "{}", query("s3"));
    let seen = |query: String| Seen {
        method: "GET".to_owned(),
        path: BUCKET.target.to_owned(),
        query,
        headers: vec![("host".to_owned(), BUCKET.authority.to_owned())],
        body: Vec::new(),
    };
    for service in ["s3", "execute-api"] {
        let query = query(service);
        assert!(query.contains("X-Amz-Expires=86400"), "{query}");
        assert_eq!(seen(query.clone()).checked(BUCKET.keys.1), Ok(()));
        assert!(seen(query.replace("86400", "86401")).checked(BUCKET.keys.1).is_err());
    }
}

#[test]
fn a_changed_request_has_another_signature() {
    let first = BUCKET.authorization();
    for other in [
        Case { method: "HEAD", ..BUCKET },
        Case { target: "/test.txt2", ..BUCKET },
        Case { target: "/test.txt?a=1", ..BUCKET },
        Case { body: b"a", ..BUCKET },
        Case { authority: "examplebucket.s3.amazonaws.com:8443", ..BUCKET },
        Case { headers: &[("accept", "a")], ..BUCKET },
    ] {
        assert_ne!(first, other.authorization());
    }
}

/// Everything that is traced.
#[derive(Clone, Default)]
struct Traced(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Traced {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn nothing_that_is_signed_with_is_traced() {
    const TOKEN: &str = "FwoGZXIvYXdzEBYaDKq8k3vYqQxExample0123";
    let traced = Traced::default();
    let writer = traced.clone();
    let all = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let place = SignaturePlace::Query(Duration::from_secs(60));
    let scope = AwsSigV4 { service: "s3".to_owned(), region: "us-east-1".to_owned(), place };
    let (id, secret) = BUCKET.keys;
    let keys = AwsKeys { id, secret, token: Some(TOKEN) };
    let request = Request {
        method: "GET",
        authority: BUCKET.authority.to_owned(),
        url: format!("https://{}/test.txt", BUCKET.authority),
        headers: Vec::new(),
        body: b"",
    };
    let made = with_default(all, || {
        tracing::trace!("this is traced");
        inject(&scope, &keys, &request, BUCKET.now.parse().unwrap())
    });
    assert!(made.is_ok_and(|made| made.query.unwrap().contains(TOKEN)));
    let text = String::from_utf8(traced.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("this is traced"), "{text}");
    assert!(!text.contains(TOKEN) && !text.contains(secret), "{text}");
}

#[test]
fn what_must_not_come_back_is_named() {
    let signed = BUCKET.signed();
    let values: Vec<&str> =
        signed.values.iter().chain(&signed.once).map(|value| value.as_str()).collect();
    let signature = BUCKET.authorization().rsplit_once("Signature=").unwrap().1.to_owned();
    assert_eq!(values, [BUCKET.keys.1, &signature]);
}

proptest! {
    #[test]
    fn a_signature_is_the_one_that_the_description_gives(
        path in "(/[A-Za-z0-9._~-]{1,6}|/%[2-7][0-9A-F][a-z]|/%C3%BC){1,4}",
        query in "(\\?([a-z]{1,4}(=([A-Za-z0-9._~=-]|%20|%2F|%2B|%C3%A4){0,6})?&?){0,4})?",
        value in "[ -~]{0,20}",
        body in "\\PC{0,40}",
    ) {
        fuzzing::signature(format!("GET\n{path}{query}\n{value}\n{body}").as_bytes());
    }
}
