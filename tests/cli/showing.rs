//! Where a question is shown: all of it, and nothing in it that a screen would hide, move or confuse.
use serde_json::{Value, json};

use super::{
    asking::{add, listening, shared, tells_ana_by_mail},
    desks::{self, Desk, MailDesk},
    place::Place,
};

/// Hidden, reordering, acting on a terminal, and with a Cyrillic letter in place of a Latin one; the end is what a cut
/// display would not show.
fn description() -> String {
    format!(
        "p\u{430}ypal\u{202e}tnuocca\u{2069} \u{200b}\u{9b}31m\u{1b}[2J {}THE END",
        "x".repeat(3000)
    )
}

const HIDDEN: [char; 5] = ['\u{202e}', '\u{2069}', '\u{200b}', '\u{9b}', '\u{1b}'];

fn hides(text: &str) -> bool {
    text.contains(HIDDEN)
}

/// What a person reads, whatever shows it.
fn is_shown_whole(text: &str) {
    assert!(!hides(text), "{text}");
    for part in [
        r"pаypal\u{202e}tnuocca\u{2069} \u{200b}\u{9b}31m",
        "THE END",
        r"look twice    p\u{430}ypal is written as `pаypal` and is not `paypal`",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

fn held(place: &Place) -> String {
    let arguments = json!({ "amount": 1000, "currency": "eur", "description": description() });
    place.run_with("call create_charge --args-json -", &arguments.to_string()).exits(5);
    let open = place.run("approval list --json").exits(0).json();
    open["approvals"][0]["id"].as_str().unwrap().to_owned()
}

/// G-02, G-03, G-11, G-12.
#[test]
fn a_terminal_and_a_program_are_shown_all_of_it() {
    let place = Place::with(&["payments"]);
    let id = held(&place);
    let text = place.run(&format!("approval show {id}")).exits(0);
    is_shown_whole(&text.out);
    assert!(text.out.trim_end().ends_with("THE END\"}"), "the arguments come last");
    for line in [format!("approval show {id} --json"), "approval list --json".to_owned()] {
        let told = place.run(&line).exits(0);
        assert!(!hides(&told.out), "{}", told.told());
    }
    let told = place.run(&format!("approval show {id} --json")).json();
    is_shown_whole(told["shown"].as_str().unwrap());
    // To a program it is what will run, unchanged.
    let arguments: Value = serde_json::from_str(told["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments["description"], description());
}

/// G-03: what a tool answers, and what somebody writes who says no, are texts from elsewhere, too.
#[test]
fn a_terminal_shows_answers_and_reasons_as_it_shows_questions() {
    let place = Place::with(&["payments", "teller"]);
    let said = json!({ "text": description() }).to_string();
    for line in ["call say --args-json -", "call say --args-json - --json"] {
        let told = place.run_with(line, &said).exits(0);
        assert!(!hides(&told.out), "{line}: {}", told.told());
        let answer: Value = serde_json::from_str(&told.out).unwrap();
        let answer = answer.get("result").unwrap_or(&answer);
        assert_eq!(answer["text"], description(), "to a program it is what the tool said");
    }
    let id = held(&place);
    let words = "no\u{202e}\u{1b}[2J\nerror: approved";
    place.run_with(&format!("approval deny {id} --comment '{words}'"), "").exits(0);
    let arguments = json!({ "amount": 1000, "currency": "eur", "description": description() });
    let denied = place.run_with("call create_charge --args-json -", &arguments.to_string());
    let told = denied.told();
    assert!(!hides(&told), "{told}");
    assert!(told.contains(r"no\u{202e}\u{1b}[2J\u{a}error: approved"), "{told}");
}

/// G-03, G-11, G-32.
#[test]
fn slack_and_mail_show_all_of_it_or_say_where_it_is_shown() {
    let place = Place::with(&["payments"]);
    let (desk, mails) = (Desk::answering(desks::OK), MailDesk::start());
    shared(&place, &["slack-token", "slack-signing"]);
    add(
        &place,
        &format!(
            "\n[approval.person.ana]\nroles = [\"payer\"]\nslack = \"U1\"\nemail = \"ana@example.com\"\n[approval.tell.chat]\nkind = \"slack\"\napi = \"{}\"\nallow_private = true\nchannel = \"C1\"\nstore = \"local\"\ntoken = \"slack-token\"\nsigning_secret = \"slack-signing\"\narguments = \"whole\"\n[approval.tell.mail]\nkind = \"email\"\nserver = \"smtp://{}\"\nallow_private = true\nfrom = \"toolward@example.com\"\nto = [\"ana\"]\nlinks = \"https://desk.example.com\"\narguments = \"whole\"\n",
            desk.url("/api"),
            mails.address
        ),
    );
    let id = held(&place);
    let said: Value = serde_json::from_str(&desk.next().body).unwrap();
    let sections = said["blocks"].as_array().unwrap().iter();
    let text: String = sections.filter_map(|block| block["text"]["text"].as_str()).collect();
    is_shown_whole(&text);
    let mail = mails.next();
    assert!(!hides(&mail) && mail.contains(&format!("toolward approval show {id}")), "{mail}");
    is_shown_whole(&unquoted(&mail));

    // Where texts stay here, both say where they are shown, and neither lets anybody agree.
    place.run(&format!("approval deny {id}")).exits(0);
    let whole = place.read("toolward.toml");
    place.write("toolward.toml", &whole.replace("arguments = \"whole\"\n", ""));
    place
        .run_with(
            "call create_charge --args-json -",
            &json!({ "amount": 1, "currency": "eur", "description": description() }).to_string(),
        )
        .exits(5);
    let (said, mail) = (desk.next().body, unquoted(&mails.next()));
    for told in [&said, &mail] {
        assert!(!hides(told) && !told.contains("THE END"), "{told}");
        assert!(told.contains("toolward approval show ") && told.contains("/amount"), "{told}");
    }
    assert!(said.contains("toolward-deny") && !said.contains("toolward-approve"));
}

/// G-11, G-12: the page that a link in a mail leads to.
#[test]
fn what_a_link_shows_is_all_of_it() {
    let place = Place::with(&["payments"]);
    let mails = MailDesk::start();
    tells_ana_by_mail(&place, &mails);
    held(&place);
    let mail = unquoted(&mails.next());
    let word = mail.split_once("/approval/link/").unwrap().1.split_whitespace().next().unwrap();
    place.run("token mint --id ana --kind user --role payer --out a.token").exits(0);
    let token = place.read("a.token");
    let (listen, address) = listening(&place);
    let head =
        format!("GET /approval/link/{word} HTTP/1.1\r\nauthorization: Bearer {}", token.trim());
    let (status, _, body) = desks::ask(&address, &head, "");
    assert_eq!(status, 200);
    is_shown_whole(&body);
    listen.end();
}

/// A mail's text out of its encoding (RFC 2045 section 6.7 and 6.8), whichever was taken.
fn unquoted(mail: &str) -> String {
    let (head, body) = mail.split_once("\r\n\r\n").unwrap();
    if head.contains("base64") {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let coded: String = body.lines().take_while(|line| *line != ".").collect();
        return String::from_utf8(STANDARD.decode(coded).unwrap()).unwrap();
    }
    let mut bytes = Vec::new();
    let joined = body.replace("=\r\n", "");
    let mut rest = joined.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let coded = (*first == b'=' && head.contains("quoted-printable")).then(|| after.get(..2));
        match coded.flatten().and_then(|two| hex::decode(two).ok()) {
            Some(byte) => {
                bytes.extend(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}
