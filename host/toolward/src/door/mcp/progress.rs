//! What a tool says before its answer, as notifications under the token of its caller.
use rmcp::{
    RoleServer,
    model::{MetaObject, NotificationMetaObject, ProgressNotificationParam, ProgressToken},
    service::Peer,
};
use tokio::{sync::mpsc, task::JoinHandle};
use toolward_gate::{Progress, ProgressSink, Said};

/// Where a call's progress goes, and what passes it on: nothing where nobody asked.
pub(super) fn heard(
    peer: &Peer<RoleServer>,
    token: Option<ProgressToken>,
) -> (ProgressSink, Option<JoinHandle<()>>) {
    token.map_or_else(Default::default, |token| {
        let (sender, receiver) = mpsc::channel(WAITING);
        let telling = tokio::spawn(tell(peer.clone(), token, receiver));
        (ProgressSink::to(sender), Some(telling))
    })
}

/// Passes on what a tool says, as fast as the client reads.
async fn tell(peer: Peer<RoleServer>, token: ProgressToken, mut said: mpsc::Receiver<Said>) {
    let mut reached = None;
    while let Some(said) = said.recv().await {
        let mut note = notification(token.clone(), said);
        note.progress = rising(reached, note.progress);
        reached = Some(note.progress);
        if peer.notify_progress(note).await.is_err() {
            return;
        }
    }
}

fn notification(token: ProgressToken, said: Said) -> ProgressNotificationParam {
    match said {
        Said::Progress(Progress { done, total, message }) => {
            let mut note = ProgressNotificationParam::new(token, count(done));
            note.total = total.map(count);
            note.message = Some(message);
            note
        }
        Said::Part(text) => {
            let mut meta = MetaObject::new();
            meta.0.insert(PART.to_owned(), true.into());
            let mut note = ProgressNotificationParam::new(token, 0.0);
            note.message = Some(text);
            note.meta = Some(NotificationMetaObject(meta));
            note
        }
    }
}

/// MCP wants each notification to tell of more progress than the one before; a part is less than a step.
fn rising(reached: Option<f64>, progress: f64) -> f64 {
    reached.map_or(progress, |reached| progress.max((reached + SLIVER).max(reached.next_up())))
}

/// MCP counts in floating point.
#[expect(clippy::cast_precision_loss, reason = "nobody sees the difference beyond 2^53 steps")]
fn count(steps: u64) -> f64 {
    steps as f64
}

/// On a notification whose message is a part of the result.
const PART: &str = "toolward/part";
/// Of a step.
const SLIVER: f64 = 1.0 / 1024.0;
/// Messages and parts that wait for the client; then the tool waits.
const WAITING: usize = 16;
