//! What does a door add to a call? In-process, over standard input and output, and over HTTP, in the same run.
//!
//! `cargo bench -p toolward-tests --bench doors`. One host in this process, and one of the program for each door, all
//! with databases on the disk that the build is on. Each way is taken by 1, 8 and 64 clients at once, in turns.
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
    path::{Path, PathBuf},
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
    let served = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    house::write(served.path(), &component)?;
    let program = Program::in_folder(served.path().to_owned())?;
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
    }
    Ok(())
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

/// The program, serving.
struct Program {
    folder: PathBuf,
    child: Child,
    url: String,
    token: String,
}

impl Program {
    fn in_folder(folder: PathBuf) -> anyhow::Result<Self> {
        let file = folder.join("toolward.toml");
        let written = fs::read_to_string(&file)?;
        fs::write(&file, format!("{written}{LISTENING}"))?;
        let minted = program(&folder)
            .args(["token", "mint", "--id", "agent-7", "--role", "assistant"])
            .output()?;
        let token = String::from_utf8(minted.stdout)?.trim().to_owned();
        let mut child = program(&folder)
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

    fn mcp(&self) -> anyhow::Result<Calling> {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "nothing", "arguments": {}, "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {} } } });
        self.posting("/mcp", &message, |answer| {
            answer.pointer("/result/isError").is_some_and(|failed| failed == false)
        })
    }

    fn rest(&self) -> anyhow::Result<Calling> {
        let call = json!({ "tool": "nothing", "arguments": {} });
        self.posting("/v1/calls", &call, |answer| answer.get("result").is_some())
    }

    /// A client with a connection of its own.
    fn posting(
        &self,
        path: &str,
        body: &Value,
        fits: fn(&Value) -> bool,
    ) -> anyhow::Result<Calling> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let (url, token, body) =
            (format!("{}{path}", self.url), self.token.clone(), body.to_string());
        Ok(Arc::new(move || {
            let request = client
                .post(&url)
                .bearer_auth(&token)
                .header("content-type", "application/json")
                .header("accept", "application/json, text/event-stream")
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
        let mut command = tokio::process::Command::from(self::program(&program.folder));
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

const LISTENING: &str = r#"
[listen]
address = "127.0.0.1:0"
limits = { requests_per_second = 1_000_000 }

[caller]
id = "agent-7"
roles = ["assistant"]
"#;
/// For each number of clients and each way.
const CALLS: usize = 1_920;
