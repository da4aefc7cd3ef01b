//! Which tools there are; a request becomes a call.
use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use toolward_gate::{
    Arguments, ArgumentsError, Call, CallId, ComponentName, Digest, InstalledTool, Notes,
    Principal, ProgressSink, ToolName, ToolRef, nearest,
};
use toolward_sandbox::{Inspection, Mismatch, Schema, SchemaError, ToolManifest};

use crate::acceptance::Service;

/// One callable tool.
#[derive(Clone, Debug)]
pub struct Tool {
    pub component: ComponentName,
    pub digest: Digest,
    pub manifest: ToolManifest,
    input: Arc<Schema>,
}

/// Every tool of this host, by name, and which of them are kept back.
#[derive(Clone, Debug, Default)]
pub struct Tools {
    all: BTreeMap<ToolName, Tool>,
    service: Service,
}

/// Why a component's tools are not taken.
#[derive(Debug, thiserror::Error)]
pub enum ToolsError {
    #[error(
        "the tool `{tool}` is in `{one}` and in `{other}`, and a tool's name is unique in a host; take one out with `toolward tool rm`, or replace it with `toolward tool add --name`"
    )]
    Twice { tool: ToolName, one: ComponentName, other: ComponentName },
    #[error("the input schema of `{tool}` cannot be used: {cause}")]
    Schema { tool: ToolName, cause: SchemaError },
}

/// Why a request is not a call. Nothing ran, and nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("there is no tool `{name}`{}", did_you_mean(.near.as_deref()))]
    NoSuchTool { name: String, near: Option<String> },
    #[error(
        "the tool `{tool}` is not what was accepted under this name, and is kept back until an operator has looked at it"
    )]
    KeptBack { tool: ToolName },
    #[error(transparent)]
    Arguments(#[from] ArgumentsError),
    #[error("the arguments do not fit `{tool}`: {}", list(.mismatches))]
    Mismatch { tool: ToolName, mismatches: Vec<Mismatch> },
}

impl Tools {
    /// Adds the tools of a component.
    pub fn add(
        &mut self,
        component: &ComponentName,
        inspection: &Inspection,
    ) -> Result<(), ToolsError> {
        self.add_all(component, inspection.digest, &inspection.manifest.tools)
    }

    fn add_all(
        &mut self,
        component: &ComponentName,
        digest: Digest,
        manifests: &[ToolManifest],
    ) -> Result<(), ToolsError> {
        for manifest in manifests {
            let tool = manifest.name.clone();
            if let Some(before) = self.all.get(&tool) {
                let (one, other) = (before.component.clone(), component.clone());
                return Err(ToolsError::Twice { tool, one, other });
            }
            let input = Schema::compile(&manifest.input_schema)
                .map_err(|cause| ToolsError::Schema { tool: tool.clone(), cause })?;
            let component = component.clone();
            self.all.insert(
                tool,
                Tool { component, digest, manifest: manifest.clone(), input: Arc::new(input) },
            );
        }
        Ok(())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Tool> {
        self.all.values()
    }

    /// Those that are as they were accepted: what is shown and called.
    pub fn serving(&self) -> impl Iterator<Item = &Tool> {
        self.iter().filter(|tool| !self.keeps_back(tool))
    }

    pub fn keeps_back(&self, tool: &Tool) -> bool {
        self.service.keeps_back(&tool.manifest.name)
    }

    pub(crate) fn service(&self) -> &Service {
        &self.service
    }

    /// One of this name, whether or not it serves.
    pub fn find(&self, name: &str) -> Option<&Tool> {
        self.all.get(&name.parse().ok()?)
    }

    /// One of this name that is as it was accepted.
    pub fn find_serving(&self, name: &str) -> Option<&Tool> {
        self.find(name).filter(|tool| !self.keeps_back(tool))
    }

    /// What policies may know of the tools.
    pub fn installed(&self) -> Vec<InstalledTool> {
        self.iter().map(Tool::installed).collect()
    }

    /// Reads a request strictly: the arguments of the call fit the tool's schema.
    pub fn read(
        &self,
        principal: &Principal,
        door: &'static str,
        name: &str,
        arguments: &str,
        progress: ProgressSink,
    ) -> Result<Call, ReadError> {
        let tool = self.find(name).ok_or_else(|| self.unknown(name))?;
        if self.keeps_back(tool) {
            return Err(ReadError::KeptBack { tool: tool.manifest.name.clone() });
        }
        let arguments = Arguments::parse(arguments)?;
        tool.input.check(arguments.value()).map_err(|mismatches| ReadError::Mismatch {
            tool: tool.manifest.name.clone(),
            mismatches,
        })?;
        Ok(Call {
            id: CallId::generate(),
            principal: principal.clone(),
            tool: tool.reference(),
            arguments,
            door,
            notes: Notes::default(),
            progress,
            parent: None,
        })
    }

    /// What is said of a name that no tool has.
    pub fn unknown(&self, name: &str) -> ReadError {
        let near = nearest(name, self.all.keys().map(ToolName::as_str)).map(str::to_owned);
        ReadError::NoSuchTool { name: name.chars().take(64).collect(), near }
    }
}

impl Tool {
    pub fn installed(&self) -> InstalledTool {
        InstalledTool {
            name: self.manifest.name.clone(),
            component: self.component.clone(),
            digest: self.digest,
            wants: self.manifest.wants.clone(),
            input_schema: self.manifest.input_schema.clone(),
        }
    }

    fn reference(&self) -> ToolRef {
        ToolRef {
            name: self.manifest.name.clone(),
            component: self.component.clone(),
            digest: self.digest,
            wants: self.manifest.wants.clone(),
        }
    }

    /// Reads `key=value` words as the schema types them: a text stays a text, anything else is JSON.
    pub fn arguments(&self, words: &[(String, String)]) -> Value {
        let typed = |(key, value): &(String, String)| {
            let schema =
                self.manifest.input_schema.pointer("/properties").and_then(|all| all.get(key));
            let kind = schema.and_then(|schema| schema.get("type"));
            let text = kind.is_some_and(|kind| {
                kind == "string" || kind.get(0).is_some_and(|first| first == "string")
            });
            let parsed = if text { None } else { serde_json::from_str(value).ok() };
            (key.clone(), parsed.unwrap_or_else(|| Value::String(value.clone())))
        };
        Value::Object(words.iter().map(typed).collect())
    }
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

fn list(mismatches: &[Mismatch]) -> String {
    let one = |mismatch: &Mismatch| match mismatch.path.as_str() {
        "" => mismatch.message.clone(),
        path => format!("`{path}`: {}", mismatch.message),
    };
    mismatches.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
