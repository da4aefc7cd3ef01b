//! A gate in memory that says yes, and calls for it.
use std::sync::Arc;

pub(crate) use toolward_gate::testing::Switches;
use toolward_gate::{
    Arguments, Call, CallId, Digest, Gate, Identity, Kind, Notes, Principal, ProgressSink, Terms,
    ToolRef, testing,
};

/// The gate, and its switches.
pub(crate) async fn gate(terms: Terms) -> anyhow::Result<(Gate, Arc<Switches>)> {
    let switches = Arc::new(Switches::default());
    Ok((testing::gate(terms, switches.clone()).await?, switches))
}

pub(crate) fn call(
    tool: &str,
    digest: Digest,
    arguments: &str,
    progress: ProgressSink,
) -> anyhow::Result<Call> {
    let identity = Identity {
        id: "agent-7".to_owned(),
        kind: Kind::Agent,
        roles: [].into(),
        groups: [].into(),
        acts_for: Vec::new(),
        scope: None,
        ends_at: None,
    };
    Ok(Call {
        id: CallId::generate(),
        principal: Principal::authenticated(identity),
        tool: ToolRef {
            name: tool.parse()?,
            component: "bench".parse()?,
            digest,
            wants: [].into(),
        },
        arguments: Arguments::parse(arguments)?,
        door: "bench",
        notes: Notes::default(),
        progress,
        parent: None,
    })
}
