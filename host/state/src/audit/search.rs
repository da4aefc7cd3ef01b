//! Which records are about a call, a person, a tool, a capability, a decision or a time?
use jiff::Timestamp;
use sqlx::{QueryBuilder, Sqlite};
use toolward_gate::{CallId, Link};

use super::link;
use crate::{State, StateError, unavailable};

/// What to look for. Everything that is set must fit; a call that fits is found with all of its records.
#[derive(Clone, Debug, Default)]
pub struct Search {
    pub call: Option<CallId>,
    /// Who called, or for whom; of a change, who made it.
    pub principal: Option<String>,
    pub tool: Option<String>,
    /// That a note of the call names.
    pub capability: Option<String>,
    pub decision: Option<Decided>,
    /// The code that a call ended with, or the action of a change.
    pub code: Option<String>,
    /// Records from this time on.
    pub since: Option<Timestamp>,
    /// Records before this time.
    pub until: Option<Timestamp>,
    /// Only links with a higher sequence.
    pub after: Option<u64>,
    /// At most so many records, the first of them.
    pub most: Option<u32>,
}

/// How it was decided about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It was admitted.
    Allow,
    /// It waits for a person.
    Ask,
    /// It ended before it was admitted.
    Refuse,
}

impl State {
    /// Links in the order of the chain.
    pub async fn search(&self, search: &Search) -> Result<Vec<Link>, StateError> {
        let mut query = search.query();
        let rows = query.build().fetch_all(self.read_pool()).await.map_err(unavailable)?;
        let links = rows.iter().map(link).collect::<Result<Vec<_>, _>>()?;
        // The query compares whole seconds.
        let in_time = |link: &Link| {
            search.since.is_none_or(|since| link.at >= since)
                && search.until.is_none_or(|until| link.at < until)
        };
        Ok(links.into_iter().filter(in_time).collect())
    }
}

impl Search {
    fn query(&self) -> QueryBuilder<Sqlite> {
        let after = i64::try_from(self.after.unwrap_or_default()).unwrap_or(i64::MAX);
        let mut query = QueryBuilder::new("SELECT * FROM audit WHERE sequence > ");
        query.push_bind(after);
        if let Some(call) = self.call {
            query.push(" AND call = ").push_bind(call.to_string());
        }
        if let Some(principal) = &self.principal {
            query
                .push(" AND ((kind = 'changed' AND json_extract(record, '$.by') = ")
                .push_bind(principal.clone());
            query.push(") OR call IN (SELECT call FROM audit WHERE kind = 'opened' AND (json_extract(record, '$.principal') = ");
            query.push_bind(principal.clone());
            query
                .push(
                    " OR EXISTS (SELECT 1 FROM json_each(record, '$.\"acts-for\"') WHERE value = ",
                )
                .push_bind(principal.clone());
            query.push("))))");
        }
        if let Some(tool) = &self.tool {
            of_calls(&mut query, "kind = 'opened' AND json_extract(record, '$.tool') = ", tool);
        }
        if let Some(capability) = &self.capability {
            let names = "kind = 'closed' AND EXISTS (SELECT 1 FROM json_each(record, '$.notes') AS note WHERE json_extract(note.value, '$.capability') = ";
            query
                .push(" AND call IN (SELECT call FROM audit WHERE ")
                .push(names)
                .push_bind(capability.clone())
                .push("))");
        }
        if let Some(decision) = self.decision {
            query
                .push(" AND call IN (SELECT call FROM audit WHERE ")
                .push(decision.condition())
                .push(")");
        }
        if let Some(code) = &self.code {
            query
                .push(" AND ((kind = 'changed' AND json_extract(record, '$.action') = ")
                .push_bind(code.clone());
            query.push(") OR call IN (SELECT call FROM audit WHERE kind = 'closed' AND json_extract(record, '$.outcome') = ");
            query.push_bind(code.clone()).push("))");
        }
        // Whole seconds: a fraction has no fixed length.
        let second = |time: Timestamp| time.to_string().chars().take(19).collect::<String>();
        if let Some(since) = self.since {
            query.push(" AND substr(at, 1, 19) >= ").push_bind(second(since));
        }
        if let Some(until) = self.until {
            query.push(" AND substr(at, 1, 19) <= ").push_bind(second(until));
        }
        query.push(" ORDER BY sequence LIMIT ").push_bind(self.most.map_or(-1, i64::from));
        query
    }
}

fn of_calls(query: &mut QueryBuilder<Sqlite>, condition: &'static str, value: &str) {
    query.push(" AND call IN (SELECT call FROM audit WHERE ").push(condition);
    query.push_bind(value.to_owned()).push(")");
}

impl Decided {
    fn condition(self) -> &'static str {
        match self {
            Self::Allow => "kind = 'admitted'",
            Self::Ask => "kind = 'closed' AND json_extract(record, '$.outcome') = 'held'",
            Self::Refuse => {
                "kind = 'closed' AND json_extract(record, '$.outcome') <> 'held' \
                 AND call NOT IN (SELECT call FROM audit WHERE kind = 'admitted')"
            }
        }
    }
}
