//! Who hears that the list of tools is another one? (`subscriptions/listen` of MCP 2026-07-28, and its notification in
//! the revisions before, where there is a connection to send it on.)
//!
//! A client hears of changes in what it is shown itself, and of nothing else. A stream ends with what proved its
//! principal's identity.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rmcp::{
    ErrorData, RoleServer,
    service::{Peer, SubscriptionContext},
};
use tokio::sync::watch;
use toolward_gate::{Principal, SwitchTarget, ToolName};

use super::Door;
use crate::host::Host;

/// How many streams each principal has open.
#[derive(Clone, Debug, Default)]
pub(in crate::door) struct Streams(Arc<Mutex<HashMap<String, usize>>>);

/// One stream, until it is dropped.
struct Open {
    streams: Streams,
    who: String,
}

impl Streams {
    fn open(&self, who: &str) -> Option<Open> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(who.to_owned()).or_default();
        if *count >= MOST {
            return None;
        }
        *count = count.saturating_add(1);
        Some(Open { streams: self.clone(), who: who.to_owned() })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = open.get(&self.who).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            open.remove(&self.who);
        } else {
            open.insert(self.who.clone(), left);
        }
    }
}

/// Says to streams that it is time to end: they would keep a listener open for ever.
#[derive(Clone, Debug)]
pub(in crate::door) struct Ends(pub(in crate::door) watch::Receiver<bool>);

impl Ends {
    async fn ended(mut self) {
        // Who is gone will not ask for anything but the end.
        drop(self.0.wait_for(|stop| *stop).await);
    }
}

/// Serves one stream until its client, its principal's token, or the host ends it.
pub(super) async fn serve(door: &Door, stream: &SubscriptionContext) -> Result<(), ErrorData> {
    let request = stream.request_context();
    let principal = door.speaker.principal(request)?;
    let Some(_open) = door.streams.open(principal.id()) else {
        let message = format!("there are {MOST} streams for you already; end one of them");
        return Err(ErrorData::invalid_request(message, None));
    };
    let parts = request.extensions.get::<http::request::Parts>();
    let ends = parts.and_then(|parts| parts.extensions.get::<Ends>()).cloned();
    let stops = async move {
        match ends {
            Some(ends) => ends.ended().await,
            None => std::future::pending().await,
        }
    };
    let Ok(mut seen) = Seen::by(&door.host, &principal).await else { return Ok(()) };
    tokio::pin!(stops);
    loop {
        tokio::select! {
            () = stream.cancelled() => return Ok(()),
            () = &mut stops => return Ok(()),
            other = seen.other() => match other {
                Ok(()) if stream.sink().notify_tool_list_changed().await.is_ok() => {}
                Ok(()) | Err(Over) => return Ok(()),
            }
        }
    }
}

/// Tells the client of a connection, for as long as it is there. Nobody waits for this one.
pub(super) async fn tell(host: Arc<Host>, principal: Principal, peer: Peer<RoleServer>) {
    let Ok(mut seen) = Seen::by(&host, &principal).await else { return };
    while seen.other().await.is_ok() {
        if peer.notify_tool_list_changed().await.is_err() {
            return;
        }
    }
}

/// What one principal was last shown.
struct Seen<'a> {
    host: &'a Host,
    principal: &'a Principal,
    changes: watch::Receiver<u64>,
    names: Vec<ToolName>,
}

/// Its principal may hear no more, or it cannot be told what there is.
struct Over;

impl<'a> Seen<'a> {
    async fn by(host: &'a Host, principal: &'a Principal) -> Result<Self, Over> {
        // Before it is looked: what changes after this is noticed.
        let changes = host.tools.service().changes();
        Ok(Self { host, principal, changes, names: names(host, principal).await? })
    }

    /// Waits until the principal is shown another list. Whoever drops it does not ask again.
    async fn other(&mut self) -> Result<(), Over> {
        loop {
            tokio::select! {
                () = identity_ended(self.host, self.principal) => return Err(Over),
                changed = self.changes.changed() => changed.map_err(|_| Over)?,
            }
            if is_stopped(self.host, self.principal) {
                return Err(Over);
            }
            let now = names(self.host, self.principal).await?;
            if now != self.names {
                self.names = now;
                return Ok(());
            }
        }
    }
}

async fn names(host: &Host, principal: &Principal) -> Result<Vec<ToolName>, Over> {
    let page = host.page(principal, None, usize::MAX).await.map_err(|_| Over)?;
    Ok(page.tools.into_iter().map(|tool| tool.manifest.name.clone()).collect())
}

async fn identity_ended(host: &Host, principal: &Principal) {
    let Some(end) = principal.ends_at() else { return std::future::pending().await };
    let left = end.duration_since(host.gate.clock.now());
    tokio::time::sleep(Duration::try_from(left).unwrap_or(Duration::ZERO)).await;
}

/// Whether a switch or a denial names the principal.
fn is_stopped(host: &Host, principal: &Principal) -> bool {
    let known = host.gate.switches.known();
    let named = |target: &SwitchTarget| matches!(target, SwitchTarget::Principal(id) if principal.is_or_acts_for(id));
    known.targets().any(named) || known.denials.hit(principal).is_some()
}

/// Streams of one principal at once.
const MOST: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_has_so_many_streams_at_once_and_takes_none_from_another() {
        let streams = Streams::default();
        let mut open: Vec<_> = (0..MOST).map(|_| streams.open("robo").unwrap()).collect();
        assert!(streams.open("robo").is_none());
        assert!(streams.open("ana").is_some());
        open.pop();
        assert!(streams.open("robo").is_some());
        open.clear();
        assert!(streams.0.lock().unwrap().is_empty(), "nothing is kept of who is gone");
    }
}
