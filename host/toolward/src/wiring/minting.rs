//! Does a capability let a tool ask for credentials where the host asks for them?
use toolward_gate::{Capabilities, SourceError};

use crate::config::Config;

/// Every credential whose endpoint a capability opens. An AWS endpoint is one path with everything else on it, so
/// that stand-ins for several services on one host are told apart by their paths alone.
pub(super) fn wrong(config: &Config, capabilities: &Capabilities) -> Vec<SourceError> {
    let mut errors = Vec::new();
    for (name, credential) in &config.credentials {
        let opens = capabilities.0.values().filter(|definition| {
            definition.http.as_ref().is_some_and(|scope| credential.broker.asks_where(scope))
        });
        errors.extend(opens.map(|definition| {
            let message = format!(
                "the capability `{}` lets a tool ask where the host asks for the credential `{name}`",
                definition.name
            );
            let help = "take that path out of the capability: what is minted is the host's";
            config.file.error(credential.span.clone(), message).with_help(help)
        }));
    }
    errors
}
