//! Components that were built for WASI 0.2 and know nothing of this host.
mod clocks;
mod files;
mod plain;
mod requests;
mod stand_ins;
mod streaming;
mod unlinked;

use toolward_gate::{Refusal, Stop};
use toolward_sandbox::Output;

use crate::world::{Guest, Setting};

/// One of these guests, its tools wanting these capabilities, and a policy that grants them.
pub(crate) fn wanting(guest: Guest, names: &[&str], definitions: &str) -> Setting {
    let actions: Vec<String> = names.iter().map(|name| format!("Action::\"{name}\"")).collect();
    let setting = Setting::only(guest, names).capability(definitions);
    if actions.is_empty() {
        return setting;
    }
    setting.policy(&format!(
        "@id(\"wasi\") permit(principal in Role::\"assistant\", action in [{}], resource in Component::\"{}\");",
        actions.join(", "),
        guest.name()
    ))
}

/// The import for which a call was refused before anything ran.
fn refused_import(outcome: &Result<Output, Stop>) -> &str {
    match outcome {
        Err(Stop::Refused(Refusal::NotLinked { interface, .. })) => interface,
        other => panic!("{other:?}"),
    }
}
