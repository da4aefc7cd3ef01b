//! Does what a credential is fit where a capability puts it, and can its servers be believed?
use toolward_gate::{Capabilities, CapabilityDefinition, SourceError, SourceFile};
use toolward_vault::check_trust;

use crate::config::Config;

/// Every capability that could send nothing.
pub(super) fn wrong(config: &Config, capabilities: &Capabilities) -> Vec<SourceError> {
    capabilities.0.values().filter_map(|definition| check(config, definition).err()).collect()
}

fn check(config: &Config, definition: &CapabilityDefinition) -> Result<(), SourceError> {
    let Some(scope) = &definition.http else { return Ok(()) };
    check_trust(&scope.tls).map_err(|why| {
        let message =
            format!("an authority of the capability `{}` cannot be used: {why}", definition.name);
        SourceFile::new(config.policies.join("capabilities.toml"), "")
            .error(0..0, message)
            .with_help("name a file of certificates of authorities in PEM form")
    })?;
    let (Some(name), Some(slot)) = (&scope.credential, &scope.slot) else { return Ok(()) };
    let Some(credential) = config.credentials.get(name) else { return Ok(()) };
    if credential.broker.fits(slot) {
        return Ok(());
    }
    let message = format!(
        "the credential `{name}` is of the kind `{}`, which does not go where the capability `{}` puts it",
        credential.broker.kind(),
        definition.name
    );
    Err(config.file.error(credential.span.clone(), message).with_help(
        "`aws-keys` and `aws-sts` go with `aws_sigv4`, `client-certificate` with `tls`, and the other kinds with a header, a query key or a cookie",
    ))
}
