//! Does a capability narrow its credential exactly as that one can be narrowed?
use toolward_gate::{Capabilities, CapabilityDefinition, SourceError};

use crate::config::Config;

/// Every capability of which the credential is of another kind than it reads.
pub(super) fn wrong(config: &Config, capabilities: &Capabilities) -> Vec<SourceError> {
    capabilities.0.values().filter_map(|definition| one(config, definition)).collect()
}

fn one(config: &Config, definition: &CapabilityDefinition) -> Option<SourceError> {
    let scope = definition.http.as_ref()?;
    let (name, credential) = (&definition.name, scope.credential.as_ref()?);
    let configured = config.credentials.get(credential)?;
    if let Some(part) = configured.broker.outside(&scope.oauth_scope) {
        let message = format!(
            "the capability `{name}` asks for `{part}` in `oauth_scope`, which is none of the `scope` of its credential `{credential}`"
        );
        let help = format!("add `{part}` to `scope` here, or take it out of the capability");
        return Some(config.file.error(configured.span.clone(), message).with_help(help));
    }
    let (message, help) =
        match (configured.broker.takes_session_policy(), &scope.session_policy) {
            (true, None) => (
                format!("the capability `{name}` uses sessions of `{credential}`, and does not say what they may do"),
                "add `session_policy = { actions = [\"s3:GetObject\"], resources = [\"arn:aws:s3:::bucket/*\"] }` to it".to_owned(),
            ),
            (false, Some(_)) => (
                format!(
                    "the capability `{name}` has a `session_policy`, and its credential `{credential}` is a {}, which none narrows",
                    configured.broker.kind()
                ),
                "take it out, or make the credential an `aws-sts`".to_owned(),
            ),
            (true, Some(_)) | (false, None) => return None,
        };
    Some(config.file.error(configured.span.clone(), message).with_help(help))
}
