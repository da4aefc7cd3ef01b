use proptest::prelude::*;

use super::*;

fn matches(pattern: &str, path: &str) -> bool {
    pattern.parse::<PathPattern>().unwrap().matches(path)
}

#[test]
fn a_segment_with_a_kind_takes_only_what_is_written_like_it() {
    const ID: &str = "0b9c7ed2-6a3c-4d80-9d2e-3c5be1c5a8f1";
    let cases: [(&str, &[&str], &[&str]); 5] = [
        (
            "int",
            &["0", "7", "18446744073709551615"],
            &["", "-1", "+1", "01", "1.0", "1e3", "18446744073709551616", "%31", "1 ", "a"],
        ),
        (
            "uuid",
            &[ID, "0B9C7ED2-6A3C-4D80-9D2E-3C5BE1C5A8F1"],
            &[
                "",
                "0b9c7ed26a3c4d809d2e3c5be1c5a8f1",
                "{0b9c7ed2-6a3c-4d80-9d2e-3c5be1c5a8f1}",
                "urn:uuid:0b9c7ed2-6a3c-4d80-9d2e-3c5be1c5a8f1",
                "0b9c7ed2-6a3c-4d80-9d2e-3c5be1c5a8fg",
                "0b9c7ed2-6a3c-4d80-9d2e-3c5be1c5a8f",
            ],
        ),
        ("slug", &["a", "Acme-site_2"], &["", "a.b", "a b", "a%20b", "..", "a:b", "a@b"]),
        ("hex", &["0", "deadBEEF"], &["", "0x1", "g", "de-ad"]),
        (
            "date",
            &["2024-02-29", "1970-01-01"],
            &[
                "",
                "2023-02-29",
                "2024-2-9",
                "20240229",
                "2024-02-29T00",
                "+002024-02-29",
                "-002024-02-29",
                "2024-13-01",
            ],
        ),
    ];
    for (kind, right, wrong) in cases {
        let pattern = format!("/a/{{one:{kind}}}");
        for part in right {
            assert!(matches(&pattern, &format!("/a/{part}")), "{kind} {part}");
        }
        for part in wrong {
            assert!(!matches(&pattern, &format!("/a/{part}")), "{kind} {part}");
        }
    }
}

#[test]
fn the_rest_of_a_path_is_one_segment_or_more() {
    for (path, fits) in [
        ("/files/a", true),
        ("/files/a/b/c%20d", true),
        ("/files", false),
        ("/files/", false),
        ("/files/a/", false),
        ("/files/a//b", false),
        ("/other/a", false),
    ] {
        assert_eq!(matches("/files/{path...}", path), fits, "{path}");
    }
    assert!(matches("/{path...}", "/a/b") && !matches("/{path...}", "/"));
}

#[test]
fn a_pattern_that_could_mean_two_things_is_none() {
    for wrong in [
        "",
        "a",
        "/a//b",
        "/a/",
        "/..",
        "/a/*",
        "/{}",
        "/{A}",
        "/{a:}",
        "/{a:Int}",
        "/{a:int...}",
        "/{:int}",
        "/{a...}/b",
        "/{...}",
        "/{a..}",
        "/x{a}",
        "/{a}x",
        "/{a}{b}",
        "/a%20b",
        "/a?b",
        "/a b",
    ] {
        assert!(wrong.parse::<PathPattern>().is_err(), "{wrong}");
    }
}

/// What a pattern means, without a matcher: a path fits where each of its segments does.
fn naively(pattern: &[&str], path: &[String]) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return path.is_empty() };
    if first.ends_with("...}") {
        return !path.is_empty() && path.iter().all(|part| !part.is_empty());
    }
    let Some((part, others)) = path.split_first() else { return false };
    let digits = |text: &str| !text.is_empty() && text.chars().all(|one| one.is_ascii_digit());
    let fits = match *first {
        "{any}" => !part.is_empty(),
        "{n:int}" => digits(part) && (part == "0" || !part.starts_with('0')) && part.len() < 20,
        "{s:slug}" => {
            !part.is_empty()
                && part.chars().all(|one| one.is_ascii_alphanumeric() || "-_".contains(one))
        }
        "{h:hex}" => {
            !part.is_empty() && part.chars().all(|one| "0123456789abcdefABCDEF".contains(one))
        }
        literal => literal == part,
    };
    fits && naively(rest, others)
}

proptest! {
    #[test]
    fn a_path_fits_exactly_where_each_of_its_segments_does(
        pattern in prop::collection::vec(
            prop::sample::select(vec!["a", "items", "{any}", "{n:int}", "{s:slug}", "{h:hex}"]), 1..5),
        rest in any::<bool>(),
        path in prop::collection::vec("(a|items|[0-9]{0,3}|[a-f0-9]{1,4}|[a-z%._-]{0,4})", 0..6),
    ) {
        let mut pattern = pattern;
        if rest {
            pattern.push("{rest...}");
        }
        let written = format!("/{}", pattern.join("/"));
        let asked = format!("/{}", path.join("/"));
        // A path without segments is `/`, which is one empty segment.
        let path = if path.is_empty() { vec![String::new()] } else { path };
        prop_assert_eq!(matches(&written, &asked), naively(&pattern, &path), "{} {}", written, asked);
    }

    #[test]
    fn any_text_is_a_pattern_or_not_and_a_pattern_reads_back_as_itself(text in "/?[a-z{}:./%\\PC]{0,30}") {
        if let Ok(pattern) = text.parse::<PathPattern>() {
            prop_assert_eq!(pattern.to_string().parse::<PathPattern>().unwrap(), pattern);
        }
    }

    #[test]
    fn any_path_fits_or_not(path in "\\PC{0,60}") {
        for pattern in ["/", "/a/{b}", "/{c:int}/{d:uuid}", "/{e:date}/{f...}"] {
            let _ = matches(pattern, &path);
        }
    }
}

fn pattern_text() -> impl Strategy<Value = String> {
    let segment = proptest::sample::select(vec!["a", "7", "{x}", "{n:int}", "{s:slug}", "{h:hex}"]);
    let rest = proptest::option::weighted(0.3, Just("{r...}"));
    (proptest::collection::vec(segment, 0..4), rest).prop_map(|(segments, rest)| {
        let all: Vec<&str> = segments.into_iter().chain(rest).collect();
        format!("/{}", all.join("/"))
    })
}

proptest! {
    #[test]
    fn a_pattern_within_another_lets_nothing_more_through(
        one in pattern_text(), other in pattern_text(),
        path in proptest::collection::vec(proptest::sample::select(vec!["a", "7", "b-c", "0f", ""]), 0..5),
    ) {
        let (one, other): (PathPattern, PathPattern) = (one.parse().unwrap(), other.parse().unwrap());
        let path = format!("/{}", path.join("/"));
        prop_assert!(one.is_within(&one));
        if one.is_within(&other) && one.matches(&path) {
            prop_assert!(other.matches(&path), "{} within {}: {}", one, other, path);
        }
    }
}

#[test]
fn a_pattern_is_within_another_segment_by_segment() {
    let within = |one: &str, other: &str| {
        one.parse::<PathPattern>().unwrap().is_within(&other.parse().unwrap())
    };
    for (one, other) in [
        ("/a/7", "/a/{id}"),
        ("/a/7", "/{x}/{n:int}"),
        ("/a/{n:int}", "/a/{id}"),
        ("/a/b/c", "/a/{rest...}"),
        ("/a/{rest...}", "/{rest...}"),
    ] {
        assert!(within(one, other), "{one} within {other}");
    }
    for (one, other) in [
        ("/a/{id}", "/a/7"),
        ("/a/{id}", "/a/{n:int}"),
        ("/a", "/a/{rest...}"),
        ("/", "/{x}"),
        ("/", "/{rest...}"),
        ("/a/{rest...}", "/a/{x}"),
        ("/a/b", "/a"),
    ] {
        assert!(!within(one, other), "{one} within {other}");
    }
}
