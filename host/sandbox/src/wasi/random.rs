//! Random numbers of WASI.
use wasmtime::{Result, component::Linker};
use wasmtime_wasi::{
    p2::bindings::random,
    random::{WasiRandom, WasiRandomView as _},
};

use super::Part;
use crate::guest::Guest;

pub(super) struct Random;

impl Part for Random {
    fn name(&self) -> &'static str {
        "wasi-random"
    }
    fn interfaces(&self) -> &'static [&'static str] {
        &["wasi:random/random", "wasi:random/insecure", "wasi:random/insecure-seed"]
    }
    fn link(&self, linker: &mut Linker<Guest>) -> Result<()> {
        random::random::add_to_linker::<_, WasiRandom>(linker, Guest::random)?;
        random::insecure::add_to_linker::<_, WasiRandom>(linker, Guest::random)?;
        random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, Guest::random)
    }
}
