//! How it is written what a session or a token may do that is minted for a capability.
use std::collections::BTreeSet;

use serde::Deserialize;
use toml::Spanned;

use super::Reader;
use crate::{CredentialName, SessionPolicy, SourceError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenSession {
    actions: Vec<Spanned<String>>,
    resources: Vec<Spanned<String>>,
}

impl Reader<'_> {
    pub(super) fn session_policy(
        &self,
        written: &Spanned<WrittenSession>,
    ) -> Result<SessionPolicy, SourceError> {
        let WrittenSession { actions, resources } = written.get_ref();
        let policy = SessionPolicy {
            actions: self.fitting(actions, is_action, NO_ACTION)?,
            resources: self.fitting(resources, is_resource, NO_RESOURCE)?,
        };
        if policy.actions.is_empty() || policy.resources.is_empty() {
            let message = "a session policy names what may be done, and with what";
            return Err(self.file.error(written.span(), message).with_help(EXAMPLE));
        }
        if policy.document().len() > MAX_DOCUMENT {
            let message = "the session policy is longer than the 2,048 characters that AWS takes";
            return Err(self
                .file
                .error(written.span(), message)
                .with_help("name fewer actions or resources, or split the capability"));
        }
        Ok(policy)
    }

    /// What a token is asked for; all that the credential names where nothing is written.
    pub(super) fn oauth_scope(
        &self,
        written: Option<&Spanned<Vec<Spanned<String>>>>,
        credential: Option<&CredentialName>,
    ) -> Result<BTreeSet<String>, SourceError> {
        let Some(written) = written else { return Ok(BTreeSet::new()) };
        let wrong = |message| {
            self.file.error(written.span(), message).with_help(
                "write `[\"issues:read\"]`, of the `scope` of the credential, or take `oauth_scope` out",
            )
        };
        if credential.is_none() {
            return Err(wrong("`oauth_scope` narrows a `credential`, and there is none"));
        }
        let parts: BTreeSet<String> =
            written.get_ref().iter().map(|part| part.get_ref().clone()).collect();
        if parts.is_empty() || !parts.iter().all(|part| is_part(part)) {
            return Err(wrong("`oauth_scope` is a list of words without spaces"));
        }
        Ok(parts)
    }

    fn fitting(
        &self,
        written: &[Spanned<String>],
        fits: fn(&str) -> bool,
        otherwise: &str,
    ) -> Result<BTreeSet<String>, SourceError> {
        let one = |one: &Spanned<String>| {
            let wrong = || self.file.error(one.span(), otherwise.to_owned()).with_help(EXAMPLE);
            fits(one.get_ref()).then(|| one.get_ref().clone()).ok_or_else(wrong)
        };
        written.iter().map(one).collect()
    }
}

/// RFC 6749 section 3.3.
fn is_part(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

/// `service:Action`; a `*` stands in the action only.
fn is_action(text: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric();
    text.split_once(':').is_some_and(|(service, action)| {
        let service_fits = service.bytes().all(|byte| letters(byte) || byte == b'-');
        let action_fits = action.bytes().all(|byte| letters(byte) || byte == b'*');
        !service.is_empty() && !action.is_empty() && service_fits && action_fits
    })
}

/// Policy variables (`${…}`) would mean what the session says of itself.
fn is_resource(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"$\"\\".contains(&byte));
    text == "*" || (plain && text.starts_with("arn:") && text.matches(':').count() >= 5)
}

const NO_ACTION: &str = "this is not an action: write its service and its name";
const NO_RESOURCE: &str = "this is not a resource: write an Amazon resource name, or `*`";
const EXAMPLE: &str =
    "write `{ actions = [\"s3:GetObject\"], resources = [\"arn:aws:s3:::bucket/*\"] }`";
/// Of the request's `Policy` (AWS STS API, AssumeRole).
const MAX_DOCUMENT: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_names_its_service_and_a_resource_names_itself() {
        for action in ["s3:GetObject", "s3:Get*", "execute-api:Invoke", "s3:*"] {
            assert!(is_action(action), "{action}");
        }
        for action in ["*", "*:*", "*:Get", "s3", "s3:", ":Get", "s3:Get Object", "s3:Get${a}"] {
            assert!(!is_action(action), "{action}");
        }
        for resource in ["*", "arn:aws:s3:::bucket/*", "arn:aws:iam::123456789012:role/a"] {
            assert!(is_resource(resource), "{resource}");
        }
        for resource in
            ["", "bucket", "arn:aws:s3", "arn:aws:s3:::${aws:username}", "arn:aws:s3:::a b"]
        {
            assert!(!is_resource(resource), "{resource}");
        }
    }

    #[test]
    fn the_document_is_what_aws_reads() {
        let set = |one: &str| [one.to_owned()].into();
        let policy =
            SessionPolicy { actions: set("s3:GetObject"), resources: set("arn:aws:s3:::b/*") };
        assert_eq!(
            policy.document(),
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::b/*"]}]}"#
        );
    }
}
