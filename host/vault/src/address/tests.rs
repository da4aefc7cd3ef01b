use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::atomic::{AtomicUsize, Ordering},
};

use proptest::prelude::*;

use super::*;

/// A resolver that says what a test wants, and counts who asks.
#[derive(Default)]
struct Answers {
    addresses: Vec<&'static str>,
    interfaces: Vec<&'static str>,
    asked: AtomicUsize,
}

#[async_trait]
impl Network for Answers {
    async fn lookup(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(self.addresses.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect())
    }
    fn interfaces(&self) -> io::Result<Vec<IpAddr>> {
        Ok(self.interfaces.iter().map(|ip| ip.parse().unwrap()).collect())
    }
}

fn own(listeners: &[&str], network: impl Network + 'static) -> Own {
    let listeners = listeners.iter().map(|own| own.parse().unwrap()).collect();
    Own { listeners, network: Box::new(network) }
}

fn everything() -> PrivateRanges {
    let file = toolward_gate::SourceFile::new(
        "capabilities.toml",
        "[capability.\"a:b:c\"]\ndescription = \"d\"\ninterface = \"http\"\nrisk = \"low\"\n\
         destination = \"https://a.example\"\nmethods = [\"GET\"]\npaths = [\"/\"]\n\
         allow_private = [\"127.0.0.0/8\", \"::1/128\", \"10.0.0.0/8\", \"172.16.0.0/12\", \
         \"192.168.0.0/16\", \"100.64.0.0/10\", \"fc00::/7\", \"198.18.0.0/15\"]\n",
    );
    let all = toolward_gate::Capabilities::parse(&file, &["http"]).unwrap();
    all.0.values().next().unwrap().http.as_ref().unwrap().allow_private.clone()
}

fn dials(ip: &str, allowed: &PrivateRanges, own: &Own, cleartext: bool) -> bool {
    let interfaces = own.network.interfaces().unwrap();
    let rules = Rules { allowed, cleartext, own, interfaces: &interfaces };
    rules.may_dial(SocketAddr::new(ip.parse().unwrap(), 443))
}

fn may(ip: &str, allowed: &PrivateRanges) -> bool {
    dials(ip, allowed, &own(&[], Answers::default()), false)
}

#[test]
fn addresses_that_are_not_global_are_dialled_only_where_the_capability_opens_them() {
    let (none, every) = (PrivateRanges::default(), everything());
    let private = [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "198.18.0.1",
        "::1",
        "fc00::1",
        "fd12:3456::1",
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::10.0.0.1",
        "64:ff9b:1:a00:0:100::",
        "2002:0a00:0001::1",
        "2001:0:0:0:0:0:f5ff:fffe",
        "2600::5efe:10.0.0.1",
        "::10.0.0.1",
    ];
    for ip in private {
        assert!(!may(ip, &none), "{ip}");
        assert!(may(ip, &every), "{ip} where it is opened");
    }
    for ip in [
        "140.82.121.6",
        "2606:4700::1111",
        "::ffff:140.82.121.6",
        "64:ff9b::140.82.121.6",
        "64:ff9b:1::140.82.121.6",
        "64:ff9b:1:8c52:79:600::",
    ] {
        assert!(may(ip, &none), "{ip}");
    }
    for ip in ["192.0.2.1", "240.0.0.1", "2001:db8::1", "::ffff:0:10.0.0.1"] {
        assert!(!may(ip, &every), "{ip} is in no block that can be opened");
    }
}

#[test]
fn a_network_that_is_opened_opens_no_other_one() {
    let loopback = PrivateRanges::loopback();
    assert!(may("127.0.0.1", &loopback) && may("::ffff:127.0.0.1", &loopback));
    for ip in ["10.0.0.1", "192.168.1.1", "::ffff:10.0.0.1", "fd12:3456::1", "64:ff9b::10.0.0.1"] {
        assert!(!may(ip, &loopback), "{ip}");
    }
}

/// D-06.
#[test]
fn metadata_link_local_multicast_and_unspecified_addresses_are_never_dialled() {
    let every = everything();
    for ip in [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "169.254.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fe80::1",
        "febf::5efe:10.0.0.1",
        "64:ff9b:1:a9fe:a9:fe00::",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "::ffff:169.254.169.254",
        "2002:a9fe:a9fe::",
        "0.0.0.0",
        "::",
        "::ffff:0.0.0.0",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
    ] {
        assert!(!may(ip, &every), "{ip}");
    }
    assert!(may("169.253.255.255", &every) && may("100.100.100.201", &every));
}

/// D-04: first and last address of every block that the IANA registries do not call globally reachable, and its
/// neighbours.
#[test]
fn blocks_of_the_registries_end_where_the_registries_say() {
    let blocks = [
        ("0.0.0.0", "0.255.255.255", "", "1.0.0.0"),
        ("10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"),
        ("100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"),
        ("127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"),
        ("169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"),
        ("172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"),
        ("192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"),
        ("192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"),
        ("192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0"),
        ("192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"),
        ("198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"),
        ("198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"),
        ("203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"),
        ("224.0.0.0", "255.255.255.255", "223.255.255.255", ""),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db7::", "2001:db9::"),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3ffe::", "3fff:1000::"),
        ("4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3ffe:ffff::", ""),
        ("100::", "100::ffff:ffff:ffff:ffff", "", ""),
        ("5f00::", "5f00:ffff::", "", ""),
        ("fc00::", "fdff:ffff::", "", ""),
    ];
    let none = PrivateRanges::default();
    for (first, last, before, after) in blocks {
        assert!(!may(first, &none) && !may(last, &none), "{first} - {last}");
        for neighbour in [before, after].into_iter().filter(|ip| !ip.is_empty()) {
            assert!(may(neighbour, &none), "{neighbour}");
        }
    }
}

#[test]
fn the_hosts_own_listeners_are_never_dialled() {
    let loopback = PrivateRanges::loopback();
    let dials = |listeners: &[&str]| {
        dials("127.0.0.1", &loopback, &own(listeners, Answers::default()), false)
    };
    assert!(dials(&[]));
    for listener in ["127.0.0.1:443", "0.0.0.0:443", "[::ffff:127.0.0.1]:443", "[::]:443"] {
        assert!(!dials(&[listener]), "{listener}");
    }
    assert!(dials(&["127.0.0.1:444"]));
}

#[test]
fn this_machine_is_not_dialled_by_an_address_of_its_interfaces() {
    let interfaces = vec!["127.0.0.1", "10.0.0.5", "140.82.121.6", "2606:4700::1111"];
    let network = || Answers { interfaces: interfaces.clone(), ..Answers::default() };
    let dials = |ip: &str| dials(ip, &everything(), &own(&[], network()), false);
    for ip in [
        "10.0.0.5",
        "::ffff:10.0.0.5",
        "64:ff9b::10.0.0.5",
        "140.82.121.6",
        "2002:8c52:7906::1",
        "2606:4700::1111",
    ] {
        assert!(!dials(ip), "{ip}");
    }
    for ip in ["10.0.0.6", "140.82.121.7", "2606:4700::1112", "127.0.0.1"] {
        assert!(dials(ip), "{ip}");
    }
}

#[test]
fn the_interfaces_of_this_machine_are_known() {
    let found = Machine::default().interfaces().unwrap();
    assert!(found.iter().any(IpAddr::is_loopback), "{found:?}");
}

/// D-29.
#[test]
fn a_request_in_the_clear_stays_in_the_networks_that_are_opened() {
    let nothing = own(&[], Answers::default());
    let loopback = PrivateRanges::loopback();
    assert!(dials("127.0.0.1", &loopback, &nothing, true));
    assert!(!dials("140.82.121.6", &loopback, &nothing, true));
    assert!(dials("140.82.121.6", &loopback, &nothing, false));
}

fn named(host: &str) -> Destination {
    Destination { https: true, host: host.to_owned(), port: 443 }
}

/// D-05, D-08, D-09, D-10: whatever a name leads to is judged whole.
#[tokio::test]
async fn one_bad_address_refuses_the_whole_answer() {
    let found = async |addresses: &[&'static str]| {
        let network = Answers { addresses: addresses.to_vec(), ..Answers::default() };
        resolve(&named("api.example.com"), &PrivateRanges::default(), &own(&[], network)).await
    };
    for addresses in [
        &["0.0.0.0"][..],
        &["::"],
        &["127.0.0.1"],
        &["140.82.121.6", "::1"],
        &["2606:4700::1111", "10.0.0.1"],
        &["10.0.0.1", "140.82.121.6"],
        &["140.82.121.6", "::ffff:127.0.0.1"],
        &["140.82.121.6", "169.254.169.254"],
    ] {
        assert_eq!(found(addresses).await, Err(AddressFault::Denied), "{addresses:?}");
    }
    assert_eq!(found(&[]).await, Err(AddressFault::Unresolved));
    let both = found(&["140.82.121.6", "2606:4700::1111"]).await.unwrap();
    assert_eq!(both.len(), 2);
}

/// D-13: nobody is asked for a name that is local.
#[tokio::test]
async fn a_local_name_is_not_looked_up_where_no_network_is_opened() {
    let asked = async |host: &str, allowed: &PrivateRanges| {
        let answers =
            std::sync::Arc::new(Answers { addresses: vec!["127.0.0.1"], ..Answers::default() });
        let found = resolve(&named(host), allowed, &own(&[], Shared(answers.clone()))).await;
        (found.is_ok(), answers.asked.load(Ordering::Relaxed))
    };
    let none = PrivateRanges::default();
    for host in [
        "localhost",
        "x.localhost",
        "ip6-localhost",
        "printer.local",
        "metadata.google.internal",
        "nas.home.arpa",
        "build-server",
    ] {
        assert_eq!(asked(host, &none).await, (false, 0), "{host}");
    }
    assert_eq!(asked("localhost", &PrivateRanges::loopback()).await, (true, 1));
    assert_eq!(asked("notlocalhost.example", &none).await, (false, 1));
}

struct Shared(std::sync::Arc<Answers>);

#[async_trait]
impl Network for Shared {
    async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.0.lookup(host, port).await
    }
    fn interfaces(&self) -> io::Result<Vec<IpAddr>> {
        self.0.interfaces()
    }
}

/// D-01.
#[tokio::test]
async fn a_host_that_a_url_reads_as_another_one_is_refused() {
    let resolved = async |host: &str| {
        let destination = Destination { https: false, host: host.to_owned(), port: 80 };
        let own = own(&[], Machine::default());
        resolve(&destination, &PrivateRanges::loopback(), &own).await
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
        "\u{ff11}27.0.0.1",
        "\u{2460}27.0.0.1",
        "127\u{3002}0.0.1",
        "local\u{ad}host",
    ] {
        assert_eq!(resolved(host).await, Err(AddressFault::Denied), "{host}");
    }
    for host in ["127.0.0.1", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "localhost"] {
        assert!(resolved(host).await.is_ok(), "{host}");
    }
}

proptest! {
    /// D-03.
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
            prop_assert!(!may(&six.to_string(), &PrivateRanges::default()), "{}", six);
        }
    }
}
