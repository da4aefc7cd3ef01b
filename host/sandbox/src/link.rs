//! What is a component linked to? The interfaces that a call was granted, and traps for the rest.
use std::{collections::BTreeSet, sync::Arc};

use toolward_gate::{
    CapabilityName, Refusal, SandboxGrants, StandIn, Stop, ToolName, Unavailable, WasiScope,
};
use wasmtime::{
    Engine,
    component::{
        Component, Linker, LinkerInstance, ResourceType,
        types::{ComponentInstance, ComponentItem},
    },
};

use crate::{
    capability::{
        self,
        handles::Handle,
        own::{self, OwnInterface},
    },
    component::{Import, Inspection},
    guest::Guest,
    wasi,
};

/// The short names of the interfaces that are linked.
pub(crate) type Links = BTreeSet<&'static str>;

/// What an import does that nothing opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unlinked {
    /// It refuses the call before anything runs.
    RefusesTheCall,
    /// It ends the tool when it is used: the operator said so for this component.
    Refuses,
}

/// Every interface that there is.
pub(crate) fn everything(own: &[Arc<dyn OwnInterface>]) -> Links {
    let parts = wasi::PARTS.iter().map(|part| part.name());
    let own = own.iter().map(|one| one.name());
    capability::names().iter().copied().chain(parts).chain(own).collect()
}

/// What this call is linked to. Fails with the first import that nothing in the manifest accounts for, unless
/// the operator said that such imports are to refuse when they are used.
///
/// An interface that the manifest accounts for, and this call was not granted, is filled with traps: it
/// belongs to an optional capability, or to another tool of the component. A required one was refused by the
/// policy before.
pub(crate) fn links(
    inspection: &Inspection,
    tool: &ToolName,
    grants: &SandboxGrants,
    unlinked: Unlinked,
    own: &[Arc<dyn OwnInterface>],
) -> Result<Links, Stop> {
    let unknown = || Unavailable::new("the tool's manifest", format!("it has no tool `{tool}`"));
    let manifest = inspection.manifest.tool(tool).ok_or_else(unknown)?;
    let granted = granted(grants);
    let wants = inspection.manifest.tools.iter().flat_map(|tool| tool.wants.iter());
    let accounted: BTreeSet<&str> = wants
        .filter_map(|want| grants.defined.get(&want.capability))
        .flat_map(|interface| wasi::opened(&interface.0))
        .collect();
    let mut links = Links::new();
    for import in &inspection.imports {
        match known(import, own) {
            // Without a granted capability there is no handle to obtain: a tool asks, and hears that.
            Some(name) if name == HANDLES || granted.contains(name) => drop(links.insert(name)),
            Some(name) if accounted.contains(name) => {}
            _ if import.is_inert() || unlinked == Unlinked::Refuses => {}
            _ => {
                let wanted = manifest.wants.iter().map(|want| want.capability.clone()).collect();
                return Err(not_linked(import, wanted));
            }
        }
    }
    Ok(links)
}

/// Everything that the granted capabilities open, and what is linked without one.
fn granted(grants: &SandboxGrants) -> BTreeSet<&str> {
    let opened = grants.capabilities.values().flat_map(|one| wasi::opened(&one.0));
    let in_config =
        |scope: &Arc<WasiScope>| matches!(&**scope, WasiScope::StandIn(StandIn::Config(_)));
    let config = grants.wasi.values().any(in_config).then_some(wasi::CONFIG);
    opened.chain([wasi::INERT]).chain(config).collect()
}

fn not_linked(import: &Import, wanted: Vec<CapabilityName>) -> Stop {
    Refusal::NotLinked { interface: import.name.clone(), wanted }.into()
}

fn known(import: &Import, own: &[Arc<dyn OwnInterface>]) -> Option<&'static str> {
    if let Some(own) = own.iter().find(|one| one.name() == import.name) {
        return Some(own.name());
    }
    let interface = import.interface.as_ref()?;
    let parts = wasi::PARTS.iter().map(|part| part.name());
    capability::names().iter().copied().chain(parts).find(|name| *name == interface.0)
}

/// Links the interfaces in `links` and fills the rest with traps. Whether that is right for a call is decided
/// before.
pub(crate) fn linker(
    engine: &Engine,
    component: &Component,
    links: &Links,
    own: &[Arc<dyn OwnInterface>],
) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    let mut names = BTreeSet::new();
    for one in capability::ALL.iter().filter(|one| links.contains(one.interface())) {
        one.link(&mut linker)?;
        names.insert(format!("toolward:tool/{}@0.1.0", one.interface()));
    }
    for part in wasi::PARTS.iter().filter(|part| links.contains(part.name())) {
        part.link(&mut linker)?;
    }
    let of_wasi = |name| wasi::part(name).is_some_and(|part| links.contains(part));
    for (name, item) in component.component_type().imports(engine) {
        if let ComponentItem::ComponentInstance(instance) = item.ty
            && !names.contains(name)
            && !of_wasi(name)
        {
            let lent = own.iter().find(|one| one.name() == name && links.contains(name));
            if let Some(lent) = lent {
                own::link(lent, engine, &mut linker.instance(name)?, &instance)?;
                continue;
            }
            let resource = if name.starts_with("wasi:") {
                wasi::resource
            } else {
                |_: &str| ResourceType::host::<Handle>()
            };
            fill(engine, &mut linker.instance(name)?, &instance, resource)?;
        }
    }
    Ok(linker)
}

fn fill(
    engine: &Engine,
    into: &mut LinkerInstance<'_, Guest>,
    instance: &ComponentInstance,
    resource: fn(&str) -> ResourceType,
) -> wasmtime::Result<()> {
    for (name, item) in instance.exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(_) => {
                into.func_new(name, |_, _, _, _| Err(wasmtime::Error::msg(NOT_LENT)))?;
            }
            // Of this host's interfaces there is one; where `http` uses it, it must be the same as in
            // `capabilities`.
            ComponentItem::Resource(_) => {
                into.resource(name, resource(name), |_, _| Ok(()))?;
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

#[cfg(test)]
mod tests;
