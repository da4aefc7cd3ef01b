//! How the keys of a capability over WASI are written.
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;
use toml::Spanned;

use super::{Reader, scope::ScopeKeys};
use crate::{HttpScope, Slot, SourceError, StandIn, WasiScope};

/// The keys, whatever interface they belong to.
#[derive(Default)]
pub(super) struct WasiKeys {
    pub(super) directory: Option<Spanned<String>>,
    pub(super) access: Option<Spanned<Access>>,
    pub(super) variables: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) values: Option<Spanned<BTreeMap<Spanned<String>, String>>>,
    pub(super) stand_in: Option<Spanned<WrittenStandIn>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Access {
    Read,
    ReadWrite,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenStandIn {
    variable: Option<String>,
    config: Option<String>,
}

impl Reader<'_> {
    /// What the keys say; fails with one that belongs to another interface.
    pub(super) fn wasi(
        &self,
        interface: &str,
        keys: &WasiKeys,
        others: &ScopeKeys,
        http: Option<&HttpScope>,
    ) -> Result<Option<Arc<WasiScope>>, SourceError> {
        self.belong(interface, keys)?;
        let scope = match interface {
            "wasi-filesystem" => Some(self.directory(keys, others)?),
            "wasi-environment" => Some(self.variables(keys)?),
            _ => keys.stand_in.as_ref().map(|written| self.stand_in(written, http)).transpose()?,
        };
        Ok(scope.map(Arc::new))
    }

    fn belong(&self, interface: &str, keys: &WasiKeys) -> Result<(), SourceError> {
        let written = [
            ("directory", "wasi-filesystem", keys.directory.as_ref().map(Spanned::span)),
            ("access", "wasi-filesystem", keys.access.as_ref().map(Spanned::span)),
            ("variables", "wasi-environment", keys.variables.as_ref().map(Spanned::span)),
            ("values", "wasi-environment", keys.values.as_ref().map(Spanned::span)),
            ("stand_in", "http", keys.stand_in.as_ref().map(Spanned::span)),
        ];
        let fits = |of: &str| of == interface || (of == "http" && interface == "wasi-http");
        for (key, of, span) in written {
            if let Some(span) = span
                && !fits(of)
            {
                let message = format!(
                    "`{key}` belongs to the interface `{of}`, and this one opens `{interface}`"
                );
                return Err(self.file.error(span, message).with_help(format!("take `{key}` out")));
            }
        }
        Ok(())
    }

    fn directory(&self, keys: &WasiKeys, others: &ScopeKeys) -> Result<WasiScope, SourceError> {
        let (Some(directory), Some(access)) = (&keys.directory, &keys.access) else {
            return Err(self.lacks(
                "a capability over `wasi-filesystem` names its `directory` and the `access` to it",
                "write `directory = \"/srv/notes\"` and `access = \"read\"` or `\"read-write\"`",
            ));
        };
        let path = PathBuf::from(directory.get_ref());
        let wrong = |why: &str| {
            let message = format!("`{}` is not a directory to lend: {why}", directory.get_ref());
            self.file
                .error(directory.span(), message)
                .with_help("write the whole path of one directory, as in `/srv/notes`")
        };
        if !path.is_absolute() {
            return Err(wrong("the path is not a whole one"));
        }
        if path.components().any(|part| matches!(part, Component::ParentDir)) {
            return Err(wrong("it goes up with `..`"));
        }
        if path.parent().is_none_or(|parent| parent == Path::new("")) {
            return Err(wrong("it is all of this machine"));
        }
        let writable = matches!(access.get_ref(), Access::ReadWrite);
        Ok(WasiScope::Directory { path, quota: self.directory_quota(others, writable)? })
    }

    fn variables(&self, keys: &WasiKeys) -> Result<WasiScope, SourceError> {
        let written = keys.variables.as_ref().filter(|names| !names.get_ref().is_empty());
        let written = written.ok_or_else(|| {
            self.lacks(
                "a capability over `wasi-environment` names its `variables`",
                "write `variables = [\"LANG\"]`",
            )
        })?;
        let names = written.get_ref().iter().map(|name| self.variable(name));
        let names = names.collect::<Result<BTreeSet<_>, _>>()?;
        let mut values = BTreeMap::new();
        for (name, value) in keys.values.iter().flat_map(Spanned::get_ref) {
            if !names.contains(name.get_ref()) {
                let message = format!("`{}` has a value and is not lent", name.get_ref());
                return Err(self
                    .file
                    .error(name.span(), message)
                    .with_help("add it to `variables`"));
            }
            values.insert(name.get_ref().clone(), value.clone());
        }
        Ok(WasiScope::Variables { names, values })
    }

    /// A credential never goes into a tool, so a name that says that there is one is no variable to lend.
    fn variable(&self, written: &Spanned<String>) -> Result<String, SourceError> {
        let name = written.get_ref();
        if !is_variable(name) {
            let message = format!("`{name}` is not the name of a variable");
            return Err(self
                .file
                .error(written.span(), message)
                .with_help("write letters, digits and `_`"));
        }
        let upper = name.to_ascii_uppercase();
        if SECRET.iter().any(|word| upper.split('_').any(|part| part.contains(word))) {
            let message = format!("`{name}` looks like a credential, and no tool is given one");
            return Err(self.file.error(written.span(), message).with_help(
                "write `stand_in = { variable = \"…\" }` in the capability over `http` that uses the credential",
            ));
        }
        Ok(name.clone())
    }

    fn stand_in(
        &self,
        written: &Spanned<WrittenStandIn>,
        http: Option<&HttpScope>,
    ) -> Result<WasiScope, SourceError> {
        let wrong = |message: &str, help: &str| {
            self.file.error(written.span(), message.to_owned()).with_help(help)
        };
        if http.is_none_or(|scope| scope.slot.is_none()) {
            return Err(wrong(
                "a stand-in takes the place of a credential, and this capability has none",
                "write `credential` and `inject`, or take `stand_in` out",
            ));
        }
        if !http.and_then(|scope| scope.slot.as_ref()).is_some_and(takes_stand_in) {
            return Err(wrong(
                "a stand-in goes into a header or a query key, and this credential goes elsewhere",
                "take `stand_in` out; the component sends its request unsigned",
            ));
        }
        let key = |name: &String| !name.is_empty() && name.len() <= 256 && !name.contains('\0');
        let stand_in = match written.get_ref() {
            WrittenStandIn { variable: Some(name), config: None } if is_variable(name) => {
                StandIn::Variable(name.clone())
            }
            WrittenStandIn { variable: None, config: Some(name) } if key(name) => {
                StandIn::Config(name.clone())
            }
            _ => {
                return Err(wrong(
                    "`stand_in` names the one place where the component looks for its key",
                    "write `{ variable = \"GITHUB_TOKEN\" }` or `{ config = \"github-token\" }`",
                ));
            }
        };
        Ok(WasiScope::StandIn(stand_in))
    }
}

fn takes_stand_in(slot: &Slot) -> bool {
    matches!(slot, Slot::Header { .. } | Slot::Query { .. })
}

fn is_variable(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty()
        && name.len() <= 128
        && name.bytes().all(plain)
        && !name.as_bytes().first().is_some_and(u8::is_ascii_digit)
}

/// Words in the names of variables that hold credentials.
const SECRET: [&str; 11] = [
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "CREDENTIAL",
    "APIKEY",
    "KEY",
    "PRIVATE",
    "AUTH",
    "TOOLWARD",
];
