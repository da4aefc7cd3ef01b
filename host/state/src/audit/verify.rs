//! Does the trail still say what was written, and how far do others vouch for it?
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use sqlx::{Row as _, sqlite::SqliteRow};
use toolward_gate::{Chain, Digest, Link, Unavailable};

use super::{
    checkpoint::{Checkpoint, CheckpointKind},
    key::PublicKey,
    link,
};
use crate::{State, StateError, unavailable};

/// What is known from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Lines of a file of checkpoints.
    pub checkpoints: Vec<String>,
    /// What they must be signed with; the key of this host, where absent.
    pub key: Option<PublicKey>,
}

/// What a check of the trail found.
#[derive(Clone, Debug)]
pub struct Verified {
    pub links: u64,
    /// The sequence of the last link.
    pub last: u64,
    /// The hash of the last link: noted elsewhere, it anchors the chain.
    pub head: Digest,
    /// Links that were removed after their time.
    pub removed: Option<Removed>,
    /// The first place where the chain is broken.
    pub fault: Option<Fault>,
    /// The last link that a checkpoint vouches for; 0 for none.
    pub anchored: u64,
    /// Checkpoints that fit.
    pub checkpoints: usize,
    /// Checkpoints that do not, by the number of their line.
    pub refuted: Vec<Fault>,
    /// Lines that are no checkpoint at all, as a crash leaves them.
    pub unread: usize,
    /// Checkpoints for what was lost, which an operator knew when the host went on.
    pub given_up: usize,
    /// Links that are older than the one before them: the clock was set back.
    pub stepped_back: u64,
}

impl Verified {
    /// Nothing contradicts anything.
    pub fn holds(&self) -> bool {
        self.fault.is_none() && self.refuted.is_empty()
    }
}

/// What a signed checkpoint stands for in place of links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    pub through: u64,
    pub head: Digest,
    /// When they were removed.
    pub at: Timestamp,
}

/// A place where something is wrong, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub sequence: u64,
    pub what: String,
}

impl State {
    /// Checks the whole chain by itself; `progress` hears how many links of how many are done.
    pub async fn verify(
        &self,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<Verified, StateError> {
        self.verify_with(&Evidence::default(), progress).await
    }

    /// Checks the whole chain, and against what is known from elsewhere.
    pub async fn verify_with(
        &self,
        evidence: &Evidence,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<Verified, StateError> {
        let total: i64 = sqlx::query_scalar("SELECT count(*) FROM audit")
            .fetch_one(self.read_pool())
            .await
            .map_err(unavailable)?;
        let total = u64::try_from(total).unwrap_or_default();
        let mut walk = Walk::begin(self, evidence, self.removal().await?);
        // A row before the first link is a fault, too.
        let mut next = i64::MIN;
        loop {
            let rows = self.batch_from(next).await?;
            for row in &rows {
                let sequence: i64 = row.try_get("sequence").map_err(unavailable)?;
                next = sequence.saturating_add(1);
                walk.step(u64::try_from(sequence).unwrap_or_default(), row);
            }
            progress(walk.found.links, total);
            if rows.is_empty() || next == i64::MAX {
                return Ok(walk.end());
            }
        }
    }

    async fn batch_from(&self, sequence: i64) -> Result<Vec<SqliteRow>, Unavailable> {
        sqlx::query("SELECT * FROM audit WHERE sequence >= ? ORDER BY sequence LIMIT 1000")
            .bind(sequence)
            .fetch_all(self.read_pool())
            .await
            .map_err(unavailable)
    }

    /// What stands for the links that were removed: how far, and the checkpoint as it is written.
    pub(crate) async fn removal(&self) -> Result<Option<(u64, String)>, Unavailable> {
        let row: Option<(i64, String)> =
            sqlx::query_as("SELECT through, checkpoint FROM audit_removed")
                .fetch_optional(self.read_pool())
                .await
                .map_err(unavailable)?;
        Ok(row.map(|(through, line)| (u64::try_from(through).unwrap_or_default(), line)))
    }
}

/// The way from the first link to the last.
struct Walk<'a> {
    state: &'a State,
    chain: Chain,
    latest: Timestamp,
    /// Checkpoints by what they stand for, each with the number of its line.
    points: BTreeMap<u64, Vec<(u64, Checkpoint)>>,
    resumed: Vec<Checkpoint>,
    found: Verified,
}

impl<'a> Walk<'a> {
    fn begin(state: &'a State, evidence: &Evidence, removal: Option<(u64, String)>) -> Self {
        let found = Verified {
            links: 0,
            last: 0,
            head: Digest::ZERO,
            removed: None,
            fault: None,
            anchored: 0,
            checkpoints: 0,
            refuted: Vec::new(),
            unread: 0,
            given_up: 0,
            stepped_back: 0,
        };
        let (chain, points, resumed) = (Chain::default(), BTreeMap::new(), Vec::new());
        let mut walk = Self { state, chain, latest: Timestamp::MIN, points, resumed, found };
        let own = state.key.public();
        if evidence.key.is_some_and(|key| key != own) {
            walk.fault(
                0,
                format!("this host's key is another one, `{own}`: the trail was replaced"),
            );
        }
        walk.read(evidence, evidence.key.unwrap_or(own));
        if let Some((through, line)) = removal {
            walk.follow(through, &line, own);
        }
        walk
    }

    fn fault(&mut self, sequence: u64, what: String) {
        self.found.fault.get_or_insert(Fault { sequence, what });
    }

    fn read(&mut self, evidence: &Evidence, key: PublicKey) {
        let lines = evidence.checkpoints.iter().zip(1_u64..);
        for (line, number) in lines.filter(|(line, _)| !line.trim().is_empty()) {
            match Checkpoint::read(line, key) {
                Ok(point) => {
                    if point.kind == CheckpointKind::Resumed {
                        self.resumed.push(point.clone());
                    }
                    self.points.entry(point.sequence).or_default().push((number, point));
                }
                Err(_) if serde_json::from_str::<Value>(line).is_err() => {
                    self.found.unread = self.found.unread.saturating_add(1);
                }
                Err(what) => {
                    self.found.refuted.push(Fault { sequence: number, what: what.to_owned() });
                }
            }
        }
    }

    /// Begins after what was removed.
    fn follow(&mut self, through: u64, line: &str, own: PublicKey) {
        let point = match Checkpoint::read(line, own) {
            Ok(point) if point.kind == CheckpointKind::Removed && point.sequence == through => {
                point
            }
            _ => {
                return self.fault(
                    through,
                    "what stands for removed records was not signed by this host".to_owned(),
                );
            }
        };
        self.chain = Chain::following(point.sequence, point.head);
        self.found.last = through;
        self.found.removed = Some(Removed { through, head: point.head, at: point.at });
        self.compare(through, point.head);
    }

    fn step(&mut self, sequence: u64, row: &SqliteRow) {
        let checked = link(row)
            .map_err(|error| format!("it is not a link of the chain: {}", error.cause))
            .and_then(|link| self.check(row, &link).map(|()| link));
        match checked {
            Ok(link) => {
                if link.at < self.latest {
                    self.found.stepped_back = self.found.stepped_back.saturating_add(1);
                }
                self.latest = link.at;
                self.compare(sequence, link.hash);
            }
            Err(what) => self.fault(sequence, what),
        }
        self.found.links = self.found.links.saturating_add(1);
        self.found.last = sequence;
    }

    fn check(&mut self, row: &SqliteRow, link: &Link) -> Result<(), String> {
        self.chain.check(link).map_err(str::to_owned)?;
        check_columns(row, link)?;
        let seal: Option<String> = row.try_get("seal").map_err(|error| error.to_string())?;
        let sealed = seal.is_some_and(|seal| self.state.key.is_seal(link.hash, &seal));
        if sealed { Ok(()) } else { Err("it was not sealed with this host's key".to_owned()) }
    }

    /// Holds every checkpoint for this place against what stands there.
    fn compare(&mut self, sequence: u64, hash: Digest) {
        for (line, point) in self.points.remove(&sequence).unwrap_or_default() {
            if point.head == hash {
                self.found.checkpoints = self.found.checkpoints.saturating_add(1);
                self.found.anchored = self.found.anchored.max(sequence);
            } else if !self.is_given_up(&point) {
                self.fault(
                    sequence,
                    format!("the checkpoint in line {line} says that it was another one"),
                );
            }
        }
    }

    /// Whether an operator said, later, that the chain goes on from an earlier place.
    fn is_given_up(&mut self, point: &Checkpoint) -> bool {
        let later = |one: &Checkpoint| one.sequence < point.sequence && one.at >= point.at;
        let given_up = self.resumed.iter().any(later);
        self.found.given_up = self.found.given_up.saturating_add(usize::from(given_up));
        given_up
    }

    fn end(mut self) -> Verified {
        self.found.head = self.chain.head();
        let last = self.found.last;
        let through = self.found.removed.as_ref().map_or(0, |removed| removed.through);
        for (sequence, points) in std::mem::take(&mut self.points) {
            for (line, point) in points {
                // Nothing is left to hold it against; what follows is.
                let removed = sequence < through;
                let empty = sequence == 0 && point.head == Digest::ZERO;
                if !removed && !empty && !self.is_given_up(&point) {
                    let what = format!(
                        "records are missing: the checkpoint in line {line} stands for {sequence}"
                    );
                    self.fault(last.saturating_add(1).min(sequence), what);
                }
            }
        }
        self.found
    }
}

/// The hash covers the record alone; the columns that rows are found by must say the same.
fn check_columns(row: &SqliteRow, link: &Link) -> Result<(), String> {
    let record: Value = serde_json::from_str(&link.record).map_err(|error| error.to_string())?;
    let agrees = |column: &str, field: &str| {
        let in_record = record.get(field).and_then(Value::as_str);
        row.try_get::<Option<String>, _>(column).is_ok_and(|found| found.as_deref() == in_record)
    };
    if agrees("kind", "record") && agrees("call", "call") && agrees("host", "host") {
        Ok(())
    } else {
        Err("it is filed under another kind, call or host than its record names".to_owned())
    }
}
