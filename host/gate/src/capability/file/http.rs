//! How destinations, methods, paths and headers of a capability over `http` are written.
use std::collections::BTreeSet;

use toml::Spanned;

use super::{
    super::minting,
    Reader, Written,
    response::{DEFAULT_BYTES, WrittenResponse},
    slot::NEVER_A_SLOT,
};
use crate::{CredentialName, Destination, HttpScope, PathPattern, Slot, SourceError};

impl Reader<'_> {
    pub(super) fn scope(&self, written: Written) -> Result<HttpScope, SourceError> {
        let allow_private = written.allow_private.clone().unwrap_or_default();
        let destinations = self.destinations(&written, !allow_private.is_empty())?;
        let credential = written
            .credential
            .as_ref()
            .map(|name| self.read::<CredentialName>(name))
            .transpose()?;
        let slot = written.inject.as_ref().map(|inject| self.slot(inject)).transpose()?;
        if matches!(slot, Some(Slot::ClientCertificate))
            && destinations.iter().any(|one| !one.https)
        {
            return Err(self.lacks(
                "a client certificate is shown over TLS only",
                "write destinations with `https`",
            ));
        }
        if credential.is_some() != slot.is_some() {
            return Err(
                self.lacks("`credential` and `inject` belong together", "write both, or neither")
            );
        }
        let session = written.session_policy.as_ref();
        let session_policy = session.map(|session| self.session_policy(session)).transpose()?;
        if session_policy.is_some() && credential.is_none() {
            let help =
                "name the credential whose sessions are narrowed, or take `session_policy` out";
            return Err(
                self.lacks("`session_policy` narrows a `credential`, and there is none", help)
            );
        }
        let streaming = written.response.as_ref().and_then(WrittenResponse::streaming);
        let response = self.response(written.response)?;
        if let Some(streaming) = streaming.filter(|_| written.meter.is_some()) {
            let message =
                "a response that is streamed is not metered: a meter reads it whole first";
            return Err(self
                .file
                .error(streaming, message)
                .with_help("take `streaming` out, or `meter`"));
        }
        let paths = self.paths(written.paths)?;
        if let Some(place) = destinations.iter().find_map(|one| minting::place(one, &paths)) {
            return Err(self.lacks(
                &format!("{place} hands out credentials, which a tool does not get"),
                "have the host ask, with a `[credential.…]` of the kind `oauth2-client-credentials` or `aws-sts`",
            ));
        }
        let trace_context = written.trace_context.as_ref().is_some_and(|say| *say.get_ref());
        let headers = self.headers(written.headers.as_deref(), slot.as_ref())?;
        if trace_context && headers.contains("traceparent") {
            return Err(self.lacks(
                "with `trace_context` the host writes `traceparent`, and a tool cannot",
                "take `traceparent` out of `headers`, or `trace_context` out",
            ));
        }
        Ok(HttpScope {
            destinations,
            methods: self.methods(written.methods)?,
            paths,
            query: written.query,
            headers,
            allow_private,
            tls: self.trust(written.tls.as_ref())?,
            credential,
            session_policy,
            slot,
            max_request_bytes: written.max_request_bytes.unwrap_or(DEFAULT_BYTES),
            response,
            trace_context,
            meter: written.meter.as_ref().map(|meter| self.meter(meter)).transpose()?,
        })
    }

    fn destinations(
        &self,
        written: &Written,
        allow_private: bool,
    ) -> Result<Vec<Destination>, SourceError> {
        let texts: Vec<&Spanned<String>> =
            match (&written.destination, &written.destinations) {
                (Some(one), None) => vec![one],
                (None, Some(several)) if !several.is_empty() => several.iter().collect(),
                _ => return Err(self.lacks(
                    "a capability over `http` has one `destination`, or a list of `destinations`",
                    "write `destination = \"https://api.example.com\"`",
                )),
            };
        texts.into_iter().map(|text| self.destination(text, allow_private)).collect()
    }

    fn destination(
        &self,
        written: &Spanned<String>,
        allow_private: bool,
    ) -> Result<Destination, SourceError> {
        let wrong = |why: &str| {
            let message = format!("`{}` is not a destination: {why}", written.get_ref());
            self.file.error(written.span(), message)
                .with_help("write scheme, host and port only, as in `https://api.example.com` or `https://api.example.com:8443`")
        };
        let destination = Destination::parse(written.get_ref()).map_err(wrong)?;
        if !destination.https && !allow_private {
            return Err(wrong("`http` sends the credential in the clear").with_help(
                "use `https`, or name the network of the server, as in `allow_private = [\"10.1.0.0/16\"]`",
            ));
        }
        Ok(destination)
    }

    fn methods(
        &self,
        written: Option<Vec<Spanned<String>>>,
    ) -> Result<BTreeSet<String>, SourceError> {
        let methods = written.unwrap_or_default();
        if methods.is_empty() {
            return Err(self.lacks(
                "a capability over `http` names its `methods`",
                "write `methods = [\"GET\"]`",
            ));
        }
        methods.into_iter().map(|method| self.method(method)).collect()
    }

    fn method(&self, written: Spanned<String>) -> Result<String, SourceError> {
        if METHODS.contains(&written.get_ref().as_str()) {
            return Ok(written.into_inner());
        }
        let message = format!("`{}` is not a method that a tool can use", written.get_ref());
        Err(self
            .file
            .error(written.span(), message)
            .with_help(format!("there are `{}`", METHODS.join("`, `"))))
    }

    fn paths(
        &self,
        written: Option<Vec<Spanned<String>>>,
    ) -> Result<Vec<PathPattern>, SourceError> {
        let paths = written.unwrap_or_default();
        if paths.is_empty() {
            return Err(self.lacks(
                "a capability over `http` names its `paths`",
                "write `paths = [\"/v1/things/{id}\"]`",
            ));
        }
        paths.iter().map(|path| self.read::<PathPattern>(path)).collect()
    }

    fn headers(
        &self,
        written: Option<&[Spanned<String>]>,
        slot: Option<&Slot>,
    ) -> Result<BTreeSet<String>, SourceError> {
        let header = |written: &Spanned<String>| {
            let name = written.get_ref().to_ascii_lowercase();
            let token = !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            let in_slot = slot.is_some_and(|slot| slot.writes_header(&name));
            if token
                && !in_slot
                && !NEVER_A_SLOT.contains(&name.as_str())
                && !CREDENTIALS.contains(&name.as_str())
            {
                return Ok(name);
            }
            let message = format!("a tool cannot be allowed to set the header `{name}`");
            Err(self.file.error(written.span(), message).with_help("take it out of `headers`"))
        };
        written.unwrap_or_default().iter().map(header).collect()
    }
}

/// The methods of RFC 9110 and RFC 5789 that carry no connection or credential of their own: no CONNECT, no
/// TRACE.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Headers that only a host writes.
const CREDENTIALS: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "user-agent"];
