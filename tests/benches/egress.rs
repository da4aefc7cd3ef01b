//! What does a request on a capability cost, against bare reqwest in the same run?
//!
//! `cargo bench -p toolward-tests --bench egress`. Both keep one connection open to the same server on loopback,
//! with TLS. First criterion measures each by itself; then they take turns, and the ratios of their medians are
//! printed.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench says what it found, and ends where it cannot go on"
)]
mod support {
    pub(crate) mod desk;
    pub(crate) mod paired;
    #[expect(dead_code, reason = "the bench of the sandbox measures limits")]
    pub(crate) mod server;
    pub(crate) mod yes;
}

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion};
use support::{
    desk::{Desk, TOKEN},
    paired::{Rounds, sum, timed},
    server::Server,
};
use tokio::runtime::Runtime;

/// Everything that is measured.
struct Subjects {
    server: Server,
    bare: reqwest::Client,
    /// The destination is an address.
    address: Desk,
    /// The destination is a name, which is looked up for each request.
    name: Desk,
}

fn main() -> anyhow::Result<()> {
    let runtime = Runtime::new()?;
    let subjects = Arc::new(runtime.block_on(Subjects::set_up())?);
    one_by_one(&runtime, &subjects);
    println!("\nIn turns, medians; the last column is against bare reqwest:");
    for size in SIZES {
        let turns = {
            let subjects = subjects.clone();
            async move { subjects.in_turns(size).await }
        };
        // On a worker, where tools run.
        let rounds = runtime.block_on(async { tokio::spawn(turns).await })??;
        println!("\nA response of {} KiB of JSON\n{}", size >> 10, rounds.table(BARE));
    }
    println!("Connections that three clients opened in all: {}", subjects.server.connections());
    Ok(())
}

impl Subjects {
    async fn set_up() -> anyhow::Result<Self> {
        let server = Server::start(&SIZES).await?;
        let port = server.address.port();
        let address = Desk::open("127.0.0.1", port, &server.root).await?;
        let name = Desk::open("localhost", port, &server.root).await?;
        Ok(Self { bare: bare(&server.root)?, server, address, name })
    }

    async fn bare(&self, size: usize) -> anyhow::Result<Duration> {
        let url = format!("https://{}/items/{size}", self.server.address);
        let fetching = async {
            let response = self.bare.get(url).bearer_auth(TOKEN).send().await?;
            anyhow::Ok(response.error_for_status()?.bytes().await?.len())
        };
        let (took, length) = timed(fetching).await;
        whole(length?, size)?;
        Ok(took)
    }

    async fn governed(&self, desk: &Desk, size: usize) -> anyhow::Result<Duration> {
        let (took, length) = desk.fetch(format!("/items/{size}")).await?;
        whole(length, size)?;
        Ok(took)
    }

    /// A round takes each once, until there are many rounds or there was much time.
    async fn in_turns(&self, size: usize) -> anyhow::Result<Rounds> {
        let began = Instant::now();
        let mut rounds = Rounds::of(&[BARE, "egress to an address", "egress to a name"]);
        for round in 0..ROUNDS + WARM_UP {
            let bare = self.bare(size).await?;
            let address = self.governed(&self.address, size).await?;
            let name = self.governed(&self.name, size).await?;
            if round >= WARM_UP {
                rounds.push(&[bare, address, name]);
            }
            if began.elapsed() > LONGEST && round > WARM_UP {
                break;
            }
        }
        Ok(rounds)
    }
}

/// A client that trusts the same authority and goes no other way.
#[expect(clippy::disallowed_methods, reason = "it is what egress is measured against")]
fn bare(root: &str) -> anyhow::Result<reqwest::Client> {
    let roots = reqwest::Certificate::from_pem_bundle(root.as_bytes())?;
    Ok(reqwest::Client::builder().no_proxy().tls_certs_merge(roots).build()?)
}

fn whole(length: usize, size: usize) -> anyhow::Result<()> {
    anyhow::ensure!(length >= size, "{length} bytes came, of {size}");
    Ok(())
}

/// Each by itself, so that criterion can compare with the run before.
fn one_by_one(runtime: &Runtime, subjects: &Subjects) {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .configure_from_args();
    let mut group = criterion.benchmark_group("egress");
    for size in SIZES {
        group.bench_function(BenchmarkId::new("bare", size), |bencher| {
            bencher.to_async(runtime).iter_custom(|times| sum(times, || subjects.bare(size)));
        });
        group.bench_function(BenchmarkId::new("egress", size), |bencher| {
            bencher
                .to_async(runtime)
                .iter_custom(|times| sum(times, || subjects.governed(&subjects.address, size)));
        });
    }
    group.finish();
    criterion.final_summary();
}

const BARE: &str = "bare reqwest";
const SIZES: [usize; 3] = [1 << 10, 100 << 10, 1 << 20];
const ROUNDS: u32 = 1_000;
const WARM_UP: u32 = 20;
const LONGEST: Duration = Duration::from_secs(15);
