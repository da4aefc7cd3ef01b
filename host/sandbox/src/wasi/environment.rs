//! The variables that a component finds: those that the operator lends, and stand-ins.
use toolward_gate::WasiScope;
use wasmtime_wasi::WasiCtxBuilder;

use super::{Scopes, StandIns};

pub(super) fn set(builder: &mut WasiCtxBuilder, scopes: &Scopes, stand_ins: &StandIns) {
    for scope in scopes.values() {
        let WasiScope::Variables { names, values } = &**scope else { continue };
        for name in names {
            let value = values.get(name).cloned().or_else(|| std::env::var(name).ok());
            if let Some(value) = value {
                builder.env(name, value);
            }
        }
    }
    for (name, value) in stand_ins.variables() {
        builder.env(name, value);
    }
}
