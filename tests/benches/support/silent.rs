//! A server on loopback that answers quick pages, never answers the others, and notes when each connection ends.
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

pub(crate) struct Silent {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    began: Vec<Instant>,
    ended: Vec<Instant>,
}

impl Silent {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, seen) = (listener.local_addr()?, Arc::<Mutex<Seen>>::default());
        let noted = seen.clone();
        drop(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(tokio::spawn(serve(stream, noted.clone())));
            }
        }));
        Ok(Self { address, seen })
    }

    /// Requests that wait for ever, and those of them that have ended.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let seen = self.seen.lock().unwrap();
        (seen.began.len(), seen.ended.len())
    }

    /// When each began and ended since the last time that somebody asked.
    pub(crate) fn take(&self) -> (Vec<Instant>, Vec<Instant>) {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        (seen.began, seen.ended)
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Seen>>) -> std::io::Result<()> {
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut piece).await?;
        head.extend_from_slice(&piece[..count]);
        if count == 0 {
            return Ok(());
        }
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        if head.starts_with(b"GET /debug/quick ") {
            stream.write_all(QUICK).await?;
            head.clear();
            continue;
        }
        seen.lock().unwrap().began.push(Instant::now());
        // Whatever comes, or that nothing comes any more.
        drop(stream.read(&mut piece).await);
        seen.lock().unwrap().ended.push(Instant::now());
        return Ok(());
    }
}

const QUICK: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\n\"ok\"";
