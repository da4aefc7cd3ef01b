//! What does a component say about its tools?
use std::{collections::BTreeSet, fmt::Display, str::FromStr, sync::Arc};

use serde_json::{Map, Value};
use toolward_gate::{ToolName, Want, parse_json};

use crate::{schema::Schema, text};

/// What a component says about itself: a claim, held against its imports and its grants.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    pub tools: Vec<ToolManifest>,
}

#[derive(Clone, Debug)]
pub struct ToolManifest {
    pub name: ToolName,
    pub title: Option<String>,
    pub description: String,
    /// Compiles, and describes an object.
    pub input_schema: Value,
    /// Compiles.
    pub output_schema: Value,
    pub annotations: Annotations,
    pub wants: Arc<[Want]>,
}

/// Hints for the caller, with the meanings of MCP. Nothing in the host trusts them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotations {
    pub read_only: bool,
    pub destructive: bool,
    pub idempotent: bool,
    pub open_world: bool,
}

impl Default for Annotations {
    /// The most that a tool without annotations may do, as in MCP.
    fn default() -> Self {
        Self { read_only: false, destructive: true, idempotent: false, open_world: true }
    }
}

impl Manifest {
    pub fn tool(&self, name: &ToolName) -> Option<&ToolManifest> {
        self.tools.iter().find(|tool| tool.name == *name)
    }

    /// Reads the section strictly: what is not known is refused with its place.
    pub(crate) fn parse(section: &[u8]) -> Result<Self, ManifestError> {
        let at_root = |what: String| ManifestError { place: None, what };
        if section.len() > MAX_BYTES {
            return Err(at_root(format!(
                "it has {} bytes, and {MAX_BYTES} are allowed; shorten descriptions and schemas",
                section.len()
            )));
        }
        let json = std::str::from_utf8(section).map_err(|error| at_root(error.to_string()))?;
        let value = parse_json(json).map_err(|error| at_root(error.to_string()))?;
        Node { value: &value, place: String::new() }.manifest()
    }
}

/// Where a manifest is wrong, and what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the manifest cannot be used{}: {what}", at(.place.as_deref()))]
pub struct ManifestError {
    place: Option<String>,
    what: String,
}

fn at(place: Option<&str>) -> String {
    place.map_or_else(String::new, |place| format!(" at `{}`", text::visible(place, false, 256)))
}

/// A value and where it stands, as in `tools[0].input`.
struct Node<'a> {
    value: &'a Value,
    place: String,
}

impl<'a> Node<'a> {
    fn manifest(&self) -> Result<Manifest, ManifestError> {
        let object = self.object(&["version", "tools"])?;
        let version = object.required("version")?;
        if version.value.as_u64() != Some(1) {
            return Err(version.wrong("this host reads version 1"));
        }
        let list = object.required("tools")?;
        let nodes = list.items(MAX_TOOLS)?;
        if nodes.is_empty() {
            return Err(list.wrong("a component offers at least one tool"));
        }
        let mut names = BTreeSet::new();
        let mut tools = Vec::new();
        for node in nodes {
            let tool = node.tool()?;
            if !names.insert(tool.name.clone()) {
                return Err(node.wrong(format_args!("the tool `{}` stands twice", tool.name)));
            }
            tools.push(tool);
        }
        Ok(Manifest { tools })
    }

    fn tool(&self) -> Result<ToolManifest, ManifestError> {
        let object = self.object(&[
            "name",
            "title",
            "description",
            "input",
            "output",
            "annotations",
            "capabilities",
        ])?;
        Ok(ToolManifest {
            name: object.required("name")?.name()?,
            title: object.optional("title").map(|node| node.text(MAX_TITLE, false)).transpose()?,
            description: object.required("description")?.text(MAX_DESCRIPTION, true)?,
            input_schema: object.required("input")?.object_schema()?,
            output_schema: object.required("output")?.schema()?,
            annotations: match object.optional("annotations") {
                Some(node) => node.annotations()?,
                None => Annotations::default(),
            },
            wants: object.required("capabilities")?.wants()?,
        })
    }

    fn annotations(&self) -> Result<Annotations, ManifestError> {
        let object = self.object(&["readOnly", "destructive", "idempotent", "openWorld"])?;
        let flag = |key| object.optional(key).map(|node| node.flag()).transpose();
        let read_only = flag("readOnly")?.unwrap_or(false);
        Ok(Annotations {
            read_only,
            destructive: flag("destructive")?.unwrap_or(!read_only),
            idempotent: flag("idempotent")?.unwrap_or(false),
            open_world: flag("openWorld")?.unwrap_or(true),
        })
    }

    fn wants(&self) -> Result<Arc<[Want]>, ManifestError> {
        let mut names = BTreeSet::new();
        let mut wants = Vec::new();
        for node in self.items(MAX_CAPABILITIES)? {
            let want = node.want()?;
            if !names.insert(want.capability.clone()) {
                return Err(
                    node.wrong(format_args!("the capability `{}` stands twice", want.capability))
                );
            }
            wants.push(want);
        }
        Ok(wants.into())
    }

    fn want(&self) -> Result<Want, ManifestError> {
        let object = self.object(&["name", "required"])?;
        Ok(Want {
            capability: object.required("name")?.name()?,
            required: match object.optional("required") {
                Some(node) => node.flag()?,
                None => true,
            },
        })
    }

    fn object_schema(&self) -> Result<Value, ManifestError> {
        let schema = self.schema()?;
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            return Err(self.wrong("arguments are an object: write `\"type\": \"object\"`"));
        }
        Ok(schema)
    }

    fn schema(&self) -> Result<Value, ManifestError> {
        if !self.value.is_object() {
            return Err(self.wrong("a schema is an object"));
        }
        self.no_hidden_text()?;
        Schema::compile(self.value).map_err(|error| self.wrong(error))?;
        Ok(self.value.clone())
    }

    /// Models read schemas, too.
    fn no_hidden_text(&self) -> Result<(), ManifestError> {
        match self.value {
            Value::String(text) => self.plain(text, true),
            Value::Array(_) => {
                self.items(usize::MAX)?.iter().try_for_each(|node| node.no_hidden_text())
            }
            Value::Object(members) => members.iter().try_for_each(|(key, value)| {
                let node = Node { value, place: self.below(key) };
                node.plain(key, false)?;
                node.no_hidden_text()
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }

    fn plain(&self, text: &str, newlines: bool) -> Result<(), ManifestError> {
        match text::hidden(text, newlines) {
            None => Ok(()),
            Some(one) => Err(self.wrong(format_args!(
                "it has the character `{}`, which a reader does not see; take it out",
                one.escape_unicode()
            ))),
        }
    }

    fn text(&self, max: usize, newlines: bool) -> Result<String, ManifestError> {
        let text = self.value.as_str().ok_or_else(|| self.wrong("it must be a text"))?;
        self.plain(text, newlines)?;
        if text.trim().is_empty() {
            return Err(self.wrong("it is empty"));
        }
        if text.len() > max {
            let length = text.len();
            return Err(self.wrong(format_args!("it has {length} bytes, and {max} are allowed")));
        }
        Ok(text.to_owned())
    }

    fn name<T: FromStr<Err: Display>>(&self) -> Result<T, ManifestError> {
        self.text(MAX_TITLE, false)?.parse().map_err(|error| self.wrong(error))
    }

    fn flag(&self) -> Result<bool, ManifestError> {
        self.value.as_bool().ok_or_else(|| self.wrong("it must be `true` or `false`"))
    }

    fn items(&self, max: usize) -> Result<Vec<Self>, ManifestError> {
        let items = self.value.as_array().ok_or_else(|| self.wrong("it must be a list"))?;
        if items.len() > max {
            let count = items.len();
            return Err(self.wrong(format_args!("it has {count} entries, and {max} are allowed")));
        }
        let place = |index| format!("{}[{index}]", self.place);
        Ok(items
            .iter()
            .enumerate()
            .map(|(index, value)| Node { value, place: place(index) })
            .collect())
    }

    fn object(&self, known: &[&str]) -> Result<Object<'a, '_>, ManifestError> {
        let members = self.value.as_object().ok_or_else(|| self.wrong("it must be an object"))?;
        match members.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(Node { value: self.value, place: self.below(key) }.wrong(
                format_args!("the key is not known here; known are `{}`", known.join("`, `")),
            )),
            None => Ok(Object { members, node: self }),
        }
    }

    fn below(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }

    fn wrong(&self, what: impl Display) -> ManifestError {
        let place = (!self.place.is_empty()).then(|| self.place.clone());
        ManifestError { place, what: text::visible(&what.to_string(), false, 512) }
    }
}

/// An object that has known keys only.
struct Object<'a, 'n> {
    members: &'a Map<String, Value>,
    node: &'n Node<'a>,
}

impl<'a> Object<'a, '_> {
    fn optional(&self, key: &str) -> Option<Node<'a>> {
        self.members.get(key).map(|value| Node { value, place: self.node.below(key) })
    }

    fn required(&self, key: &str) -> Result<Node<'a>, ManifestError> {
        let missing = || self.node.wrong(format_args!("the key `{key}` is missing"));
        self.optional(key).ok_or_else(missing)
    }
}

const MAX_BYTES: usize = 256 << 10;
const MAX_TOOLS: usize = 64;
const MAX_CAPABILITIES: usize = 32;
/// In bytes, as all lengths here.
const MAX_TITLE: usize = 128;
const MAX_DESCRIPTION: usize = 4096;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{Annotations, Manifest};

    fn good() -> Value {
        json!({ "version": 1, "tools": [{
            "name": "create_issue",
            "description": "Opens an issue.\nIn one repository.",
            "input": { "type": "object", "properties": { "title": { "type": "string" } } },
            "output": { "type": "object" },
            "annotations": { "readOnly": false, "idempotent": false },
            "capabilities": [{ "name": "github:issues:write", "required": true }],
        }]})
    }

    /// The good manifest with one place changed, and what the host says about it.
    fn refusal(pointer: &str, key: &str, value: Value) -> String {
        let mut manifest = good();
        manifest.pointer_mut(pointer).unwrap()[key] = value;
        Manifest::parse(manifest.to_string().as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_good_manifest_is_read() {
        let manifest = Manifest::parse(good().to_string().as_bytes()).unwrap();
        let tool = manifest.tool(&"create_issue".parse().unwrap()).unwrap();
        assert_eq!(tool.description, "Opens an issue.\nIn one repository.");
        assert_eq!(tool.annotations, Annotations::default());
        assert_eq!(tool.wants[0].capability.as_str(), "github:issues:write");
        assert!(tool.wants[0].required);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let tool = "/tools/0";
        let many = json!(vec![json!({ "name": "a:b:c" }); 33]);
        let said = [
            refusal("", "versoin", json!(1)),
            refusal("", "version", json!(2)),
            refusal("", "tools", json!([])),
            refusal("", "tools", json!({})),
            refusal("", "tools", json!([good()["tools"][0], good()["tools"][0]])),
            refusal(tool, "titel", json!("Create an issue")),
            refusal(tool, "name", json!("create issue")),
            refusal(tool, "title", json!("Create\u{202e}an issue")),
            refusal(tool, "description", json!("a\u{7}b")),
            refusal(tool, "description", json!(" ")),
            refusal(tool, "description", json!("x".repeat(4097))),
            refusal(tool, "input", json!({ "type": "array" })),
            refusal(tool, "input", json!(true)),
            refusal(tool, "output", json!({ "type": "strin" })),
            refusal(tool, "output", json!({ "$ref": "http://example.com/schema.json" })),
            refusal("/tools/0/input/properties/title", "description", json!("a\u{200b}b")),
            refusal("/tools/0/annotations", "readonly", json!(true)),
            refusal("/tools/0/annotations", "readOnly", json!("yes")),
            refusal("/tools/0/capabilities/0", "name", json!("github:*:write")),
            refusal("/tools/0/capabilities/0", "optional", json!(true)),
            refusal(tool, "capabilities", many),
            refusal(tool, "capabilities", json!([{ "name": "a:b:c" }, { "name": "a:b:c" }])),
        ];
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn what_is_not_json_is_told_with_its_line() {
        let said = ["", "{", "{\"version\":1,\"version\":1}", "[]", "{\"version\":1}"]
            .map(|text| Manifest::parse(text.as_bytes()).unwrap_err().to_string());
        insta::assert_snapshot!(said.join("\n"));
        Manifest::parse(&[0xff]).unwrap_err();
        Manifest::parse(&vec![b' '; (256 << 10) + 1]).unwrap_err();
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(Manifest::parse(&bytes));
        }

        #[test]
        fn no_cut_of_a_good_manifest_is_read(cut in 0usize..400) {
            let text = good().to_string();
            prop_assume!(cut < text.len());
            prop_assert!(Manifest::parse(&text.as_bytes()[..cut]).is_err());
        }
    }
}
