//! Where requests go, which headers they have, and what a session may do that is minted for them.
use super::*;

const DESTINATION: &str = "destination = \"https://api.github.com\"";

fn scope(text: &str) -> Arc<HttpScope> {
    let all = parse(text).unwrap();
    all.find(&"github:issues:write".parse().unwrap()).unwrap().http.clone().unwrap()
}

/// [`GOOD`] with more lines at its end.
fn with(lines: &str) -> String {
    format!("{GOOD}{lines}\n")
}

/// What is said about [`GOOD`] with more lines.
fn told(lines: &str) -> String {
    mistakes(&with(lines))
}

fn mistakes(text: &str) -> String {
    let errors = parse(text).unwrap_err();
    errors.iter().map(|error| format!("{error:?}")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_capability_has_one_destination_or_a_list_of_them() {
    let several = "destinations = [\"https://eu.example.com\", \"https://us.example.com:8443\"]";
    let of = |text: &str| {
        let all = scope(text).destinations.iter().map(ToString::to_string).collect::<Vec<_>>();
        all.join(" ")
    };
    assert_eq!(of(GOOD), "https://api.github.com");
    assert_eq!(
        of(&GOOD.replace(DESTINATION, several)),
        "https://eu.example.com https://us.example.com:8443"
    );
    for none in ["destinations = []", "", &format!("{DESTINATION}\n{several}")] {
        let told = said(DESTINATION, none);
        assert!(
            told.contains("2:1: a capability over `http` has one `destination`, or a list"),
            "{none}: {told}"
        );
    }
}

#[test]
fn a_tool_sets_the_headers_that_are_named_and_none_that_the_host_writes() {
    let headers = scope(&with("headers = [\"Accept\", \"x-request-2\"]")).headers.clone();
    assert_eq!(headers, ["accept".to_owned(), "x-request-2".to_owned()].into());
    for name in [
        "",
        "x request",
        "accept:",
        "x_request",
        "b\u{fc}cher",
        "Content-Length",
        "Host",
        "User-Agent",
        "cookie",
        "Proxy-Authorization",
    ] {
        let told = told(&format!("headers = [\"Accept\", \"{name}\"]"));
        let line = format!(
            "13:22: a tool cannot be allowed to set the header `{}`",
            name.to_ascii_lowercase()
        );
        assert!(told.contains(&line) && told.contains("take it out of `headers`"), "{told}");
    }
}

#[test]
fn a_trace_is_written_by_the_host_or_by_the_tool() {
    for (lines, by_host, by_tool) in [
        ("", false, false),
        ("trace_context = true", true, false),
        ("trace_context = true\nheaders = [\"accept\"]", true, false),
        ("headers = [\"traceparent\"]", false, true),
        ("trace_context = false\nheaders = [\"traceparent\"]", false, true),
    ] {
        let scope = scope(&with(lines));
        let read = (scope.trace_context, scope.headers.contains("traceparent"));
        assert_eq!(read, (by_host, by_tool), "{lines}");
    }
    let told = told("trace_context = true\nheaders = [\"Traceparent\"]");
    assert!(told.contains("the host writes `traceparent`, and a tool cannot"), "{told}");
}

fn session(actions: &[&str], resources: &[&str]) -> String {
    format!("session_policy = {{ actions = {actions:?}, resources = {resources:?} }}")
}

#[test]
fn a_session_may_do_what_its_policy_names() {
    let read = session(&["s3:GetObject", "s3:List*"], &["arn:aws:s3:::bucket/*"]);
    let policy = SessionPolicy {
        actions: ["s3:GetObject".to_owned(), "s3:List*".to_owned()].into(),
        resources: ["arn:aws:s3:::bucket/*".to_owned()].into(),
    };
    assert_eq!(scope(&with(&read)).session_policy, Some(policy));
    assert_eq!(scope(GOOD).session_policy, None);
}

#[test]
fn every_mistake_about_a_session_is_told() {
    let (action, resource) = ("s3:GetObject", "arn:aws:s3:::bucket/*");
    let alone = with(&session(&[action], &[resource]))
        .replace("credential = \"github\"\n", "")
        .replace("inject = { header = \"Authorization\", as = \"bearer\" }\n", "");
    let all = [
        told(&session(&[], &[resource])),
        told(&session(&[action], &[])),
        told(&session(&["*"], &[resource])),
        told(&session(&[action, "s3"], &[resource])),
        told(&session(&[action], &["bucket"])),
        told(&session(&[action], &["arn:aws:s3:::${aws:username}"])),
        told("session_policy = { actions = [\"s3:GetObject\"] }"),
        mistakes(&alone),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn a_session_policy_is_as_long_as_aws_takes_it() {
    let of = |length: usize| {
        with(&session(&["s3:GetObject"], &[&format!("arn:aws:s3:::{}", "a".repeat(length))]))
    };
    let document = |length: usize| scope(&of(length)).session_policy.as_ref().unwrap().document();
    let most = 2048 - document(0).len();
    assert_eq!(document(most).len(), 2048);
    let told = mistakes(&of(most + 1));
    assert!(told.contains("longer than the 2,048 characters that AWS takes"), "{told}");
}
