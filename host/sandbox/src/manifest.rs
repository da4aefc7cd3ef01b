//! What a component's tools want: read from the component without running it.
use std::{collections::BTreeSet, sync::Arc};

use serde::Deserialize;
use serde_json::Value;
use toolward_gate::{CapabilityName, ToolName, Want, parse_json};

/// Every tool of a component.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    pub tools: Vec<ToolManifest>,
}

/// One tool, as its author describes it. It is a claim: what the tool gets, policies decide.
#[derive(Clone, Debug)]
pub struct ToolManifest {
    pub name: ToolName,
    pub title: Option<String>,
    pub description: String,
    /// A JSON Schema of an object.
    pub input_schema: Value,
    pub output_schema: Value,
    pub annotations: Annotations,
    pub wants: Arc<[Want]>,
}

/// What the author says of a tool's effects. Hints for a client, never grounds for a decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Annotations {
    pub read_only: bool,
    pub destructive: bool,
    pub idempotent: bool,
    pub open_world: bool,
}

/// What is wrong about a manifest, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error("{0}")]
    Json(String),
    #[error(
        "it has version {0}, and this host reads version 1; build the component with a matching SDK"
    )]
    Version(u64),
    #[error("it has no tools")]
    NoTools,
    #[error("it has more than {MAX_TOOLS} tools")]
    ManyTools,
    #[error("two tools are called `{0}`")]
    Twice(ToolName),
    #[error("the tool `{tool}` wants `{capability}` twice")]
    WantedTwice { tool: ToolName, capability: CapabilityName },
    #[error("the tool `{tool}` wants more than {MAX_WANTS} capabilities")]
    ManyWants { tool: ToolName },
    #[error(
        "the {what} of the tool `{tool}` is empty, too long, or has characters that people cannot see"
    )]
    Text { tool: ToolName, what: &'static str },
    #[error("the input schema of the tool `{0}` is not that of an object (`\"type\": \"object\"`)")]
    Input(ToolName),
    #[error("the {what} schema of the tool `{tool}` is not a JSON Schema: {cause}")]
    Schema { tool: ToolName, what: &'static str, cause: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u64,
    tools: Vec<WrittenTool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTool {
    name: ToolName,
    title: Option<String>,
    description: String,
    input: Value,
    output: Value,
    #[serde(default)]
    annotations: Annotations,
    #[serde(default)]
    capabilities: Vec<WrittenWant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenWant {
    name: CapabilityName,
    required: bool,
}

impl Manifest {
    pub fn tool(&self, name: &ToolName) -> Option<&ToolManifest> {
        self.tools.iter().find(|tool| tool.name == *name)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, ManifestError> {
        // Strictly: a key that stands twice would read differently elsewhere.
        parse_json(text).map_err(|error| ManifestError::Json(error.to_string()))?;
        let written: Written =
            serde_json::from_str(text).map_err(|error| ManifestError::Json(error.to_string()))?;
        match (written.version, written.tools.len()) {
            (1, 0) => return Err(ManifestError::NoTools),
            (1, 1..=MAX_TOOLS) => {}
            (1, _) => return Err(ManifestError::ManyTools),
            (other, _) => return Err(ManifestError::Version(other)),
        }
        let tools = written.tools.into_iter().map(tool).collect::<Result<Vec<_>, _>>()?;
        let mut names = BTreeSet::new();
        match tools.iter().find(|tool| !names.insert(&tool.name)) {
            Some(twice) => Err(ManifestError::Twice(twice.name.clone())),
            None => Ok(Self { tools }),
        }
    }
}

fn tool(written: WrittenTool) -> Result<ToolManifest, ManifestError> {
    let WrittenTool { name, title, description, input, output, annotations, capabilities } =
        written;
    let text = |what, text: &str, most| {
        if is_plain(text, most) {
            Ok(())
        } else {
            Err(ManifestError::Text { tool: name.clone(), what })
        }
    };
    title.iter().try_for_each(|title| text("title", title, MAX_TITLE))?;
    text("description", &description, MAX_DESCRIPTION)?;
    if input.get("type").and_then(Value::as_str) != Some("object") {
        return Err(ManifestError::Input(name));
    }
    for (what, schema) in [("input", &input), ("output", &output)] {
        crate::Schema::compile(schema).map_err(|error| ManifestError::Schema {
            tool: name.clone(),
            what,
            cause: error.to_string(),
        })?;
    }
    let wants = wants(&name, capabilities)?;
    Ok(ToolManifest {
        name,
        title,
        description,
        input_schema: input,
        output_schema: output,
        annotations,
        wants,
    })
}

fn wants(tool: &ToolName, written: Vec<WrittenWant>) -> Result<Arc<[Want]>, ManifestError> {
    if written.len() > MAX_WANTS {
        return Err(ManifestError::ManyWants { tool: tool.clone() });
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = written.iter().find(|want| !names.insert(&want.name)) {
        return Err(ManifestError::WantedTwice {
            tool: tool.clone(),
            capability: twice.name.clone(),
        });
    }
    Ok(written
        .into_iter()
        .map(|want| Want { capability: want.name, required: want.required })
        .collect())
}

/// Text that looks like what it is: no control characters but line breaks, nothing invisible, nothing that
/// turns the direction of what follows (Unicode TR 36).
fn is_plain(text: &str, most: usize) -> bool {
    let hidden = |one: char| {
        (one.is_control() && one != '\n')
            || matches!(one, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    !text.trim().is_empty() && text.len() <= most && !text.chars().any(hidden)
}

const MAX_TOOLS: usize = 128;
const MAX_WANTS: usize = 64;
/// Bytes.
const MAX_TITLE: usize = 200;
/// Bytes: a model reads all of it.
const MAX_DESCRIPTION: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"version":1,"tools":[{"name":"add","description":"Adds.","input":{"type":"object"},"output":{"type":"integer"},"annotations":{"readOnly":true},"capabilities":[{"name":"host:log:write","required":false}]}]}"#;

    #[test]
    fn a_whole_manifest_is_read() {
        let manifest = Manifest::parse(GOOD).unwrap();
        let tool = manifest.tool(&"add".parse().unwrap()).unwrap();
        assert!(tool.annotations.read_only && !tool.annotations.destructive);
        assert_eq!(tool.wants.len(), 1);
    }

    #[test]
    fn every_mistake_in_a_manifest_is_told_apart() {
        let said = |from: &str, to: &str| {
            assert!(GOOD.contains(from), "{from}");
            Manifest::parse(&GOOD.replace(from, to)).unwrap_err().to_string()
        };
        let want = r#"{"name":"host:log:write","required":false}"#;
        let mistakes = [
            said("\"version\":1", "\"version\":2"),
            said("\"version\":1,", "\"version\":1,\"extra\":0,"),
            said("\"description\":\"Adds.\"", "\"description\":\"Adds.\",\"description\":\"Pays.\""),
            said("\"annotations\":{\"readOnly\"", "\"annotations\":{\"readonly\""),
            said("\"name\":\"add\"", "\"name\":\"add numbers\""),
            said("host:log:write", "host:log"),
            said("Adds.", "Adds.\u{202e}"),
            said("Adds.", " "),
            said("\"input\":{\"type\":\"object\"}", "\"input\":{\"type\":\"array\"}"),
            said("{\"type\":\"integer\"}", "{\"type\":\"whole\"}"),
            said(want, &format!("{want},{want}")),
            said("}]}", "}"),
            r#"{"version":1,"tools":[]}"#.parse::<String>().map(|text| Manifest::parse(&text).unwrap_err().to_string()).unwrap(),
        ];
        insta::assert_snapshot!(mistakes.join("\n"));
    }
}
