use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;
use toolward_gate::{Capabilities, SourceFile};

use super::*;

/// The scope of a capability, with these lines in its file.
fn scope(lines: &str) -> Arc<HttpScope> {
    let text = format!(
        "[capability.\"shop:items:read\"]\ndescription = \"x\"\ninterface = \"http\"\nrisk = \"low\"\n\
         destination = \"https://api.example.com\"\nmethods = [\"GET\"]\npaths = [\"/items/{{id}}\"]\n{lines}"
    );
    let all = Capabilities::parse(&SourceFile::new("capabilities.toml", text), &["http"]).unwrap();
    all.0.into_values().next().unwrap().http.unwrap()
}

const CREDENTIAL: &str =
    "credential = \"shop\"\ninject = { header = \"authorization\", as = \"bearer\" }\n";

fn answer(fields: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Scanned {
    let field = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
    };
    let headers = fields.iter().map(field).collect();
    Scanned { status: StatusCode::OK, headers, body: body.into() }
}

fn shaped(scanned: Scanned, scope: &HttpScope) -> Result<Shaped, String> {
    let from = scope.destinations.first().unwrap().clone();
    Answer::read(scanned, scope).shape(scope, &from)
}

/// The names of the fields that a tool sees, of a response that has every kind of them.
fn names(lines: &str) -> Vec<String> {
    let every = USUAL.iter().copied().chain(["set-cookie", "x-total-count", "www-authenticate"]);
    let fields: Vec<(&str, &str)> = every.map(|name| (name, "/items/2")).collect();
    let shaped = shaped(answer(&fields, "{}"), &scope(lines)).unwrap();
    shaped.headers().iter().map(|(name, _)| name.clone()).collect()
}

/// C-02 and C-06.
#[test]
fn a_tool_sees_the_usual_fields_or_those_of_the_capability() {
    let usual = names("");
    assert_eq!(usual, USUAL);
    assert_eq!(
        names("response = { headers = [\"X-Total-Count\", \"etag\"] }"),
        ["etag", "x-total-count"]
    );
    assert_eq!(names("response = { headers = [] }"), [""; 0]);
    assert_eq!(names("response = { status_only = true }"), [""; 0]);
    assert_eq!(names("response = { fields = [\"/id\"] }"), ["content-type"]);
    let both = "response = { fields = [\"/id\"], headers = [\"etag\"] }";
    assert_eq!(names(both), ["etag"]);
}

/// C-06: also where a scope was made in another way than from a file.
#[test]
fn no_scope_shows_a_cookie_or_a_challenge() {
    let mut wide = HttpScope::clone(&scope(""));
    let all = ["set-cookie", "www-authenticate", "authorization", "etag"].map(str::to_owned);
    wide.response.headers = Some(all.clone().into());
    let fields: Vec<(&str, &str)> = all.iter().map(|name| (name.as_str(), "x")).collect();
    let shaped = shaped(answer(&fields, "{}"), &wide).unwrap();
    assert_eq!(shaped.headers(), [("etag".to_owned(), "x".to_owned())]);
}

/// C-05.
#[test]
fn a_location_is_not_shown_where_a_credential_went_out() {
    let shows = |lines: &str| names(lines).contains(&"location".to_owned());
    assert!(shows(""), "nothing was injected");
    assert!(!shows(CREDENTIAL));
    assert!(shows(&format!("{CREDENTIAL}response = {{ headers = [\"location\"] }}")));
}

/// C-05.
#[test]
fn a_location_is_shown_as_a_path_of_the_same_destination() {
    let shown = |text: &str, lines: &str| {
        let scope = scope(lines);
        location(text, &scope, scope.destinations.first().unwrap())
    };
    for text in ["/items/2", "https://api.example.com/items/2"] {
        assert_eq!(shown(text, "").as_deref(), Some("/items/2"), "{text}");
        assert_eq!(shown(text, CREDENTIAL).as_deref(), Some("/items/2"), "{text}");
    }
    let hidden = [
        "https://other.example.com/items/2",
        "http://api.example.com/items/2",
        "https://api.example.com:444/items/2",
        "https://api.example.com@other.example.com/items/2",
        "//other.example.com/items/2",
        "/items/2?code=1",
        "/items/2#code",
        "/items/../2",
        "items/2",
        "",
    ];
    for text in hidden {
        assert_eq!(shown(text, ""), None, "{text}");
    }
    assert_eq!(shown("/sessions/4f2a", "").as_deref(), Some("/sessions/4f2a"));
    assert_eq!(shown("/sessions/4f2a", CREDENTIAL), None, "no path of the capability");
}

#[test]
fn declared_fields_pass_and_nothing_else() {
    let fields = scope("response = { fields = [\"/id\", \"/items/*/title\"] }");
    let body = r#"{"id":7,"items":[{"title":"a","key":"b"}],"debug":{"id":8}}"#;
    let shown = shaped(answer(&[("content-type", "text/plain")], body), &fields).unwrap();
    assert_eq!(shown.body(), br#"{"id":7,"items":[{"title":"a"}]}"#);
    assert_eq!(shown.headers(), [("content-type".to_owned(), "application/json".to_owned())]);
    assert_eq!(shaped(answer(&[], ""), &fields).unwrap().body(), b"");
    let whole = shaped(answer(&[], body), &scope("")).unwrap();
    assert_eq!(whole.body(), body.as_bytes(), "without a projection all of it passes");
}

#[test]
fn a_body_that_cannot_be_projected_is_refused_and_not_repeated() {
    let fields = scope("response = { fields = [{ at = \"/id\", type = \"integer\" }] }");
    let wrong: [&[u8]; 9] = [
        b"m4rk",
        b"{\"id\":1,\"id\":2}",
        b"{\"id\":1,\"m4rk\":{\"a\":1,\"a\":2}}",
        b"{\"id\":1} m4rk",
        b"{\"id\":9007199254740992}",
        b"{\"id\":\"m4rk\"}",
        b"[1]",
        b"{\"id\":1,\"x\":\"\xff\"}",
        b"\xef\xbb\xbf{\"id\":1}",
    ];
    for body in wrong {
        let error = shaped(answer(&[], body), &fields).unwrap_err();
        assert!(!error.contains("m4rk"), "{error}");
    }
    assert_eq!(shaped(answer(&[], "{\"id\":1}"), &fields).unwrap().body(), b"{\"id\":1}");
}

#[test]
fn of_a_status_alone_nothing_else_is_shown() {
    let only = scope("response = { status_only = true }");
    let shown = shaped(answer(&[("etag", "x"), ("content-type", "a/b")], "secret"), &only).unwrap();
    assert_eq!((shown.status(), shown.headers().len(), shown.body()), (200, 0, b"".as_slice()));
}

const METER: &str = "[capability.\"shop:items:read\".meter]\nmax = \"usd:0.05\"\n\
     quantities = { calls = { at = \"/usage/calls\", price = \"usd:0.01\" } }";

/// H-06: what a tool is shown, and what it says, is not what is charged.
#[test]
fn what_is_charged_is_read_before_the_response_is_shaped() {
    let scope = scope(&format!("response = {{ fields = [\"/id\"] }}\n{METER}"));
    let body = json!({ "id": 1, "usage": { "calls": 3 } }).to_string();
    let read = Answer::read(answer(&[], body), &scope);
    assert_eq!(read.charge(&scope).unwrap().usage.cost.0, 30_000);
    assert_eq!(read.shape(&scope, &scope.destinations[0]).unwrap().body(), b"{\"id\":1}");
    let unread = ["", "{}", "null", "x", "{\"usage\":{\"calls\":1,\"calls\":2}}"];
    for body in unread {
        assert_eq!(Answer::read(answer(&[], body), &scope).charge(&scope), None, "{body}");
    }
}

proptest! {
    /// Nothing that a server writes outside of the declared fields reaches a tool, in body or header.
    #[test]
    fn a_mark_outside_of_the_declared_fields_is_never_shown(
        name in "[a-z]{1,8}", deep in 0_usize..4, header in prop::sample::select(USUAL.to_vec()),
    ) {
        prop_assume!(name != "id");
        let fields = scope("response = { fields = [\"/id\", \"/items/*/id\"] }");
        let mark = "m4rkm4rkm4rkm4rk";
        let mut inner = json!(mark);
        for _ in 0..deep {
            inner = json!({ &name: inner, mark: [mark] });
        }
        let body = json!({ "id": 1, &name: inner, "items": [{ &name: mark }, mark, [mark]] });
        let fields = shaped(answer(&[(header, mark), ("set-cookie", mark)], body.to_string()), &fields);
        let shown = format!("{:?}", fields.map(|shown| (String::from_utf8(shown.body.clone()).unwrap(), shown)));
        prop_assert!(!shown.contains("m4rk"), "{shown}");
    }
}
