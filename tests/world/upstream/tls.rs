//! The shop's door, with a certificate that only this run trusts.
use std::{io, net::SocketAddr, sync::Arc};

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, rustls, server::TlsStream};

use super::open::Counted;

/// A listener that speaks TLS, and the certificate (PEM) that makes it trusted.
pub(super) fn secured(listener: Counted<TcpListener>) -> (Secured, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (Secured { listener, acceptor: TlsAcceptor::from(Arc::new(config)) }, made.cert.pem())
}

pub(super) struct Secured {
    listener: Counted<TcpListener>,
    acceptor: TlsAcceptor,
}

impl Listener for Secured {
    type Io = TlsStream<Counted<TcpStream>>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await;
            if let Ok(secured) = self.acceptor.accept(stream).await {
                return (secured, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
