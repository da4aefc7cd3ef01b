//! What is written under `[listen]` and `[administration]`: where the host is spoken to, and as what.
//!
//! ```toml
//! [listen]
//! address = "127.0.0.1:8700"
//! url = "https://tools.example.com"
//! origins = ["https://app.example.com"]
//! [listen.tls]
//! certificate = "tls/chain.pem"
//! key = "tls/key.pem"
//!
//! [administration]
//! address = "127.0.0.1:8701"
//! audience = "urn:toolward:administration"
//! roles = ["administrator"]
//! readers = ["monitoring"]
//! ```
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// A place where the host is spoken to over HTTP.
#[derive(Clone, Debug)]
pub struct ListenConfig {
    pub address: SocketAddr,
    /// As clients write it, without a path: what is in metadata, in `Host`, and in proofs of possession.
    /// `http` or `https` and the address, where absent.
    pub url: Option<String>,
    /// Web pages that may speak to it: `scheme://host[:port]`. No page may, where empty.
    pub origins: BTreeSet<String>,
    pub tls: Option<TlsConfig>,
    pub limits: LimitsConfig,
}

/// Files in PEM.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// The host's certificate, and those between it and a root.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// How much of the host one caller can have.
#[derive(Clone, Copy, Debug)]
pub struct LimitsConfig {
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// Requests in a second, of one principal; twice as many at once.
    pub requests_per_second: u32,
    /// Connections at once, of all callers. One more is closed.
    pub connections: usize,
    /// Connections at once, of one IPv4 address or one /64 of IPv6. One more is closed. As many as in all, where
    /// everybody comes from the address of a proxy.
    pub connections_per_address: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            requests_per_second: 100,
            connections: 1024,
            connections_per_address: 128,
        }
    }
}

/// Where people and their programs decide, stop and look.
#[derive(Clone, Debug)]
pub struct AdministrationConfig {
    pub listen: ListenConfig,
    /// The only audience of a token that is good here.
    pub audience: String,
    /// Who may throw switches and read the trail: everybody who has one of them. Who may answer a question
    /// says the question.
    pub roles: BTreeSet<String>,
    /// Who may besides see metrics and budgets, and nothing else: nobody, where it is not written.
    pub readers: BTreeSet<String>,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listen {
    address: String,
    url: Option<String>,
    #[serde(default)]
    origins: Vec<String>,
    tls: Option<Tls>,
    #[serde(default)]
    behind_proxy: bool,
    #[serde(default)]
    limits: Limits,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Administration {
    address: String,
    url: Option<String>,
    #[serde(default)]
    origins: Vec<String>,
    tls: Option<Tls>,
    #[serde(default)]
    behind_proxy: bool,
    #[serde(default)]
    limits: Limits,
    audience: Option<String>,
    roles: Option<BTreeSet<String>>,
    #[serde(default)]
    readers: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    body_bytes: Option<usize>,
    requests_per_second: Option<u32>,
    connections: Option<usize>,
    connections_per_address: Option<usize>,
}

impl Listen {
    /// Fails with what to change.
    pub(super) fn read(self, base: &Path) -> Result<ListenConfig, String> {
        let address: SocketAddr = self.address.parse().map_err(|_| {
            format!(
                "`{}` is no address: write an IP address and a port, as in `127.0.0.1:8700`",
                self.address
            )
        })?;
        let tls = self.tls.map(|tls| TlsConfig {
            certificate: base.join(tls.certificate),
            key: base.join(tls.key),
        });
        if !address.ip().is_loopback() && tls.is_none() && !self.behind_proxy {
            return Err(format!(
                "`{address}` is reached from other machines, and tokens would travel in the clear: write a \
                 `tls` table with `certificate` and `key`, or `behind_proxy = true` where something in \
                 front of it speaks TLS"
            ));
        }
        if self.behind_proxy && self.url.is_none() {
            return Err(
                "behind a proxy the host does not know its own name: write `url`, as clients do"
                    .to_owned(),
            );
        }
        let url = self.url.map(|url| whole_url(&url)).transpose()?;
        let origins = self.origins.iter().map(|one| origin(one)).collect::<Result<_, _>>()?;
        Ok(ListenConfig {
            address,
            url,
            origins,
            tls,
            limits: self.limits.read(self.behind_proxy)?,
        })
    }
}

impl Administration {
    /// Fails with what to change. `agents` are the audiences of tokens for calls.
    pub(super) fn read(self, base: &Path) -> Result<AdministrationConfig, String> {
        let Self { address, url, origins, tls, behind_proxy, limits, audience, roles, readers } =
            self;
        let listen = Listen { address, url, origins, tls, behind_proxy, limits }.read(base)?;
        let audience = audience.unwrap_or_else(|| ADMINISTRATION.to_owned());
        if audience.is_empty() {
            return Err("a token for nobody is a token for everybody: write `audience`".to_owned());
        }
        let roles = roles.unwrap_or_else(|| [ADMINISTRATOR.to_owned()].into());
        Ok(AdministrationConfig { listen, audience, roles, readers })
    }
}

impl AdministrationConfig {
    /// Why tokens with these audiences must not be those of agents.
    pub(super) fn apart_from<'a>(
        &self,
        mut agents: impl Iterator<Item = &'a String>,
    ) -> Result<(), String> {
        if agents.any(|one| *one == self.audience) {
            return Err(format!(
                "the audience `{}` is also one of an issuer's tokens for calls, so that an agent could approve its \
                 own calls: write another `audience`",
                self.audience
            ));
        }
        Ok(())
    }
}

impl Limits {
    fn read(self, behind_proxy: bool) -> Result<LimitsConfig, String> {
        let usual = LimitsConfig::default();
        let connections = self.connections.unwrap_or(usual.connections);
        let each = if behind_proxy { connections } else { usual.connections_per_address };
        let limits = LimitsConfig {
            body_bytes: self.body_bytes.unwrap_or(usual.body_bytes),
            requests_per_second: self.requests_per_second.unwrap_or(usual.requests_per_second),
            connections,
            connections_per_address: self.connections_per_address.unwrap_or(each.min(connections)),
        };
        let LimitsConfig { body_bytes, requests_per_second, .. } = limits;
        if [body_bytes, connections, limits.connections_per_address].contains(&0)
            || requests_per_second == 0
        {
            return Err(
                "a limit of 0 lets nobody in: write a larger one, or leave it out".to_owned()
            );
        }
        if connections > MAX_CONNECTIONS {
            return Err(format!("`connections` is {MAX_CONNECTIONS} at most"));
        }
        if limits.connections_per_address > connections {
            return Err(format!(
                "`connections_per_address` is more than the {connections} `connections` of all: write a smaller one, or raise those"
            ));
        }
        Ok(limits)
    }
}

/// Scheme and authority, and nothing after them.
fn whole_url(written: &str) -> Result<String, String> {
    origin(written).map_err(|_| {
        format!(
            "`{written}` is not how clients begin: write `https://` and a name, as in `https://tools.example.com`"
        )
    })
}

/// RFC 6454 section 6.2, in lower case and without a port that the scheme implies.
fn origin(written: &str) -> Result<String, String> {
    let wrong = || {
        format!(
            "`{written}` is not an origin: write one as in `https://app.example.com`, without a path"
        )
    };
    let url: http::Uri = written.to_ascii_lowercase().parse().map_err(|_| wrong())?;
    let scheme = url.scheme_str().ok_or_else(wrong)?;
    let authority = url.authority().ok_or_else(wrong)?.as_str();
    let rest = url.path_and_query().map_or("", |rest| rest.as_str());
    if !matches!(scheme, "http" | "https") || !matches!(rest, "" | "/") || authority.contains('@') {
        return Err(wrong());
    }
    let implied = if scheme == "https" { ":443" } else { ":80" };
    Ok(format!("{scheme}://{}", authority.strip_suffix(implied).unwrap_or(authority)))
}

/// `aud` of tokens for the administration, where the configuration names none.
pub const ADMINISTRATION: &str = "urn:toolward:administration";
/// Each has a descriptor, and those of one process are few.
const MAX_CONNECTIONS: usize = 65_536;
/// Who throws switches, where the configuration names nobody.
const ADMINISTRATOR: &str = "administrator";
