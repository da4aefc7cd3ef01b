//! What is a component linked to? The interfaces that a call was granted, and traps for the rest.
use std::collections::BTreeSet;

use toolward_gate::{CapabilityName, Refusal, SandboxTerms, Stop, ToolName, Unavailable};
use wasmtime::{
    Engine,
    component::{
        Component, Linker, LinkerInstance, ResourceType,
        types::{ComponentInstance, ComponentItem},
    },
};

use crate::{
    capability::{self, handles::Handle},
    component::{Import, Inspection},
    guest::Guest,
};

/// The short names of the interfaces that are linked.
pub(crate) type Links = BTreeSet<&'static str>;

/// What this call is linked to. Fails with the first import that nothing in the manifest accounts for.
///
/// An interface that the manifest accounts for, and this call was not granted, is filled with traps: it
/// belongs to an optional capability, or to another tool of the component. A required one was refused by the
/// policy before.
pub(crate) fn links(
    inspection: &Inspection,
    tool: &ToolName,
    terms: &SandboxTerms,
) -> Result<Links, Stop> {
    let unknown = || Unavailable::new("the tool's manifest", format!("it has no tool `{tool}`"));
    let manifest = inspection.manifest.tool(tool).ok_or_else(unknown)?;
    let granted: BTreeSet<&str> = terms.capabilities.values().map(|one| one.0.as_str()).collect();
    let wants = inspection.manifest.tools.iter().flat_map(|tool| tool.wants.iter());
    let accounted: BTreeSet<&str> = wants
        .filter_map(|want| terms.defined.get(&want.capability))
        .map(|interface| interface.0.as_str())
        .collect();
    let mut links = Links::new();
    for import in &inspection.imports {
        match known(import) {
            // Without a granted capability there is no handle to obtain: a tool asks, and hears that.
            Some(name) if name == HANDLES || granted.contains(name) => drop(links.insert(name)),
            Some(name) if accounted.contains(name) => {}
            _ => {
                let wanted = manifest.wants.iter().map(|want| want.capability.clone()).collect();
                return Err(not_linked(import, wanted));
            }
        }
    }
    Ok(links)
}

fn not_linked(import: &Import, wanted: Vec<CapabilityName>) -> Stop {
    Refusal::NotLinked { interface: import.name.clone(), wanted }.into()
}

fn known(import: &Import) -> Option<&'static str> {
    let interface = import.interface.as_ref()?;
    capability::names().iter().copied().find(|name| *name == interface.0)
}

/// Links the interfaces in `links` and fills the rest with traps. Whether that is right for a call is decided
/// before.
pub(crate) fn linker(
    engine: &Engine,
    component: &Component,
    links: &Links,
) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    let mut names = BTreeSet::new();
    for one in capability::ALL.iter().filter(|one| links.contains(one.interface())) {
        one.link(&mut linker)?;
        names.insert(format!("toolward:tool/{}@0.1.0", one.interface()));
    }
    for (name, item) in component.component_type().imports(engine) {
        if let ComponentItem::ComponentInstance(instance) = item.ty
            && !names.contains(name)
        {
            fill(engine, &mut linker.instance(name)?, &instance)?;
        }
    }
    Ok(linker)
}

fn fill(
    engine: &Engine,
    into: &mut LinkerInstance<'_, Guest>,
    instance: &ComponentInstance,
) -> wasmtime::Result<()> {
    for (name, item) in instance.exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(_) => {
                into.func_new(name, |_, _, _, _| Err(wasmtime::Error::msg(NOT_LENT)))?;
            }
            // The one resource there is; where `http` uses it, it must be the same as in `capabilities`.
            ComponentItem::Resource(_) => {
                into.resource(name, ResourceType::host::<Handle>(), |_, _| Ok(()))?;
            }
            // A type has nothing behind it; what is of another kind does not link.
            ComponentItem::CoreFunc(_)
            | ComponentItem::Module(_)
            | ComponentItem::Component(_)
            | ComponentItem::ComponentInstance(_)
            | ComponentItem::Type(_) => {}
        }
    }
    Ok(())
}

pub(crate) const HANDLES: &str = "capabilities";
const NOT_LENT: &str = "the tool used an interface that this call was not lent";
