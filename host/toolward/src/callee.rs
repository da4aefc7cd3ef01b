//! A tool calls another tool: what it asks for becomes a call like any other.
use std::{convert::Infallible, future::pending, sync::Arc};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use toolward_gate::{Call, Life, ProgressSink};
use toolward_sandbox::{Delegation, DelegationError, Output, ToolCaller};

use crate::{
    host::Host,
    tools::{ReadError, Tools},
};

/// Carries what the tool of one call asks of others. It holds the host for as long as that call runs.
pub(crate) struct Callees {
    host: Arc<Host>,
    below: mpsc::Sender<Infallible>,
}

/// Ends when the calls that one call made have all ended, and it can make no more.
pub(crate) struct AllEnded(mpsc::Receiver<Infallible>);

impl Callees {
    pub(crate) fn of(host: &Arc<Host>) -> (Arc<Self>, AllEnded) {
        // Nothing is ever sent: it is over when all who could have let go.
        let (below, all) = mpsc::channel(1);
        (Arc::new(Self { host: host.clone(), below }), AllEnded(all))
    }
}

impl AllEnded {
    pub(crate) async fn wait(&mut self) {
        let _none: Option<Infallible> = self.0.recv().await;
    }
}

#[async_trait]
impl ToolCaller for Callees {
    async fn call(&self, delegation: Delegation) -> Result<Output, DelegationError> {
        let life = delegation.parent.life().clone();
        let call = read(&self.host.tools, delegation)?;
        // Dropped when nobody waits any more, in whatever way that came about.
        let (_waiting, gone) = oneshot::channel::<()>();
        let performed = self.host.perform_under(call, abandoned(gone, life), self.below.clone());
        performed.await.map_err(DelegationError::Stopped)
    }
}

fn read(tools: &Tools, delegation: Delegation) -> Result<Call, DelegationError> {
    let Delegation { call, parent, principal, tool, arguments } = delegation;
    let read = tools.read(&principal, DOOR, tool.as_str(), &arguments, ProgressSink::default());
    let read = read.map_err(|error| match error {
        // What there is instead is not for a tool to know.
        ReadError::NoSuchTool { .. } | ReadError::KeptBack { .. } => DelegationError::NotThere,
        ReadError::Arguments(_) | ReadError::Mismatch { .. } => {
            DelegationError::Unread(error.to_string())
        }
    })?;
    Ok(Call { id: call, parent: Some(parent), ..read })
}

/// Waits until the one who waits for the called tool is gone.
async fn abandoned(gone: oneshot::Receiver<()>, life: Life) {
    drop(gone.await);
    // A switch or the time that ended the caller ends the called tool by itself, and is its reason.
    if life.check().is_err() {
        pending::<()>().await;
    }
}

/// How a call comes in that a tool makes; policies see it.
const DOOR: &str = "tool";
