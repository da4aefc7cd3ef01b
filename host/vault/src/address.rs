//! Resolve once, refuse what is not globally reachable, connect to what was resolved.
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;
use toolward_gate::{Destination, PrivateRanges};

use self::special::{is_global, is_never, readings};

mod special;

/// Why no address may be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressFault {
    Unresolved,
    Denied,
}

/// Who knows the addresses of names, and those of this machine.
#[async_trait]
pub(crate) trait Network: Send + Sync {
    async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
    fn interfaces(&self) -> io::Result<Vec<IpAddr>>;
}

/// What no tool reaches, whatever a capability opens.
pub(crate) struct Own {
    /// The host's own listeners.
    pub(crate) listeners: Vec<SocketAddr>,
    pub(crate) network: Box<dyn Network>,
}

impl Default for Own {
    fn default() -> Self {
        Self { listeners: Vec::new(), network: Box::new(Machine::default()) }
    }
}

/// The addresses of a destination. One that may not be dialled refuses the whole answer: a name that has a
/// public and a private address is not a public name.
pub(crate) async fn resolve(
    destination: &Destination,
    allowed: &PrivateRanges,
    own: &Own,
) -> Result<Vec<SocketAddr>, AddressFault> {
    let mut addresses = match literal(destination)? {
        Some(literal) => vec![SocketAddr::new(literal, destination.port)],
        None if allowed.is_empty() && is_local_name(&destination.host) => {
            return Err(AddressFault::Denied);
        }
        None => {
            let found = own.network.lookup(&destination.host, destination.port).await;
            found.map_err(|_| AddressFault::Unresolved)?
        }
    };
    addresses.sort_unstable();
    addresses.dedup();
    let interfaces = own.network.interfaces().map_err(|_| AddressFault::Denied)?;
    let rules = Rules { allowed, cleartext: !destination.https, own, interfaces: &interfaces };
    match (addresses.is_empty(), addresses.iter().all(|address| rules.may_dial(*address))) {
        (true, _) => Err(AddressFault::Unresolved),
        (false, false) => {
            tracing::warn!(host = %destination.host, ?addresses, "an address may not be dialled");
            Err(AddressFault::Denied)
        }
        (false, true) => Ok(addresses),
    }
}

/// The address that the host is, where it is no name. The client reads URLs, in which `127.1`, `0x7f.1` and
/// `2130706433` are addresses too: a host that it would read as something else is refused.
fn literal(destination: &Destination) -> Result<Option<IpAddr>, AddressFault> {
    let url: reqwest::Url = destination.to_string().parse().map_err(|_| AddressFault::Denied)?;
    let read = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let address = |text: &str| text.parse::<IpAddr>().ok();
    match (address(&destination.host), address(read)) {
        (Some(written), Some(read)) if written == read => Ok(Some(written)),
        (None, None) if destination.host == read => Ok(None),
        _ => Err(AddressFault::Denied),
    }
}

/// Names that only a machine or its network knows (RFC 6761, RFC 6762, RFC 8375, RFC 9476): nobody is asked for
/// them where no private network is opened.
fn is_local_name(host: &str) -> bool {
    LOCAL.iter().any(|local| {
        host.strip_suffix(local).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }) || !host.contains('.')
}

struct Rules<'a> {
    allowed: &'a PrivateRanges,
    /// Without TLS, requests stay in the networks that are named.
    cleartext: bool,
    own: &'a Own,
    interfaces: &'a [IpAddr],
}

impl Rules<'_> {
    fn may_dial(&self, address: SocketAddr) -> bool {
        let may = |ip: IpAddr| {
            let opened = self.allowed.contains(ip) || (is_global(ip) && !self.cleartext);
            opened && !is_never(ip) && !self.is_own(ip, address.port())
        };
        readings(address.ip()).into_iter().all(may)
    }

    /// This machine by one of its addresses is never dialled: what it offers its network was not opened to its
    /// tools. By its loopback addresses it is where a capability opens them, but for the host's listeners.
    fn is_own(&self, ip: IpAddr, port: u16) -> bool {
        let same = |own: IpAddr| readings(own).contains(&ip);
        let listens = |own: &SocketAddr| {
            let everywhere = own.ip().is_unspecified() && !is_global(ip);
            own.port() == port && (same(own.ip()) || everywhere)
        };
        let on_interface = !ip.is_loopback() && self.interfaces.iter().any(|own| same(*own));
        on_interface || self.own.listeners.iter().any(listens)
    }
}

/// The resolver and the interfaces of this machine. These are asked for again after a moment: they come and go.
#[derive(Default)]
pub(crate) struct Machine {
    interfaces: Mutex<Option<(Instant, Vec<IpAddr>)>>,
}

#[async_trait]
impl Network for Machine {
    async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }

    fn interfaces(&self) -> io::Result<Vec<IpAddr>> {
        let mut known = self.interfaces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, found)) = &*known
            && since.elapsed() < FRESH
        {
            return Ok(found.clone());
        }
        let found: Vec<IpAddr> =
            if_addrs::get_if_addrs()?.iter().map(if_addrs::Interface::ip).collect();
        *known = Some((Instant::now(), found.clone()));
        Ok(found)
    }
}

const LOCAL: [&str; 7] =
    ["localhost", "local", "internal", "home.arpa", "localdomain", "intranet", "lan"];
/// How long the list of interfaces counts.
const FRESH: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
