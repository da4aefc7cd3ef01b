//! Who is told of the calls that a command carries?
use std::sync::Arc;

use tokio::{net::TcpListener, runtime::Handle};
use toolward_gate::CedarPolicy;
use tracing_subscriber::{Layer, Registry};

use super::{Context, Failure};
use crate::{config::Config, tools::Tools, wiring};

impl Context {
    /// Sets up what the configuration says of it. A configuration that cannot be read is the command's to tell.
    pub(super) fn observe(&self, runtime: &Handle) -> Result<(), Failure> {
        let Ok(config) = self.config() else { return Ok(()) };
        if let Some(telemetry) = wiring::telemetry(&config, runtime.clone())? {
            self.telemetry.get_or_init(|| Arc::new(telemetry));
        }
        Ok(())
    }

    pub(super) fn layers(&self) -> Vec<Box<dyn Layer<Registry> + Send + Sync>> {
        self.telemetry.get().map(|telemetry| telemetry.layers()).unwrap_or_default()
    }

    /// Lets the names of this host be told.
    pub(super) fn know(&self, config: &Config, tools: &Tools, policy: &CedarPolicy) {
        if let Some(telemetry) = self.telemetry.get() {
            wiring::know(telemetry, config, tools, policy);
        }
    }

    /// Serves the metrics, where the configuration names an address.
    pub(super) async fn serve_metrics(&self, config: &Config) -> Result<(), Failure> {
        let address = config.telemetry.as_ref().and_then(|set| set.prometheus);
        let (Some(telemetry), Some(address)) = (self.telemetry.get().cloned(), address) else {
            return Ok(());
        };
        let listener = TcpListener::bind(address).await.map_err(|error| {
            let message = format!("the metrics cannot be served on `{address}`: {error}");
            let help = "another host may have it: each needs an address of its own under `[telemetry.prometheus]`";
            Failure::Start(config.file.error(0..0, message).with_help(help).into())
        })?;
        let address = listener.local_addr()?;
        tracing::info!(%address, "serving metrics");
        tokio::spawn(async move {
            if let Err(error) = telemetry.serve(listener).await {
                tracing::error!(%error, "the metrics are not served any more");
            }
        });
        Ok(())
    }

    /// Tells what was not told yet. The runtime must still be there, and this not be one of its threads.
    pub(super) fn end_telling(&self) {
        if let Some(telemetry) = self.telemetry.get() {
            telemetry.end();
        }
    }
}
