//! A server that speaks HTTP/2 and means no good: frames by hand, over TLS.
//!
//!
use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use toolward_gate::Destination;

use super::{
    support::{Desk, Setup, outbound},
    tls::Authority,
};
use crate::EgressSettings;

/// What it writes once a request has come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    Answers,
    /// Two frames in the middle of an answer that go unnoticed: settings and a ping.
    AnswersOddly,
    /// For ever.
    Settings,
    Pings,
    Priorities,
    WindowUpdates,
    /// A header block that has no end, of fields and of nothing.
    Continues,
    ContinuesWithNothing,
    /// 1 MiB, and then its end.
    ManyFields,
    Resets,
    /// Of streams that nobody opened.
    ResetsOthers,
    Promises,
    /// In the middle of a body.
    GoesAway,
    /// More than a response may be, for ever, and whether anybody has room for it or not.
    Data,
    /// Body frames of no bytes.
    EmptyData,
    /// A frame that is larger than anybody allowed.
    LargeFrame,
    Noise,
}

struct Peer {
    address: SocketAddr,
    /// Bytes that it could write.
    wrote: Arc<AtomicUsize>,
}

impl Peer {
    async fn start(tls: TlsAcceptor, does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let peer = Self { address, wrote: Arc::default() };
        let wrote = peer.wrote.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, wrote) = (tls.clone(), wrote.clone());
                tokio::spawn(async move {
                    let stream = tls.accept(stream).await.ok()?;
                    converse(stream, does, &wrote).await
                });
            }
        });
        peer
    }

    /// The connection is closed: who floods it would keep the host busy for as long as it is kept.
    async fn falls_silent(&self) {
        let began = Instant::now();
        let mut wrote = self.wrote.load(Ordering::SeqCst);
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = self.wrote.load(Ordering::SeqCst);
            if now == wrote {
                return;
            }
            wrote = now;
            assert!(began.elapsed() < LATE, "it writes on");
        }
    }

    async fn desk(&self, authority: &Authority) -> Desk {
        let (host, port) = ("localhost".to_owned(), self.address.port());
        let setup = Setup::at(Destination { https: true, host, port });
        let extra_roots_pem = Some(authority.pem.clone().into_bytes());
        let settings = EgressSettings { extra_roots_pem, ..setup.settings };
        Setup { settings, time: TIME, ..setup }.open().await
    }
}

/// Reads on beside: whoever is not read from waits, and that would be all.
async fn converse(stream: TlsStream<TcpStream>, does: Does, wrote: &AtomicUsize) -> Option<()> {
    let (mut reads, mut writes) = tokio::io::split(stream);
    let mut preface = [0; PREFACE];
    reads.read_exact(&mut preface).await.ok()?;
    loop {
        let mut head = [0; 9];
        reads.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        reads.read_exact(&mut vec![0; usize::try_from(length).ok()?]).await.ok()?;
        if head[3] == HEADERS {
            break;
        }
    }
    tokio::spawn(async move {
        let mut read = [0; 4096];
        while reads.read(&mut read).await.is_ok_and(|count| count > 0) {}
    });
    let mut pieces = vec![frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, ACK, 0, &[])];
    let (first, again) = does.writes();
    pieces.extend(first);
    let again = again.map(|again| again.repeat(64));
    for piece in pieces.iter().chain(again.iter().cycle()) {
        writes.write_all(piece).await.ok()?;
        wrote.fetch_add(piece.len(), Ordering::SeqCst);
    }
    writes.flush().await.ok()?;
    // It closes when the other side does.
    std::future::pending().await
}

impl Does {
    /// What it writes once, and what it writes for ever after that.
    fn writes(self) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
        let head = || frame(HEADERS, END_HEADERS, 1, FIELDS);
        let body = |flags, text: &[u8]| frame(DATA, flags, 1, text);
        let field = [&[0_u8, 1, b'x', 100][..], &[b'y'; 100]].concat();
        match self {
            Self::Answers => (vec![head(), body(END_STREAM, b"{}")], None),
            Self::AnswersOddly => {
                let between = [frame(SETTINGS, 0, 0, &[]), frame(PING, 0, 0, &[0; 8])].concat();
                (vec![head(), between, body(END_STREAM, b"{}")], None)
            }
            Self::Settings => (vec![], Some(frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]))),
            Self::Pings => (vec![], Some(frame(PING, 0, 0, &[7; 8]))),
            Self::Priorities => (vec![], Some(frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 16]))),
            Self::WindowUpdates => (vec![], Some(frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]))),
            Self::Continues => (
                vec![frame(HEADERS, 0, 1, FIELDS)],
                Some(frame(CONTINUATION, 0, 1, &field.repeat(100))),
            ),
            Self::ContinuesWithNothing => {
                (vec![frame(HEADERS, 0, 1, FIELDS)], Some(frame(CONTINUATION, 0, 1, &[])))
            }
            Self::ManyFields => {
                let more = frame(CONTINUATION, 0, 1, &field.repeat(100)).repeat(100);
                let end = frame(CONTINUATION, END_HEADERS, 1, &[]);
                (vec![frame(HEADERS, 0, 1, FIELDS), more, end, body(END_STREAM, b"{}")], None)
            }
            Self::Resets => (vec![], Some(frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]))),
            Self::ResetsOthers => (vec![], Some(frame(RST_STREAM, 0, 3, &[0, 0, 0, 8]))),
            Self::Promises => {
                let promise = [&[0, 0, 0, 2][..], FIELDS].concat();
                (vec![], Some(frame(PUSH_PROMISE, END_HEADERS, 1, &promise)))
            }
            Self::GoesAway => {
                let away = frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 2]);
                (vec![head(), body(0, b"{"), away], None)
            }
            Self::Data => (vec![head()], Some(body(0, &[b' '; 16_000]))),
            Self::EmptyData => (vec![head()], Some(body(0, &[]))),
            Self::LargeFrame => (vec![frame(DATA, 0, 1, &[b' '; 1 << 20])], None),
            Self::Noise => (vec![], Some(vec![0xff; 1000])),
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// The other test of this name, alone in its process: it looks at how much memory that has.
#[test]
#[expect(clippy::disallowed_methods, reason = "the test starts itself")]
fn a_hostile_http2_server_ends_its_own_request_and_takes_no_memory() {
    if std::env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        return runtime.block_on(every_way());
    }
    let name =
        "egress::tests::http2::a_hostile_http2_server_ends_its_own_request_and_takes_no_memory";
    let mut alone = Command::new(std::env::current_exe().unwrap());
    let output = alone.args(["--exact", name, "--nocapture"]).env(ALONE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("every way was tried"), "{said}");
}

async fn every_way() {
    let authority = Authority::new();
    for does in [Does::Answers, Does::AnswersOddly] {
        let peer = Peer::start(authority.speaking_http2(), does).await;
        let desk = peer.desk(&authority).await;
        assert_eq!(desk.outcome(outbound()).await.0, "ok", "{does:?}");
    }
    let hostile = [
        Does::Settings,
        Does::Pings,
        Does::Priorities,
        Does::WindowUpdates,
        Does::Continues,
        Does::ContinuesWithNothing,
        Does::ManyFields,
        Does::Resets,
        Does::ResetsOthers,
        Does::Promises,
        Does::GoesAway,
        Does::Data,
        Does::EmptyData,
        Does::LargeFrame,
        Does::Noise,
    ];
    for does in hostile {
        let peer = Peer::start(authority.speaking_http2(), does).await;
        let (before, began) = (resident_mib(), Instant::now());
        let desk = peer.desk(&authority).await;
        let code = desk.outcome(outbound()).await.0;
        let grown = resident_mib().saturating_sub(before);
        let wrote = peer.wrote.load(Ordering::SeqCst) >> 10;
        writeln!(
            std::io::stderr(),
            "{does:?}: {code} after {:.1?}, {wrote} KiB written, {grown} MiB",
            began.elapsed()
        )
        .unwrap();
        let ends = ["connection-failed", "response-too-large", "time-over"];
        assert!(ends.contains(&code), "{does:?}: {code}");
        assert!(began.elapsed() < TIME + LATE, "{does:?}: {:?}", began.elapsed());
        assert!(grown <= GROWTH_MIB, "{does:?}: {grown} MiB for {wrote} KiB");
        a_polite_server_is_served(&authority).await;
        peer.falls_silent().await;
    }
    writeln!(std::io::stderr(), "every way was tried").unwrap();
}

async fn a_polite_server_is_served(authority: &Authority) {
    let peer = Peer::start(authority.speaking_http2(), Does::Answers).await;
    assert_eq!(peer.desk(authority).await.outcome(outbound()).await.0, "ok");
}

fn resident_mib() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    resident.split_whitespace().next().unwrap().parse::<usize>().unwrap() / 1024
}

const ALONE: &str = "TOOLWARD_HTTP2_ALONE";
/// Of a call.
const TIME: Duration = Duration::from_secs(2);
/// The machine is busy with other tests.
const LATE: Duration = Duration::from_secs(8);
/// Of one connection; a flood is many times as much.
const GROWTH_MIB: usize = 16;
/// RFC 9113 section 3.4.
const PREFACE: usize = 24;
/// RFC 9113 section 6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// RFC 7541: `:status: 200` of the table, and `content-type: application/json` in letters.
const FIELDS: &[u8] = b"\x88\x0f\x10\x10application/json";
