//! The clocks of WASI, no finer than a millisecond: a finer one measures what other calls do.
use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use toolward_gate::Clock;
use wasmtime::{Result, component::Linker};
use wasmtime_wasi::{
    HostMonotonicClock, HostWallClock, WasiCtxBuilder,
    clocks::{WasiClocks, WasiClocksView as _},
    p2::bindings::clocks,
};

use super::Part;
use crate::guest::Guest;

pub(super) struct Clocks;

impl Part for Clocks {
    fn name(&self) -> &'static str {
        "wasi-clocks"
    }
    fn interfaces(&self) -> &'static [&'static str] {
        &["wasi:clocks/wall-clock", "wasi:clocks/monotonic-clock"]
    }
    fn link(&self, linker: &mut Linker<Guest>) -> Result<()> {
        clocks::wall_clock::add_to_linker::<_, WasiClocks>(linker, Guest::clocks)?;
        clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(linker, Guest::clocks)
    }
}

pub(super) fn set(builder: &mut WasiCtxBuilder, clock: Arc<dyn Clock>, began_at: Instant) {
    builder.wall_clock(Wall(clock)).monotonic_clock(SinceTheCall(began_at));
}

/// The time of the host.
struct Wall(Arc<dyn Clock>);

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        RESOLUTION
    }
    fn now(&self) -> Duration {
        // A clock before 1970 reads as 1970.
        Duration::from_millis(u64::try_from(self.0.now().as_millisecond()).unwrap_or(0))
    }
}

/// It says nothing about how long the host or its machine has been running.
struct SinceTheCall(Instant);

impl HostMonotonicClock for SinceTheCall {
    fn resolution(&self) -> u64 {
        u64::try_from(RESOLUTION.as_nanos()).unwrap_or(u64::MAX)
    }
    fn now(&self) -> u64 {
        let millis = u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX);
        millis.saturating_mul(self.resolution())
    }
}

const RESOLUTION: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_count_whole_milliseconds() {
        let clock = SinceTheCall(Instant::now());
        let wall = Wall(Arc::new(toolward_gate::SystemClock));
        for _ in 0..1000 {
            assert_eq!(clock.now() % 1_000_000, 0);
            assert_eq!(wall.now().as_nanos() % 1_000_000, 0);
        }
        assert!(wall.now() > Duration::from_secs(1_700_000_000), "it is the time of the host");
    }
}
