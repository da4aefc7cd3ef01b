//! What a person reads: all that an answer binds, from the very bytes that will run.
use std::{fmt::Write as _, io};

use serde::Serialize;
use serde_json::{Serializer, Value, ser::Formatter};

use super::{Answer, Filing, Request, Verdict, lookalike::lookalikes};
use crate::{Arguments, Recording, Risk};

/// Text from elsewhere, whole, with every character that a screen would act on, hide or reorder written out.
///
/// They are written `\u{…}`. Canonical JSON writes a backslash twice, so that arguments that differ never look the
/// same for it (CVE-2021-42574).
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for one in text.chars() {
        if is_hidden(one) {
            shown.extend(one.escape_unicode());
        } else {
            shown.push(one);
        }
    }
    shown
}

/// Controls, formats, fillers, separators and what is joined to the character before it.
fn is_hidden(one: char) -> bool {
    one.is_control()
        || (one.is_whitespace() && one != ' ')
        || matches!(one,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{2800}' | '\u{110bd}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}'
            // Marks that are stacked on what stands before them.
            | '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// JSON in which such characters are escaped: it says the same to a program, and nothing else to a screen.
pub fn visible_json(data: &impl Serialize) -> serde_json::Result<String> {
    let mut written = Vec::new();
    data.serialize(&mut Serializer::with_formatter(&mut written, Visible))?;
    String::from_utf8(written).map_err(serde::ser::Error::custom)
}

/// The same in lines, for people.
pub fn visible_json_lines(data: &impl Serialize) -> serde_json::Result<String> {
    let text = serde_json::to_string_pretty(data)?;
    let mut shown = String::with_capacity(text.len());
    // What stands outside of its texts are signs, spaces and ends of lines.
    for one in text.chars() {
        if one == '\n' || !is_hidden(one) {
            shown.push(one);
        } else {
            shown.push_str(&escaped(one));
        }
    }
    Ok(shown)
}

/// As JSON writes what stands in a text.
fn escaped(hidden: char) -> String {
    hidden.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

/// Lines of text from elsewhere, each as [`visible`] shows it.
pub fn visible_lines(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut rest = fragment;
        while let Some((place, hidden)) = rest.char_indices().find(|(_, one)| is_hidden(*one)) {
            let (before, after) = rest.split_at(place);
            writer.write_all(before.as_bytes())?;
            writer.write_all(escaped(hidden).as_bytes())?;
            rest = after.strip_prefix(hidden).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }
}

impl Request {
    /// Everything that is known of it, for programs; `shown` is what a person is to be shown of it.
    pub fn to_json(&self) -> serde_json::Result<Value> {
        let mut all = serde_json::to_value(self)?;
        if let Some(all) = all.as_object_mut() {
            all.insert("shown".to_owned(), self.described().into());
        }
        Ok(all)
    }

    /// Everything that an answer binds, one field a line, and the arguments last: as the bytes that will run.
    pub fn described(&self) -> String {
        let filing = &self.filing;
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            // A text in memory takes every line.
            let _written = writeln!(text, "{name:<14}{value}");
        };
        line("approval", &self.id.to_string());
        line("state", self.state.word());
        line("principal", &visible(&filing.principal));
        line("acts for", &visible(&filing.acts_for.join(", ")));
        line("tool", &format!("{} ({})", filing.tool, filing.tool_digest));
        if let Some(caller) = &filing.caller {
            line("called by", &caller.to_string());
        }
        line("capabilities", &list(filing.capabilities.iter().map(ToString::to_string)));
        line("risk", word(filing.risk));
        line("needs", &filing.needs());
        for turn in &filing.turns {
            let asked = list(turn.approvers.iter().map(|role| visible(role)));
            let asked = if asked.is_empty() { "whoever the policies name" } else { &asked };
            line("asked", &format!("{asked} until {:.0}", turn.until));
        }
        line("filed", &format!("{:.0}", filing.filed_at));
        line("expires", &format!("{:.0}", filing.expires_at));
        line("policies", &filing.policy_version.to_string());
        for answer in &self.answers {
            let lapsed = answer.verdict == Verdict::Approve && self.lapsed.contains(&answer.by);
            let lapsed = if lapsed { "; it does not count any more: the role is gone" } else { "" };
            line("answer", &format!("{}{lapsed}", answer.described()));
        }
        for one in lookalikes(filing) {
            line("look twice", &one.to_string());
        }
        if let Some(compared) = &filing.compared {
            let with = format!("{}, the last one of this tool and principal", compared.with);
            let same =
                if compared.differences.is_empty() { "; the arguments are the same" } else { "" };
            line("compared with", &format!("{with}{same}"));
            compared.differences.iter().for_each(|one| line("differs", &one.to_string()));
            if compared.more > 0 {
                line("differs", &format!("in {} more places", compared.more));
            }
        }
        match &filing.access {
            Some(access) => {
                line("access for", &format!("{} s, counted from the last yes", access.seconds));
                line("reason", &visible(&access.reason));
            }
            None => {
                line("binds", &filing.digest.digest().to_string());
                text.push_str("arguments\n");
                text.push_str(&visible(&filing.arguments));
            }
        }
        text.trim_end_matches('\n').to_owned()
    }
}

impl Filing {
    /// The arguments without their texts, for messages: who is to see all of them logs in.
    pub fn redacted(&self) -> Value {
        let arguments = Arguments::parse(&self.arguments).ok();
        arguments.and_then(|arguments| Recording::Redacted.of(&arguments)).unwrap_or_default()
    }

    fn needs(&self) -> String {
        let roles = list(self.approvers.roles.iter().map(|role| visible(role)));
        let roles = if roles.is_empty() { "anybody else" } else { &roles };
        format!("{} of {roles}", self.approvers.count)
    }
}

impl Answer {
    fn described(&self) -> String {
        let mut text =
            format!("{} by {} at {:.0}", self.verdict.word(), visible(&self.by), self.at);
        if !self.limits.is_none() {
            let _written = write!(text, " within {}", self.limits);
        }
        if !self.comment.is_empty() {
            let _written = write!(text, " {}", visible(&self.comment));
        }
        text
    }
}

fn list(names: impl Iterator<Item = String>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn word(risk: Risk) -> &'static str {
    match risk {
        Risk::Low => "low",
        Risk::Medium => "medium",
        Risk::High => "high",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What was shown, read back.
    fn unshown(shown: &str) -> String {
        let mut text = String::new();
        let mut rest = shown;
        while let Some((before, after)) = rest.split_once("\\u{") {
            text.push_str(before);
            let (number, after) = after.split_once('}').unwrap();
            text.push(char::from_u32(u32::from_str_radix(number, 16).unwrap()).unwrap());
            rest = after;
        }
        text + rest
    }

    /// G-11, G-12, F-05.
    #[test]
    fn json_says_the_same_to_a_program_and_hides_nothing_from_a_screen() {
        let said =
            serde_json::json!({ "a\u{202e}": ["\u{9b}31m", "x\u{e0041}y\n\"\\", "Zürich 北京"] });
        let written = visible_json(&said).unwrap();
        assert_eq!(written, r#"{"a\u202e":["\u009b31m","x\udb40\udc41y\n\"\\","Zürich 北京"]}"#);
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), said);
        // As it is written by others, a screen would act on it.
        assert!(serde_json::to_string(&said).unwrap().contains('\u{202e}'));
    }

    /// G-11, G-12, F-05.
    #[test]
    fn in_lines_nothing_but_their_ends_acts_on_a_screen() {
        let said = serde_json::json!({ "a\u{202e}": ["\u{9b}31m\u{e0041}", "Zürich"], "b": 1 });
        let written = visible_json_lines(&said).unwrap();
        let lines = r#"{
  "a\u202e": [
    "\u009b31m\udb40\udc41",
    "Zürich"
  ],
  "b": 1
}"#;
        assert_eq!(written, lines);
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), said);
        assert_eq!(visible_lines("one\u{1b}[2J\r\n\ntwo\t"), "one\\u{1b}[2J\\u{d}\n\ntwo\\u{9}");
    }

    /// G-02, G-11, G-12.
    #[test]
    fn what_a_screen_would_act_on_hide_or_reorder_is_written_out() {
        let cases = [
            ("\u{1b}[2J", r"\u{1b}[2J"),
            ("\r\n\t", r"\u{d}\u{a}\u{9}"),
            ("a\u{202e}b", r"a\u{202e}b"),
            ("a\u{2067}b\u{2069}", r"a\u{2067}b\u{2069}"),
            ("pay\u{200b}pal", r"pay\u{200b}pal"),
            ("1\u{a0}000", r"1\u{a0}000"),
            ("\u{1b}]8;;http://x\u{7}y", r"\u{1b}]8;;http://x\u{7}y"),
            ("e\u{301}\u{301}", r"e\u{301}\u{301}"),
            ("\u{e0041}", r"\u{e0041}"),
        ];
        for (text, shown) in cases {
            assert_eq!(visible(text), shown);
        }
        // Whatever people write stays as it is.
        for text in ["Zürich, 北京, Αθήνα", "100 € – done", "a  b "] {
            assert_eq!(visible(text), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_in_json_is_read_as_it_was(text in any::<String>()) {
            let written = visible_json(&text).unwrap();
            prop_assert!(!written.chars().any(is_hidden));
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }

        /// G-02, G-03.
        #[test]
        fn any_text_is_shown_whole_and_can_be_read_back(text in any::<String>().prop_filter("it holds no escape", |text| !text.contains("\\u{"))) {
            let shown = visible(&text);
            prop_assert!(!shown.chars().any(is_hidden));
            prop_assert_eq!(unshown(&shown), text);
        }
    }
}
