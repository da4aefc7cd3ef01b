//! `wasi:config/store`, where some components look for their key. It holds stand-ins and nothing else.
use std::collections::BTreeMap;

use wasmtime::{
    Result,
    component::{HasSelf, Linker},
};

use super::{CONFIG, Part};
use crate::guest::Guest;
use bindings::wasi::config::store as wit;

mod bindings {
    wasmtime::component::bindgen!({
        inline: "
            package wasi:config@0.2.0-rc.1;
            interface store {
                variant error { upstream(string), io(string) }
                get: func(key: string) -> result<option<string>, error>;
                get-all: func() -> result<list<tuple<string, string>>, error>;
            }
            world settings { import store; }
        ",
        world: "settings",
        imports: { default: trappable },
    });
}

pub(super) const VERSION: &str = "0.2.0-rc.1";

pub(super) struct Config;

impl Part for Config {
    fn name(&self) -> &'static str {
        CONFIG
    }
    fn interfaces(&self) -> &'static [&'static str] {
        &["wasi:config/store"]
    }
    fn link(&self, linker: &mut Linker<Guest>) -> Result<()> {
        wit::add_to_linker::<_, HasSelf<BTreeMap<String, String>>>(linker, |guest| {
            &mut guest.wasi.get_or_insert_default().settings
        })
    }
}

impl wit::Host for BTreeMap<String, String> {
    fn get(&mut self, key: String) -> Result<Result<Option<String>, wit::Error>> {
        Ok(Ok(Self::get(self, &key).cloned()))
    }
    fn get_all(&mut self) -> Result<Result<Vec<(String, String)>, wit::Error>> {
        Ok(Ok(self.iter().map(|(key, value)| (key.clone(), value.clone())).collect()))
    }
}
