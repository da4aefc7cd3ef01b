//! What does a tool cost that was written in another language?
//!
//! `example-tools/build-other-languages` builds them. Those that send requests send them to a server of this bench,
//! over TLS: the weather's two, the issue's one. The first call also links, and touches memory that nobody has
//! touched.
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use toolward_sandbox::{Sandbox, SandboxSettings};

use super::{server::Server, yard::Yard};

/// A line for each tool that was built.
pub(crate) async fn languages() -> anyhow::Result<()> {
    println!("\nTools in other languages; every call has a fresh instance:\n");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../example-tools");
    println!(
        "{:<26}{:>12}{:>12}{:>12}{:>12}{:>12}",
        "", "bytes", "compile", "load", "first call", "a call"
    );
    let rust = toolward::build::build_tool(&examples.join("weather"), &mut |_| {})?.bytes;
    measure("weather, Rust", rust, "get_forecast", r#"{"city":"x"}"#).await?;
    let others = [
        ("word count, Python", "python-word-count", "word-count", r#"{"text":"one two two"}"#),
        (
            "issue, JavaScript",
            "javascript-github-issue",
            "read-issue",
            r#"{"number":1,"owner":"a","repo":"b"}"#,
        ),
    ];
    for (what, file, tool, arguments) in others {
        match fs::read(examples.join(format!("target/other-languages/{file}.wasm"))) {
            Ok(bytes) => measure(what, bytes, tool, arguments).await?,
            Err(_) => {
                println!("{what:<26}left out: `example-tools/build-other-languages` builds it");
            }
        }
    }
    Ok(())
}

async fn measure(what: &str, bytes: Vec<u8>, tool: &str, arguments: &str) -> anyhow::Result<()> {
    let size = bytes.len();
    let folder = tempfile::tempdir()?;
    let compile = installed(folder.path(), &bytes).await?;
    let mut loads = Vec::new();
    for _ in 0..5 {
        loads.push(installed(folder.path(), &bytes).await?);
    }
    let server = Server::start(&[]).await?;
    let yard = Yard::open_lending(&bytes, Some(folder.path().to_owned()), &server).await?;
    let load = median(&mut loads);
    print!("{what:<26}{size:>12}{compile:>12.1?}{load:>12.1?}");
    let (first, one) = calls(&yard, tool, arguments).await?;
    println!("{first:>12.1?}{one:>12.1?}");
    Ok(())
}

/// How long it takes until the component can be called, in a sandbox that is there already.
async fn installed(data: &Path, bytes: &[u8]) -> anyhow::Result<Duration> {
    let data: Option<PathBuf> = Some(data.to_owned());
    let sandbox = Sandbox::new(SandboxSettings { data, ..SandboxSettings::default() })?;
    let bytes = bytes.to_vec();
    let began = Instant::now();
    sandbox.install(bytes).await?;
    Ok(began.elapsed())
}

/// The first call, and the median of the next ones.
async fn calls(yard: &Yard, tool: &str, arguments: &str) -> anyhow::Result<(Duration, Duration)> {
    let first = call(yard, tool, arguments).await?;
    let mut calls = Vec::new();
    for _ in 0..200 {
        calls.push(call(yard, tool, arguments).await?);
    }
    Ok((first, median(&mut calls)))
}

async fn call(yard: &Yard, tool: &str, arguments: &str) -> anyhow::Result<Duration> {
    let began = Instant::now();
    yard.run(tool, arguments).await?;
    Ok(began.elapsed())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
