//! Which interfaces does a program lend that embeds this host? Its own, under the rules of those in `wit/`.
//!
//! ```wit
//! package acme:queue@1.0.0;
//!
//! interface messages {
//!     use toolward:tool/capabilities@0.1.0.{capability};
//!     push: func(under: borrow<capability>, text: string) -> result<u64, string>;
//! }
//! ```
//!
//! Every function takes a handle first, so that there is no use without a capability that the operator defined and
//! the policies granted; and every one can refuse, in words.
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};
use tokio::time::Instant;
use toolward_gate::{CallId, CapabilityName, Note, Principal};
use wasmtime::{
    Engine, Error, Result, StoreContextMut,
    component::{
        LinkerInstance, ResourceType, Type, Val,
        types::{ComponentFunc, ComponentInstance, ComponentItem},
    },
};

use super::handles::Handle;
use crate::{guest::Guest, plain, text};

/// An interface that a program lends which embeds the host.
///
/// It is host code: what it does is as trusted as the program. It runs while the call lives: when the call ends, by
/// its time, a kill switch or its caller, the future is dropped where it waits.
#[async_trait]
pub trait OwnInterface: Send + Sync {
    /// As components import it and as a capability's `interface` names it, as in `acme:queue/messages@1.0.0`.
    fn name(&self) -> &'static str;

    /// One use. What it answers with fits the function's type, in the JSON that tools without a manifest speak; an
    /// error is told to the tool, in up to 4 KiB. Neither is recorded: that there was a use is.
    async fn call(&self, used: Use) -> Result<Value, String>;
}

/// One use of an interface, by one call.
#[derive(Clone, Debug)]
pub struct Use {
    pub call: CallId,
    pub principal: Principal,
    /// The capability of the handle. It opens this interface, was granted to this call, and is not over.
    pub capability: CapabilityName,
    /// As in WIT.
    pub function: Arc<str>,
    /// What the tool passes after the handle, by the names of the parameters.
    pub arguments: Map<String, Value>,
}

pub(crate) type Own = Arc<[Arc<dyn OwnInterface>]>;

/// Links the functions that a component imports. Fails with the first that has another form.
pub(crate) fn link(
    own: &Arc<dyn OwnInterface>,
    engine: &Engine,
    into: &mut LinkerInstance<'_, Guest>,
    instance: &ComponentInstance,
) -> Result<()> {
    for (name, item) in instance.exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(types) => {
                check(name, &types)?;
                let (own, function): (_, Arc<str>) = (own.clone(), name.into());
                into.func_new_async(name, move |store, types, given, results| {
                    let used = used(store, &types, given, own.clone(), function.clone());
                    Box::new(async move {
                        let answer = used?.answer(&types).await?;
                        if let Some(result) = results.first_mut() {
                            *result = answer;
                        }
                        Ok(())
                    })
                })?;
            }
            // The type of handles, by the name that the interface has for it.
            ComponentItem::Resource(_) => {
                into.resource(name, ResourceType::host::<Handle>(), |_, _| Ok(()))?;
            }
            ComponentItem::CoreFunc(_)
            | ComponentItem::Module(_)
            | ComponentItem::Component(_)
            | ComponentItem::ComponentInstance(_)
            | ComponentItem::Type(_) => {}
        }
    }
    Ok(())
}

fn check(name: &str, types: &ComponentFunc) -> Result<()> {
    let takes_handle = matches!(types.params().next(), Some((_, Type::Borrow(_))));
    let refuses = match types.results().next() {
        Some(Type::Result(result)) => result.err() == Some(Type::String),
        _ => false,
    };
    if takes_handle && refuses {
        return Ok(());
    }
    Err(Error::msg(format!(
        "`{name}` does not have the form `func(under: borrow<capability>, …) -> result<…, string>`"
    )))
}

/// A use whose handle was looked at, or why there is none.
struct Asked {
    own: Arc<dyn OwnInterface>,
    used: std::result::Result<Use, String>,
    expires_at: Option<Instant>,
    trace: Trace,
}

fn used(
    mut store: StoreContextMut<'_, Guest>,
    types: &ComponentFunc,
    given: &[Val],
    own: Arc<dyn OwnInterface>,
    function: Arc<str>,
) -> Result<Asked> {
    let Some((Val::Resource(under), given)) = given.split_first() else {
        return Err(Error::msg("the first argument is no handle"));
    };
    let under = under.try_into_resource::<Handle>(&mut store)?;
    let guest = store.data();
    let handle = guest.handles.lent(&under)?;
    let call = guest.grant.call();
    let opens = guest.grant.permit().terms().sandbox.grants.capabilities.get(&handle.name);
    let usable = if opens.is_some_and(|interface| interface.0 == own.name()) {
        handle.spend().map_err(|spent| spent.to_string())
    } else {
        Err("the handle is one of another interface".to_owned())
    };
    let parameters = types.params().skip(1).zip(given);
    let arguments =
        parameters.map(|((name, ty), value)| (name.to_owned(), plain::json(value, &ty)));
    let used = Use {
        call: call.id,
        principal: call.principal.clone(),
        capability: handle.name.clone(),
        function: function.clone(),
        arguments: arguments.collect(),
    };
    let trace = Trace {
        note: Some((handle.name.clone(), own.name(), function)),
        notes: call.notes.clone(),
        code: CUT_OFF,
        since: Instant::now(),
    };
    Ok(Asked { own, used: usable.map(|()| used), expires_at: handle.expires_at, trace })
}

impl Asked {
    async fn answer(mut self, types: &ComponentFunc) -> Result<Val> {
        let told = match self.used {
            Err(why) => {
                self.trace.code = "refused";
                Err(why)
            }
            Ok(used) => {
                let using = self.own.call(used);
                let told = match self.expires_at {
                    Some(end) => tokio::time::timeout_at(end, using)
                        .await
                        .unwrap_or_else(|_| Err("the handle's time is over".to_owned())),
                    None => using.await,
                };
                self.trace.code = if told.is_ok() { "ok" } else { "failed" };
                told
            }
        };
        let Some(Type::Result(result)) = types.results().next() else {
            return Err(Error::msg("the function has no result"));
        };
        match told {
            Err(why) => {
                let why = text::visible(&why, true, REFUSAL);
                Ok(Val::Result(Err(Some(Box::new(Val::String(why))))))
            }
            Ok(value) => match result.ok() {
                None => Ok(Val::Result(Ok(None))),
                Some(ty) => {
                    let value = plain::value(&value, &ty).map_err(|error| {
                        tracing::error!(interface = self.own.name(), %error, "an answer does not fit its type");
                        Error::msg("the host's answer does not fit its type")
                    })?;
                    Ok(Val::Result(Ok(Some(Box::new(value)))))
                }
            },
        }
    }
}

/// Sees to it that the use is in the audit entry, also where nobody waits for its end.
struct Trace {
    note: Option<(CapabilityName, &'static str, Arc<str>)>,
    notes: toolward_gate::Notes,
    code: &'static str,
    since: Instant,
}

impl Drop for Trace {
    fn drop(&mut self) {
        let Some((capability, interface, function)) = self.note.take() else { return };
        self.notes.add(Note::Used {
            capability,
            interface: interface.to_owned(),
            function: function.to_string(),
            code: self.code.to_owned(),
            millis: u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
    }
}

/// The code of a use that ended with its call.
const CUT_OFF: &str = "abandoned";
/// Of what a tool is told, in bytes.
const REFUSAL: usize = 4 << 10;
