//! `oidc-provider` as the issuer of the tokens that callers show: its keys are fetched, and change.
use std::{
    io::{BufRead as _, BufReader, Lines, Write as _},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use serde_json::{Value, json};

use super::{installed, script};
use crate::{
    cli::place::{Place, Ran, command},
    doors::{server::Server, wire::Request},
};

/// An issuer that does what it is told.
struct Issuer {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Issuer {
    fn start(place: &Place) -> Option<Self> {
        let folder = installed()?;
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        place.write("issuer.pem", &made.cert.pem());
        place.write("issuer.key", &made.signing_key.serialize_pem());
        let mut child = command(folder.join("python/bin/node"))
            .arg(script("issuer.mjs"))
            .arg(&folder)
            .args([place.path("issuer.pem"), place.path("issuer.key")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Some(Self { child, input, lines })
    }

    fn told(&mut self) -> Value {
        let told = self.lines.find_map(|line| serde_json::from_str(&line.unwrap()).ok());
        told.expect("the issuer ended")
    }

    fn asked(&mut self, what: &str) -> Value {
        writeln!(self.input.as_ref().unwrap(), "{what}").unwrap();
        self.told()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ended = self.child.wait();
    }
}

fn with(place: &Place, token: &str, line: &str) -> Ran {
    place.write("agent.token", token);
    let file = place.path("agent.token");
    place.run_in(&[("TOOLWARD_TOKEN_FILE", file.to_str().unwrap())], line, "")
}

/// An issuer that the configuration names, and what it says of itself.
fn configured(place: &Place) -> Option<(Issuer, Value)> {
    let mut issuer = Issuer::start(place)?;
    let told = issuer.told();
    let configuration = format!(
        "{}\n[egress]\nroots = \"issuer.pem\"\n[issuer.{}]\njwks = {}\naudience = \"urn:toolward:host\"\n\
         allow_private = true\nroles = {{ claim = \"/client_id\", map = {{ agent = [\"assistant\"] }} }}\n",
        place.read("toolward.toml"),
        told["issuer"],
        told["jwks"]
    );
    place.write("toolward.toml", &configuration);
    Some((issuer, told))
}

fn token(issuer: &mut Issuer) -> String {
    let token = issuer.asked("urn:toolward:host")["token"].as_str().unwrap().to_owned();
    assert_eq!(token.split('.').count(), 3, "{token}");
    token
}

/// E-24: its keys are fetched over TLS when the first token comes.
#[test]
fn a_token_of_an_issuer_opens_the_door_for_agents_and_no_other() {
    let place = Place::with(&["github-issues"]);
    let Some((mut issuer, told)) = configured(&place) else { return };
    let server = Server::at(place, "");
    let list = json!({ "tool": "list_issues", "arguments": { "owner": "acme", "repo": "site" } });
    let call = |token: &str| Request::post("/v1/calls", &list).token(token);
    let good = token(&mut issuer);
    let taken = call(&good).send(server.agents);
    assert_eq!(taken.status, 200, "{taken:?}");
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let mcp =
        Request::post("/mcp", &message).field("accept", "application/json, text/event-stream");
    assert_eq!(mcp.token(&good).send(server.agents).status, 200);
    let metadata = Request::get("/.well-known/oauth-protected-resource").send(server.agents);
    assert_eq!(metadata.json()["authorization_servers"], json!([told["issuer"]]));
    // For somebody else, for the other address, and changed on its way.
    let elsewhere = issuer.asked("urn:elsewhere")["token"].as_str().unwrap().to_owned();
    assert_eq!(call(&elsewhere).send(server.agents).status, 401);
    assert_eq!(Request::get("/v1/approvals").token(&good).send(server.people).status, 401);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    assert_eq!(call(&forged).send(server.agents).status, 401);
    let log = server.end();
    assert!(!log.contains(&good), "{log}");
}

/// E-19, and E-24's other audience.
#[test]
fn tokens_of_an_issuer_are_taken_while_their_key_is_one_of_its_own() {
    let place = Place::with(&["github-issues"]);
    let Some((mut issuer, told)) = configured(&place) else { return };
    let inspect = "token inspect --json";
    let first = token(&mut issuer);
    let known = with(&place, &first, inspect).exits(0).json();
    assert_eq!((&known["id"], &known["roles"]), (&json!("agent"), &json!(["assistant"])));
    assert_eq!(known["proven_by"][0]["issuer"], told["issuer"]);
    with(&place, &first, "call list_issues owner=acme repo=site").exits(0);
    let elsewhere = issuer.asked("urn:elsewhere")["token"].as_str().unwrap().to_owned();
    with(&place, &elsewhere, inspect).exits(4);
    // A new key, while the old one is still there; then without it.
    assert_eq!(issuer.asked("rotate")["keys"], 2);
    let second = token(&mut issuer);
    with(&place, &second, inspect).exits(0);
    with(&place, &first, inspect).exits(0);
    assert_eq!(issuer.asked("withdraw")["keys"], 1);
    with(&place, &second, inspect).exits(0);
    let refused = with(&place, &first, inspect).exits(4);
    assert!(refused.err.contains("its key is not one of the issuer's"), "{}", refused.told());
    // Without leave, its address is not asked.
    place.change("toolward.toml", "allow_private = true\n", "");
    with(&place, &second, inspect).exits(4);
}
