//! A component that is compiled, and how its tools are called.
use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use toolward_gate::{JsonError, Limit, Stop, ToolName, Unavailable, parse_json_within};
use wasmtime::{
    Engine,
    component::{Component, ComponentExportIndex, InstancePre, types::ComponentItem},
};

use crate::{
    capability::own::Own,
    code::told,
    component::{ComponentError, Inspection},
    engine::Profile,
    guest::Guest,
    link::{self, Links},
    manifest::{Manifest, ToolManifest},
    plain::{Export, Exports, Signature},
    schema::Schema,
    text,
};
pub(crate) use bindings::{Tool, ToolPre};

/// A component that is compiled and read.
pub(crate) struct Installed {
    component: Component,
    /// Where it runs.
    pub(crate) profile: Profile,
    pub(crate) inspection: Inspection,
    tools: Callables,
    own: Own,
}

/// How the tools of a component are called.
enum Callables {
    /// By name, in JSON; what comes back is held against the schema.
    Named(BTreeMap<ToolName, Schema>),
    /// As functions with types of their own.
    Plain(BTreeMap<ToolName, Callable>),
}

#[derive(Clone)]
pub(crate) struct Callable {
    pub(crate) function: ComponentExportIndex,
    pub(crate) signature: Arc<Signature>,
}

/// How much a result may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    /// Of JSON.
    pub(crate) bytes: usize,
    pub(crate) values: usize,
}

/// A component whose imports are satisfied.
#[derive(Clone)]
pub(crate) enum Linked {
    Named(ToolPre<Guest>),
    Plain(InstancePre<Guest>),
}

impl Installed {
    pub(crate) fn new(
        component: Component,
        profile: Profile,
        inspection: Inspection,
        own: Own,
    ) -> Result<Self, ComponentError> {
        let tools = match &inspection.exports {
            None => Callables::Named(output_schemas(&inspection.manifest)?),
            Some(exports) => Callables::Plain(callables(&component, exports)?),
        };
        let installed = Self { component, profile, inspection, tools, own };
        // With everything there is: a function of another type shows here, and not in the first call.
        installed
            .link(&link::everything(&installed.own))
            .map_err(|error| ComponentError::Misfit(told(&error)))?;
        Ok(installed)
    }

    /// With the interfaces in `links`, and traps for the rest.
    pub(crate) fn link(&self, links: &Links) -> wasmtime::Result<Linked> {
        let linker = link::linker(self.engine(), &self.component, links, &self.own)?;
        let instance = linker.instantiate_pre(&self.component)?;
        Ok(match self.tools {
            Callables::Named(_) => Linked::Named(ToolPre::new(instance)?),
            Callables::Plain(_) => Linked::Plain(instance),
        })
    }

    /// The engine that it was loaded into, and runs in.
    pub(crate) fn engine(&self) -> &Engine {
        self.component.engine()
    }

    pub(crate) fn callable(&self, tool: &ToolName) -> Result<Callable, Stop> {
        let found = match &self.tools {
            Callables::Plain(tools) => tools.get(tool).cloned(),
            Callables::Named(_) => None,
        };
        found.ok_or_else(|| {
            Unavailable::new("the component", format!("it has no tool `{tool}`")).into()
        })
    }

    pub(crate) fn output(&self, tool: &ToolName, answer: &str, most: Most) -> Result<Value, Stop> {
        if answer.len() > most.bytes {
            return Err(Stop::Limit(Limit::Output));
        }
        let bad = |cause: String| Stop::BadOutput { cause: cause.into() };
        let value = parse_json_within(answer, most.values).map_err(|error| {
            if matches!(error, JsonError::Values { .. }) {
                return Stop::Limit(Limit::Values);
            }
            bad(error.to_string())
        })?;
        let schema = match &self.tools {
            Callables::Named(schemas) => schemas.get(tool),
            Callables::Plain(_) => None,
        };
        let schema = schema.ok_or_else(|| bad("no schema".to_owned()))?;
        schema.check(&value).map_err(|mismatches| {
            let each: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
            bad(text::visible(&each.join("; "), false, 1 << 10))
        })?;
        Ok(value)
    }
}

fn output_schemas(manifest: &Manifest) -> Result<BTreeMap<ToolName, Schema>, ComponentError> {
    let compiled = |tool: &ToolManifest| {
        let schema = Schema::compile(&tool.output_schema)
            .map_err(|error| ComponentError::Compile(error.to_string()))?;
        Ok((tool.name.clone(), schema))
    };
    manifest.tools.iter().map(compiled).collect()
}

/// Where each tool's function is, and what it takes.
pub(crate) fn callables(
    component: &Component,
    exports: &Exports,
) -> Result<BTreeMap<ToolName, Callable>, ComponentError> {
    let missing =
        |export: &Export| ComponentError::Misfit(format!("`{}` is not there", export.function));
    let found = |(name, export): (&ToolName, &Export)| {
        let instance = match &export.interface {
            None => None,
            Some(interface) => {
                let index = component.get_export_index(None, interface.as_str());
                Some(index.ok_or_else(|| missing(export))?)
            }
        };
        let (item, function) = component
            .get_export(instance.as_ref(), export.function.as_str())
            .ok_or_else(|| missing(export))?;
        let ComponentItem::ComponentFunc(types) = item else { return Err(missing(export)) };
        let parameters = types.params().map(|(name, ty)| (name.to_owned(), ty)).collect();
        let signature = Signature { parameters, result: types.results().next() };
        Ok((name.clone(), Callable { function, signature: Arc::new(signature) }))
    };
    exports.iter().map(found).collect()
}

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "package toolward:host; world tool { export toolward:tool/calls@0.1.0; }",
        world: "toolward:host/tool",
        exports: { default: async },
    });
}
