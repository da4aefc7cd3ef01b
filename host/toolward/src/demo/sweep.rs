//! Looks for a secret in bytes, in the forms a program is likely to leave behind.
//!
//! It shares no code with the scanner of the vault, so that it does not share its blind spots.

/// What to look for: a name for people, and the bytes.
#[derive(Debug)]
struct Form {
    name: &'static str,
    bytes: Vec<u8>,
}

/// The forms of one secret.
pub(crate) struct Sweep {
    forms: Vec<Form>,
}

impl Sweep {
    pub(crate) fn for_secret(secret: &str) -> Self {
        let bytes = secret.as_bytes();
        let mut forms = vec![
            Form { name: "as it is", bytes: bytes.to_vec() },
            Form { name: "reversed", bytes: bytes.iter().rev().copied().collect() },
            Form { name: "in hexadecimal", bytes: hex::encode(bytes).into_bytes() },
            Form {
                name: "in upper-case hexadecimal",
                bytes: hex::encode_upper(bytes).into_bytes(),
            },
            Form {
                name: "in UTF-16",
                bytes: secret.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            },
        ];
        // In base64, a text looks different at each of three alignments; the first and last characters
        // depend on the neighbours and are left out.
        for offset in 0..3 {
            forms.push(Form { name: "in base64", bytes: base64_core(bytes, offset) });
        }
        Self { forms }
    }

    /// The forms that stand in `bytes`.
    pub(crate) fn find(&self, bytes: &[u8]) -> Vec<&'static str> {
        self.forms
            .iter()
            .filter(|form| contains(bytes, &form.bytes))
            .map(|form| form.name)
            .collect()
    }
}

pub(crate) fn contains(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len()).any(|window| window == needle)
}

fn base64_core(bytes: &[u8], offset: usize) -> Vec<u8> {
    let mut padded = vec![0; offset];
    padded.extend_from_slice(bytes);
    let text: Vec<u8> = padded.chunks_exact(3).flat_map(base64_group).collect();
    // The first group holds padding where the offset is not zero.
    text.into_iter().skip(if offset == 0 { 0 } else { 4 }).collect()
}

/// RFC 4648 section 4, for one whole group.
fn base64_group(group: &[u8]) -> [u8; 4] {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = group.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte));
    [18, 12, 6, 0].map(|shift| {
        let index = usize::try_from((bits >> shift) & 63).unwrap_or_default();
        ALPHABET.get(index).copied().unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_found_where_it_stands_and_nowhere_else() {
        let sweep = Sweep::for_secret("tw-0123456789abcdef");
        for form in &sweep.forms {
            let text = [b"before ".as_slice(), &form.bytes, b" after"].concat();
            assert!(sweep.find(&text).contains(&form.name), "{}", form.name);
        }
        assert!(sweep.find(b"nothing of the kind").is_empty());
    }

    #[test]
    fn base64_is_found_at_every_alignment() {
        let secret = "tw-0123456789abcdef";
        for lead in ["", "a", "ab", "abc"] {
            let text: Vec<u8> = format!("{lead}{secret}....")
                .as_bytes()
                .chunks_exact(3)
                .flat_map(base64_group)
                .collect();
            assert!(!Sweep::for_secret(secret).find(&text).is_empty(), "after {lead:?}");
        }
    }
}
