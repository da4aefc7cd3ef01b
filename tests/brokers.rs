//! Brokers against real servers that they mint from, as a user meets them: `toolward call`.
//!
//! `.ci/brokers` installs the servers. Where it did not, these tests say so and are left out: they come from other
//! registries.
mod aws;
mod issuer;
mod oauth2;

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Stdio},
};

use serde_json::Value;

use crate::cli::place::{Place, Ran, command, program};

/// A server that ends with its standard input.
struct Stand {
    child: Child,
    input: Option<ChildStdin>,
    /// What it says of itself.
    told: Value,
}

impl Stand {
    fn start(words: &[&str]) -> Self {
        let mut child = command(words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let told = lines.find_map(|line| serde_json::from_str(&line.unwrap()).ok());
        Self { child, input, told: told.expect("the server did not start") }
    }

    fn text(&self, key: &str) -> &str {
        self.told[key].as_str().unwrap()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ended = self.child.wait();
    }
}

/// Where `.ci/brokers` puts the servers, if it did.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn installed() -> Option<PathBuf> {
    let target = program().parent().and_then(Path::parent).unwrap();
    let folder = target.join("brokers");
    let there = folder.join("python/bin/python").is_file()
        && folder.join("node_modules/oidc-provider/package.json").is_file();
    if !there {
        eprintln!("left out: the servers of the brokers are not installed; `.ci/brokers` does");
    }
    there.then_some(folder)
}

fn script(name: &str) -> String {
    format!("{}/brokers/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A host with the issues of an upstream, read with this credential in this slot.
pub(crate) fn place(credential: &str, capability: &str) -> Place {
    let place = Place::without_secrets(&["github-issues"]);
    let configured = place.read("toolward.toml");
    place.write("toolward.toml", &format!("{configured}\n{credential}"));
    let capabilities = place.read("policies/capabilities.toml");
    let (before, rest) = capabilities.split_once("[capability.\"github:issues:read\"]").unwrap();
    let after = rest.split_once("\n[capability.").unwrap().1;
    let capability = format!("{READ}{capability}\n");
    place
        .write("policies/capabilities.toml", &format!("{before}{capability}\n[capability.{after}"));
    place
}

const READ: &str = r#"[capability."github:issues:read"]
description = "Read issues."
interface = "http"
methods = ["GET"]
paths = ["/repos/{owner}/{repo}/issues/{number}"]
headers = ["x-github-api-version"]
allow_private = true
risk = "low"
response = { content_types = ["application/json"] }
credential = "issues"
"#;

/// With everything in the log that any library says.
fn read(place: &Place, number: u32) -> Ran {
    place.run(&format!("-vv call read_issue owner=acme repo=site number={number} --json"))
}

/// Everything that a user or an operator gets to see, and the database with its audit trail.
fn shown(place: &Place, ran: &Ran) -> String {
    let files = place.tree();
    let database = files.iter().find(|(path, _)| path.ends_with("data/toolward.db")).unwrap().1;
    format!("{}{}{}", ran.out, ran.err, String::from_utf8_lossy(database))
}
