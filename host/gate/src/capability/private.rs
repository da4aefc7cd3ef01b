//! Which addresses that are not globally reachable does a capability open?
use std::{net::IpAddr, str::FromStr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Deserialize;

/// Ranges of addresses that only this machine or its networks reach. Without one, none is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "WrittenRanges")]
pub struct PrivateRanges(Vec<IpNet>);

impl PrivateRanges {
    /// This machine, as it reaches itself: `127.0.0.0/8` and `::1/128` (RFC 6890).
    pub fn loopback() -> Self {
        Self(vec![
            IpNet::V4(Ipv4Net::new_assert([127, 0, 0, 0].into(), 8)),
            IpNet::V6(Ipv6Net::new_assert(1_u128.into(), 128)),
        ])
    }

    /// Reads ranges in CIDR form (RFC 4632 section 3.1). Fails with the first that is wrong, and why.
    fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let read = |text| {
            range(text).map_err(|why| {
                let blocks = BLOCKS.join("`, `");
                format!(
                    "`{text}` is not a range that can be opened: {why}; write ranges within `{blocks}`"
                )
            })
        };
        texts.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(&address))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How they are written: `true` is this machine as it reaches itself, and no network.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "private networks are a list of ranges, as `[\"10.1.0.0/16\"]`, or `true` for this machine alone"
)]
enum WrittenRanges {
    Loopback(bool),
    Named(Vec<String>),
}

impl TryFrom<WrittenRanges> for PrivateRanges {
    type Error = String;
    fn try_from(written: WrittenRanges) -> Result<Self, String> {
        match written {
            WrittenRanges::Loopback(true) => Ok(Self::loopback()),
            WrittenRanges::Loopback(false) => Ok(Self::default()),
            WrittenRanges::Named(texts) => Self::parse(texts.iter().map(String::as_str)),
        }
    }
}

fn range(text: &str) -> Result<IpNet, &'static str> {
    const FORM: &str = "it is not written as address, `/` and bits";
    let (address, bits) = text.split_once('/').ok_or(FORM)?;
    // The standard library takes no zeros in front, which some read as octal.
    let address: IpAddr = address.parse().map_err(|_| FORM)?;
    let range = IpNet::new(address, bits.parse().map_err(|_| FORM)?).map_err(|_| FORM)?;
    if range.trunc() != range {
        return Err("its address has bits after its prefix");
    }
    let private = BLOCKS.iter().filter_map(|block| IpNet::from_str(block).ok());
    if private.into_iter().any(|block| block.contains(&range)) {
        Ok(range)
    } else {
        Err("it does not lie in a block that is private")
    }
}

/// Loopback, private use (RFC 1918, RFC 4193), shared address space (RFC 6598) and benchmarking (RFC 2544, RFC
/// 5180). Of link-local addresses none can be opened: clouds hand out credentials there.
const BLOCKS: [&str; 9] = [
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
    "198.18.0.0/15",
    "2001:2::/48",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_opens_what_lies_in_it_and_nothing_else() {
        let ranges = PrivateRanges::parse(["10.1.0.0/16", "fd12:3456::/32"]).unwrap();
        for (address, inside) in [
            ("10.1.0.0", true),
            ("10.1.255.255", true),
            ("10.0.255.255", false),
            ("10.2.0.0", false),
            ("127.0.0.1", false),
            ("fd12:3456::1", true),
            ("fd12:3457::1", false),
            ("::ffff:10.1.0.1", false),
        ] {
            assert_eq!(ranges.contains(address.parse().unwrap()), inside, "{address}");
        }
        assert!(PrivateRanges::loopback().contains("127.8.8.8".parse().unwrap()));
        assert!(PrivateRanges::loopback().contains("::1".parse().unwrap()));
        assert!(!PrivateRanges::loopback().contains("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn a_range_that_is_public_or_link_local_or_no_range_is_refused() {
        for text in [
            "",
            "10.1.0.0",
            "10.1.0.1/16",
            "10.1.0.0/33",
            "0.0.0.0/0",
            "::/0",
            "8.8.8.0/24",
            "10.0.0.0/7",
            "169.254.0.0/16",
            "fe80::/10",
            "2000::/3",
            "224.0.0.0/4",
            "010.1.0.0/16",
        ] {
            assert!(PrivateRanges::parse([text]).is_err(), "{text}");
        }
        for text in BLOCKS {
            assert!(PrivateRanges::parse([text]).is_ok(), "{text}");
        }
    }
}
