//! The matrix over real sockets: every writing, in every part of what a server sends.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "a score, and what was left out"
)]
use std::collections::BTreeMap;

use serde_json::json;
use toolward_gate::Stop;
use toolward_sandbox::Output;

use super::{
    matrix::{distinct, keys, swept},
    placements::{Ends, FRAMED, PLAIN, Placement},
    traces,
    wire::Wire,
    writings::{Writing, writings},
};
use crate::world::{self, World, spans};

/// A world that reads items from a scripted server.
struct Stage {
    wire: Wire,
    world: World,
}

impl Stage {
    async fn of(wire: Wire) -> Self {
        let world = wire.setting(&keys()[0]).world().await;
        Self { wire, world }
    }

    async fn asks(&self, tool: &str) -> Result<Output, Stop> {
        let arguments = match tool {
            "fetch" => json!({ "method": "GET", "target": "/items/1" }),
            _ => json!({ "id": "1" }),
        };
        let outcome = self.world.call(tool, arguments).await;
        self.world.forgive("shop:items:read").await;
        outcome
    }

    /// Whether the response ended as it must, with what this writing makes of the credential.
    async fn ends(&self, place: &Placement, writing: &Writing) -> Result<Ends, String> {
        let written = writing.of(self.world.token());
        self.wire.answers(place.of(&written));
        let outcome = self.asks("fetch").await;
        let said = format!("{outcome:?}");
        let ends = match &outcome {
            Ok(_) => Ends::Dropped,
            Err(Stop::Failed(failure)) if failure.code == "withheld" => Ends::Withheld,
            Err(Stop::Failed(_)) => Ends::Broken,
            Err(_) => return Err(said),
        };
        let is_right = match place.ends {
            Ends::Withheld if place.takes(&written) => ends == Ends::Withheld,
            Ends::Withheld | Ends::Broken => ends != Ends::Dropped,
            Ends::Dropped if place.takes(&written) => ends == Ends::Dropped,
            Ends::Dropped => true,
        };
        let shown = traces(self.world.token(), said.as_bytes());
        if is_right && shown.is_empty() { Ok(ends) } else { Err(said) }
    }
}

async fn matrix(stage: &Stage, places: &[Placement], what: &str) {
    let all = writings();
    let (mut right, mut total) = (0, 0);
    let mut wrong: BTreeMap<String, String> = BTreeMap::new();
    for (row, place) in places.iter().enumerate() {
        let found = all.iter().filter(|one| one.is_found).enumerate();
        for (_, writing) in found.filter(|(column, _)| (row + column) % EVERY == 0) {
            total += 1;
            match stage.ends(place, writing).await {
                Ok(_) => right += 1,
                Err(said) => {
                    drop(wrong.insert(format!("{} in {}", writing.name, place.name), said));
                }
            }
        }
    }
    println!("{what}: {right} of {total} ended as they must, in {} places", places.len());
    assert_eq!(stage.wire.asked(), total);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// [C-01] to [C-07], [C-10], [C-12], [C-13], [C-29]
#[tokio::test]
async fn no_part_of_a_response_brings_the_credential_to_a_tool() {
    let stage = Stage::of(Wire::plain().await).await;
    matrix(&stage, &PLAIN, "HTTP/1.1").await;
    assert_eq!(stage.wire.carried(), stage.wire.asked(), "each request held the credential");
}

/// [C-04], [C-12]
#[tokio::test]
async fn no_frame_of_http_2_brings_the_credential_to_a_tool() {
    let stage = Stage::of(Wire::framed().await).await;
    matrix(&stage, &FRAMED, "HTTP/2").await;
}

/// What is not the credential arrives, from the same places.
#[tokio::test]
async fn another_value_arrives_from_where_tools_see_it() {
    for (wire, places) in [(Wire::plain().await, &PLAIN[..]), (Wire::framed().await, &FRAMED[..])] {
        let stage = Stage::of(wire).await;
        let mut arrived = Vec::new();
        for place in places {
            stage.wire.answers(place.of(OTHER.as_bytes()));
            let outcome = stage.asks("fetch").await;
            let said = format!("{outcome:?}");
            assert!(!said.contains("withheld"), "{}: {said}", place.name);
            if said.contains(OTHER) {
                arrived.push(place.name);
            }
        }
        for seen in ["body", "body in chunks", "chunks of a byte", "body in frames", "field"] {
            let is_there = places.iter().any(|place| place.name == seen);
            assert_eq!(arrived.contains(&seen), is_there, "{arrived:?}");
        }
        assert!(!arrived.iter().any(|name| UNSEEN.contains(name)), "{arrived:?}");
    }
}

/// [C-59] By another program, which undoes what it finds, in everything that this host hands out or writes down.
#[tokio::test]
async fn no_sink_holds_the_credential_wherever_a_server_put_it() {
    for (wire, places) in [(Wire::plain().await, &PLAIN[..]), (Wire::framed().await, &FRAMED[..])] {
        let stage = Stage::of(wire).await;
        let token = stage.world.token().to_owned();
        let (logged, spanned) = (world::log().len(), spans().len());
        let (mut told, mut memory, mut sent) = (Vec::new(), Vec::new(), Vec::new());
        let all = writings();
        for place in places {
            for writing in all.iter().filter(|one| SWEPT.contains(&one.name.as_str())) {
                stage.wire.answers(place.of(&writing.of(&token)));
                let outcome = stage.asks("fetch").await;
                told.extend(format!("{outcome:?}\n").into_bytes());
            }
            let pieces = place.of(token.as_bytes());
            sent.push(pieces.concat());
            if REMEMBERED.contains(&place.name) {
                stage.wire.answers(pieces);
                let output = stage.asks("ransack").await.unwrap();
                told.extend(output.value["said"].to_string().into_bytes());
                memory.extend(hex::decode(output.value["memory"].as_str().unwrap()).unwrap());
            }
        }
        let (log, spans) = (world::log(), spans());
        let (log, spans) = (&log.as_bytes()[logged..], &spans.as_bytes()[spanned..]);
        let trail = serde_json::to_string(&stage.world.trail().await).unwrap();
        let disk = stage.world.disk_bytes();
        let sinks: [(&str, &[u8]); 6] = [
            ("what tools were told", &told),
            ("memory", &memory),
            ("log", log),
            ("spans", spans),
            ("audit", trail.as_bytes()),
            ("disk", &disk),
        ];
        for (name, bytes) in sinks {
            assert!(!bytes.is_empty(), "{name} is empty: nothing is proved");
            assert_eq!(traces(&token, bytes), [""; 0], "{name}");
        }
        let (log, spans) = (distinct(log), distinct(spans));
        let sinks = sinks.map(|(name, bytes)| match name {
            "log" => (name, log.as_slice()),
            "spans" => (name, spans.as_slice()),
            _ => (name, bytes),
        });
        let Some(found) = swept(&[&token], &sinks) else { return };
        assert!(found.is_empty(), "{found:?}");
        // What was sent does hold it, and the program sees that.
        let sent: Vec<(&str, &[u8])> =
            places.iter().map(|place| place.name).zip(sent.iter().map(Vec::as_slice)).collect();
        let seen = swept(&[&token], &sent).unwrap();
        let unseen: Vec<_> = sent.iter().filter(|(name, _)| !seen.contains_key(*name)).collect();
        assert!(unseen.iter().all(|(name, _)| SPLIT.contains(name)), "{unseen:?}");
    }
}

/// Writings that each place is tried with: each writing meets many places, and each place many writings.
const EVERY: usize = 6;
/// Not the credential.
const OTHER: &str = "pq7Zt5mWx2Lk9vRb3nYc8sJd";
/// Places that no tool sees.
const UNSEEN: [&str; 12] = [
    "field that is not shown",
    "cookie",
    "challenge",
    "reason",
    "early hints",
    "chunk extension",
    "trailer",
    "name of a trailer",
    "behind the end",
    "behind an upgrade",
    "padding",
    "farewell",
];
const SWEPT: [&str; 5] = ["as it is", "base64 after 0", "hex", "percent, every third", "UTF-16LE"];
/// Places after which a tool hands out all its memory.
const REMEMBERED: [&str; 5] =
    ["body", "body that breaks off", "trailer", "body in frames", "field over two frames"];
/// Where the value does not stand in one piece.
const SPLIT: [&str; 4] =
    ["body in chunks", "chunks of a byte", "chunks that break off", "body in frames"];
