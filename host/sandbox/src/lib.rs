//! Runs a tool with only what it was granted. (signatures only, until the crate lands)
use serde_json::Value;
use std::sync::Arc;
use toolward_gate::{Digest, Interface, Stop, ToolName, Want};
use toolward_vault::Grant;
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ComponentError(pub String);
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SandboxError(pub String);
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SchemaError(pub String);
#[derive(Clone, Debug)]
pub struct Import {
    pub name: String,
    pub interface: Option<Interface>,
    pub functions: Vec<String>,
}
#[derive(Clone, Debug, Default)]
pub struct Annotations {
    pub read_only: bool,
    pub destructive: bool,
    pub idempotent: bool,
    pub open_world: bool,
}
#[derive(Clone, Debug)]
pub struct ToolManifest {
    pub name: ToolName,
    pub title: Option<String>,
    pub description: String,
    pub input_schema: Value,
    pub output_schema: Value,
    pub annotations: Annotations,
    pub wants: Arc<[Want]>,
}
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    pub tools: Vec<ToolManifest>,
}
impl Manifest {
    pub fn tool(&self, name: &ToolName) -> Option<&ToolManifest> {
        self.tools.iter().find(|t| t.name == *name)
    }
}
#[derive(Clone, Debug)]
pub struct Inspection {
    pub digest: Digest,
    pub bytes: usize,
    pub imports: Vec<Import>,
    pub manifest: Manifest,
}
pub fn inspect(_bytes: &[u8]) -> Result<Inspection, ComponentError> {
    Err(ComponentError("not yet".into()))
}
#[derive(Clone, Debug)]
pub struct Mismatch {
    pub path: String,
    pub message: String,
}
#[derive(Debug)]
pub struct Schema(());
impl Schema {
    pub fn compile(_v: &Value) -> Result<Self, SchemaError> {
        Ok(Self(()))
    }
    pub fn check(&self, _v: &Value) -> Result<(), Vec<Mismatch>> {
        Ok(())
    }
}
#[derive(Clone, Debug, Default)]
pub struct SandboxSettings {}
pub struct Sandbox(());
#[derive(Clone, Debug)]
pub struct Output {
    pub value: Value,
}
impl Sandbox {
    pub fn new(_s: SandboxSettings) -> Result<Self, SandboxError> {
        Ok(Self(()))
    }
    pub async fn install(&self, _bytes: Vec<u8>) -> Result<Inspection, ComponentError> {
        Err(ComponentError("not yet".into()))
    }
    pub fn interfaces() -> &'static [&'static str] {
        &["capabilities", "http", "log", "clock", "random", "progress"]
    }
    pub async fn run(&self, _grant: Grant) -> Result<Output, Stop> {
        Ok(Output { value: Value::Null })
    }
}
