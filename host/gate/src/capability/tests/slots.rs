//! Every kind of slot, as it is written.
use std::time::Duration;

use super::{said as said_of, *};

const BEARER: &str = "{ header = \"Authorization\", as = \"bearer\" }";

fn slot(written: &str) -> Slot {
    let all = parse(&GOOD.replace(BEARER, written)).unwrap();
    let definition = all.find(&"github:issues:write".parse().unwrap()).unwrap();
    definition.http.as_ref().unwrap().slot.clone().unwrap()
}

fn hmac(written: &str) -> HmacTemplate {
    let Slot::Hmac(template) = slot(written) else { panic!("no template") };
    template
}

#[test]
fn every_kind_of_slot_is_read() {
    assert_eq!(slot("{ query = \"key\" }"), Slot::Query { name: "key".to_owned() });
    assert_eq!(slot("{ cookie = \"session\" }"), Slot::Cookie { name: "session".to_owned() });
    assert_eq!(slot("{ tls = \"client-certificate\" }"), Slot::ClientCertificate);
    let aws = |place| {
        let (service, region) = ("s3".to_owned(), "eu-central-1".to_owned());
        Slot::AwsSigV4(AwsSigV4 { service, region, place })
    };
    let scope = "service = \"s3\", region = \"eu-central-1\"";
    assert_eq!(
        slot(&format!("{{ aws_sigv4 = \"headers\", {scope} }}")),
        aws(SignaturePlace::Headers)
    );
    for (valid, seconds) in [("", 60), (", valid_seconds = 900", 900)] {
        let written = format!("{{ aws_sigv4 = \"query\", {scope}{valid} }}");
        assert_eq!(slot(&written), aws(SignaturePlace::Query(Duration::from_secs(seconds))));
    }
}

#[test]
fn the_templates_of_known_services_are_read() {
    use SignedPart::{Body, Text, Timestamp};
    let text = |text: &str| Text(text.to_owned());
    let slack = hmac(
        "{ hmac = \"sha256\", sign = \"v0:{timestamp}:{body}\", header = \"X-Slack-Signature\", write = \"v0={hex}\", timestamp_header = \"X-Slack-Request-Timestamp\" }",
    );
    assert_eq!(slack.signed, [text("v0:"), Timestamp, text(":"), Body]);
    assert_eq!(slack.header, "x-slack-signature");
    assert_eq!(slack.timestamp_header.as_deref(), Some("x-slack-request-timestamp"));
    let stripe = hmac(
        "{ hmac = \"sha256\", sign = \"{timestamp}.{body}\", header = \"stripe-signature\", write = \"t={timestamp},v1={hex}\" }",
    );
    let written = |text: &str| WrittenPart::Text(text.to_owned());
    assert_eq!(
        stripe.written,
        [written("t="), WrittenPart::Timestamp, written(",v1="), WrittenPart::Hex]
    );
    let github = hmac(
        "{ hmac = \"sha512\", key = \"base64\", sign = \"{body}\", header = \"x-hub-signature-512\", write = \"sha512={base64}\" }",
    );
    assert_eq!((github.hash, github.key), (HmacHash::Sha512, KeyForm::Base64));
}

#[test]
fn every_part_of_a_request_can_be_signed_and_its_lines_kept_apart() {
    use SignedPart::{Body, BodySha256, Method, Path, Target, Text, Timestamp};
    let signs = |sign: &str| {
        format!(
            "{{ hmac = \"sha384\", sign = \"{sign}\", header = \"x-signature\", write = \"{{timestamp}} {{hex}}\" }}"
        )
    };
    let parts = "{timestamp}{method}{path}{target}{body}{body_sha256}";
    assert_eq!(hmac(&signs(parts)).signed, [Timestamp, Method, Path, Target, Body, BodySha256]);
    let lines = hmac(&signs("{method}\\n{target} ~\\n{timestamp}")).signed;
    let text = |text: &str| Text(text.to_owned());
    assert_eq!(lines, [Method, text("\n"), Target, text(" ~\n"), Timestamp]);
    for other in ["\\t", "\\r\\n", "\\u007f", "\u{fc}"] {
        let told = said_of(BEARER, &signs(&format!("{other}{parts}")));
        assert!(told.contains("`sign` has a character that cannot stand there"), "{told}");
    }
}

#[test]
fn a_credential_goes_into_a_header_with_a_name_that_routes_nothing() {
    for (name, written) in [("X-Api-Key", "x-api-key"), ("PRIVATE-TOKEN", "private-token")] {
        let name = slot(&format!("{{ header = \"{name}\", as = \"raw\" }}"));
        let header = Slot::Header { name: written.to_owned(), scheme: HeaderScheme::Raw };
        assert_eq!(name, header);
    }
    for name in ["", "x api-key", "x-api-key:", "x_api_key", "Host", "Forwarded"] {
        let told = said_of(BEARER, &format!("{{ header = \"{name}\", as = \"raw\" }}"));
        assert!(told.contains("9:10: a credential cannot go into this header"), "{name}: {told}");
    }
    let told = said_of(BEARER, "{ as = \"raw\" }");
    assert!(told.contains("a credential cannot go into this header"), "{told}");
}

#[test]
fn every_mistake_about_a_slot_is_told() {
    let said = |slot: &str| said_of(BEARER, slot);
    let aws = |rest: &str| said(&format!("{{ aws_sigv4 = \"headers\", {rest} }}"));
    let hmac = |sign: &str, write: &str, rest: &str| {
        said(&format!(
            "{{ hmac = \"sha256\", sign = \"{sign}\", header = \"x-signature\", write = \"{write}\"{rest} }}"
        ))
    };
    let mistakes = [
        said("{ header = \"authorization\", as = \"bearer\", query = \"key\" }"),
        said("{ cookie = \"a=b\" }"),
        said("{ cookie = \"session\", as = \"bearer\" }"),
        said("{ tls = \"certificate\" }"),
        said("{ aws_sigv4 = \"headers\" }"),
        aws("service = \"S3\", region = \"eu-central-1\""),
        aws("service = \"s3\""),
        aws("service = \"s3\", region = \"eu-central-1\", valid_seconds = 60"),
        aws("service = \"s3\", region = \"eu-central-1\", header = \"authorization\""),
        said("{ aws_sigv4 = \"query\", service = \"s3\", region = \"a\", valid_seconds = 901 }"),
        hmac("{timestamp}", "{hex}{timestamp}", ""),
        hmac("{body}", "sha256=", ""),
        hmac("{body}", "{hex}", ", timestamp_header = \"x-time\""),
        hmac("{timestamp}{body}", "{hex}", ""),
        hmac("{timestamp}{body}", "{hex}", ", timestamp_header = \"x-signature\""),
        hmac("{boddy}", "{hex}", ""),
        hmac("{body", "{hex}", ""),
        hmac("{body}}", "{hex}", ""),
        hmac("{body}", "{hex}\\n", ""),
        hmac("{body}", "{hex}", ", timestamp_header = \"host\""),
    ];
    insta::assert_snapshot!(mistakes.join("\n"));
}

#[test]
fn a_tool_cannot_be_allowed_a_header_that_the_slot_writes() {
    let with = |slot: &str, header: &str| {
        let slot = format!("{slot}\nheaders = [\"{header}\"]");
        parse(&GOOD.replace(BEARER, &slot)).is_ok()
    };
    let aws = "{ aws_sigv4 = \"headers\", service = \"s3\", region = \"eu-central-1\" }";
    let hmac = "{ hmac = \"sha256\", sign = \"{timestamp}{body}\", header = \"x-signature\", write = \"{hex}\", timestamp_header = \"x-time\" }";
    for (slot, header) in [
        (aws, "X-Amz-Date"),
        (aws, "x-amz-security-token"),
        (aws, "x-amz-content-sha256"),
        (hmac, "X-Signature"),
        (hmac, "x-time"),
        (BEARER, "authorization"),
        ("{ cookie = \"session\" }", "Cookie"),
    ] {
        assert!(!with(slot, header), "{slot} {header}");
    }
    assert!(with(aws, "x-amz-target") && with(hmac, "x-amz-date"));
}

#[test]
fn a_scope_of_tokens_is_words_and_narrows_a_credential() {
    let with = |line: &str| GOOD.replace("risk =", &format!("{line}\nrisk ="));
    let all = parse(&with("oauth_scope = [\"read\", \"issues:write\"]")).unwrap();
    let definition = all.find(&"github:issues:write".parse().unwrap()).unwrap();
    let scope = &definition.http.as_ref().unwrap().oauth_scope;
    assert_eq!(*scope, ["issues:write".to_owned(), "read".to_owned()].into());
    for wrong in ["[]", "[\"\"]", "[\"read write\"]", "['a\"b']"] {
        let errors = parse(&with(&format!("oauth_scope = {wrong}"))).unwrap_err();
        assert!(format!("{errors:?}").contains("words without spaces"), "{wrong}: {errors:?}");
    }
    let alone = with("oauth_scope = [\"read\"]").replace("credential = \"github\"\n", "");
    let alone = alone.replace(&format!("inject = {BEARER}\n"), "");
    let errors = parse(&alone).unwrap_err();
    assert!(format!("{errors:?}").contains("narrows a `credential`"), "{errors:?}");
}
