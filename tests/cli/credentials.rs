//! Credentials that are minted, as the configuration has them. Nothing is asked of a server here.
use crate::{brokers::place, cli::place::Place};

const TOKENS: &str = r#"[credential.issues]
kind = "oauth2-client-credentials"
owner = "ana"
store = "local"
token_endpoint = "https://login.example.com/token"
client_id = "toolward"
client_secret = "client-secret"
scope = ["read"]
"#;
const SESSIONS: &str = r#"[credential.issues]
kind = "aws-sts"
owner = "ana"
store = "local"
access_key_id = "aws-id"
secret_access_key = "aws-key"
role_arn = "arn:aws:iam::123456789012:role/reports"
region = "eu-central-1"
"#;
const BEARER: &str = "destination = \"https://api.example.com\"\ninject = { header = \"authorization\", as = \"bearer\" }\n";
const SIGNED: &str = "destination = \"https://s3.example.com\"\ninject = { aws_sigv4 = \"headers\", service = \"s3\", region = \"eu-central-1\" }\n";
const NARROWED: &str =
    "session_policy = { actions = [\"s3:GetObject\"], resources = [\"arn:aws:s3:::repos/*\"] }\n";

/// What is wrong with it, and that nothing was done.
fn told(place: &Place) -> String {
    place.fails_and_writes_nothing("call read_issue owner=acme repo=site number=7").err
}

#[test]
fn credentials_are_listed_with_their_kinds_and_where_they_come_from() {
    let listed = place(TOKENS, BEARER).run("credential list").exits(0);
    let tokens = "issues  oauth2-client-credentials  https://login.example.com/token for the client `toolward` with the scope `read`  (owner: ana)";
    assert!(listed.out.contains(tokens), "{}", listed.out);
    assert!(
        listed.out.contains("stripe  static-token  the secret `payments-key` of the store `local`"),
        "{}",
        listed.out
    );
    let listed =
        place(SESSIONS, &format!("{SIGNED}{NARROWED}")).run("credential list --json").exits(0);
    let [_, issues, _] =
        <[_; 3]>::try_from(listed.json()["credentials"].as_array().unwrap().clone()).unwrap();
    assert_eq!(issues["kind"], "aws-sts");
    assert_eq!(
        issues["from"],
        "the role `arn:aws:iam::123456789012:role/reports` in `eu-central-1`"
    );
}

#[test]
fn a_mistake_in_a_credential_is_told_with_its_place_and_what_to_write() {
    for (from, to, why) in [
        ("https://login", "http://login", "over `https`"),
        ("scope = [\"read\"]", "scopes = [\"read\"]", "unknown field `scopes`"),
        ("\"read\"", "\"read write\"", "as `[\"read\", \"write\"]`"),
        ("owner = \"ana\"\n", "", "has no `owner`"),
    ] {
        let said = told(&place(&TOKENS.replacen(from, to, 1), BEARER));
        assert!(said.contains(why) && said.contains("toolward.toml:"), "{from} {to}: {said}");
    }
    let said = told(&place(&SESSIONS.replace("role/", "user/"), &format!("{SIGNED}{NARROWED}")));
    assert!(said.contains("`arn:aws:iam::123456789012:role/name`"), "{said}");
}

#[test]
fn a_session_is_narrowed_by_its_capability_or_the_host_does_not_start() {
    let wide = told(&place(SESSIONS, SIGNED));
    assert!(wide.contains("does not say what they may do"), "{wide}");
    assert!(wide.contains("add `session_policy = {"), "{wide}");
    let strange = told(&place(TOKENS, &format!("{BEARER}{NARROWED}")));
    assert!(strange.contains("which none narrows"), "{strange}");
    let anything = NARROWED.replace("s3:GetObject", "*");
    let greedy = told(&place(SESSIONS, &format!("{SIGNED}{anything}")));
    assert!(greedy.contains("not an action") && greedy.contains("capabilities.toml:"), "{greedy}");
}

#[test]
fn a_tool_does_not_ask_where_credentials_are_handed_out() {
    let paths = |place: &Place, path: &str| {
        place.change(
            "policies/capabilities.toml",
            "\"/repos/{owner}/{repo}/issues/{number}\"",
            path,
        );
    };
    let login = BEARER.replace("api.example.com", "login.example.com");
    let own = place(TOKENS, &login);
    paths(&own, "\"/token\"");
    let said = told(&own);
    assert!(said.contains("where the host asks for the credential `issues`"), "{said}");
    let known = place(TOKENS, &BEARER.replace("api.example.com", "oauth2.googleapis.com"));
    let said = told(&known);
    assert!(said.contains("`oauth2.googleapis.com` hands out credentials"), "{said}");
    // The same host, elsewhere.
    place(TOKENS, &login).run("call a_tool_that_is_not_there").exits(10);
}
