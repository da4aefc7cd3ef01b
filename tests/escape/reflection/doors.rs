//! The command line and MCP: what they print and log when a server puts the credential anywhere.
#![expect(clippy::print_stdout, reason = "what was left out is said")]
use serde_json::json;
use tokio::runtime::Runtime;

use super::{
    matrix::{distinct, keys, swept},
    placements::{FRAMED, PLAIN, Placement},
    traces,
    wire::Wire,
};
use crate::{
    brokers,
    cli::{Place, Ran},
    mcp::client::Client,
};

const CREDENTIAL: &str = "[credential.issues]\nkind = \"static-token\"\nowner = \"ana\"\nstore = \"local\"\nsecret = \"issues-key\"\n";
const CALL: &str = "call read_issue owner=acme repo=site number=7";

/// A folder whose issues are read from a scripted server.
struct Office {
    place: Place,
    digest: String,
}

impl Office {
    fn of(wire: &Wire) -> Self {
        let capability = format!(
            "{}\ninject = {{ header = \"authorization\", as = \"bearer\" }}\n",
            wire.destination()
        );
        let place = brokers::place(CREDENTIAL, &capability);
        place.run_with("secret set issues-key", &keys()[0]).exits(0);
        let digest = place.run("tool show read_issue --json").json()["digest"].clone();
        Self { place, digest: digest.as_str().unwrap().to_owned() }
    }

    /// Two responses with a credential do not suspend; the next ones are not to either.
    fn forgive(&self) {
        let line = format!("kill off use {} github:issues:read --reason 'a test'", self.digest);
        drop(self.place.run(&line));
    }
}

/// All that was shown, by what showed it.
#[derive(Default)]
struct Shown(Vec<(&'static str, Vec<u8>)>);

impl Shown {
    fn ran(&mut self, out: &'static str, err: &'static str, ran: &Ran) {
        self.0.extend([(out, ran.out.clone().into_bytes()), (err, ran.err.clone().into_bytes())]);
    }

    fn holds_nothing(self) {
        let token = &keys()[0];
        let names: std::collections::BTreeSet<_> = self.0.iter().map(|(name, _)| *name).collect();
        let of = |wanted: &str| -> Vec<u8> {
            let all = self.0.iter().filter(|(name, _)| *name == wanted);
            all.flat_map(|(_, bytes)| bytes.clone()).collect()
        };
        let sinks: Vec<(&str, Vec<u8>)> = names.into_iter().map(|name| (name, of(name))).collect();
        for (name, bytes) in &sinks {
            assert!(*name == "result" || !bytes.is_empty(), "{name} is empty: nothing is proved");
            assert_eq!(traces(token, bytes), [""; 0], "{name}");
        }
        let sinks: Vec<(&str, Vec<u8>)> =
            sinks.iter().map(|(name, bytes)| (*name, distinct(bytes))).collect();
        let sinks: Vec<(&str, &[u8])> =
            sinks.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
        let Some(found) = swept(&[token], &sinks) else {
            println!("left out: the independent search of what was shown");
            return;
        };
        assert!(found.is_empty(), "{found:?}");
    }
}

fn each(mut tries: impl FnMut(&Office, &Wire, &[Placement]) -> Shown) {
    let runtime = Runtime::new().unwrap();
    for (wire, places) in [
        (runtime.block_on(Wire::plain()), &PLAIN[..]),
        (runtime.block_on(Wire::framed()), &FRAMED[..]),
    ] {
        let office = Office::of(&wire);
        tries(&office, &wire, places).holds_nothing();
        assert!(wire.asked() >= places.len(), "{} requests came", wire.asked());
    }
}

/// [C-59] With all that any library logs.
#[test]
fn the_command_line_shows_no_credential_wherever_a_server_put_it() {
    each(|office, wire, places| {
        let mut shown = Shown::default();
        for place in places {
            wire.answers(place.of(keys()[0].as_bytes()));
            let ran = office.place.run_in(&[("TOOLWARD_LOG", "trace")], CALL, "");
            shown.ran("result", "log and errors", &ran);
            office.forgive();
        }
        let trail = office.place.run("audit tail --json").exits(0).out;
        shown.0.push(("audit", trail.into_bytes()));
        shown
    });
}

/// [C-59]
#[test]
fn mcp_shows_no_credential_wherever_a_server_put_it() {
    each(|office, wire, places| {
        let mut client = Client::loud(&office.place);
        client.initialize();
        for place in places {
            wire.answers(place.of(keys()[0].as_bytes()));
            let arguments = json!({ "owner": "acme", "repo": "site", "number": 7 });
            let result = client.call("read_issue", arguments);
            assert!(result["content"].is_array(), "{result}");
            office.forgive();
        }
        let mut shown = Shown::default();
        shown.ran("messages", "log", &client.hang_up(&office.place));
        shown
    });
}
