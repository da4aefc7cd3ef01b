//! Which scope would help? In the words of the issuer that the caller's token is from.
use std::collections::{BTreeMap, BTreeSet};

use toolward_gate::{CapabilityName, Principal};

use crate::config::Config;

/// What the words of each issuer stand for, as the configuration maps them.
#[derive(Debug, Default)]
pub(super) struct Scopes(BTreeMap<String, Option<Words>>);

/// Capabilities by word.
type Words = BTreeMap<String, Vec<String>>;

impl Scopes {
    /// A word that cannot stand in a challenge is never asked for.
    pub(super) fn of(config: &Config) -> Self {
        let read = |map: &Words| {
            let usable = map.iter().filter(|(word, _)| is_scope_token(word));
            usable.map(|(word, all)| (word.clone(), all.clone())).collect::<Words>()
        };
        let issuers = config.issuers.iter();
        let mapped =
            issuers.map(|(url, issuer)| (url.clone(), issuer.scopes.map.as_ref().map(read)));
        Self(mapped.collect())
    }

    /// Every word that the operator wrote down (RFC 9728 section 2). Anybody may read it: names of capabilities, which
    /// say what the host is for, are not among them.
    pub(super) fn supported(&self) -> Vec<String> {
        let words: BTreeSet<&String> = self.0.values().flatten().flat_map(BTreeMap::keys).collect();
        words.into_iter().cloned().collect()
    }

    /// The scope of a token that is enough for all of these; `None` where this one is, and where none of its issuer
    /// would be.
    pub(super) fn missing(
        &self,
        principal: &Principal,
        needed: &[&CapabilityName],
    ) -> Option<String> {
        if needed.iter().all(|one| principal.in_scope(one)) {
            return None;
        }
        // Who showed no token is not helped by another one.
        let issuer = &principal.proven_by().last()?.issuer;
        let words: Option<BTreeSet<&str>> = match self.0.get(issuer) {
            Some(Some(map)) => needed.iter().map(|one| narrowest(map, one)).collect(),
            Some(None) | None => Some(needed.iter().map(|one| one.as_str()).collect()),
        };
        Some(words?.into_iter().collect::<Vec<_>>().join(" "))
    }
}

/// The word that allows this capability, and the fewest besides.
fn narrowest<'a>(words: &'a Words, capability: &CapabilityName) -> Option<&'a str> {
    let allows = |all: &[String]| all.iter().any(|one| one == capability.as_str());
    let fitting = words.iter().filter(|(_, all)| allows(all));
    fitting.min_by_key(|(_, all)| all.len()).map(|(word, _)| word.as_str())
}

/// RFC 6749 section 3.3.
fn is_scope_token(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|one| one.is_ascii_graphic() && !b"\"\\".contains(&one))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::Timestamp;
    use toolward_gate::{Identity, Kind, Proven};

    use super::*;

    const CONFIGURATION: &str = r#"environment = "development"
[issuer."https://mapped.test"]
jwks = { keys = [{ kty = "OKP", crv = "Ed25519", x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] }
audience = "urn:a"
[issuer."https://mapped.test".scopes]
claim = "/scope"
map = { everything = ["a:b:c", "a:b:d", "a:b:e"], "read" = ["a:b:c"], "write" = ["a:b:d", "a:b:c"], "q\"x" = ["a:b:f"] }
[issuer."https://plain.test"]
jwks = { keys = [{ kty = "OKP", crv = "Ed25519", x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] }
audience = "urn:a"
"#;

    fn scopes() -> Scopes {
        Scopes::of(&Config::read(Path::new("."), CONFIGURATION).unwrap())
    }

    fn holder(issuer: Option<&str>, scope: Option<&[&str]>) -> Principal {
        let identity = Identity {
            id: "agent-7".to_owned(),
            kind: Kind::Agent,
            roles: BTreeSet::new(),
            groups: BTreeSet::new(),
            acts_for: Vec::new(),
            scope: scope.map(|all| all.iter().map(|one| one.parse().unwrap()).collect()),
            ends_at: None,
        };
        let proven = issuer.map(|issuer| Proven {
            issuer: issuer.to_owned(),
            id: "1".to_owned(),
            issued_at: Timestamp::UNIX_EPOCH,
        });
        Principal::proven(identity, proven.into_iter().collect())
    }

    fn missing(issuer: Option<&str>, scope: Option<&[&str]>, needed: &[&str]) -> Option<String> {
        let needed: Vec<CapabilityName> = needed.iter().map(|one| one.parse().unwrap()).collect();
        scopes().missing(&holder(issuer, scope), &needed.iter().collect::<Vec<_>>())
    }

    #[test]
    fn what_is_missing_is_said_in_the_words_of_the_tokens_issuer_and_none_says_more_than_needed() {
        let mapped = Some("https://mapped.test");
        assert_eq!(missing(mapped, Some(&[]), &["a:b:c"]).unwrap(), "read");
        assert_eq!(missing(mapped, Some(&["a:b:c"]), &["a:b:c", "a:b:d"]).unwrap(), "read write");
        assert_eq!(missing(mapped, Some(&[]), &["a:b:e"]).unwrap(), "everything");
        let plain = Some("https://plain.test");
        assert_eq!(missing(plain, Some(&[]), &["a:b:c", "a:b:d"]).unwrap(), "a:b:c a:b:d");
        // This host's own issuer, which is not in the configuration.
        assert_eq!(missing(Some("urn:own"), Some(&[]), &["a:b:c"]).unwrap(), "a:b:c");
    }

    #[test]
    fn where_no_other_token_would_help_none_is_asked_for() {
        let mapped = Some("https://mapped.test");
        for (issuer, scope, needed) in [
            // It is enough, or says nothing.
            (mapped, Some(&["a:b:c"][..]), "a:b:c"),
            (mapped, None, "a:b:c"),
            // No word of its issuer allows that, or none that can be written in a challenge.
            (mapped, Some(&[]), "x:y:z"),
            (mapped, Some(&[]), "a:b:f"),
            // A key or a certificate.
            (None, Some(&[]), "a:b:c"),
        ] {
            assert_eq!(missing(issuer, scope, &[needed]), None, "{issuer:?} {scope:?} {needed}");
        }
    }

    #[test]
    fn the_words_that_are_written_down_are_told_and_names_of_capabilities_are_not() {
        assert_eq!(scopes().supported(), ["everything", "read", "write"]);
        assert_eq!(Scopes::default().supported(), Vec::<String>::new());
    }
}
