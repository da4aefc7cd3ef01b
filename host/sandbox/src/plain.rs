//! Which tools does a component offer that was not built for this host? Its exported functions.
//!
//! Names, types and doc comments are read from the component's own WIT (component-model/WIT.md). Nothing is
//! compiled, and nothing runs.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod any;
mod from_json;
mod schema;
mod to_json;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use serde_json::{Map, Value, json};
use toolward_gate::{ToolName, Want};
use wasmtime::component::Type as ValueType;
use wit_parser::{
    Function, FunctionKind, InterfaceId, Resolve, Type, TypeDefKind, World, WorldItem, WorldKey,
    decoding::{DecodedWasm, decode},
};

use crate::{
    manifest::{Annotations, Manifest, ToolManifest},
    text,
};
pub(crate) use from_json::{ValueError, arguments, value};
use schema::Schemas;
pub(crate) use to_json::{answer, count, json};

/// Where a tool's function stands in its component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Export {
    /// As in `acme:text/words@1.0.0`; absent for a function of the component itself.
    pub(crate) interface: Option<String>,
    pub(crate) function: String,
}

/// The tools of a component without a manifest, and where each stands.
pub(crate) type Exports = BTreeMap<ToolName, Export>;

/// The types of a function, as a call needs them.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    pub(crate) parameters: Vec<(String, ValueType)>,
    pub(crate) result: Option<ValueType>,
}

/// Why a component's functions cannot be tools.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlainError {
    #[error("it is not described in a way that this host reads: {0}")]
    Undescribed(String),
    #[error(
        "`{function}` uses {kind}, which JSON cannot hold; export a function of plain values instead"
    )]
    Kind { function: String, kind: &'static str },
    #[error("the types of `{function}` are too large to describe; use fewer or smaller types")]
    TooLarge { function: String },
    #[error(
        "the name `{0}` is no name of a tool: 1 to 64 of `A-Z a-z 0-9 _ -`; export it under a shorter one"
    )]
    Name(String),
    #[error(
        "`{one}` and `{other}` would both be the tool `{name}`; export one of them under another name"
    )]
    Twice { name: ToolName, one: String, other: String },
}

/// Reads the exported functions as tools, each of which wants `wants`.
pub(crate) fn read(bytes: &[u8], wants: &Arc<[Want]>) -> Result<(Manifest, Exports), PlainError> {
    let (resolve, world) = decoded(bytes)?;
    let mut found =
        Found { resolve: &resolve, wants, manifest: Manifest::default(), exports: Exports::new() };
    for (key, item) in &world.exports {
        match item {
            WorldItem::Function(function) if is_initialiser(&resolve, function) => {}
            WorldItem::Function(function) => found.add(None, function)?,
            WorldItem::Interface { id, .. } => found.add_interface(key, *id)?,
            WorldItem::Type { .. } => {}
        }
    }
    Ok((found.manifest, found.exports))
}

fn decoded(bytes: &[u8]) -> Result<(Resolve, World), PlainError> {
    let undescribed = |what: &str| PlainError::Undescribed(text::visible(what, false, 512));
    // The reader is made for components that tools write, and has panicked on others.
    let read = catch_unwind(AssertUnwindSafe(|| decode(bytes)));
    let read = read.map_err(|_| undescribed("its types contradict each other"))?;
    let Ok(DecodedWasm::Component(resolve, world)) = read else {
        return Err(undescribed("its types cannot be written as WIT"));
    };
    let world = resolve.worlds.get(world).cloned();
    world.map(|world| (resolve, world)).ok_or_else(|| undescribed("it has no world"))
}

/// What a toolchain leaves behind: it prepares the program, and was run when the component was built. Some take
/// the program as an argument, and would run any other; none has an answer.
fn is_initialiser(resolve: &Resolve, function: &Function) -> bool {
    let result = function.result.as_ref();
    let answers =
        if let Some(TypeDefKind::Result(outcome)) = result.and_then(|ty| kind(resolve, ty)) {
            outcome.ok.is_some()
        } else {
            result.is_some()
        };
    function.name == "init" && !answers
}

struct Found<'a> {
    resolve: &'a Resolve,
    wants: &'a Arc<[Want]>,
    manifest: Manifest,
    exports: Exports,
}

impl Found<'_> {
    fn add_interface(&mut self, key: &WorldKey, id: InterfaceId) -> Result<(), PlainError> {
        let name = self.resolve.name_world_key(key);
        let Some(interface) = self.resolve.interfaces.get(id) else { return Ok(()) };
        let mut functions = interface.functions.values();
        // Of componentize-py; an interface of a package has a longer name.
        let leftover = matches!(key, WorldKey::Name(name) if name == "exports");
        functions.try_for_each(|function| {
            let skip = leftover && is_initialiser(self.resolve, function);
            if skip { Ok(()) } else { self.add(Some(&name), function) }
        })
    }

    fn add(&mut self, interface: Option<&str>, function: &Function) -> Result<(), PlainError> {
        let full = full_name(interface, &function.name);
        check_kind(function, &full)?;
        let name = tool_name(interface, &function.name)?;
        let export =
            Export { interface: interface.map(str::to_owned), function: function.name.clone() };
        if let Some(before) = self.exports.get(&name) {
            let one = full_name(before.interface.as_deref(), &before.function);
            return Err(PlainError::Twice { name, one, other: full });
        }
        self.manifest.tools.push(self.described(name.clone(), function, &full)?);
        self.exports.insert(name, export);
        Ok(())
    }

    fn described(
        &self,
        name: ToolName,
        function: &Function,
        full: &str,
    ) -> Result<ToolManifest, PlainError> {
        let mut schemas = Schemas::new(self.resolve, full);
        let said = function.docs.contents.as_deref().map(str::trim).unwrap_or_default();
        let described =
            if said.is_empty() { format!("The function `{full}`.") } else { said.to_owned() };
        Ok(ToolManifest {
            name,
            title: None,
            description: text::visible(&described, true, DESCRIPTION),
            input_schema: input(&mut schemas, function)?,
            output_schema: output(&mut schemas, self.resolve, function)?,
            annotations: Annotations::default(),
            wants: self.wants.clone(),
        })
    }
}

fn full_name(interface: Option<&str>, function: &str) -> String {
    interface.map_or_else(|| function.to_owned(), |interface| format!("{interface}#{function}"))
}

fn check_kind(function: &Function, full: &str) -> Result<(), PlainError> {
    let kind = match function.kind {
        FunctionKind::Freestanding => return Ok(()),
        FunctionKind::AsyncFreestanding
        | FunctionKind::AsyncMethod(_)
        | FunctionKind::AsyncStatic(_) => "asynchronous calls",
        FunctionKind::Getter
        | FunctionKind::Setter
        | FunctionKind::Method(_)
        | FunctionKind::MethodGetter(_)
        | FunctionKind::MethodSetter(_)
        | FunctionKind::Static(_)
        | FunctionKind::StaticGetter(_)
        | FunctionKind::StaticSetter(_)
        | FunctionKind::Constructor(_) => "a resource",
    };
    Err(PlainError::Kind { function: full.to_owned(), kind })
}

/// `words_count` for the function `count` of `acme:text/words@1.0.0`; a function of the component keeps its name.
fn tool_name(interface: Option<&str>, function: &str) -> Result<ToolName, PlainError> {
    let short = interface.map(|name| {
        let name = name.split('@').next().unwrap_or(name);
        name.rsplit('/').next().unwrap_or(name)
    });
    let name = short.map_or_else(|| function.to_owned(), |short| format!("{short}_{function}"));
    name.parse().map_err(|_| PlainError::Name(text::visible(&name, false, 128)))
}

fn input(schemas: &mut Schemas<'_>, function: &Function) -> Result<Value, PlainError> {
    let fields =
        function.params.iter().map(|parameter| (parameter.name.as_str(), &parameter.ty, None));
    schemas.object(fields)
}

/// A record is the answer itself; any other value stands under `result`; an error is no answer.
fn output(
    schemas: &mut Schemas<'_>,
    resolve: &Resolve,
    function: &Function,
) -> Result<Value, PlainError> {
    let answer = match function.result.map(|ty| kind(resolve, &ty)) {
        Some(Some(TypeDefKind::Result(result))) => {
            if let Some(error) = &result.err {
                // It is told in words, and still has to be something that can be told.
                drop(schemas.of(error)?);
            }
            result.ok
        }
        _ => function.result,
    };
    match answer {
        None => Ok(json!({ "type": "object", "properties": {}, "additionalProperties": false })),
        Some(ty) if matches!(kind(resolve, &ty), Some(TypeDefKind::Record(_))) => schemas.of(&ty),
        Some(ty) => schemas.object([(RESULT, &ty, None)].into_iter()),
    }
}

/// What a type is, behind its names.
fn kind<'a>(resolve: &'a Resolve, ty: &Type) -> Option<&'a TypeDefKind> {
    let mut ty = *ty;
    loop {
        let Type::Id(id) = ty else { return None };
        let kind = &resolve.types.get(id)?.kind;
        let TypeDefKind::Type(other) = kind else { return Some(kind) };
        ty = *other;
    }
}

/// An answer that is no record, as an object.
fn wrapped(value: Value) -> Value {
    Value::Object(Map::from_iter([(RESULT.to_owned(), value)]))
}

const RESULT: &str = "result";
/// Of a description, in bytes.
const DESCRIPTION: usize = 4 << 10;

#[cfg(test)]
mod tests;
