//! The one integration-test binary: few binaries link wasmtime, so that a build stays short.
#[cfg(test)]
mod brokers;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod cannot;
#[cfg(test)]
mod capabilities;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod doors;
#[cfg(test)]
mod escape;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod languages;
#[cfg(test)]
mod mcp;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod telemetry;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod wasi;
#[cfg(test)]
mod world;
