//! Which characters may be shown to a person or a model, and how are the others written?

/// The first character that a reader would not see, or that changes how its neighbours are read.
pub(crate) fn hidden(text: &str, newlines: bool) -> Option<char> {
    text.chars().find(|&one| is_hidden(one) && !(newlines && one == '\n'))
}

/// The text with every such character written out, cut at `max_bytes`.
pub(crate) fn visible(text: &str, newlines: bool, max_bytes: usize) -> String {
    let mut shown = String::new();
    for one in text.chars() {
        let before = shown.len();
        match one {
            '\n' if newlines => shown.push(one),
            '\n' | '\r' | '\t' => shown.extend(one.escape_default()),
            _ if is_hidden(one) => shown.extend(one.escape_unicode()),
            _ => shown.push(one),
        }
        if shown.len() > max_bytes {
            shown.truncate(before);
            shown.push('…');
            break;
        }
    }
    shown
}

fn is_hidden(one: char) -> bool {
    one.is_control()
        || matches!(one,
            // Soft hyphen, combining joiner, fillers and separators that show nothing.
            '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{3164}' | '\u{ffa0}' | '\u{2028}' | '\u{2029}' | '\u{feff}'
            // Zero width and bidirectional controls (UAX #9 section 2).
            | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            // Annotations, variation selectors and tags, in which text can be smuggled.
            | '\u{fff9}'..='\u{fffb}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::{hidden, visible};

    #[test]
    fn control_and_bidirectional_characters_are_written_out() {
        assert_eq!(visible("a\u{1b}[2J\u{202e}b\n", false, 100), "a\\u{1b}[2J\\u{202e}b\\n");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(visible("aéé", false, 4), "aé…");
        assert_eq!(visible("aéé", false, 5), "aéé");
    }

    #[test]
    fn a_tag_character_is_found_and_plain_text_is_not() {
        assert_eq!(hidden("a\u{e0041}", true), Some('\u{e0041}'));
        assert_eq!(hidden("Größe, 大きさ\n", true), None);
        assert_eq!(hidden("\n", false), Some('\n'));
    }
}
