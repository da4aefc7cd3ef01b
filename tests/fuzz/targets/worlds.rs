//! Which components does a fuzzer try? One for each world and each interface of a generated WIT package.
use std::collections::HashSet;

use arbitrary::{Result, Unstructured};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{
    Docs, Function, FunctionKind, InterfaceId, ManglingAndAbi, PackageId, Param, Resolve, Span,
    Stability, Type, TypeDefKind, World, WorldId, WorldItem, WorldKey,
    decoding::{DecodedWasm, decode},
};

/// Components whose functions do nothing. What is left of the data goes with each of them.
///
/// One package in eight is as it was generated, and mostly refused: one function with a resource or a stream is enough
/// for that. Of the others the functions are kept that JSON has values for, and each of their types has one.
pub(crate) fn each_world(
    data: &mut Unstructured<'_>,
    mut visit: impl FnMut(&[u8], &mut Unstructured<'_>) -> Result<()>,
) -> Result<()> {
    let as_it_is = data.ratio(1, 8)?;
    let package = wit_smith::smith(&config(data, as_it_is)?, data)?;
    let Ok(DecodedWasm::WitPackage(mut resolve, package)) = decode(&package) else { return Ok(()) };
    if !as_it_is {
        keep_plain(&mut resolve);
    }
    let mut worlds: Vec<_> = resolve.packages[package].worlds.values().copied().collect();
    worlds.extend(one_of_each_interface(&mut resolve, package));
    for world in worlds.into_iter().filter(|world| as_it_is || has_functions(&resolve, *world)) {
        if let Some(component) = component(&resolve, world) {
            visit(&component, data)?;
        }
    }
    Ok(())
}

fn config(data: &mut Unstructured<'_>, everything: bool) -> Result<wit_smith::Config> {
    Ok(wit_smith::Config {
        max_packages: 2,
        max_files_per_package: 2,
        max_type_size: 40,
        max_resource_items: 2,
        streams: everything && data.ratio(1, 4)?,
        futures: everything && data.ratio(1, 4)?,
        async_: everything && data.ratio(1, 4)?,
        fixed_length_lists: everything && data.ratio(1, 4)?,
        ..wit_smith::Config::default()
    })
}

/// Takes out what JSON has no values for, and has each other type of an interface taken and given back.
fn keep_plain(resolve: &mut Resolve) {
    let interfaces: Vec<_> = resolve.interfaces.iter().map(|(id, _)| id).collect();
    for id in interfaces {
        let interface = &resolve.interfaces[id];
        let mut functions = interface.functions.clone();
        functions.retain(|_, function| is_plain_function(resolve, function));
        let types = interface.types.values().map(|id| Type::Id(*id));
        for (which, ty) in types.filter(|ty| is_plain(resolve, *ty)).enumerate() {
            let name = format!("give-back{which}");
            if !interface.types.contains_key(&name) && !functions.contains_key(&name) {
                functions.insert(name.clone(), giving_back(name, ty));
            }
        }
        resolve.interfaces[id].functions = functions;
    }
    let worlds: Vec<_> = resolve.worlds.iter().map(|(id, _)| id).collect();
    for id in worlds {
        let mut exports = resolve.worlds[id].exports.clone();
        exports.retain(|_, item| {
            let WorldItem::Function(function) = item else { return true };
            is_plain_function(resolve, function)
        });
        resolve.worlds[id].exports = exports;
    }
}

fn giving_back(name: String, ty: Type) -> Function {
    Function {
        name,
        kind: FunctionKind::Freestanding,
        params: vec![Param { name: "it".to_owned(), ty, span: Span::default() }],
        result: Some(ty),
        docs: Docs::default(),
        stability: Stability::Unknown,
        span: Span::default(),
        external_id: None,
    }
}

fn is_plain_function(resolve: &Resolve, function: &Function) -> bool {
    let mut types = function.params.iter().map(|one| one.ty).chain(function.result);
    function.kind == FunctionKind::Freestanding && types.all(|ty| is_plain(resolve, ty))
}

fn is_plain(resolve: &Resolve, ty: Type) -> bool {
    let (mut seen, mut open) = (HashSet::new(), vec![ty]);
    while let Some(ty) = open.pop() {
        if ty == Type::ErrorContext {
            return false;
        }
        let Type::Id(id) = ty else { continue };
        if !seen.insert(id) {
            continue;
        }
        match &resolve.types[id].kind {
            TypeDefKind::Record(record) => open.extend(record.fields.iter().map(|one| one.ty)),
            TypeDefKind::Tuple(tuple) => open.extend(&tuple.types),
            TypeDefKind::Variant(cases) => open.extend(cases.cases.iter().filter_map(|one| one.ty)),
            TypeDefKind::Result(result) => open.extend(result.ok.into_iter().chain(result.err)),
            TypeDefKind::Option(ty)
            | TypeDefKind::List(ty)
            | TypeDefKind::FixedLengthList(ty, _)
            | TypeDefKind::Type(ty) => open.push(*ty),
            TypeDefKind::Map(key, value) => open.extend([*key, *value]),
            TypeDefKind::Enum(_) | TypeDefKind::Flags(_) => {}
            TypeDefKind::Resource
            | TypeDefKind::Handle(_)
            | TypeDefKind::Future(_)
            | TypeDefKind::Stream(_)
            | TypeDefKind::Unknown => return false,
        }
    }
    true
}

/// Worlds that export one interface each: a generated world exports few.
fn one_of_each_interface(resolve: &mut Resolve, package: PackageId) -> Vec<WorldId> {
    let interfaces: Vec<_> = resolve.packages[package].interfaces.values().copied().collect();
    let mut worlds = Vec::new();
    for (which, interface) in interfaces.into_iter().enumerate() {
        let mut imports = Vec::new();
        needed(resolve, interface, &mut imports);
        let name = format!("only{which}");
        let world = resolve.worlds.alloc(World {
            name: name.clone(),
            imports: imports.into_iter().map(item).collect(),
            exports: [item(interface)].into_iter().collect(),
            package: Some(package),
            docs: Docs::default(),
            stability: Stability::Unknown,
            includes: Vec::new(),
            span: Span::default(),
        });
        if resolve.packages[package].worlds.insert(name, world).is_none() {
            worlds.push(world);
        }
    }
    worlds
}

/// What an interface takes types from, each after what it needs itself.
fn needed(resolve: &Resolve, interface: InterfaceId, into: &mut Vec<InterfaceId>) {
    for id in resolve.interface_direct_deps(interface) {
        if id != interface && !into.contains(&id) {
            needed(resolve, id, into);
            into.push(id);
        }
    }
}

fn item(id: InterfaceId) -> (WorldKey, WorldItem) {
    let item = WorldItem::Interface {
        id,
        stability: Stability::Unknown,
        external_id: None,
        docs: Docs::default(),
        span: Span::default(),
    };
    (WorldKey::Interface(id), item)
}

fn has_functions(resolve: &Resolve, world: WorldId) -> bool {
    resolve.worlds[world].exports.values().any(|item| match item {
        WorldItem::Function(_) => true,
        WorldItem::Interface { id, .. } => !resolve.interfaces[*id].functions.is_empty(),
        WorldItem::Type { .. } => false,
    })
}

fn component(resolve: &Resolve, world: WorldId) -> Option<Vec<u8>> {
    let mut module = wit_component::dummy_module(resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8, false).ok()?;
    ComponentEncoder::default().module(&module).ok()?.encode().ok()
}
