//! With which certificate does a listener answer?
use std::{path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsConfig;

/// `clients` checks the certificates that clients show; without it, none is asked for.
///
/// Fails with what is wrong with which file.
pub fn acceptor(
    tls: &TlsConfig,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<TlsAcceptor, String> {
    let certificate = chain(&tls.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&tls.key)
        .map_err(|error| format!("the key `{}` cannot be used: {error}", tls.key.display()))?;
    let wrong = |error: rustls::Error| {
        format!(
            "the certificate `{}` cannot be used with the key `{}`: {error}",
            tls.certificate.display(),
            tls.key.display()
        )
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .with_client_cert_verifier(clients.unwrap_or_else(WebPkiClientVerifier::no_client_auth))
        .with_single_cert(certificate, key)
        .map_err(wrong)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |error: &dyn std::fmt::Display| {
        format!("the certificate `{}` cannot be used: {error}", path.display())
    };
    let read = CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))?;
    let chain: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| wrong(&error))?;
    if chain.is_empty() { Err(wrong(&"there is none in it")) } else { Ok(chain) }
}
