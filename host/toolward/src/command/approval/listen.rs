//! `toolward approval listen`: tells people, and takes their answers from Slack and from links.
use std::net::SocketAddr;

use clap::Args;
use tokio::net::TcpListener;

use super::{Context, Failure};
use crate::{door::answers, wiring};

#[derive(Args)]
pub(in crate::command) struct Listen {
    /// An address of this machine that only it reaches. What comes from elsewhere comes through a server that
    /// speaks TLS.
    #[arg(default_value = "127.0.0.1:7450")]
    address: SocketAddr,
}

impl Listen {
    /// Until it is interrupted.
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        if !self.address.ip().is_loopback() {
            return Err(Failure::Usage(format!(
                "`{}` can be reached from elsewhere, and this listener speaks no TLS: listen on `127.0.0.1:{}`, and let a server that does pass on what comes in",
                self.address,
                self.address.port()
            )));
        }
        let config = context.config()?;
        let state = wiring::state(&config).await?;
        let authn = match &config.administration {
            Some(administration) => wiring::administration_authn(&config, administration, &state)?,
            None => wiring::authn_in(&config, &state)?,
        };
        let desk = wiring::answer_desk(&config, &context.passphrases(), &state, authn.into())?;
        let listener = TcpListener::bind(self.address).await?;
        let address = listener.local_addr()?;
        let tellers = wiring::tellers(&config, &context.passphrases(), &state)?;
        let telling = tokio::spawn(tellers.follow());
        let shown = || format!("listening on http://{address}");
        context.terminal.show(&serde_json::json!({ "listening": address }), shown)?;
        let interrupted = async { drop(tokio::signal::ctrl_c().await) };
        let served =
            axum::serve(listener, answers::router(desk)).with_graceful_shutdown(interrupted).await;
        telling.abort();
        Ok(served?)
    }
}
