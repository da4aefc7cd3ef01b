//! Servers that no tool was to reach: every spelling of a private address, and what names lead to.
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Mutex,
};

use async_trait::async_trait;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use toolward_gate::{Destination, PrivateRanges};

use super::{
    SENT, is, server,
    server::Server,
    support::{PATH, Setup, outbound},
    with_target,
};
use crate::address::Network;

/// Every way in which `127.0.0.1` is written as a host, as far as some reader takes it.
fn spellings(four: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = four.octets();
    let number = u32::from(four);
    let tail = u32::from_be_bytes([0, b, c, d]);
    let (high, low) = (format!("{a:02x}{b:02x}"), format!("{c:02x}{d:02x}"));
    let mut all = vec![
        four.to_string(),
        format!("{four}."),
        number.to_string(),
        format!("{number}."),
        format!("0x{number:x}"),
        format!("0X{number:X}"),
        format!("0{number:o}"),
        format!("00000{number:o}"),
        format!("{a}.{tail}"),
        format!("{a}.{b}.{}", u16::from_be_bytes([c, d])),
        format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("0{a:o}.{b}.{c}.0x{d:x}"),
        format!("{a:03}.{b:03}.{c:03}.{d:03}"),
        format!("0x{a:x}.{tail}"),
        format!("{}.{b}.{c}.{d}", u32::from(a) + 256),
        format!("{}", u64::from(number) + (1 << 32)),
        format!("{a}%2E{b}%2E{c}%2E{d}"),
        format!("{a}\u{3002}{b}\u{3002}{c}\u{3002}{d}"),
        format!("{a}\u{ff0e}{b}.{c}.{d}"),
        four.to_string().chars().map(wide).collect(),
        format!("{a}.{b}.{c}.{d}\u{ad}"),
        format!("{a}.{b}.{c}.\u{200b}{d}"),
        format!("ana@{four}"),
        format!("api.example.com@{four}"),
        format!("{four}#api.example.com"),
        format!("{four}?.api.example.com"),
        format!("{four}\\.api.example.com"),
        format!("{four}/.api.example.com"),
        format!("{four}\t"),
        format!(" {four}"),
        format!("{four}\0"),
        format!("{four}%00"),
        "localhost".to_owned(),
        "LocalHost".to_owned(),
        "localhost.".to_owned(),
        "x.localhost".to_owned(),
        "ip6-localhost".to_owned(),
        "localhost.localdomain".to_owned(),
        "local\u{ad}host".to_owned(),
        "loc%61lhost".to_owned(),
        "0".to_owned(),
        "0.0.0.0".to_owned(),
        "0x0".to_owned(),
        "[::]".to_owned(),
        "[::1]".to_owned(),
        "[0:0:0:0:0:0:0:1]".to_owned(),
        "[::1%25lo]".to_owned(),
        "[::1%lo]".to_owned(),
        "::1".to_owned(),
    ];
    for six in [
        format!("::ffff:{four}"),
        format!("::ffff:{high}:{low}"),
        format!("0:0:0:0:0:ffff:{high}:{low}"),
        format!("::FFFF:{four}"),
        format!("::{four}"),
        format!("::ffff:0:{four}"),
        format!("64:ff9b::{four}"),
        format!("64:ff9b:1::{four}"),
        format!("64:ff9b:1:{high}:{c:02x}:{d:02x}00::"),
        format!("2002:{high}:{low}::1"),
        format!(
            "2001:0:4136:e378:8000:63bf:{:x}:{:x}",
            !u16::from_be_bytes([a, b]),
            !u16::from_be_bytes([c, d])
        ),
        format!("fe80::5efe:{four}"),
        format!("2600::200:5efe:{four}"),
    ] {
        all.push(format!("[{six}]"));
    }
    all
}

/// A digit as East Asian text has it.
fn wide(one: char) -> char {
    one.to_digit(10).and_then(|digit| char::from_u32(0xff10 + digit)).unwrap_or(one)
}

/// D-01, D-02, D-03, D-13, D-14, D-15, D-17, D-31: as the destination of a capability that opens no network, and as
/// what a tool writes.
#[tokio::test]
#[expect(clippy::print_stderr, reason = "the figures of this test")]
async fn no_spelling_of_a_private_address_is_dialled() {
    let server = server().await;
    let port = server.address.port();
    let private = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 8, 8, 8), Ipv4Addr::UNSPECIFIED];
    let mut tried = 0;
    for host in private.into_iter().flat_map(spellings) {
        let bare = host.trim_matches(['[', ']']).to_owned();
        for https in [false, true] {
            let mut setup = Setup::at(Destination { https, host: bare.clone(), port });
            setup.scope.allow_private = PrivateRanges::default();
            let (code, _) = setup.open().await.outcome(outbound()).await;
            assert!(code == "address-denied" || code == "connection-failed", "{host}: {code}");
            tried += 1;
        }
        // A tool with two destinations writes whole URLs.
        let mut setup =
            Setup::at(Destination { https: true, host: "api.example.com".to_owned(), port: 443 });
        let other = Destination { https: true, host: "api.example.org".to_owned(), port: 443 };
        setup.scope.destinations.push(other);
        let desk = setup.open().await;
        for scheme in ["http", "https", "HTTP", "gopher", "file", "unix", "ws"] {
            let target = format!("{scheme}://{host}:{port}{PATH}");
            let (code, _) = desk.outcome(with_target(target)).await;
            assert_eq!(code, "not-allowed", "{scheme}://{host}");
            tried += 1;
        }
    }
    let made = server.connections();
    eprintln!("SSRF: {tried} spellings tried, {made} connections made");
    assert_eq!(made, 0);
    is(&Setup::to(&server).open().await.outcome(outbound()).await, SENT, "where it is opened");
    assert_eq!(server.connections(), 1);
}

/// A resolver that gives one answer after the other.
struct Turning(Mutex<Vec<Vec<&'static str>>>);

impl Turning {
    fn answering(answers: &[&[&'static str]]) -> Box<dyn Network> {
        Box::new(Self(Mutex::new(answers.iter().rev().map(|one| one.to_vec()).collect())))
    }
}

#[async_trait]
impl Network for Turning {
    async fn lookup(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let answer = self.0.lock().unwrap().pop().unwrap_or_default();
        Ok(answer.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect())
    }
    fn interfaces(&self) -> io::Result<Vec<IpAddr>> {
        Ok(Vec::new())
    }
}

fn named(server: &Server) -> Setup {
    let port = server.address.port();
    Setup::at(Destination { https: false, host: "api.example.com".to_owned(), port })
}

/// D-08, D-09: the second answer is judged as the first one was, and one bad address refuses all.
#[tokio::test]
async fn a_name_that_turns_to_another_address_is_judged_anew() {
    const DENIED: (&str, &str) = ("address-denied", "not-sent address-denied");
    let server = server().await;
    let network = Turning::answering(&[
        &["127.0.0.1"],
        &["10.0.0.1"],
        &["127.0.0.1", "10.0.0.1"],
        &["127.0.0.1"],
    ]);
    let desk = Setup { network: Some(network), ..named(&server) }.open().await;
    is(&desk.outcome(outbound()).await, SENT, "where it is opened");
    is(&desk.outcome(outbound()).await, DENIED, "another network");
    is(&desk.outcome(outbound()).await, DENIED, "both");
    assert_eq!(server.connections(), 1);
    is(&desk.outcome(outbound()).await, SENT, "back again");
}

/// Answers every request, and keeps the connection.
async fn keeping(address: &str) -> (SocketAddr, std::sync::Arc<Mutex<usize>>) {
    let listener = TcpListener::bind(address).await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), std::sync::Arc::new(Mutex::new(0)));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            *counted.lock().unwrap() += 1;
            tokio::spawn(async move {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
                while stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {
                    stream.write_all(answer).await.unwrap();
                }
            });
        }
    });
    (address, count)
}

/// D-08: a connection is used again for the address it was made to, and for no other.
#[tokio::test]
async fn a_kept_connection_is_to_the_address_that_was_checked() {
    let (first, at_first) = keeping("127.0.0.1:0").await;
    let (_, at_second) = keeping(&format!("127.0.0.2:{}", first.port())).await;
    let destination =
        Destination { https: false, host: "api.example.com".to_owned(), port: first.port() };
    let network = Turning::answering(&[&["127.0.0.1"], &["127.0.0.1"], &["127.0.0.2"]]);
    let mut setup = Setup { network: Some(network), ..Setup::at(destination) };
    setup.scope.methods = super::support::set(&["GET"]);
    let get = || crate::Outbound { method: "GET".to_owned(), body: None, ..outbound() };
    let desk = setup.open().await;
    let opened = || (*at_first.lock().unwrap(), *at_second.lock().unwrap());
    is(&desk.outcome(get()).await, SENT, "a first time");
    is(&desk.outcome(get()).await, SENT, "over the same connection");
    assert_eq!(opened(), (1, 0));
    is(&desk.outcome(get()).await, SENT, "at another address");
    assert_eq!(opened(), (1, 1));
}

/// D-19, D-26: what was checked is what arrives, byte for byte, and names the destination.
#[tokio::test]
async fn what_is_dialled_and_sent_is_what_was_checked() {
    for target in
        ["/items/a", "/items/%C3%BC", "/items/a:b@c,d=e!$&'()*+", "/items/a?q=%20+/?:@&q=b"]
    {
        let server = server().await;
        let network = Turning::answering(&[&["127.0.0.1"]]);
        let desk = Setup { network: Some(network), ..named(&server) }.open().await;
        is(&desk.outcome(with_target(target)).await, SENT, target);
        let request = server.requests().remove(0);
        assert!(request.starts_with(&format!("POST {target} HTTP/1.1\r\n")), "{request}");
        let host = format!("\r\nhost: api.example.com:{}\r\n", server.address.port());
        assert_eq!(request.to_ascii_lowercase().matches(&host).count(), 1, "{request}");
    }
}
