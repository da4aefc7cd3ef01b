//! What does a door add to a call? In-process, over standard input and output, and over HTTP, in the same run.
//!
//! `cargo bench -p toolward-tests --bench doors`. One host in this process, and three of the program: one that is
//! measured by nobody, one with metrics, and one that sends traces to a collector in this process, too. All have
//! databases on the disk that the build is on. Each way is taken by 1, 8 and 64 clients at once, in turns. At last, how
//! long a revoked token is taken by a host that serves.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a bench says what it found, starts the program that it measures, and ends where it cannot go on"
)]
mod support {
    #[expect(dead_code, reason = "what single steps take is for another bench")]
    pub(crate) mod house;
}

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use futures::future::{BoxFuture, try_join_all};
use serde_json::{Value, json};
use support::house::{self, House};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _},
    sync::{Mutex, oneshot},
};

/// One client: it makes one call and waits for its answer.
type Calling = Arc<dyn Fn() -> BoxFuture<'static, anyhow::Result<()>> + Send + Sync>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/guest");
    let component = toolward::build::build_tool(&guest, &mut |_| {})?.bytes;
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let house = Arc::new(House::build(place.path(), &component).await?);
    let collector = collector().await?;
    let traces = format!("[telemetry.otlp]\nendpoint = \"http://{collector}\"\n");
    let program = Program::serving(&component, "")?;
    let counted = Program::serving(&component, "[telemetry]\n")?;
    let traced = Program::serving(&component, &traces)?;
    println!("{:<32}{:>8}{:>12}{:>12}{:>12}", "", "clients", "calls/s", "p50", "p99");
    for clients in [1, 8, 64] {
        let inside = house.clone();
        let perform: Calling = Arc::new(move || {
            let inside = inside.clone();
            Box::pin(async move { inside.perform().await.map(drop) })
        });
        measure("in this process", clients, |_| Ok(perform.clone())).await?;
        let pipe = Arc::new(Pipe::open(&program).await?);
        measure("MCP, standard input and output", clients, |_| Ok(Pipe::calling(&pipe))).await?;
        measure("MCP, HTTP", clients, |_| program.mcp()).await?;
        measure("REST", clients, |_| program.rest()).await?;
        measure("REST, metrics", clients, |_| counted.rest()).await?;
        measure("REST, metrics and traces", clients, |_| traced.rest()).await?;
    }
    revocations(&program).await
}

/// So many clients, each of which makes its next call when it has the answer to the one before.
async fn measure(
    name: &str,
    clients: usize,
    client: impl Fn(usize) -> anyhow::Result<Calling>,
) -> anyhow::Result<()> {
    let all = (0..clients).map(client).collect::<anyhow::Result<Vec<_>>>()?;
    let each = CALLS / clients;
    let began = Instant::now();
    let took = try_join_all(all.into_iter().map(|call| async move {
        tokio::spawn(async move {
            let mut took = Vec::with_capacity(each);
            for _ in 0..each {
                let began = Instant::now();
                call().await?;
                took.push(began.elapsed());
            }
            anyhow::Ok(took)
        })
        .await?
    }))
    .await?;
    let all = began.elapsed();
    let mut took: Vec<Duration> = took.into_iter().flatten().collect();
    took.sort_unstable();
    let quantile = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or_default();
    let rate = f64::from(u32::try_from(took.len())?) / all.as_secs_f64();
    let millis = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1000.0);
    println!(
        "{name:<32}{clients:>8}{rate:>12.0}{:>12}{:>12}",
        millis(quantile(50)),
        millis(quantile(99))
    );
    Ok(())
}

/// One client calls without a pause, and its token is revoked meanwhile.
async fn revocations(program: &Program) -> anyhow::Result<()> {
    let (mut from_begin, mut from_end) = (Vec::new(), Vec::new());
    for round in 0..REVOCATIONS {
        let file = program.folder.path().join(format!("{round}.token"));
        program.mint(Some(&file))?;
        let token = fs::read_to_string(&file)?.trim().to_owned();
        let (calling, client) = (program.asking("/v1/calls", CALL), reqwest_client()?);
        let (first, begun) = oneshot::channel();
        let refused = tokio::spawn(until_refused(client, calling, token, first));
        begun.await?;
        let mut revoke = tokio::process::Command::from(self::program(program.folder.path()));
        let began = Instant::now();
        let done = revoke.args(["token", "revoke", "--reason", "a bench"]).arg(&file).output();
        let done = done.await?;
        let ended = Instant::now();
        anyhow::ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let (last_taken, refused) = refused.await??;
        anyhow::ensure!(last_taken < ended, "a call began after the revocation, and was taken");
        from_begin.push(refused.duration_since(began));
        from_end.push(refused.saturating_duration_since(ended));
    }
    println!("\n{:<32}{:>8}{:>24}", "token revoke, first refused call", "p50", "longest");
    for (name, mut took) in [("from its beginning", from_begin), ("from its end", from_end)] {
        took.sort_unstable();
        let middle = took.get(took.len() / 2).copied().unwrap_or_default();
        println!("{name:<32}{middle:>8.1?}{:>24.1?}", took.last().copied().unwrap_or_default());
    }
    Ok(())
}

/// Calls until it is refused: when the last call began that was taken, and when the refusal was there.
async fn until_refused(
    client: reqwest::Client,
    (url, body): (String, String),
    token: String,
    first: oneshot::Sender<()>,
) -> anyhow::Result<(Instant, Instant)> {
    let (mut last, mut first) = (Instant::now(), Some(first));
    loop {
        let began = Instant::now();
        let request = client.post(&url).bearer_auth(&token).body(body.clone());
        let answer = request.header("content-type", "application/json").send().await?;
        let (status, text) = (answer.status().as_u16(), answer.text().await?);
        match status {
            200 => last = began,
            // At the door, or on its way behind it.
            401 => return Ok((last, Instant::now())),
            403 if text.contains("identity-denied") => return Ok((last, Instant::now())),
            other => anyhow::bail!("{other}: {text}"),
        }
        if let Some(first) = first.take() {
            let _heard = first.send(());
        }
    }
}

/// Takes whatever it is told.
async fn collector() -> anyhow::Result<std::net::SocketAddr> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = axum::Router::new()
        .fallback(async |_: axum::body::Bytes| axum::http::StatusCode::OK)
        .layer(axum::extract::DefaultBodyLimit::max(64 << 20));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

fn reqwest_client() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().build()?)
}

/// The program, serving.
struct Program {
    folder: tempfile::TempDir,
    child: Child,
    url: String,
    token: String,
}

impl Program {
    /// `more` stands at the end of its configuration.
    fn serving(component: &[u8], more: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        house::write(folder.path(), component)?;
        let file = folder.path().join("toolward.toml");
        let written = fs::read_to_string(&file)?;
        fs::write(&file, format!("{written}{LISTENING}{more}"))?;
        let token = minted(folder.path(), None)?;
        let mut child = program(folder.path())
            .args(["serve", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().context("it has an output")?).read_line(&mut line)?;
        let told: Value = serde_json::from_str(&line)?;
        let address = told.get("listen").and_then(Value::as_str).context("it does not listen")?;
        Ok(Self { folder, child, url: format!("http://{address}"), token })
    }

    fn mint(&self, file: Option<&Path>) -> anyhow::Result<String> {
        minted(self.folder.path(), file)
    }

    /// Where a call goes, and what it says.
    fn asking(&self, path: &str, body: &str) -> (String, String) {
        (format!("{}{path}", self.url), body.to_owned())
    }

    fn mcp(&self) -> anyhow::Result<Calling> {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "nothing", "arguments": {}, "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {} } } });
        self.posting("/mcp", "application/json, text/event-stream", &message, |answer| {
            answer.pointer("/result/isError").is_some_and(|failed| failed == false)
        })
    }

    fn rest(&self) -> anyhow::Result<Calling> {
        let call = serde_json::from_str(CALL)?;
        // Whoever takes events gets them.
        self.posting("/v1/calls", "application/json", &call, |answer| {
            answer.get("result").is_some()
        })
    }

    /// A client with a connection of its own.
    fn posting(
        &self,
        path: &str,
        accept: &'static str,
        body: &Value,
        fits: fn(&Value) -> bool,
    ) -> anyhow::Result<Calling> {
        let (url, body) = self.asking(path, &body.to_string());
        let (client, token) = (reqwest_client()?, self.token.clone());
        Ok(Arc::new(move || {
            let request = client
                .post(&url)
                .bearer_auth(&token)
                .header("content-type", "application/json")
                .header("accept", accept)
                .header("mcp-protocol-version", "2026-07-28")
                .header("mcp-method", "tools/call")
                .header("mcp-name", "nothing")
                .body(body.clone());
            Box::pin(async move {
                let answer: Value = serde_json::from_slice(&request.send().await?.bytes().await?)?;
                anyhow::ensure!(fits(&answer), "the call did not go through: {answer}");
                Ok(())
            })
        }))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// One connection over standard input and output. Its clients ask beside each other.
struct Pipe {
    child: tokio::process::Child,
    input: Mutex<tokio::process::ChildStdin>,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    answers: std::collections::HashMap<u64, oneshot::Sender<Value>>,
}

impl Pipe {
    async fn open(program: &Program) -> anyhow::Result<Self> {
        let mut command = tokio::process::Command::from(self::program(program.folder.path()));
        command.arg("run").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn()?;
        let input = Mutex::new(child.stdin.take().context("it has an input")?);
        let output = child.stdout.take().context("it has an output")?;
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        tokio::spawn(hear(output, waiting.clone()));
        let pipe = Self { child, input, waiting };
        let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": { "name": "a bench", "version": "1" } });
        pipe.ask("initialize", &hello).await?;
        pipe.write(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await?;
        Ok(pipe)
    }

    fn calling(pipe: &Arc<Self>) -> Calling {
        let pipe = pipe.clone();
        Arc::new(move || {
            let pipe = pipe.clone();
            Box::pin(async move {
                let call = json!({ "name": "nothing", "arguments": {} });
                let answer = pipe.ask("tools/call", &call).await?;
                let fits = answer.pointer("/result/isError").is_some_and(|failed| failed == false);
                anyhow::ensure!(fits, "the call did not go through: {answer}");
                Ok(())
            })
        })
    }

    async fn ask(&self, method: &str, params: &Value) -> anyhow::Result<Value> {
        anyhow::ensure!(self.child.id().is_some(), "the program has ended");
        let (sender, answer) = oneshot::channel();
        let id = {
            let mut waiting = self.waiting.lock().await;
            waiting.next += 1;
            let id = waiting.next;
            waiting.answers.insert(id, sender);
            id
        };
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.write(&message).await?;
        Ok(answer.await?)
    }

    async fn write(&self, message: &Value) -> anyhow::Result<()> {
        let mut input = self.input.lock().await;
        input.write_all(format!("{message}\n").as_bytes()).await?;
        Ok(input.flush().await?)
    }
}

/// Hands each answer to the one who waits for it.
async fn hear(output: tokio::process::ChildStdout, waiting: Arc<Mutex<Waiting>>) {
    let mut lines = tokio::io::BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let answer: Value = serde_json::from_str(&line).unwrap();
        let id = answer.get("id").and_then(Value::as_u64).unwrap_or_default();
        if let Some(sender) = waiting.lock().await.answers.remove(&id) {
            // Who waited may have given up.
            let _sent = sender.send(answer);
        }
    }
}

/// The program, built as this bench is.
fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_toolward-under-test"));
    command.current_dir(folder).env("TOOLWARD_CONFIG", folder.join("toolward.toml"));
    command
}

/// A token for the caller of the bench; into this file, where one is named.
fn minted(folder: &Path, file: Option<&Path>) -> anyhow::Result<String> {
    let mut command = program(folder);
    command.args(["token", "mint", "--id", "agent-7", "--role", "assistant"]);
    if let Some(file) = file {
        command.arg("--out").arg(file);
    }
    let done = command.output()?;
    anyhow::ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok(String::from_utf8(done.stdout)?.trim().to_owned())
}

const LISTENING: &str = r#"
[listen]
address = "127.0.0.1:0"
limits = { requests_per_second = 1_000_000, connections_per_address = 1024 }

[caller]
id = "agent-7"
roles = ["assistant"]
"#;
/// For each number of clients and each way.
const CALLS: usize = 1_920;
const REVOCATIONS: usize = 20;
const CALL: &str = "{\"tool\":\"nothing\",\"arguments\":{}}";
