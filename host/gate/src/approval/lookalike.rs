//! Which words look like others than they are?
//!
//! Unicode Technical Standard #39: words of several scripts (section 5.2, all that is less than highly restrictive),
//! and words that are read as ASCII and are none (section 4).
use serde_json::Value;
use unicode_security::{
    GeneralSecurityProfile as _, RestrictionLevel, RestrictionLevelDetection as _, skeleton,
};

use super::{Filing, visible};

/// A word, and what it is taken for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lookalike {
    word: String,
    /// As it reads, where that is another word in ASCII.
    reads: Option<String>,
    /// As a resolver is asked for it, where it stands in a host's name.
    host: Option<String>,
}

/// Of everything in a question that others than its host have written.
pub(super) fn lookalikes(filing: &Filing) -> Vec<Lookalike> {
    let mut found = Vec::new();
    let names = [&filing.principal].into_iter().chain(&filing.acts_for);
    names.for_each(|name| of_text(name, &mut found));
    if let Some(access) = &filing.access {
        of_text(&access.reason, &mut found);
    }
    if let Ok(arguments) = serde_json::from_str(&filing.arguments) {
        of_value(&arguments, &mut found);
    }
    found.sort();
    found.dedup();
    found
}

fn of_value(value: &Value, found: &mut Vec<Lookalike>) {
    match value {
        Value::String(text) => of_text(text, found),
        Value::Array(all) => all.iter().for_each(|one| of_value(one, found)),
        Value::Object(all) => all.iter().for_each(|(name, one)| {
            of_text(name, found);
            of_value(one, found);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn of_text(text: &str, found: &mut Vec<Lookalike>) {
    if text.is_ascii() {
        return;
    }
    let pieces: Vec<&str> = text.split_whitespace().collect();
    for piece in pieces.iter().filter(|piece| !piece.is_ascii()) {
        let alone = pieces.len() == 1;
        let words = piece.split(|one: char| !one.is_alphanumeric()).filter(|one| !one.is_ascii());
        let host = host_in(piece);
        for word in words {
            let reads = read_as(word);
            let taken_for_ascii =
                reads.is_some() && (alone || host.is_some() || in_ascii(piece, word));
            if is_mixed(word)
                || taken_for_ascii
                || host.as_ref().is_some_and(|host| host.contains(word))
            {
                let host = host.as_deref().and_then(|host| idna::domain_to_ascii(host).ok());
                found.push(Lookalike { word: word.to_owned(), reads, host });
            }
        }
    }
}

fn is_mixed(word: &str) -> bool {
    !word.check_restriction_level(RestrictionLevel::HighlyRestrictive)
}

/// Whether letters of ASCII stand beside a word that has none.
fn in_ascii(piece: &str, word: &str) -> bool {
    let letters = |text: &str| text.bytes().any(|byte| byte.is_ascii_alphabetic());
    letters(piece) && !letters(word)
}

/// The word in ASCII that a reader sees, where each of its characters looks like one.
fn read_as(word: &str) -> Option<String> {
    let mut reads = String::new();
    for one in word.chars() {
        if one.is_ascii() {
            reads.push(one);
        } else {
            let mut buffer = [0; 4];
            reads.extend(skeleton(one.encode_utf8(&mut buffer)));
        }
    }
    (reads.is_ascii() && reads != word).then_some(reads)
}

/// What stands where the name of a host stands: after `//` or `@`, or by itself with a dot in it.
fn host_in(piece: &str) -> Option<String> {
    let rest = piece.rsplit_once("//").map_or(piece, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let host = rest.split(':').next().unwrap_or_default();
    let host = host.trim_matches(|one: char| !one.is_alphanumeric());
    let label = |one: &str| !one.is_empty() && one.chars().all(fits);
    let is_name = host.contains('.') && host.split('.').all(label);
    (is_name && !host.is_ascii()).then(|| host.to_owned())
}

fn fits(one: char) -> bool {
    one.is_alphanumeric() || one.identifier_allowed()
}

impl std::fmt::Display for Lookalike {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for one in self.word.chars() {
            if one.is_ascii() {
                write!(f, "{one}")?;
            } else {
                write!(f, "{}", one.escape_unicode())?;
            }
        }
        match &self.reads {
            Some(reads) => write!(
                f,
                " is written as `{}` and is not `{}`",
                visible(&self.word),
                visible(reads)
            )?,
            None => write!(f, " is written as `{}`", visible(&self.word))?,
        }
        match &self.host {
            Some(host) => write!(f, ", in the host `{}`", visible(host)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        of_text(text, &mut found);
        found.iter().map(ToString::to_string).collect()
    }

    /// G-11, D-15.
    #[test]
    fn a_word_that_reads_as_another_or_mixes_scripts_is_marked() {
        let cases = [
            // A Cyrillic letter in a word of Latin ones.
            ("p\u{430}ypal", r"p\u{430}ypal is written as `pаypal` and is not `paypal`"),
            ("send it to p\u{430}ypal now", r"p\u{430}ypal is written"),
            // All of it Cyrillic, by itself and in the name of a host.
            ("\u{430}\u{440}\u{440}\u{4cf}\u{435}", "and is not `apple`"),
            (
                "https://\u{430}\u{440}\u{440}\u{4cf}\u{435}.com/pay",
                "in the host `xn--80ak6aa92e.com`",
            ),
            (
                "mail ana@\u{430}\u{440}\u{440}\u{4cf}\u{435}.com",
                "in the host `xn--80ak6aa92e.com`",
            ),
            // Letters that are not for names.
            ("\u{1d429}aypal", "and is not `paypal`"),
            ("\u{ff50}aypal", "is written as"),
            ("a\u{3b1}", "is written as"),
            ("пример.рф", "in the host `xn--e1afmkfd.xn--p1ai`"),
            ("заплати на пример-1.рф", "in the host `xn---1-mlcluqhd.xn--p1ai`"),
            // A sign that joins two letters is none, and yet a part of the name.
            ("भुगतान करें हिन्दी.भारत", "in the host `xn--j2bd4cyah0f.xn--h2brj9c`"),
            // A resolver is asked for letters that are not for names as for others.
            ("pay \u{ff50}aypal.com", "in the host `paypal.com`"),
            // Beside letters of ASCII, in a sentence.
            ("pay my-\u{430}\u{440}\u{440}\u{4cf}\u{435} now", "and is not `apple`"),
        ];
        for (text, told) in cases {
            let found = found(text);
            assert!(found.iter().any(|one| one.contains(told)), "{text}: {found:?}");
        }
    }

    #[test]
    fn a_word_is_marked_wherever_somebody_else_wrote_it() {
        use super::super::{Access, tests::request};
        let word = "p\u{430}ypal";
        let plain = request().filing;
        assert_eq!(lookalikes(&plain), []);
        let access = Access { seconds: 60, reason: format!("for {word}") };
        let arguments = |value: Value| Filing { arguments: value.to_string(), ..plain.clone() };
        let places = [
            Filing { principal: word.to_owned(), ..plain.clone() },
            Filing { acts_for: vec!["bea".to_owned(), word.to_owned()], ..plain.clone() },
            Filing { access: Some(access), ..plain.clone() },
            arguments(json!({ "to": word })),
            arguments(json!({ word: 1 })),
            // Twice, and told once.
            arguments(json!({ "lines": [true, { "deep": [word, word] }] })),
        ];
        for filing in places {
            let found: Vec<String> =
                lookalikes(&filing).iter().map(|one| one.word.clone()).collect();
            assert_eq!(found, [word], "{filing:?}");
        }
    }

    #[test]
    fn what_people_write_in_one_script_is_not_marked() {
        for text in [
            "Zürich",
            "Rent for May",
            "100 € – done",
            "東京タワーABC",
            "使用API接口",
            "안녕 하세요",
            "о сыре и о хлебе",
            "Рост цен",
            "Αθήνα",
            "год 2024",
            "naïve café",
            "a.b-c_d@example.com",
            // A letter that reads as one of ASCII, in a word that has some.
            "hava çok sıcak",
            // Dots that end no name of a host.
            "ну...хорошо, и так далее",
            "см.«Рост» и далее",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
