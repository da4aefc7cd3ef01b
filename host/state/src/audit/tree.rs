//! A call, those that were made for it, and those that it was made for.
use std::collections::BTreeSet;

use serde_json::Value;
use toolward_gate::{CallId, Link};

use super::link;
use crate::{State, StateError, unavailable};

impl State {
    /// Every link of a call, of those that were made for it in however many steps, and of those that it was made
    /// for, in the order of the chain. Empty where there is no such call.
    pub async fn tree(&self, call: CallId) -> Result<Vec<Link>, StateError> {
        let Some(first) = self.outermost(call).await? else { return Ok(Vec::new()) };
        let mut tree = Tree::default();
        let mut after = first.sequence.saturating_sub(1);
        loop {
            let links = self.links_after(after, BATCH).await?;
            let Some(last) = links.last() else { return Ok(tree.links) };
            after = last.sequence;
            for link in links {
                if tree.grow(link) {
                    return Ok(tree.links);
                }
            }
        }
    }

    /// The opening link of the call from a door that a call was made for.
    async fn outermost(&self, call: CallId) -> Result<Option<Link>, StateError> {
        let mut opened = self.opening(call).await?;
        while let Some(above) = opened.as_ref().and_then(|link| named(link, "parent")) {
            let above = self.opening(above).await?;
            // In a file that somebody changed, a call could stand above itself.
            let is_before =
                |above: &Link| opened.as_ref().is_none_or(|one| above.sequence < one.sequence);
            let Some(above) = above.filter(is_before) else { break };
            opened = Some(above);
        }
        Ok(opened)
    }

    async fn opening(&self, call: CallId) -> Result<Option<Link>, StateError> {
        let row = sqlx::query(
            "SELECT * FROM audit WHERE call = ? AND kind = 'opened' ORDER BY sequence LIMIT 1",
        )
        .bind(call.to_string())
        .fetch_optional(self.read_pool())
        .await
        .map_err(unavailable)?;
        Ok(row.as_ref().map(link).transpose()?)
    }
}

/// Calls that were made for one another, as they are found link by link: a call is opened after the one that it
/// is made for, and before that one is closed.
#[derive(Default)]
struct Tree {
    links: Vec<Link>,
    calls: BTreeSet<CallId>,
    open: BTreeSet<CallId>,
}

impl Tree {
    /// Whether the tree is whole.
    fn grow(&mut self, link: Link) -> bool {
        let Some(call) = named(&link, "call") else { return false };
        let is_first = self.links.is_empty();
        if is_first || named(&link, "parent").is_some_and(|above| self.calls.contains(&above)) {
            self.calls.insert(call);
            self.open.insert(call);
        }
        if !self.calls.contains(&call) {
            return false;
        }
        if kind(&link).as_deref() == Some("closed") {
            self.open.remove(&call);
        }
        self.links.push(link);
        self.open.is_empty()
    }
}

/// A call that a record names; absent where it names none.
fn named(link: &Link, field: &str) -> Option<CallId> {
    let record: Value = serde_json::from_str(&link.record).ok()?;
    record.get(field)?.as_str()?.parse().ok().map(CallId::from_uuid)
}

fn kind(link: &Link) -> Option<String> {
    let record: Value = serde_json::from_str(&link.record).ok()?;
    record.get("record")?.as_str().map(str::to_owned)
}

/// Links that are read at once.
const BATCH: u64 = 1_000;
