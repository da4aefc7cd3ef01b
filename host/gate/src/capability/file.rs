//! How capabilities are written: the form of `policies/capabilities.toml`.
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use serde::Deserialize;
use toml::Spanned;

use self::scope::ScopeKeys;
use self::wasi::{Access, WasiKeys, WrittenStandIn};
use super::{
    Capabilities, CapabilityDefinition, Destination, HeaderScheme, HttpScope, Interface,
    ResponseShape, Slot, wasi::has_destinations,
};
use crate::{
    CapabilityName, Cost, CredentialName, PathPattern, Risk, SourceError, SourceFile, nearest,
};

mod scope;
mod wasi;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    capability: BTreeMap<Spanned<String>, Spanned<Written>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    description: Spanned<String>,
    interface: Spanned<String>,
    risk: Risk,
    cost: Option<Spanned<String>>,
    destination: Option<Spanned<String>>,
    destinations: Option<Vec<Spanned<String>>>,
    methods: Option<Vec<Spanned<String>>>,
    paths: Option<Vec<Spanned<String>>>,
    query: Option<BTreeSet<String>>,
    headers: Option<Vec<Spanned<String>>>,
    allow_private: Option<bool>,
    credential: Option<Spanned<String>>,
    inject: Option<Spanned<Inject>>,
    max_request_bytes: Option<usize>,
    response: Option<Response>,
    directory: Option<Spanned<String>>,
    access: Option<Spanned<Access>>,
    variables: Option<Spanned<Vec<Spanned<String>>>>,
    values: Option<Spanned<BTreeMap<Spanned<String>, String>>>,
    stand_in: Option<Spanned<WrittenStandIn>>,
    quota_bytes: Option<Spanned<u64>>,
    quota_entries: Option<Spanned<u64>>,
    resolution_ms: Option<Spanned<u64>>,
    tools: Option<Spanned<Vec<Spanned<String>>>>,
    lends: Option<Spanned<Vec<Spanned<String>>>>,
}

impl Written {
    fn take_scope(&mut self) -> ScopeKeys {
        ScopeKeys {
            quota_bytes: self.quota_bytes.take(),
            quota_entries: self.quota_entries.take(),
            resolution_ms: self.resolution_ms.take(),
            tools: self.tools.take(),
            lends: self.lends.take(),
        }
    }

    fn take_wasi(&mut self) -> WasiKeys {
        WasiKeys {
            directory: self.directory.take(),
            access: self.access.take(),
            variables: self.variables.take(),
            values: self.values.take(),
            stand_in: self.stand_in.take(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inject {
    header: Option<String>,
    #[serde(rename = "as")]
    scheme: Option<Scheme>,
    query: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Scheme {
    Bearer,
    Basic,
    Raw,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Response {
    #[serde(default)]
    content_types: Vec<Spanned<String>>,
    max_bytes: Option<Spanned<usize>>,
}

/// Reads every definition; fails with the first mistake of each.
pub(super) fn parse(
    file: &SourceFile,
    interfaces: &[&str],
) -> Result<Capabilities, Vec<SourceError>> {
    let written: File =
        toml::from_str(&file.text).map_err(|error| vec![file.toml_error(&error)])?;
    let (mut all, mut errors) = (BTreeMap::new(), Vec::new());
    for (name, written) in written.capability {
        let table = written.span();
        let reader = Reader { file, interfaces, table };
        match reader.definition(&name, written.into_inner()) {
            Ok(definition) => drop(all.insert(definition.name.clone(), definition)),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(Capabilities(all)) } else { Err(errors) }
}

/// Reads one definition, and knows where it stands.
struct Reader<'a> {
    file: &'a SourceFile,
    interfaces: &'a [&'a str],
    table: Range<usize>,
}

impl Reader<'_> {
    fn definition(
        &self,
        name: &Spanned<String>,
        mut written: Written,
    ) -> Result<CapabilityDefinition, SourceError> {
        let name = self.read::<CapabilityName>(name)?;
        let interface = self.interface(&written.interface)?;
        let cost = written.cost.as_ref().map_or(Ok(Cost::default()), |text| self.cost(text))?;
        let risk = written.risk;
        let description = written.description.get_ref().trim().to_owned();
        if description.is_empty() {
            return Err(self
                .file
                .error(written.description.span(), "the description is empty")
                .with_help("say in one sentence what the capability lets a tool do"));
        }
        let keys = written.take_wasi();
        let others = written.take_scope();
        let scope = self.own_scope(&interface.0, &others)?;
        let http = if has_destinations(&interface.0) {
            Some(Arc::new(self.scope(written)?))
        } else {
            self.plain(&interface, &written)?;
            None
        };
        let wasi = self.wasi(&interface.0, &keys, &others, http.as_deref())?;
        Ok(CapabilityDefinition { name, interface, risk, cost, description, http, wasi, scope })
    }

    fn interface(&self, written: &Spanned<String>) -> Result<Interface, SourceError> {
        let name = written.get_ref().as_str();
        if self.interfaces.contains(&name) {
            return Ok(Interface(name.to_owned()));
        }
        let error = self.file.error(written.span(), format!("there is no interface `{name}`"));
        Err(match nearest(name, self.interfaces.iter().copied()) {
            Some(near) => error.with_help(format!("did you mean `{near}`?")),
            None => error.with_help(format!("there are `{}`", self.interfaces.join("`, `"))),
        })
    }

    /// An interface without destinations takes none of their keys.
    fn plain(&self, interface: &Interface, written: &Written) -> Result<(), SourceError> {
        let keys = [
            ("destination", written.destination.is_some()),
            ("destinations", written.destinations.is_some()),
            ("methods", written.methods.is_some()),
            ("paths", written.paths.is_some()),
            ("query", written.query.is_some()),
            ("headers", written.headers.is_some()),
            ("allow_private", written.allow_private.is_some()),
            ("credential", written.credential.is_some()),
            ("inject", written.inject.is_some()),
            ("max_request_bytes", written.max_request_bytes.is_some()),
            ("response", written.response.is_some()),
        ];
        match keys.iter().find(|(_, present)| *present) {
            None => Ok(()),
            Some((key, _)) => {
                let message = format!(
                    "`{key}` belongs to the interface `http`, and this one opens `{}`",
                    interface.0
                );
                Err(self
                    .file
                    .error(self.table.clone(), message)
                    .with_help(format!("take `{key}` out")))
            }
        }
    }

    fn scope(&self, written: Written) -> Result<HttpScope, SourceError> {
        let allow_private = written.allow_private.unwrap_or(false);
        let destinations = self.destinations(&written, allow_private)?;
        let credential = written
            .credential
            .as_ref()
            .map(|name| self.read::<CredentialName>(name))
            .transpose()?;
        let slot = written.inject.as_ref().map(|inject| self.slot(inject)).transpose()?;
        if credential.is_some() != slot.is_some() {
            return Err(
                self.lacks("`credential` and `inject` belong together", "write both, or neither")
            );
        }
        Ok(HttpScope {
            destinations,
            methods: self.methods(written.methods)?,
            paths: self.paths(written.paths)?,
            query: written.query,
            headers: self.headers(written.headers.as_deref(), slot.as_ref())?,
            allow_private,
            credential,
            slot,
            max_request_bytes: written.max_request_bytes.unwrap_or(DEFAULT_BYTES),
            response: self.response(written.response)?,
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
                "use `https`, or `allow_private = true` for a server on this machine or network",
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

    fn slot(&self, written: &Spanned<Inject>) -> Result<Slot, SourceError> {
        let wrong = |message: &str| {
            self.file.error(written.span(), message).with_help(
                "write `{ header = \"authorization\", as = \"bearer\" }` or `{ query = \"key\" }`",
            )
        };
        match written.get_ref() {
            Inject { header: Some(name), scheme: Some(scheme), query: None } => {
                let name = name.to_ascii_lowercase();
                let token = !name.is_empty()
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                if !token || FORBIDDEN_SLOTS.contains(&name.as_str()) {
                    return Err(wrong("a credential cannot go into this header"));
                }
                let scheme = match scheme {
                    Scheme::Bearer => HeaderScheme::Bearer,
                    Scheme::Basic => HeaderScheme::Basic,
                    Scheme::Raw => HeaderScheme::Raw,
                };
                Ok(Slot::Header { name, scheme })
            }
            Inject { header: None, scheme: None, query: Some(name) } => {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
                if name.is_empty() || !name.bytes().all(plain) {
                    return Err(wrong("a query key has letters, digits and `-_.` only"));
                }
                Ok(Slot::Query { name: name.clone() })
            }
            _ => Err(wrong("`inject` names a header and how to write it, or a query key")),
        }
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
            let in_slot = matches!(slot, Some(Slot::Header { name: slot, .. }) if *slot == name);
            if token
                && !in_slot
                && !FORBIDDEN_SLOTS.contains(&name.as_str())
                && !CREDENTIALS.contains(&name.as_str())
            {
                return Ok(name);
            }
            let message = format!("a tool cannot be allowed to set the header `{name}`");
            Err(self.file.error(written.span(), message).with_help("take it out of `headers`"))
        };
        written.unwrap_or_default().iter().map(header).collect()
    }

    fn response(&self, written: Option<Response>) -> Result<ResponseShape, SourceError> {
        let Some(Response { content_types, max_bytes }) = written else {
            return Ok(ResponseShape { content_types: BTreeSet::new(), max_bytes: DEFAULT_BYTES });
        };
        let media_type = |written: &Spanned<String>| {
            let text = written.get_ref().as_str();
            let plain = |byte: u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/+-.".contains(&byte)
            };
            if text.split('/').filter(|part| !part.is_empty()).count() == 2
                && text.bytes().all(plain)
            {
                return Ok(text.to_owned());
            }
            let message = format!("`{text}` is not a media type");
            Err(self.file.error(written.span(), message).with_help(
                "write it in lower case and without parameters, as in `application/json`",
            ))
        };
        let content_types = content_types.iter().map(media_type).collect::<Result<_, _>>()?;
        let max_bytes = max_bytes.map(|bytes| self.response_bytes(&bytes)).transpose()?;
        Ok(ResponseShape { content_types, max_bytes: max_bytes.unwrap_or(DEFAULT_BYTES) })
    }

    fn response_bytes(&self, written: &Spanned<usize>) -> Result<usize, SourceError> {
        let bytes = *written.get_ref();
        if bytes <= MAX_RESPONSE_BYTES {
            return Ok(bytes);
        }
        let message = format!("a response of {bytes} bytes is more than the host takes");
        let help = format!(
            "a response is held whole while it is scanned; write at most {MAX_RESPONSE_BYTES}"
        );
        Err(self.file.error(written.span(), message).with_help(help))
    }

    fn cost(&self, written: &Spanned<String>) -> Result<Cost, SourceError> {
        Cost::parse(written.get_ref()).ok_or_else(|| {
            let message = format!("`{}` is not a cost", written.get_ref());
            self.file
                .error(written.span(), message)
                .with_help("write dollars with at most six decimals, as in `usd:0.01`")
        })
    }

    fn read<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        written: &Spanned<String>,
    ) -> Result<T, SourceError> {
        written
            .get_ref()
            .parse()
            .map_err(|error: T::Err| self.file.error(written.span(), error.to_string()))
    }

    fn lacks(&self, message: &str, help: &str) -> SourceError {
        self.file.error(self.table.clone(), message).with_help(help)
    }
}

/// The methods of RFC 9110 and RFC 5789 that carry no connection or credential of their own: no CONNECT, no
/// TRACE.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Headers that route, frame or decode a message.
const FORBIDDEN_SLOTS: [&str; 12] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "accept-encoding",
    "range",
    "forwarded",
];
/// Headers that only a host writes.
const CREDENTIALS: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "user-agent"];
/// The ceiling of a response: it is in memory at once, for each call that waits for one.
const MAX_RESPONSE_BYTES: usize = 64 << 20;
/// Of a request or response body where the file says nothing.
const DEFAULT_BYTES: usize = 1 << 20;
