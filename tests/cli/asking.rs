//! `approval`: people who are asked in turn, told from afar, and who allow less than was asked for.
use std::{
    io::{BufRead as _, BufReader},
    process::Child,
};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use toolward_gate::{Clock as _, SystemClock};

use super::{
    desks::{self, Desk, MailDesk},
    place::{KEY, Place, TOKEN},
};

const CHARGE: &str = "call create_charge amount=1000 currency=eur description=Rent";
/// What both sides of a message know, and nobody else.
const SHARED: &str = "wh_7Qm2xLpVd84TnBs61KfYwR3cZa90";

fn held(place: &Place) -> String {
    place.run(CHARGE).exits(5);
    let open = place.run("approval list --json").exits(0).json();
    open["approvals"][0]["id"].as_str().unwrap().to_owned()
}

pub(super) fn add(place: &Place, more: &str) {
    place.write("toolward.toml", &(place.read("toolward.toml") + more));
}

/// A link that lets Ana answer goes to her by mail.
pub(super) fn tells_ana_by_mail(place: &Place, mails: &MailDesk) {
    add(
        place,
        &format!(
            "\n[approval.person.ana]\nroles = [\"payer\"]\nemail = \"ana@example.com\"\n[approval.tell.mail]\nkind = \"email\"\nserver = \"smtp://{}\"\nallow_private = true\nfrom = \"toolward@example.com\"\nto = [\"ana\"]\nlinks = \"https://desk.example.com\"\n",
            mails.address
        ),
    );
}

fn operator(place: &Place, id: &str, roles: &str) {
    let text = place.read("toolward.toml");
    let (before, after) = text.split_once("[operator]\n").unwrap();
    let after = after.split_once("roles = ").unwrap().1.split_once('\n').unwrap().1;
    let now = format!("{before}[operator]\nid = \"{id}\"\nroles = {roles}\n{after}");
    place.write("toolward.toml", &now);
}

#[test]
fn a_yes_to_less_is_kept_shown_and_recorded_and_the_call_gets_no_more() {
    let place = Place::with(&["payments"]);
    let id = held(&place);
    let line = format!(
        "approval approve {id} --http-requests 0 --time 5s --max-bytes 2000 --comment 'look first'"
    );
    place.run(&line).exits(0);
    let shown = place.run(&format!("approval show {id}")).exits(0);
    assert!(
        shown.out.contains(" within 5000 ms, 0 HTTP requests, 2000 bytes look first\n"),
        "{}",
        shown.told()
    );
    let failed = place.run(CHARGE).exits(8);
    assert!(failed.err.contains("as many requests have left"), "{}", failed.told());
    assert!(place.upstream.seen().is_empty());
    let trail = place.run("audit search --json").exits(0);
    assert!(trail.out.contains("approval-approve-narrower"), "{}", trail.told());

    let id = held(&place);
    let narrower = "--method payments:charges:create=POST --path payments:charges:create=/v1/payment_intents --cost usd:5 --http-requests 1";
    place.run(&format!("approval approve {id} {narrower}")).exits(0);
    place.run(CHARGE).exits(0);
    assert_eq!(place.upstream.seen().len(), 1);
}

#[test]
fn limits_that_cannot_be_meant_are_refused_with_what_to_write() {
    let place = Place::with(&["payments"]);
    let id = held(&place);
    for (limits, told) in [
        ("--requests 1", "unexpected argument"),
        ("--method shop:items:read=GET", "it uses `host:log:write`, `payments:charges:create`"),
        ("--method payments:charges:create=post", "upper case"),
        ("--method POST", "write `CAPABILITY=…`"),
        ("--path payments:charges:create=v1", "must begin with `/`"),
        ("--cost 5", "as in `usd:0.50`"),
        ("--time soon", "as in `10s`"),
        ("--http-requests=-1", "invalid value"),
    ] {
        let refused = place.run(&format!("approval approve {id} {limits}")).exits(2);
        assert!(refused.err.contains(told), "{}", refused.told());
    }
    let open = place.run("approval list --json").json();
    assert_eq!(open["approvals"][0]["state"], "open");
}

#[test]
fn two_people_have_to_agree_where_the_policy_says_two() {
    let place = Place::with(&["payments"]);
    place.change("policies/payments.cedar", "one-of:payer", "two-of:payer");
    let id = held(&place);
    let first = place.run(&format!("approval approve {id}")).exits(0);
    assert!(first.err.contains("another person has to agree"), "{}", first.told());
    let twice = place.run(&format!("approval approve {id}")).exits(4);
    assert!(twice.err.contains("has already answered"), "{}", twice.told());
    place.run(CHARGE).exits(5);
    operator(&place, "ben", "[\"payer\"]");
    place.run(&format!("approval approve {id}")).exits(0);
    place.run(CHARGE).exits(0);
}

#[test]
fn who_comes_later_in_the_chain_is_not_asked_before_and_after_the_last_it_is_no() {
    let place = Place::with(&["payments"]);
    add(
        &place,
        "\n[[approval.chain]]\napprovers = [\"oncall\"]\npatience = \"1s\"\n[[approval.chain]]\napprovers = [\"manager\"]\npatience = \"1s\"\n",
    );
    operator(&place, "mia", "[\"payer\", \"manager\"]");
    // The call waits for longer than everybody has.
    let denied = place.run(CHARGE).exits(6);
    let all = place.run("approval list --state denied --json").json();
    let id = all["approvals"][0]["id"].as_str().unwrap();
    let shown = place.run(&format!("approval show {id}")).exits(0);
    assert!(shown.out.contains("asked         oncall until"), "{}", shown.told());
    assert!(
        denied.err.contains("nobody of those who were asked answered in time"),
        "{}",
        denied.told()
    );
    assert!(place.upstream.seen().is_empty());

    let place = Place::with(&["payments"]);
    add(
        &place,
        "\n[[approval.chain]]\napprovers = [\"oncall\"]\npatience = \"1h\"\n[[approval.chain]]\npatience = \"1h\"\n",
    );
    let id = held(&place);
    operator(&place, "mia", "[\"payer\", \"manager\"]");
    let early = place.run(&format!("approval approve {id}")).exits(4);
    assert!(early.err.contains("`mia` is not asked yet"), "{}", early.told());
    operator(&place, "olga", "[\"payer\", \"oncall\"]");
    place.run(&format!("approval approve {id}")).exits(0);
    place.run(CHARGE).exits(0);
}

/// G-09.
#[test]
fn as_many_questions_wait_as_the_configuration_allows() {
    let place = Place::with(&["payments"]);
    add(&place, "\n[approval]\nmost_open = 1\n");
    let id = held(&place);
    let more = place.run(&CHARGE.replace("1000", "2000")).exits(4);
    assert!(more.err.contains("wait for a person already"), "{}", more.told());
    place.run(&format!("approval deny {id}")).exits(0);
    place.run(&CHARGE.replace("1000", "2000")).exits(5);
}

/// A child that says one JSON object a line.
pub(super) struct Talking {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Talking {
    fn start(place: &Place, line: &str) -> Self {
        let mut child = place.start(line);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn next(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }

    /// Ends it as ctrl-c does, and checks that it ends well.
    pub(super) fn end(mut self) {
        Place::interrupt(&self.child);
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "{ended}");
    }
}

#[test]
fn watch_follows_questions_and_what_becomes_of_them() {
    let place = Place::with(&["payments"]);
    let before = held(&place);
    let mut watch = Talking::start(&place, "approval watch --json");
    let seen = |watch: &mut Talking| {
        let line = watch.next();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&line["event"]), text(&line["approval"]["id"]))
    };
    assert_eq!(seen(&mut watch), ("asked".to_owned(), before.clone()));
    place.run(&CHARGE.replace("1000", "2000")).exits(5);
    let (event, after) = seen(&mut watch);
    assert_eq!(event, "asked");
    assert_ne!(after, before);
    place.run(&format!("approval approve {before}")).exits(0);
    assert_eq!(seen(&mut watch), ("approved".to_owned(), before.clone()));
    place.run(CHARGE).exits(0);
    assert_eq!(seen(&mut watch), ("spent".to_owned(), before));
    place.run(&format!("approval deny {after}")).exits(0);
    assert_eq!(seen(&mut watch), ("denied".to_owned(), after));
    watch.end();
}

const LIST: &str = "call list_issues owner=acme repo=site";

fn without_issues() -> Place {
    let place = Place::with(&["github-issues"]);
    let policy = place.read("policies/github-issues.cedar");
    // Nobody may read issues any more.
    place.write(
        "policies/github-issues.cedar",
        &policy.replace("github:issues:read", "github:issues:write"),
    );
    place
}

#[test]
fn access_for_a_time_takes_two_others_and_is_loud_in_the_trail() {
    let place = without_issues();
    place.run(LIST).exits(4);
    let asked = "approval request --capability github:issues:read --tool list_issues --for 30m --reason 'the site is down'";
    let told = place.run(asked).exits(0);
    assert!(told.out.contains("waits for two people"), "{}", told.told());
    let open = place.run("approval list --json").json();
    let id = open["approvals"][0]["id"].as_str().unwrap().to_owned();
    let shown = place.run(&format!("approval show {id}")).exits(0);
    assert!(shown.out.contains("reason        the site is down"), "{}", shown.told());
    operator(&place, "agent-7", "[]");
    place.run(&format!("approval approve {id}")).exits(4);
    for who in ["ana", "ben"] {
        place.run(LIST).exits(4);
        operator(&place, who, "[]");
        place.run(&format!("approval approve {id}")).exits(0);
    }
    let used = place.run(LIST).exits(0);
    assert!(used.err.contains("a capability is used that no policy permits"), "{}", used.told());
    let trail = place.run("audit search --json").exits(0);
    for loud in [
        "access-request",
        "access-approve",
        "\"exceptional\":[\"github:issues:read\"]",
        "the site is down",
    ] {
        assert!(trail.out.contains(loud), "{loud}: {}", trail.told());
    }
    // Anybody ends it before its time.
    place.run(&format!("approval deny {id}")).exits(0);
    place.run(LIST).exits(4);
}

#[test]
fn access_that_could_not_be_used_is_not_asked_for() {
    let place = without_issues();
    let ask = |capability: &str, tool: &str, time: &str, reason: &str| {
        place.run(&format!("approval request --capability {capability} --tool {tool} --for {time} --reason '{reason}'"))
    };
    let cases = [
        (ask("github:issues:read", "no_such_tool", "30m", "x"), 10, "there is no tool"),
        (ask("moon:cheese:eat", "list_issues", "30m", "x"), 10, "there is no capability"),
        (ask("github:issues:write", "list_issues", "30m", "x"), 2, "does not want"),
        (ask("github:issues:read", "list_issues", "9h", "x"), 2, "at most eight hours"),
        (ask("github:issues:read", "list_issues", "30m", " "), 2, "write a `--reason`"),
    ];
    for (told, exit, why) in cases {
        assert!(told.exit == exit && told.err.contains(why), "{}", told.told());
    }
    assert_eq!(place.run("approval list --json").json()["approvals"], json!([]));
}

/// As Slack signs.
fn signature(key: &str, timestamp: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let tag = hmac::sign(&key, format!("v0:{timestamp}:{body}").as_bytes());
    format!("v0={}", hex::encode(tag.as_ref()))
}

pub(super) fn shared(place: &Place, names: &[&str]) {
    for name in names {
        place.run_with(&format!("secret set {name}"), SHARED).exits(0);
    }
}

/// G-32.
#[test]
fn a_webhook_is_told_signed_once_and_without_the_texts_of_arguments() {
    let place = Place::with(&["payments"]);
    let desk = Desk::answering(desks::OK);
    shared(&place, &["desk-key"]);
    add(
        &place,
        &format!(
            "\n[approval.tell.desk]\nkind = \"webhook\"\nurl = \"{}\"\nallow_private = true\nstore = \"local\"\nkey = \"desk-key\"\n",
            desk.url("/in?team=a")
        ),
    );
    let id = held(&place);
    let posted = desk.next();
    assert!(posted.head.starts_with("POST /in?team=a HTTP/1.1"), "{}", posted.head);
    let timestamp = posted.header("webhook-timestamp").unwrap();
    assert_eq!(posted.header("webhook-id"), Some(format!("{id}-1").as_str()));
    let signed = |key| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, str::as_bytes(key));
        let tag = hmac::sign(&key, format!("{id}-1.{timestamp}.{}", posted.body).as_bytes());
        format!("v1,{}", BASE64.encode(tag.as_ref()))
    };
    assert_eq!(posted.header("webhook-signature"), Some(signed(SHARED).as_str()));
    assert_ne!(posted.header("webhook-signature"), Some(signed("another").as_str()));
    let now = SystemClock.now().as_second();
    assert!(now.abs_diff(timestamp.parse().unwrap()) < 60);
    let said: Value = serde_json::from_str(&posted.body).unwrap();
    assert_eq!((&said["approval"], &said["tool"]), (&json!(id), &json!("create_charge")));
    assert_eq!(said["arguments"]["amount"], 1000);
    assert_eq!(said["arguments"]["description"], "[text of 4 bytes]");
    for secret in [SHARED, KEY, TOKEN, "Rent"] {
        assert!(!format!("{}{}", posted.head, posted.body).contains(secret), "{secret}");
    }
    place.run(CHARGE).exits(5);
    assert!(desk.is_quiet(), "told once");
    let trail = place.run("audit search --json").exits(0);
    assert!(trail.out.contains("approval-tell"), "{}", trail.told());
}

#[test]
fn a_webhook_that_fails_is_told_again_by_whoever_runs_then() {
    let place = Place::with(&["payments"]);
    let desk = Desk::answering(desks::BROKEN);
    shared(&place, &["desk-key"]);
    add(
        &place,
        &format!(
            "\n[approval.tell.desk]\nkind = \"webhook\"\nurl = \"{}\"\nallow_private = true\nstore = \"local\"\nkey = \"desk-key\"\narguments = \"whole\"\n",
            desk.url("/in")
        ),
    );
    let waiting = place.run(CHARGE).exits(5);
    assert!(waiting.err.contains("the server answers 500"), "{}", waiting.told());
    let first = desk.next();
    desk.answers(desks::OK);
    let mut listen = Talking::start(&place, "approval listen 127.0.0.1:0 --json");
    listen.next();
    let again = desk.next();
    let message = |posted: &desks::Posted| serde_json::from_str::<Value>(&posted.body).unwrap();
    assert_eq!(message(&first)["approval"], message(&again)["approval"]);
    assert_eq!(first.header("webhook-id"), again.header("webhook-id"));
    assert_eq!(
        message(&again)["arguments"],
        r#"{"amount":1000,"currency":"eur","description":"Rent"}"#
    );
    listen.end();
}

/// Listens, and answers with the address.
pub(super) fn listening(place: &Place) -> (Talking, String) {
    let mut listen = Talking::start(place, "approval listen 127.0.0.1:0 --json");
    let address = listen.next()["listening"].as_str().unwrap().to_owned();
    (listen, address)
}

fn pressed(to: &str, member: &str, button: &Value, signed: (&str, i64)) -> (String, String) {
    pressed_within(to, member, button, signed, &Value::Null)
}

/// With what stands in the message's input, as Slack's documentation of `block_actions` has it.
fn pressed_within(
    to: &str,
    member: &str,
    button: &Value,
    (key, age): (&str, i64),
    limits: &Value,
) -> (String, String) {
    let input = json!({ "type": "plain_text_input", "value": limits });
    let payload = json!({
        "type": "block_actions",
        "user": { "id": member },
        "actions": [{ "action_id": button["action_id"], "value": button["value"] }],
        "state": { "values": { "toolward-limits": { "toolward-limits": input } } },
    });
    let escaped: String = payload.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
    let body = format!("payload={escaped}");
    let now = SystemClock.now().as_second();
    let timestamp = (now - age).to_string();
    let signature = signature(key, &timestamp, &body);
    let head = format!(
        "POST /approval/slack/{to} HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded\r\nx-slack-request-timestamp: {timestamp}\r\nx-slack-signature: {signature}"
    );
    (head, body)
}

/// G-26, G-03.
#[test]
fn slack_shows_all_of_the_call_and_its_signed_button_counts_once() {
    let place = Place::with(&["payments"]);
    let desk = Desk::answering(desks::OK);
    shared(&place, &["slack-token", "slack-signing"]);
    add(
        &place,
        &format!(
            "\n[approval.person.ana]\nroles = [\"payer\"]\nslack = \"U1\"\n[approval.person.zoe]\nslack = \"U2\"\n[approval.tell.chat]\nkind = \"slack\"\napi = \"{}\"\nallow_private = true\nchannel = \"C1\"\nstore = \"local\"\ntoken = \"slack-token\"\nsigning_secret = \"slack-signing\"\narguments = \"whole\"\n",
            desk.url("/api")
        ),
    );
    let id = held(&place);
    let posted = desk.next();
    assert!(posted.head.starts_with("POST /api/chat.postMessage "), "{}", posted.head);
    assert_eq!(posted.header("authorization"), Some(format!("Bearer {SHARED}").as_str()));
    let said: Value = serde_json::from_str(&posted.body).unwrap();
    assert!(posted.body.contains(r#"\"description\":\"Rent\""#), "{said}");
    let buttons = said["blocks"].as_array().unwrap().last().unwrap()["elements"].clone();
    let approve = &buttons[0];
    assert_eq!(approve["action_id"], "toolward-approve");

    let (listen, address) = listening(&place);
    let state = || {
        let shown = place.run(&format!("approval show {id} --json")).json();
        shown["state"].as_str().unwrap().to_owned()
    };
    let forged = pressed("chat", "U1", approve, ("another-key", 0));
    let old = pressed("chat", "U1", approve, (SHARED, 301));
    for (head, body) in [&forged, &old] {
        assert_eq!(desks::ask(&address, head, body).0, 401);
    }
    // Another body under the same signature, as one who encodes it anew would send.
    let (head, body) = pressed("chat", "U1", approve, (SHARED, 0));
    assert_eq!(desks::ask(&address, &head, &body.replace("%7B", "%7b")).0, 401);
    assert_eq!(desks::ask(&address, &head.replace("/chat", "/other"), &body).0, 404);
    for (member, why) in [("U9", "nobody of"), ("U2", "none of the roles")] {
        let (head, body) = pressed("chat", member, approve, (SHARED, 0));
        assert_eq!(desks::ask(&address, &head, &body).0, 200);
        assert!(desk.next().body.contains(why), "{why}");
    }
    let mut another = approve.clone();
    another["value"] = json!(format!("{id} sha256:{}", "0".repeat(64)));
    let (other_head, other_body) = pressed("chat", "U1", &another, (SHARED, 0));
    desks::ask(&address, &other_head, &other_body);
    assert!(desk.next().body.contains("the button is about another call"));
    assert_eq!(state(), "open");

    assert_eq!(desks::ask(&address, &head, &body).0, 200);
    assert!(desk.next().body.contains(&format!("{id}: approved by ana")));
    assert_eq!(state(), "approved");
    let (status, _, why) = desks::ask(&address, &head, &body);
    assert_eq!((status, why.as_str()), (401, "the same answer came before"));
    place.run(CHARGE).exits(0);
    listen.end();
}

/// As Slack answers: where the message stands.
const POSTED: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 51\r\n\r\n{\"ok\":true,\"channel\":\"C1\",\"ts\":\"1503435956.000247\"}";

/// A yes to less; and once it is decided, nothing is left to press.
#[test]
fn slack_takes_limits_and_its_message_loses_its_buttons_once_it_is_decided() {
    let place = Place::with(&["payments"]);
    let desk = Desk::answering(POSTED);
    shared(&place, &["slack-token", "slack-signing"]);
    add(
        &place,
        &format!(
            "\n[approval.person.ana]\nroles = [\"payer\"]\nslack = \"U1\"\n[approval.tell.chat]\nkind = \"slack\"\napi = \"{}\"\nallow_private = true\nchannel = \"C1\"\nstore = \"local\"\ntoken = \"slack-token\"\nsigning_secret = \"slack-signing\"\narguments = \"whole\"\n",
            desk.url("/api")
        ),
    );
    let id = held(&place);
    let said: Value = serde_json::from_str(&desk.next().body).unwrap();
    let blocks = said["blocks"].as_array().unwrap();
    let (buttons, input) = (&blocks[blocks.len() - 1]["elements"], &blocks[blocks.len() - 2]);
    assert_eq!((&input["type"], &input["optional"]), (&json!("input"), &json!(true)));
    let approve = &buttons[0];

    let (listen, address) = listening(&place);
    let press = |limits: Value, age| {
        let (head, body) = pressed_within("chat", "U1", approve, (SHARED, age), &limits);
        assert_eq!(desks::ask(&address, &head, &body).0, 200);
        desk.next()
    };
    for (limits, why) in [
        ("http-requests=many", "invalid value"),
        ("just once", "write `NAME=VALUE`"),
        ("method=shop:items:read=GET", "the call does not use"),
    ] {
        let told = press(json!(limits), 1).body;
        assert!(told.contains("not taken") && told.contains(why), "{told}");
    }
    // What became of it is said in the channel, and the message is changed: in whichever order.
    let first = press(json!("http-requests=0 \u{2014}time=5s"), 0);
    let both = [first, desk.next()];
    let of = |method: &str| {
        let line = format!("POST /api/{method} ");
        both.iter().find(|one| one.head.starts_with(&line)).unwrap().body.clone()
    };
    let told = of("chat.postMessage");
    assert!(told.contains("approved by ana within 5000 ms, 0 HTTP requests"), "{told}");
    let changed: Value = serde_json::from_str(&of("chat.update")).unwrap();
    assert_eq!((&changed["channel"], &changed["ts"]), (&json!("C1"), &json!("1503435956.000247")));
    let text = changed.to_string();
    assert!(text.contains("state         approved") && text.contains(" within 5000 ms"), "{text}");
    assert!(!text.contains("toolward-approve") && !text.contains("toolward-deny"), "{text}");
    let failed = place.run(CHARGE).exits(8);
    assert!(failed.err.contains("as many requests have left"), "{}", failed.told());

    // Also where somebody answers elsewhere.
    let again = held(&place);
    assert_ne!(again, id);
    assert!(desk.next().body.contains("toolward-approve"));
    place.run(&format!("approval deny {again}")).exits(0);
    let changed = desk.next();
    assert!(changed.head.starts_with("POST /api/chat.update "), "{}", changed.head);
    assert!(changed.body.contains("state         denied"), "{}", changed.body);
    listen.end();
}

/// G-03, G-32.
#[test]
fn slack_has_no_button_to_agree_where_it_does_not_show_all() {
    let place = Place::with(&["payments"]);
    let desk = Desk::answering(desks::OK);
    shared(&place, &["slack-token", "slack-signing"]);
    add(
        &place,
        &format!(
            "\n[approval.person.ana]\nslack = \"U1\"\n[approval.tell.chat]\nkind = \"slack\"\napi = \"{}\"\nallow_private = true\nchannel = \"C1\"\nstore = \"local\"\ntoken = \"slack-token\"\nsigning_secret = \"slack-signing\"\n",
            desk.url("/api")
        ),
    );
    held(&place);
    let redacted = desk.next().body;
    assert!(
        redacted.contains("toolward-deny") && !redacted.contains("toolward-approve"),
        "{redacted}"
    );
    assert!(!redacted.contains("Rent"), "{redacted}");
    place.change(
        "toolward.toml",
        "signing_secret = \"slack-signing\"\n",
        "signing_secret = \"slack-signing\"\narguments = \"whole\"\n",
    );
    let long = "x".repeat(140_000);
    let arguments = json!({ "amount": 1000, "currency": "eur", "description": long }).to_string();
    place.run_with("call create_charge --args-json -", &arguments).exits(5);
    let cut = desk.next().body;
    assert!(cut.contains("toolward-deny") && !cut.contains("toolward-approve"));
    assert!(cut.contains("To see all of it and to agree"));
    place.run(&CHARGE.replace("1000", "3000")).exits(5);
    assert!(desk.next().body.contains("toolward-approve"));
}

#[test]
fn mail_brings_a_link_that_shows_nothing_without_a_login_and_serves_once() {
    let place = Place::with(&["payments"]);
    let mails = MailDesk::start();
    tells_ana_by_mail(&place, &mails);
    let id = held(&place);
    let mail = mails.next().replace("=\r\n", "");
    assert!(mail.contains("RCPT TO:<ana@example.com>") && mail.contains(&id), "{mail}");
    assert!(!mail.contains("Rent"), "{mail}");
    let word = mail.split_once("https://desk.example.com/approval/link/").unwrap().1;
    let word = word.split_whitespace().next().unwrap().to_owned();
    assert_eq!(word.len(), 64);

    let mint = |id: &str, kind: &str, file: &str| {
        place
            .run(&format!("token mint --id {id} --kind {kind} --role payer --out {file}"))
            .exits(0);
        place.read(file).trim().to_owned()
    };
    let (ana, zoe, bot) = (
        mint("ana", "user", "a.token"),
        mint("zoe", "user", "z.token"),
        mint("ana", "agent", "b.token"),
    );
    let (listen, address) = listening(&place);
    let look = |token: Option<&str>| {
        let login = token.map(|token| format!("\r\nauthorization: Bearer {token}"));
        let head = format!("GET /approval/link/{word} HTTP/1.1{}", login.unwrap_or_default());
        desks::ask(&address, &head, "")
    };
    let (status, head, body) = look(None);
    assert_eq!(status, 401);
    assert!(!body.contains("create_charge") && !body.contains("agent-7"), "{body}");
    for field in ["frame-ancestors 'none'", "no-store", "nosniff", "text/plain"] {
        assert!(head.contains(field), "{field}: {head}");
    }
    for other in [&zoe, &bot] {
        assert_eq!(look(Some(other)).0, 403);
    }
    // Of two logins, neither is chosen.
    for two in [[&ana, &zoe], [&zoe, &ana], [&ana, &ana]] {
        let both = format!("{}\r\nauthorization: Bearer {}", two[0], two[1]);
        assert_eq!(look(Some(&both)).0, 400);
    }
    let (status, _, body) = look(Some(&ana));
    assert_eq!(status, 200);
    assert!(body.contains(r#""description":"Rent""#), "{body}");
    assert_eq!(place.run("approval list --json").json()["approvals"][0]["state"], "open");

    let say = |token: &str, body: &str| {
        let head = format!(
            "POST /approval/link/{word} HTTP/1.1\r\ncontent-type: application/json\r\nauthorization: Bearer {token}"
        );
        desks::ask(&address, &head, body)
    };
    assert_eq!(say(&zoe, r#"{"verdict":"approve"}"#).0, 403);
    assert_eq!(say(&ana, r#"{"verdict":"maybe"}"#).0, 400);
    // What is no answer does not use the link up.
    assert_eq!(say(&ana, r#"{"verdict":"deny","limits":{"http_requests":1}}"#).0, 400);
    let (status, _, body) = say(&ana, r#"{"verdict":"approve","limits":{"http_requests":1}}"#);
    assert_eq!((status, body), (200, format!("{id}: approved")));
    assert_eq!(say(&ana, r#"{"verdict":"deny"}"#).0, 404);
    assert_eq!(look(Some(&ana)).0, 404);
    place.run(CHARGE).exits(0);
    listen.end();
}

#[test]
fn a_listener_without_tls_is_not_opened_to_others() {
    let place = Place::with(&["payments"]);
    let refused = place.run("approval listen 0.0.0.0:7450").exits(2);
    assert!(refused.err.contains("listen on `127.0.0.1:7450`"), "{}", refused.told());
}

#[test]
fn a_teller_that_cannot_work_stops_the_start() {
    let place = Place::with(&["payments"]);
    let desk = Desk::answering(desks::OK);
    add(
        &place,
        &format!(
            "\n[approval.tell.desk]\nkind = \"webhook\"\nurl = \"{}\"\nstore = \"nowhere\"\nkey = \"desk-key\"\n",
            desk.url("/in")
        ),
    );
    let refused = place.run("approval listen 127.0.0.1:0").exits(3);
    assert!(refused.err.contains("add `[secret_store.nowhere]`"), "{}", refused.told());
    place.change("toolward.toml", "kind = \"webhook\"", "kind = \"pigeon\"");
    let refused = place.run("approval list").exits(3);
    assert!(refused.err.contains("unknown variant `pigeon`"), "{}", refused.told());
}

#[test]
fn an_answer_and_a_switch_at_the_command_line_are_said_elsewhere_too() {
    let place = Place::with(&["payments"]);
    add(&place, "\n[audit.checkpoints]\nfile = \"elsewhere.jsonl\"\n");
    let id = held(&place);
    let points = || place.read("elsewhere.jsonl").lines().count();
    let before = points();
    place.run(&format!("approval deny {id}")).exits(0);
    assert_eq!(points(), before + 1);
    place.run("kill on tool create_charge --reason x").exits(0);
    place.run("kill off tool create_charge --reason x").exits(0);
    assert_eq!(points(), before + 3);
    place.run("audit verify").exits(0);
}
