//! What every component of a standard library imports: streams, arguments, an environment, all of them empty.
use wasmtime::{
    Result,
    component::{HasData, Linker, Resource, ResourceTable},
};
use wasmtime_wasi::{
    WasiView as _,
    cli::{WasiCli, WasiCliView as _},
    p2::{IoError, bindings::cli},
};
use wasmtime_wasi_io::bindings::wasi::io;

use super::{INERT, Part};
use crate::guest::Guest;

pub(super) struct Inert;

impl Part for Inert {
    fn name(&self) -> &'static str {
        INERT
    }
    fn interfaces(&self) -> &'static [&'static str] {
        &[
            "wasi:io/error",
            "wasi:io/poll",
            "wasi:io/streams",
            "wasi:cli/environment",
            "wasi:cli/exit",
            "wasi:cli/stdin",
            "wasi:cli/stdout",
            "wasi:cli/stderr",
            "wasi:cli/terminal-input",
            "wasi:cli/terminal-output",
            "wasi:cli/terminal-stdin",
            "wasi:cli/terminal-stdout",
            "wasi:cli/terminal-stderr",
        ]
    }
    fn link(&self, linker: &mut Linker<Guest>) -> Result<()> {
        io::error::add_to_linker::<_, Self>(linker, |guest| Errors(guest.ctx().table))?;
        io::poll::add_to_linker::<_, Table>(linker, |guest| guest.ctx().table)?;
        io::streams::add_to_linker::<_, Table>(linker, |guest| guest.ctx().table)?;
        cli::environment::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
        cli::exit::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
        cli::stdin::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
        cli::stdout::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
        cli::stderr::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
        cli::terminal_input::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
        cli::terminal_output::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
        cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
        cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, Guest::cli)?;
        cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, Guest::cli)
    }
}

struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

impl HasData for Inert {
    type Data<'a> = Errors<'a>;
}

/// Errors of streams, without their texts: those come from this host, and can hold a trace of its stack.
pub(super) struct Errors<'a>(&'a mut ResourceTable);

impl io::error::Host for Errors<'_> {}

impl io::error::HostError for Errors<'_> {
    fn to_debug_string(&mut self, error: Resource<IoError>) -> Result<String> {
        self.0.get(&error)?;
        Ok("an error of a stream".to_owned())
    }
    fn drop(&mut self, error: Resource<IoError>) -> Result<()> {
        self.0.delete(error)?;
        Ok(())
    }
}
