//! Which addresses are globally reachable, and where do packets for an address end?
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Every address that packets for this one may end at. IPv6 addresses hold IPv4 ones: mapped (RFC 4291), NAT64
/// (RFC 6052), 6to4 (RFC 3056), ISATAP (RFC 5214). A Teredo address (RFC 4380) hides its client's address in
/// the last 32 bits.
pub(super) fn readings(ip: IpAddr) -> Vec<IpAddr> {
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

/// Addresses that no capability opens.
pub(super) fn is_never(ip: IpAddr) -> bool {
    ip.is_unspecified()
        || ip.is_multicast()
        || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
        || is_link_local(ip)
        || is_metadata(ip)
}

/// Whether the whole internet reaches it, as the IANA special-purpose registries say.
pub(super) fn is_global(ip: IpAddr) -> bool {
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
                [169, 254, 169, 254]
                    | [169, 254, 170, 2 | 23]
                    | [100, 100, 100, 200]
                    | [192, 0, 0, 192]
                    | [168, 63, 129, 16]
            )
        }
        IpAddr::V6(six) => matches!(
            six.segments(),
            [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254 | 0x23] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]
        ),
    }
}
