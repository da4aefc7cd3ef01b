//! A connection for what is no HTTP, to addresses that were checked.
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use toolward_gate::{Destination, Trust};

use super::{Transport, TransportError};

impl Transport {
    /// Over TLS where the destination says so, under the rules of every other connection.
    pub(crate) async fn dial(
        &self,
        to: &Destination,
        addresses: &[SocketAddr],
    ) -> Result<Box<dyn AsyncTokioStream>, TransportError> {
        let stream = self.reach(addresses).await?;
        if to.https { self.encrypt(to, stream).await } else { Ok(Box::new(stream)) }
    }

    /// In the clear.
    pub(crate) async fn reach(
        &self,
        addresses: &[SocketAddr],
    ) -> Result<TcpStream, TransportError> {
        let connecting = timeout(self.connect_timeout, TcpStream::connect(addresses)).await;
        connecting.map_err(|_| TransportError::Unreached)?.map_err(|_| TransportError::Unreached)
    }

    /// TLS from the next byte on.
    pub(crate) async fn encrypt(
        &self,
        to: &Destination,
        stream: TcpStream,
    ) -> Result<Box<dyn AsyncTokioStream>, TransportError> {
        let late = |_| TransportError::Unreached;
        let config = self.tls.config(&Trust::default(), None);
        let mut config = config.map_err(|_| TransportError::Failed)?;
        config.alpn_protocols.clear();
        let name = ServerName::try_from(to.host.clone()).map_err(|_| TransportError::Failed)?;
        let greeting = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let greeting = timeout(self.connect_timeout, greeting);
        let stream = greeting.await.map_err(late)?.map_err(|_| TransportError::Unreached)?;
        Ok(Box::new(Encrypted(stream)))
    }
}

#[derive(Debug)]
struct Encrypted(TlsStream<TcpStream>);

impl AsyncTokioStream for Encrypted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().0.peer_addr()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
