//! Random bytes from the operating system.
use wasmtime::{
    Result,
    component::{HasData, Linker},
};

use super::Capability;
use crate::guest::Guest;
use bindings::toolward::tool::random as wit;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "package toolward:host; world randomness { import toolward:tool/random@0.1.0; }",
        world: "toolward:host/randomness",
        imports: { default: trappable },
    });
}

pub(crate) struct Random;

impl Capability for Random {
    fn interface(&self) -> &'static str {
        "random"
    }
    fn link(&self, linker: &mut Linker<Guest>) -> Result<()> {
        wit::add_to_linker::<_, Self>(linker, |_| Source)
    }
}

impl HasData for Random {
    type Data<'a> = Source;
}

/// It has no state: nothing to choose, and nothing to repeat.
pub(crate) struct Source;

impl wit::Host for Source {
    fn bytes(&mut self, length: u32) -> Result<Vec<u8>> {
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(MAX);
        let mut bytes = vec![0; length];
        getrandom::fill(&mut bytes).map_err(wasmtime::Error::new)?;
        Ok(bytes)
    }
}

/// Bytes of one draw, as the interface says.
const MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::{Source, wit::Host as _};

    #[test]
    fn a_draw_has_the_length_that_was_asked_for_up_to_its_limit() {
        assert!(Source.bytes(0).unwrap().is_empty());
        let (one, other) = (Source.bytes(32).unwrap(), Source.bytes(32).unwrap());
        assert_eq!(one.len(), 32);
        assert_ne!(one, other);
        assert_eq!(Source.bytes(u32::MAX).unwrap().len(), 4096);
    }
}
