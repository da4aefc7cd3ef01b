#[expect(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    reason = "places in short ASCII texts"
)]
mod pieces;

#[expect(clippy::arithmetic_side_effects, reason = "places in short texts")]
mod oracle;

mod registry;

use std::sync::LazyLock;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use proptest::prelude::*;

use super::{forms::forms, *};
use crate::Secret;

const TOKEN: &str = "ghp_Zx81+kQ/7mW=0pLr5vTn";

fn found(text: impl AsRef<[u8]>) -> bool {
    static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::for_values(&[TOKEN]));
    SCANNER.finds(text.as_ref())
}

#[test]
fn an_echo_is_found_in_the_forms_that_servers_write() {
    let json = serde_json::json!({ "headers": { "authorization": format!("Bearer {TOKEN}") } })
        .to_string();
    let escaped: String = TOKEN.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    let entities: String = TOKEN.bytes().map(|byte| format!("&#{byte};")).collect();
    let utf16: Vec<u8> = TOKEN.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wrapped: String = STANDARD_NO_PAD
        .encode(TOKEN)
        .as_bytes()
        .chunks(7)
        .map(|line| format!("{}\r\n", String::from_utf8_lossy(line)))
        .collect();
    let texts: Vec<Vec<u8>> = vec![
        TOKEN.into(),
        json.into(),
        TOKEN.replace('/', "\\/").into(),
        escaped.into(),
        entities.into(),
        utf16,
        wrapped.into(),
        STANDARD_NO_PAD.encode(format!("Bearer {TOKEN}")).into(),
        URL_SAFE_NO_PAD.encode(format!("a{TOKEN}b")).into(),
        hex::encode(TOKEN).into(),
        hex::encode_upper(format!("x{TOKEN}")).into(),
        percent_encoding::utf8_percent_encode(TOKEN, percent_encoding::NON_ALPHANUMERIC)
            .to_string()
            .into(),
        TOKEN.chars().rev().collect::<String>().into(),
        TOKEN.as_bytes()[4..].into(),
        TOKEN.as_bytes()[..18].into(),
    ];
    for text in texts {
        assert!(found(&text), "{}", String::from_utf8_lossy(&text));
        assert!(!Scanner::for_values(&["ghp_another0token1of2the3same4form"]).finds(&text));
    }
}

#[test]
fn text_without_the_value_passes() {
    for text in [
        "",
        "short",
        "{\"login\":\"ana\",\"id\":1}",
        // One byte less than counts.
        "ghp_Zx81+kQ/7mW",
        "ghp_Zx81 and something quite different",
    ] {
        assert!(!found(text), "{text}");
    }
    assert!(!Scanner::default().finds(TOKEN.as_bytes()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_sixteen_bytes_of_the_value_are_found_wherever_they_stand(
        value in "[!-~]{16,80}", start in any::<prop::sample::Index>(), before in "[ -~]{0,40}", after in "[ -~]{0,40}",
    ) {
        let start = start.index(value.len().saturating_sub(15));
        let piece: String = value.chars().skip(start).take(16).collect();
        let text = format!("{before}{piece}{after}");
        prop_assert!(Scanner::for_values(&[&value]).finds(text.as_bytes()));
    }

    #[test]
    fn a_value_under_a_layer_is_found_whatever_stands_around_it(
        value in "[!-~]{16,80}", before in "[ -Z]{0,40}", after in "[ -~]{0,40}",
    ) {
        let written = |each: fn(u8) -> String| -> String { value.bytes().map(each).collect() };
        for layer in [written(|byte| format!("\\u{byte:04x}")), written(|byte| format!("\\x{byte:02X}")), written(|byte| format!("&#x{byte:x};"))] {
            let text = format!("{before}{layer}{after}");
            prop_assert!(Scanner::for_values(&[&value]).finds(text.as_bytes()), "{}", text);
            let another = Scanner::for_values(&["\u{7f}another\u{7f}value\u{7f}\u{7f}"]);
            prop_assert!(!another.finds(text.as_bytes()));
        }
    }

    #[test]
    fn base64_of_any_text_around_the_value_is_found(
        value in "[!-~]{20,60}", before in proptest::collection::vec(any::<u8>(), 0..9), after in proptest::collection::vec(any::<u8>(), 0..9),
    ) {
        let text = [before, value.clone().into_bytes(), after].concat();
        let scanner = Scanner::for_values(&[&value]);
        prop_assert!(scanner.finds(STANDARD_NO_PAD.encode(&text).as_bytes()));
        prop_assert!(scanner.finds(URL_SAFE_NO_PAD.encode(&text).as_bytes()));
    }

    #[test]
    fn every_value_that_can_be_a_secret_is_found_in_every_form(value in "[!-~]{1,24}") {
        let taken = Secret::new(value.as_str()).check().is_ok();
        prop_assert!(!taken || value.len() >= WINDOW);
        prop_assert!(!taken || Scanner::for_values(&[&value]).finds(value.as_bytes()));
        let scanner = Scanner::for_values(&[&value]);
        for form in forms(value.as_bytes()) {
            prop_assert!(scanner.finds(&form.text));
        }
    }

    #[test]
    fn random_bytes_are_not_taken_for_the_value(text in proptest::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(!found(&text));
    }
}
