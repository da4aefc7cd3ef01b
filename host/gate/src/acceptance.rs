//! What did somebody accept a tool as? The port, and what tells two definitions apart.
use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ComponentName, Digest, ToolName, Unavailable, json};

/// A tool as clients see it, and the bytes that it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    pub tool: ToolName,
    pub component: ComponentName,
    /// SHA-256 over the bytes that are compiled.
    pub digest: Digest,
    /// Everything that a client is told, by its name: `title`, `description`, `input`, `output`, `annotations`; and
    /// what the tool `wants`.
    pub shown: Map<String, Value>,
}

/// One place in which two definitions say different things.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DefinitionDifference {
    /// A JSON pointer (RFC 6901) into what is shown, or `/digest`.
    pub at: String,
    /// Absent where there was nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Value>,
    /// Absent where there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<Value>,
}

impl Definition {
    /// Names it: who accepts by this name accepts what they saw.
    pub fn name(&self) -> Result<Digest, Unavailable> {
        let value = serde_json::to_value(self)
            .map_err(|error| error.to_string())
            .and_then(|value| json::canonical(&value));
        let text = value.map_err(|error| Unavailable::new("a tool's definition", error))?;
        Ok(Digest::of(text.as_bytes()))
    }

    /// Whether it is what was accepted. What a component wants stands in its bytes; what an operator writes beside
    /// it that its tools want is the operator's own word, and needs nobody's acceptance.
    pub fn is(&self, accepted: &Self) -> bool {
        self.digest == accepted.digest
            && SHOWN.iter().all(|part| self.shown.get(*part) == accepted.shown.get(*part))
    }

    /// Where it is not what was accepted.
    pub fn differences(&self, accepted: &Self) -> Vec<DefinitionDifference> {
        let mut found = Vec::new();
        if self.digest != accepted.digest {
            let text = |digest: Digest| Some(Value::String(digest.to_string()));
            let (accepted, now) = (text(accepted.digest), text(self.digest));
            found.push(DefinitionDifference { at: "/digest".to_owned(), accepted, now });
        }
        compare("", &accepted.shown, &self.shown, &mut found);
        found
    }
}

/// Only what differs at the end of a path is told, so that a long schema is not repeated for one word of it.
fn compare(
    at: &str,
    accepted: &Map<String, Value>,
    now: &Map<String, Value>,
    found: &mut Vec<DefinitionDifference>,
) {
    let keys = accepted.keys().chain(now.keys().filter(|key| !accepted.contains_key(*key)));
    for key in keys {
        let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        match (accepted.get(key), now.get(key)) {
            (Some(Value::Object(one)), Some(Value::Object(other))) => {
                compare(&at, one, other, found);
            }
            (one, other) if one == other => {}
            (one, other) => {
                found.push(DefinitionDifference {
                    at,
                    accepted: one.cloned(),
                    now: other.cloned(),
                });
            }
        }
    }
}

/// What somebody said yes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Accepted {
    pub definition: Definition,
    /// Who; `host`, where it was the first that was seen under its name.
    pub by: String,
    pub at: Timestamp,
}

/// What waits for somebody's yes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeptBack {
    pub definition: Definition,
    pub since: Timestamp,
}

/// What is known of every tool that was ever seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Acceptances {
    /// The last definition that was accepted, of each tool. It stays when the tool goes: one that comes back under
    /// its name is held against it.
    pub accepted: BTreeMap<ToolName, Accepted>,
    /// The last one that was kept back, where it was not accepted since.
    pub kept_back: BTreeMap<ToolName, KeptBack>,
}

/// Where it is kept, so that it holds across restarts. Each change is on record in the same transaction.
#[async_trait]
pub trait AcceptanceBook: Send + Sync {
    async fn acceptances(&self) -> Result<Acceptances, Unavailable>;
    /// Accepts a definition in place of any before it.
    async fn accept(
        &self,
        definition: &Definition,
        by: &str,
        reason: &str,
    ) -> Result<(), Unavailable>;
    /// Accepts those under whose name nothing was ever accepted, and leaves the others.
    async fn accept_first(&self, definitions: &[Definition], by: &str) -> Result<(), Unavailable>;
    /// Notes that a definition is kept back, once.
    async fn keep_back(&self, definition: &Definition, reason: &str) -> Result<(), Unavailable>;
    /// Forgets that something was kept back under this name: what is there now is what was accepted.
    async fn release(&self, tool: &ToolName) -> Result<(), Unavailable>;
}

/// Where a client reads what a tool is.
const SHOWN: [&str; 5] = ["title", "description", "input", "output", "annotations"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "as `json!` makes it")]
    fn definition(bytes: &str, shown: Value) -> Definition {
        Definition {
            tool: "say".parse().unwrap(),
            component: "teller".parse().unwrap(),
            digest: Digest::of(bytes.as_bytes()),
            shown: shown.as_object().unwrap().clone(),
        }
    }

    #[test]
    fn a_definition_is_another_when_its_bytes_or_anything_shown_is() {
        let shown =
            json!({ "description": "Says it.", "input": { "type": "object" }, "wants": [] });
        let accepted = definition("one", shown.clone());
        assert!(definition("one", shown.clone()).is(&accepted));
        assert!(!definition("two", shown.clone()).is(&accepted));
        for (part, value) in [
            ("title", json!("Say")),
            ("description", json!("Says it to everybody.")),
            ("input", json!({ "type": "object", "required": ["text"] })),
            ("output", json!({})),
            ("annotations", json!({ "read_only": true })),
        ] {
            let mut other = shown.clone();
            other[part] = value;
            assert!(!definition("one", other).is(&accepted), "{part}");
        }
        let mut operators_word = shown;
        operators_word["wants"] = json!([{ "capability": "a:b:c", "required": true }]);
        let operators_word = definition("one", operators_word);
        assert!(operators_word.is(&accepted));
        assert_eq!(operators_word.differences(&accepted).len(), 1, "it is shown nevertheless");
    }

    #[test]
    fn only_what_differs_is_told_and_where() {
        let accepted = definition(
            "one",
            json!({ "description": "Says it.",
            "input": { "properties": { "a/b": { "type": "string" }, "c": {} } } }),
        );
        let now = definition(
            "two",
            json!({ "description": "Says it.", "title": "Say",
            "input": { "properties": { "a/b": { "type": "number" } } } }),
        );
        let found = now.differences(&accepted);
        let places: Vec<&str> = found.iter().map(|one| one.at.as_str()).collect();
        assert_eq!(
            places,
            ["/digest", "/input/properties/a~1b/type", "/input/properties/c", "/title"]
        );
        assert_eq!(found[1].accepted, Some(json!("string")));
        assert_eq!(found[2].now, None);
        assert_eq!(found[3].accepted, None);
        assert!(accepted.differences(&accepted).is_empty());
        assert_ne!(accepted.name().unwrap(), now.name().unwrap());
    }
}
