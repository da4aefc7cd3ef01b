//! MCP over standard input and output: for clients that start the host themselves.
//!
//! Nothing but MCP goes to standard output. The principal is the same for every call of the connection.
use std::sync::Arc;

use rmcp::{
    ServiceExt as _, service::ServerInitializeError, transport::async_rw::AsyncRwTransport,
};
use tokio::sync::mpsc;
use toolward_gate::Principal;
use toolward_state::State;

use super::mcp::{Door, Speaker};
use crate::{config::ApprovalPage, host::Host};

/// Serves one client until it hangs up. That cancels what it still waits for.
///
/// A message of more than `line_bytes` is thrown away as it comes, and nobody answers it. `page` is where people see the
/// question that a call waits for.
pub async fn serve(
    host: Arc<Host>,
    principal: Principal,
    state: State,
    line_bytes: usize,
    page: Option<ApprovalPage>,
) -> anyhow::Result<()> {
    let (serving, mut served) = mpsc::channel(1);
    let speaker = Speaker::Connected { principal, _serving: serving };
    let door = Door::new(host, speaker, state, page);
    let (input, output) = rmcp::transport::stdio();
    let transport = AsyncRwTransport::new_server(input, output).with_max_line_length(line_bytes);
    let service = match door.serve(transport).await {
        // The client hung up before it said anything.
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        connected => connected?,
    };
    service.waiting().await?;
    // Every request holds the door while it is answered: when all have let go, each call's end is recorded.
    let _none: Option<()> = served.recv().await;
    Ok(())
}
