//! Signatures that services published.
use super::*;

fn made(hash: HmacHash, form: KeyForm, key: &str, parts: &[&str]) -> String {
    let Ok(key) = bytes(form, key) else { panic!("no key") };
    hex::encode(signature(hash, &key, parts.iter().map(|part| part.as_bytes().to_vec())))
}

/// "Validating webhook deliveries", GitHub's documentation.
#[test]
fn the_example_of_github_is_signed_as_it_says() {
    assert_eq!(
        made(HmacHash::Sha256, KeyForm::Text, "It's a Secret to Everybody", &["Hello, World!"]),
        "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    );
}

/// "Verifying requests from Slack", Slack's documentation.
#[test]
fn the_example_of_slack_is_signed_as_it_says() {
    let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let parts = ["v0:", "1531420618", ":", body];
    assert_eq!(
        made(HmacHash::Sha256, KeyForm::Text, "8f742231b10e8888abcd99yyyzzz85a5", &parts),
        "a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    );
}

/// RFC 4231 section 4.3.
#[test]
fn every_hash_is_the_one_of_the_standard() {
    let with = |hash| made(hash, KeyForm::Text, "Jefe", &["what do ya want ", "for nothing?"]);
    assert!(with(HmacHash::Sha256).starts_with("5bdcc146bf60754e6a042426089575c7"));
    assert!(with(HmacHash::Sha384).starts_with("af45d2e376484031617f78d2b58a6b1b"));
    assert!(with(HmacHash::Sha512).starts_with("164b7a7bfcf819e2e395fbe73b56e0a3"));
}

#[test]
fn a_key_is_read_as_the_slot_says() {
    let with = |form, key: &str| made(HmacHash::Sha256, form, key, &["a"]);
    let text = with(KeyForm::Text, "Jefe");
    assert_eq!(text, with(KeyForm::Hex, "4a656665"));
    assert_eq!(text, with(KeyForm::Base64, "SmVmZQ=="));
    assert_eq!(text, with(KeyForm::Base64, "SmVmZQ"));
    assert!(bytes(KeyForm::Hex, "Jefe").is_err() && bytes(KeyForm::Base64, "Je!e").is_err());
}
