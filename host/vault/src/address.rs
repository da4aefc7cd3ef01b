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
    let mut addresses = match destination.host.parse::<IpAddr>() {
        Ok(literal) => vec![SocketAddr::new(literal, destination.port)],
        Err(_) => {
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

fn may_dial(address: SocketAddr, allow_private: bool, denied: &[SocketAddr]) -> bool {
    let ip = unwrapped(address.ip());
    let own = |one: &SocketAddr| {
        one.port() == address.port()
            && (unwrapped(one.ip()) == ip || (one.ip().is_unspecified() && !is_global(ip)))
    };
    let never = ip.is_unspecified()
        || ip.is_multicast()
        || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
        || is_metadata(ip);
    !never && !denied.iter().any(own) && (allow_private || is_global(ip))
}

/// The IPv4 address inside an IPv6 one, where one is: mapped (RFC 4291), NAT64 (RFC 6052, RFC 8215), 6to4
/// (RFC 3056), ISATAP (RFC 5214). A Teredo address (RFC 4380) hides its client's address in the last 32 bits.
fn unwrapped(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = ip else { return ip };
    let [a, b, c, d, e, f, g, h] = six.segments();
    let four = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) => four(g, h),
        (0x64, 0xff9b, 0, 0, 0, 0) | (0x64, 0xff9b, 1, ..) => four(g, h),
        (0x2002, ..) => four(b, c),
        (0x2001, 0, ..) => four(!g, !h),
        (_, _, _, _, 0 | 0x200, 0x5efe) => four(g, h),
        // IPv4-compatible addresses are deprecated, and some stacks still route them.
        (0, 0, 0, 0, 0, 0) if g != 0 => four(g, h),
        _ => ip,
    }
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
    let special = (a == 0x2001 && b < 0x200)
        || (a == 0x2001 && b == 0xdb8)
        || a == 0x2002
        || (a == 0x3fff && b < 0x1000);
    global && !special
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
            "fe80::1",
            "fc00::1",
            "2001:db8::1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::10.0.0.1",
            "2002:0a00:0001::1",
            "2001:0:0:0:0:0:f5ff:fffe",
            "2600::5efe:10.0.0.1",
            "::10.0.0.1",
        ];
        for ip in private {
            assert!(!may(ip, false), "{ip}");
            assert!(may(ip, true), "{ip} with allow_private");
        }
        for ip in
            ["140.82.121.6", "2606:4700::1111", "::ffff:140.82.121.6", "64:ff9b::140.82.121.6"]
        {
            assert!(may(ip, false), "{ip}");
        }
    }

    #[test]
    fn metadata_multicast_and_unspecified_addresses_are_never_dialled() {
        for ip in [
            "169.254.169.254",
            "169.254.170.2",
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

    proptest! {
        #[test]
        fn a_private_ipv4_address_is_refused_in_every_ipv6_spelling(b in any::<u8>(), c in any::<u8>(), d in any::<u8>()) {
            let four = Ipv4Addr::new(10, b, c, d);
            let [high, low] = [u16::from_be_bytes([10, b]), u16::from_be_bytes([c, d])];
            let spellings = [
                four.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
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
