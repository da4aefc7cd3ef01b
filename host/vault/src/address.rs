//! Resolve once, refuse what is not globally reachable, connect to what was resolved.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use toolward_gate::Destination;

/// Why no address may be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressFault {
    Unresolved,
    Denied,
}

/// The addresses of a destination. One that may not be dialled refuses the whole answer: a name that has a
/// public and a private address is not a public name.
pub(crate) async fn resolve(
    destination: &Destination,
    allow_private: bool,
    denied: &[SocketAddr],
) -> Result<Vec<SocketAddr>, AddressFault> {
    let mut addresses = match literal(destination)? {
        Some(literal) => vec![SocketAddr::new(literal, destination.port)],
        None => {
            let found =
                tokio::net::lookup_host((destination.host.as_str(), destination.port)).await;
            found.map_err(|_| AddressFault::Unresolved)?.collect()
        }
    };
    addresses.sort_unstable();
    addresses.dedup();
    let may = |address: &SocketAddr| may_dial(*address, allow_private, denied);
    match (addresses.is_empty(), addresses.iter().all(may)) {
        (true, _) => Err(AddressFault::Unresolved),
        (false, false) => Err(AddressFault::Denied),
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

fn may_dial(address: SocketAddr, allow_private: bool, denied: &[SocketAddr]) -> bool {
    let port = address.port();
    let may = |ip: IpAddr| {
        !is_never(ip)
            && !denied.iter().any(|own| is_own(ip, port, *own))
            && (allow_private || is_global(ip))
    };
    readings(address.ip()).into_iter().all(may)
}

fn is_never(ip: IpAddr) -> bool {
    ip.is_unspecified()
        || ip.is_multicast()
        || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
        || is_link_local(ip)
        || is_metadata(ip)
}

fn is_own(ip: IpAddr, port: u16, own: SocketAddr) -> bool {
    let everywhere = |own: &IpAddr| own.is_unspecified() && !is_global(ip);
    own.port() == port && readings(own.ip()).iter().any(|own| *own == ip || everywhere(own))
}

/// Every address that packets for this one may end at. IPv6 addresses hold IPv4 ones: mapped (RFC 4291), NAT64
/// (RFC 6052), 6to4 (RFC 3056), ISATAP (RFC 5214). A Teredo address (RFC 4380) hides its client's address in
/// the last 32 bits.
fn readings(ip: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V6(six) = ip else { return vec![ip] };
    let [a, b, c, d, e, f, g, h] = six.segments();
    let four = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => vec![four(g, h)],
        (0x64, 0xff9b, 1, ..) => local_nat64(six),
        (0x2002, ..) => vec![four(b, c)],
        (0x2001, 0, ..) => vec![four(!g, !h)],
        (_, _, _, _, 0 | 0x200, 0x5efe) => vec![ip, four(g, h)],
        // IPv4-compatible addresses are deprecated, and some stacks still route them.
        (0, 0, 0, 0, 0, 0) if g != 0 => vec![four(g, h)],
        _ => vec![ip],
    }
}

/// In `64:ff9b:1::/48` (RFC 8215) the IPv4 address stands after 48 bits, around the octet 8 that is always 0,
/// or after 96: which, only the network knows (RFC 6052 section 2.2).
fn local_nat64(six: Ipv6Addr) -> Vec<IpAddr> {
    let [.., a, b, _, c, d, _, w, x, y, z] = six.octets();
    let places = [Ipv4Addr::new(a, b, c, d), Ipv4Addr::new(w, x, y, z)];
    let found = places.into_iter().filter(|four| !four.is_unspecified()).map(IpAddr::V4);
    let found: Vec<_> = found.collect();
    if found.is_empty() { vec![six.into()] } else { found }
}

fn is_global(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(four) => is_global_v4(four),
        IpAddr::V6(six) => is_global_v6(six),
    }
}

/// The IANA IPv4 special-purpose address registry.
fn is_global_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || ip.is_multicast()
        || matches!(
            (a, b, c),
            (0, ..)
                | (100, 64..=127, _)
                | (192, 0, 0)
                | (192, 88, 99)
                | (198, 18 | 19, _)
                | (240.., ..)
        );
    !special
}

/// Global unicast is `2000::/3`; the IANA IPv6 special-purpose address registry takes parts out of it.
fn is_global_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    let global = a & 0xe000 == 0x2000;
    let special =
        (a == 0x2001 && (b < 0x200 || b == 0xdb8)) || a == 0x2002 || (a == 0x3fff && b < 0x1000);
    global && !special
}

/// What the machine's own link offers is no service of a private network: clouds hand out credentials there.
fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(four) => four.is_link_local(),
        IpAddr::V6(six) => six.is_unicast_link_local(),
    }
}

/// Where clouds hand out credentials: never a tool's business, not even in private networks.
fn is_metadata(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(four) => {
            matches!(
                four.octets(),
                [169, 254, 169, 254] | [169, 254, 170, 2] | [100, 100, 100, 200] | [192, 0, 0, 192]
            )
        }
        IpAddr::V6(six) => six == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn may(ip: &str, allow_private: bool) -> bool {
        may_dial(SocketAddr::new(ip.parse().unwrap(), 443), allow_private, &[])
    }

    #[test]
    fn addresses_that_are_not_global_are_dialled_only_where_the_capability_opens_them() {
        let private = [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "240.0.0.1",
            "::1",
            "fc00::1",
            "fd12:3456::1",
            "2001:db8::1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::10.0.0.1",
            "64:ff9b:1:a00:0:100::",
            "64:ff9b:1:a00:0:100:8c52:7906",
            "64:ff9b:1:8c52:79:600:a00:1",
            "2002:0a00:0001::1",
            "2001:0:0:0:0:0:f5ff:fffe",
            "2600::5efe:10.0.0.1",
            "::10.0.0.1",
        ];
        for ip in private {
            assert!(!may(ip, false), "{ip}");
            assert!(may(ip, true), "{ip} with allow_private");
        }
        for ip in [
            "140.82.121.6",
            "2606:4700::1111",
            "::ffff:140.82.121.6",
            "64:ff9b::140.82.121.6",
            "64:ff9b:1::140.82.121.6",
            "64:ff9b:1:8c52:79:600::",
        ] {
            assert!(may(ip, false), "{ip}");
        }
    }

    #[test]
    fn metadata_link_local_multicast_and_unspecified_addresses_are_never_dialled() {
        for ip in [
            "169.254.169.254",
            "169.254.170.2",
            "169.254.0.1",
            "fe80::1",
            "febf::5efe:10.0.0.1",
            "64:ff9b:1:a9fe:a9:fe00::",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ] {
            assert!(!may(ip, true), "{ip}");
        }
    }

    #[test]
    fn the_hosts_own_listeners_are_never_dialled() {
        let address: SocketAddr = "127.0.0.1:8700".parse().unwrap();
        assert!(may_dial(address, true, &[]));
        for own in ["127.0.0.1:8700", "0.0.0.0:8700", "[::ffff:127.0.0.1]:8700", "[::]:8700"] {
            assert!(!may_dial(address, true, &[own.parse().unwrap()]), "{own}");
        }
        assert!(may_dial(address, true, &["127.0.0.1:8701".parse().unwrap()]));
    }

    #[tokio::test]
    async fn a_name_is_judged_by_the_addresses_it_has() {
        let local = Destination { https: false, host: "localhost".to_owned(), port: 80 };
        assert_eq!(resolve(&local, false, &[]).await, Err(AddressFault::Denied));
        assert!(
            resolve(&local, true, &[])
                .await
                .unwrap()
                .iter()
                .all(|address| address.ip().is_loopback())
        );
    }

    #[tokio::test]
    async fn a_host_that_a_url_reads_as_another_one_is_refused() {
        let resolved = async |host: &str| {
            let destination = Destination { https: false, host: host.to_owned(), port: 80 };
            resolve(&destination, true, &[]).await
        };
        for host in [
            "127.1",
            "0x7f.1",
            "2130706433",
            "017700000001",
            "0177.0.0.1",
            "127.0.0.1.",
            "1.2.3.4.5",
            "LOCALHOST",
            "ana@localhost",
            "localhost/",
            "local%68ost",
        ] {
            assert_eq!(resolved(host).await, Err(AddressFault::Denied), "{host}");
        }
        for host in ["127.0.0.1", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "localhost"] {
            assert!(resolved(host).await.is_ok(), "{host}");
        }
    }

    proptest! {
        #[test]
        fn a_private_ipv4_address_is_refused_in_every_ipv6_spelling(b in any::<u8>(), c in any::<u8>(), d in any::<u8>()) {
            let four = Ipv4Addr::new(10, b, c, d);
            let [high, low] = [u16::from_be_bytes([10, b]), u16::from_be_bytes([c, d])];
            let spellings = [
                four.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 1, high, u16::from(c), u16::from(d) << 8, 0, 0),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, 0x4136, 0xe378, 0x8000, 0x63bf, !high, !low),
                Ipv6Addr::new(0x2600, 0, 0, 0, 0x200, 0x5efe, high, low),
            ];
            for six in spellings {
                prop_assert!(!may_dial(SocketAddr::new(six.into(), 443), false, &[]), "{}", six);
            }
        }
    }
}
