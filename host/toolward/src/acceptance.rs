//! Is a tool what somebody accepted? One that is not is neither shown nor called, whatever the door.
//!
//! What a client is told of a tool goes to a model, which believes it. So a definition is pinned to the digest of its
//! component, and where either has changed the tool is kept back until somebody with the administration's authority
//! has looked at the difference. What is accepted while a host runs, it takes up within a second.
use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use toolward_gate::{
    AcceptanceBook, Acceptances, Definition, DefinitionDifference, ToolName, Unavailable,
};

use crate::tools::{Tool, Tools};

/// What becomes of a tool under whose name nothing was ever accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirstUse {
    /// The first definition is accepted as it is, and that is on record.
    #[default]
    Accept,
    /// It is kept back like one that has changed.
    KeepBack,
}

/// What is kept back, and who is told when it changes. Clones share it.
#[derive(Clone, Debug)]
pub struct Service {
    kept_back: Arc<watch::Sender<BTreeSet<ToolName>>>,
    revision: Arc<watch::Sender<u64>>,
}

impl Default for Service {
    fn default() -> Self {
        let (kept_back, revision) = (watch::Sender::default(), watch::Sender::default());
        Self { kept_back: Arc::new(kept_back), revision: Arc::new(revision) }
    }
}

impl Service {
    pub(crate) fn keeps_back(&self, tool: &ToolName) -> bool {
        self.kept_back.borrow().contains(tool)
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.kept_back.borrow().is_empty()
    }

    fn keep_back(&self, tools: BTreeSet<ToolName>) {
        let put = |now: &mut BTreeSet<ToolName>| {
            let changed = *now != tools;
            *now = tools;
            changed
        };
        if self.kept_back.send_if_modified(put) {
            self.announce();
        }
    }

    /// Wakes those who wait for another list of tools.
    pub(crate) fn announce(&self) {
        self.revision.send_modify(|revision| *revision = revision.wrapping_add(1));
    }

    /// Wakes each time that the list of tools may be another one.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }
}

/// A tool as clients see it.
pub fn definition(tool: &Tool) -> Definition {
    let manifest = &tool.manifest;
    let hints = &manifest.annotations;
    let shown = json!({
        "title": manifest.title,
        "description": manifest.description,
        "input": manifest.input_schema,
        "output": manifest.output_schema,
        "annotations": {
            "read_only": hints.read_only, "destructive": hints.destructive,
            "idempotent": hints.idempotent, "open_world": hints.open_world,
        },
        "wants": *manifest.wants,
    });
    Definition {
        tool: manifest.name.clone(),
        component: tool.component.clone(),
        digest: tool.digest,
        shown: if let Value::Object(shown) = shown { shown } else { Map::new() },
    }
}

/// How a tool stands to what was accepted.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    Accepted,
    /// Nothing was ever accepted under its name.
    New,
    /// It is not what was accepted, and this is what is different.
    Changed(Vec<DefinitionDifference>),
}

impl Standing {
    pub fn of(definition: &Definition, known: &Acceptances) -> Self {
        match known.accepted.get(&definition.tool) {
            None => Self::New,
            Some(accepted) if definition.is(&accepted.definition) => Self::Accepted,
            Some(accepted) => Self::Changed(definition.differences(&accepted.definition)),
        }
    }

    /// Whether such a tool is called.
    pub fn serves(&self, first: FirstUse) -> bool {
        match self {
            Self::Accepted => true,
            Self::New => first == FirstUse::Accept,
            Self::Changed(_) => false,
        }
    }

    /// For the trail.
    fn reason(&self) -> String {
        match self {
            Self::Accepted => String::new(),
            Self::New => "nothing was accepted under this name".to_owned(),
            Self::Changed(differences) => {
                let places: Vec<&str> = differences.iter().map(|one| one.at.as_str()).collect();
                format!("it is not what was accepted: {}", places.join(", "))
            }
        }
    }
}

/// Holds every tool against what was accepted, before any door opens.
pub async fn settle(
    book: &dyn AcceptanceBook,
    tools: &Tools,
    first: FirstUse,
) -> Result<(), Unavailable> {
    let known = book.acceptances().await?;
    let (mut new, mut kept_back) = (Vec::new(), BTreeSet::new());
    for definition in tools.iter().map(definition) {
        let standing = Standing::of(&definition, &known);
        if !standing.serves(first) {
            book.keep_back(&definition, &standing.reason()).await?;
            tracing::info!(tool.name = %definition.tool, reason = standing.reason(), "a tool is kept back: look at it with `toolward tool show`, and accept it with `toolward tool accept`");
            kept_back.insert(definition.tool);
        } else if standing == Standing::New {
            new.push(definition);
        } else if known.kept_back.contains_key(&definition.tool) {
            book.release(&definition.tool).await?;
        }
    }
    if !new.is_empty() {
        book.accept_first(&new, HOST).await?;
    }
    tools.service().keep_back(kept_back);
    Ok(())
}

/// Takes up what is accepted from now on, for as long as the host is there. A tool that serves goes on: what was
/// accepted in its place is another file's, and counts when the host starts with that one.
pub fn follow(
    book: Arc<dyn AcceptanceBook>,
    tools: &Tools,
    host: Weak<impl Send + Sync + 'static>,
) {
    let waiting: Vec<Definition> =
        tools.iter().filter(|tool| tools.keeps_back(tool)).map(definition).collect();
    if waiting.is_empty() {
        return;
    }
    let service = tools.service().clone();
    tokio::spawn(async move {
        while Weak::strong_count(&host) > 0 && !service.is_whole() {
            tokio::time::sleep(LOOK).await;
            match book.acceptances().await {
                Ok(known) => service.keep_back(still_waiting(&waiting, &known)),
                Err(error) => {
                    tracing::warn!(cause = %error.cause, "what was accepted cannot be read");
                }
            }
        }
    });
}

fn still_waiting(waiting: &[Definition], known: &Acceptances) -> BTreeSet<ToolName> {
    let left = waiting.iter().filter(|one| Standing::of(one, known) != Standing::Accepted);
    left.map(|one| one.tool.clone()).collect()
}

/// Who accepts what nobody looked at.
const HOST: &str = "host";
/// How often it is looked at what was accepted, where something is kept back.
const LOOK: Duration = Duration::from_secs(1);
