//! How capabilities are written: the form of `policies/capabilities.toml`.
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use serde::Deserialize;
use toml::Spanned;

use self::{
    meter::WrittenMeter,
    response::WrittenResponse,
    scope::ScopeKeys,
    slot::WrittenSlot,
    trust::WrittenTrust,
    wasi::{Access, WasiKeys, WrittenStandIn},
};
use super::{Capabilities, CapabilityDefinition, Interface, wasi::has_destinations};
use crate::{CapabilityName, Cost, PrivateRanges, Risk, SourceError, SourceFile, nearest};

mod http;
mod meter;
mod response;
mod scope;
mod session;
mod slot;
mod template;
mod trust;
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
    allow_private: Option<PrivateRanges>,
    tls: Option<Spanned<WrittenTrust>>,
    credential: Option<Spanned<String>>,
    session_policy: Option<Spanned<session::WrittenSession>>,
    inject: Option<Spanned<WrittenSlot>>,
    max_request_bytes: Option<usize>,
    response: Option<WrittenResponse>,
    meter: Option<Spanned<WrittenMeter>>,
    trace_context: Option<Spanned<bool>>,
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
            ("tls", written.tls.is_some()),
            ("credential", written.credential.is_some()),
            ("inject", written.inject.is_some()),
            ("session_policy", written.session_policy.is_some()),
            ("max_request_bytes", written.max_request_bytes.is_some()),
            ("response", written.response.is_some()),
            ("meter", written.meter.is_some()),
            ("trace_context", written.trace_context.is_some()),
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
