//! A program with a host within it: it lends an interface of its own, mints a credential of its own, and calls a tool.
//!
//! `cargo run -p toolward --example embed`
#![expect(clippy::print_stdout, reason = "it is a program of its own")]
use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use axum::{Router, http::HeaderMap, routing::get};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use toolward::{
    Broker, Credential, Host, Identity, Kind, MintError, Minted, OwnInterface, Principal, Purpose,
    Secret, Use,
};

mod tool;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let partner = partner().await?;
    let folder = tempfile::tempdir()?;
    write(folder.path(), partner)?;
    let queue = Queue::default();

    // What stands in a file for an operator can stand in the program, too.
    let host = Host::builder()
        .config(folder.path(), CONFIGURATION.replace("{digest}", &tool::digest()?))
        .interface(queue.clone())
        .broker("partner".parse()?, Passes::default())
        .start()
        .await?;
    for tool in host.tools() {
        println!("there is `{}`: {}", tool.manifest.name, tool.manifest.description);
    }

    let (assistant, visitor) = (caller("agent-7", &["assistant"]), caller("visitor", &[]));
    let noted = host.call(&assistant, "note", &json!({ "text": "buy milk" })).await?;
    println!("noted: {}; the queue holds {:?}", noted.value, queue.read());
    let asked = host.call(&assistant, "ask", &json!({})).await?;
    println!("asked: {}", asked.value);

    // Nothing gets past the policies.
    match host.call(&visitor, "note", &json!({ "text": "for free" })).await {
        Ok(output) => anyhow::bail!("a visitor may not: {}", output.value),
        Err(error) => println!("a visitor: {error}"),
    }
    anyhow::ensure!(queue.read() == ["agent-7: buy milk"], "{:?}", queue.read());
    host.stop().await?;
    Ok(())
}

/// `acme:queue/messages@1.0.0`, as `tool.rs` writes it down.
#[derive(Clone, Default)]
struct Queue(Arc<Mutex<Vec<String>>>);

impl Queue {
    fn read(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl OwnInterface for Queue {
    fn name(&self) -> &'static str {
        "acme:queue/messages@1.0.0"
    }

    async fn call(&self, used: Use) -> Result<Value, String> {
        let text = used.arguments.get("text").and_then(Value::as_str).unwrap_or_default();
        if text.len() > 1000 {
            return Err("a message has up to 1000 bytes".to_owned());
        }
        let mut messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        messages.push(format!("{}: {text}", used.principal.id()));
        Ok(messages.len().into())
    }
}

/// Makes a new pass for each request. A real one would ask a server, and keep what it gets for a while.
#[derive(Default)]
struct Passes(AtomicU64);

#[async_trait]
impl Broker for Passes {
    async fn mint(&self, purpose: &Purpose<'_>) -> Result<Minted, MintError> {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let pass = format!("{PASS}{number:06}-{}", purpose.principal());
        Ok(Credential::Token(Secret::new(pass)).into())
    }
}

/// The one who calls; the program has found out who that is.
fn caller(id: &str, roles: &[&str]) -> Principal {
    Principal::authenticated(Identity {
        id: id.to_owned(),
        kind: Kind::Agent,
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        groups: [].into(),
        acts_for: Vec::new(),
        scope: None,
        ends_at: None,
    })
}

/// A server that greets who has a pass, and never says which.
async fn partner() -> anyhow::Result<SocketAddr> {
    let greet = |headers: HeaderMap| async move {
        let shown = headers.get("authorization").and_then(|shown| shown.to_str().ok());
        let has_pass = shown.is_some_and(|shown| shown.starts_with(&format!("Bearer {PASS}")));
        if has_pass { "welcome" } else { "who are you?" }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = Router::new().route("/greeting", get(greet));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

/// The tool, and what it may do.
fn write(folder: &Path, partner: SocketAddr) -> anyhow::Result<()> {
    fs::create_dir(folder.join("policies"))?;
    fs::write(folder.join("notes.wasm"), tool::component()?)?;
    let capabilities = CAPABILITIES.replace("{partner}", &partner.to_string());
    fs::write(folder.join("policies/capabilities.toml"), capabilities)?;
    fs::write(folder.join("policies/notes.cedar"), POLICIES)?;
    Ok(())
}

const CONFIGURATION: &str = r#"
environment = "development"

[component.notes]
path = "notes.wasm"
digest = "{digest}"
capabilities = ["acme:queue:push", "partner:greeting:read"]

[credential.partner]
kind = "own"
owner = "ana"
"#;
const CAPABILITIES: &str = r#"
[capability."acme:queue:push"]
description = "Put messages into the queue."
interface = "acme:queue/messages@1.0.0"
risk = "low"

[capability."partner:greeting:read"]
description = "Be greeted."
interface = "http"
destination = "http://{partner}"
allow_private = true
methods = ["GET"]
paths = ["/greeting"]
credential = "partner"
inject = { header = "authorization", as = "bearer" }
response = { content_types = ["text/plain"] }
risk = "low"
"#;
const POLICIES: &str = r#"
@id("notes")
permit(
    principal in Role::"assistant",
    action in [Action::"call", Action::"acme:queue:push", Action::"partner:greeting:read"],
    resource in Component::"notes"
);
"#;
const PASS: &str = "pass-8d1f0c27-";

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_does_what_it_says() {
        super::main().unwrap();
    }
}
