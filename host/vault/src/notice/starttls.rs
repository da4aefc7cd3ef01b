//! A connection to a mail server that begins in the clear and goes on over TLS (RFC 3207).
//!
//! Nothing but `EHLO` and `STARTTLS` is said in the clear, a server that offers no TLS gets no mail, and what it sent
//! before TLS is read to the byte: whatever comes after its last word there has to be TLS (RFC 3207 section 5).
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::NoticeError;
use crate::host_request::PostError;

/// Agrees with the server that TLS comes next.
pub(super) async fn agree(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Result<(), NoticeError> {
    expect(stream, 220).await?;
    say(stream, b"EHLO toolward\r\n").await?;
    let offered = expect(stream, 250).await?;
    if !offered.iter().any(|line| line.trim().eq_ignore_ascii_case("STARTTLS")) {
        return Err(NoticeError::Unfit("the server offers no TLS"));
    }
    say(stream, b"STARTTLS\r\n").await?;
    expect(stream, 220).await.map(drop)
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), line: &[u8]) -> Result<(), NoticeError> {
    stream.write_all(line).await.map_err(broken)
}

/// The lines of a reply with this code (RFC 5321 section 4.2).
async fn expect(
    stream: &mut (impl AsyncRead + Unpin),
    code: u16,
) -> Result<Vec<String>, NoticeError> {
    let mut lines = Vec::new();
    while lines.len() < MOST_LINES {
        let line = line(stream).await?;
        let (said, rest) = line.split_at_checked(3).ok_or(NoticeError::Unfit(NO_REPLY))?;
        let said: u16 = said.parse().map_err(|_| NoticeError::Unfit(NO_REPLY))?;
        if said != code {
            return Err(NoticeError::Status(said));
        }
        let last = !rest.starts_with('-');
        lines.push(rest.get(1..).unwrap_or_default().to_owned());
        if last {
            return Ok(lines);
        }
    }
    Err(NoticeError::Unfit(NO_REPLY))
}

async fn line(stream: &mut (impl AsyncRead + Unpin)) -> Result<String, NoticeError> {
    let mut line = Vec::new();
    while line.len() < LONGEST_LINE {
        match stream.read_u8().await.map_err(broken)? {
            b'\n' => return String::from_utf8(line).map_err(|_| NoticeError::Unfit(NO_REPLY)),
            byte => line.push(byte),
        }
    }
    Err(NoticeError::Unfit(NO_REPLY))
}

fn broken(_: io::Error) -> NoticeError {
    PostError::Unreachable.into()
}

/// A server does not greet anew over TLS, and whoever speaks to it next waits for a greeting.
#[derive(Debug)]
pub(super) struct Greeted<S> {
    left: &'static [u8],
    stream: S,
}

impl<S> Greeted<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { left: b"220 over TLS\r\n", stream }
    }
}

impl AsyncTokioStream for Greeted<Box<dyn AsyncTokioStream>> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Greeted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, into);
        }
        let (now, later) = self.left.split_at(self.left.len().min(into.remaining()));
        into.put_slice(now);
        self.left = later;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Greeted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

const NO_REPLY: &str = "what the server says is no reply";
const MOST_LINES: usize = 64;
/// Bytes. RFC 5321 section 4.5.3.1.5 allows 512.
const LONGEST_LINE: usize = 1024;
