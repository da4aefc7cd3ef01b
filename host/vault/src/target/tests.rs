use proptest::prelude::*;

use super::*;

#[test]
fn a_canonical_target_is_taken_as_it_is() {
    for text in [
        "/",
        "/a",
        "/repos/acme/site/issues?state=open&page=2",
        "/v1/a%20b?q=%C3%BC",
        "/a/b:c@d,e=f",
    ] {
        assert_eq!(Target::parse(text).unwrap().path_and_query(), text);
    }
}

#[test]
fn what_two_readers_could_understand_differently_is_refused() {
    let wrong = [
        "",
        "a",
        "//evil.example/a",
        "/a//b",
        "/a/",
        "/a/../b",
        "/a/./b",
        "/..",
        "/a/%2e%2e/b",
        "/a%2Fb",
        "/a%2fb",
        "/a%5Cb",
        "/a\\b",
        "/a;b",
        "/a#b",
        "/a b",
        "/a\tb",
        "/a\nb",
        "/\u{fc}",
        "/a%",
        "/a%4",
        "/a%zz",
        "/a%41",
        "/a%00",
        "/a%250",
        "/a?b#c",
        "/a?b;c",
        "/a?b c",
        "/a?b'c",
        "http:/a",
        "https://api.example.com",
    ];
    for text in wrong {
        assert!(Target::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn query_keys_are_compared_decoded() {
    let target = Target::parse("/a?k%20ey=1&&b&c=2").unwrap();
    assert_eq!(target.keys().collect::<Vec<_>>(), ["k ey", "b", "c"]);
}

/// D-02, D-31: of all that browsers take as a URL, what is taken here is what they would have written too. The
/// data is the web platform's own, where it stands beside this checkout.
#[test]
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn a_url_that_is_taken_is_one_that_no_browser_would_rewrite() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/urltestdata.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!(
            "left out: the URLs of web-platform-tests (`url/resources/urltestdata.json`) are not at `{path}`"
        );
        return;
    };
    let cases: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let (mut taken, mut refused) = (0, 0);
    for input in cases.iter().filter_map(|case| case["input"].as_str()) {
        let Ok(target) = Target::parse(input) else {
            refused += 1;
            continue;
        };
        taken += 1;
        let Some(origin) = &target.origin else { continue };
        // Which scheme, host and port these are, only the list of destinations says.
        if origin.starts_with("http://") || origin.starts_with("https://") {
            let written = origin.split_once("://").unwrap().1;
            let plain =
                |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || ".-:".contains(one);
            if written.chars().all(plain)
                && let Ok(url) = url::Url::parse(input)
            {
                assert_eq!(
                    (url.path(), url.query()),
                    (target.path.as_str(), target.query.as_deref()),
                    "{input}"
                );
            }
        }
    }
    eprintln!("URLs of web-platform-tests: {taken} taken, {refused} refused");
    assert!(taken > 20 && refused > 400, "{taken} taken, {refused} refused");
}

proptest! {
    #[test]
    fn what_is_taken_means_the_same_to_the_url_library(text in "/[a-z0-9./%:;@\\\\?#=&+ !$'()*,~_|^`\"<>{}\\[\\]-]{0,40}") {
        if let Ok(target) = Target::parse(&text) {
            let url = url::Url::parse(&format!("https://api.example.com{text}")).unwrap();
            prop_assert_eq!(url.path(), target.path.as_str());
            prop_assert_eq!(url.query(), target.query.as_deref());
            prop_assert_eq!(url.host_str(), Some("api.example.com"));
        }
    }

    #[test]
    fn any_text_is_taken_or_refused(text in "\\PC{0,80}") {
        let _ = Target::parse(&text).is_ok();
        crate::fuzzing::target(text.as_bytes());
    }
}
