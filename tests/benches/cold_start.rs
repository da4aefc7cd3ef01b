//! How long does a start take, with so many components to compile, and with so many in the cache?
//!
//! `cargo bench --bench cold_start`
#![expect(clippy::print_stdout, reason = "the figures")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a failure ends the bench"
)]
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use toolward::build;
use toolward_sandbox::{Sandbox, SandboxSettings};

#[tokio::main]
async fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/teller");
    let bytes = build::build_tool(&folder, &mut |_| ()).unwrap().bytes;
    println!("a component of {} bytes", bytes.len());
    for count in [1, 100, 1000] {
        let data = tempfile::tempdir().unwrap();
        let (compiling, compiled) = start(data.path(), &bytes, count).await;
        let mut kept = Vec::new();
        for _ in 0..5 {
            let (took, again) = start(data.path(), &bytes, count).await;
            assert_eq!((compiled, again), (u64::from(count), 0));
            kept.push(took);
        }
        kept.sort();
        let each = kept[2] / count;
        println!(
            "{count:>5}: compiled {compiling:>10.1?}   kept {:>10.1?} = {each:.1?} each",
            kept[2]
        );
    }
}

/// From nothing to a sandbox in which all are installed, and how many were compiled.
async fn start(data: &Path, bytes: &[u8], count: u32) -> (Duration, u64) {
    let all: Vec<Vec<u8>> = (0..count).map(|number| variant(bytes, number)).collect();
    let begun = Instant::now();
    let data: Option<PathBuf> = Some(data.to_owned());
    let sandbox = Sandbox::new(SandboxSettings { data, ..SandboxSettings::default() }).unwrap();
    let installs = stream::iter(all).map(|bytes| sandbox.install(bytes)).buffer_unordered(2);
    installs.for_each(async |one| drop(one.unwrap())).await;
    (begun.elapsed(), sandbox.compiled())
}

/// The same component under another digest.
fn variant(bytes: &[u8], number: u32) -> Vec<u8> {
    let mut name = vec![1, b'n'];
    name.extend(number.to_be_bytes());
    [bytes, &[0, u8::try_from(name.len()).unwrap()], &name].concat()
}
