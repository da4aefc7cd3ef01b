//! A certificate and its key, for servers that ask who connects.
use std::sync::Arc;

use async_trait::async_trait;
use rustls::{crypto::aws_lc_rs, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{Broker, Credential, MintError, Minted, Purpose};
use crate::{Secret, SecretName, SecretStore};

/// Who the host is to a server (RFC 8446 section 4.4.2). Its key signs handshakes and never leaves.
#[expect(missing_debug_implementations, reason = "it holds a private key")]
pub struct ClientCertificate {
    pub(crate) certified: Arc<CertifiedKey>,
    /// Of the chain: connections that were made with another one are not used.
    pub(crate) digest: [u8; 32],
}

impl ClientCertificate {
    /// Reads a chain, the host's own certificate first, and the key of that one; both in PEM form. Fails with
    /// what is wrong, in words that repeat neither.
    pub fn from_pem(chain: &Secret, key: &Secret) -> Result<Self, &'static str> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain.expose().as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|_| "the chain is not in PEM form")?;
        if chain.is_empty() {
            return Err("the chain holds no certificate");
        }
        let digest = chain.iter().fold(Sha256::new(), |all, one| all.chain_update(one)).finalize();
        let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
            .map_err(|_| "the key is not a private key in PEM form")?;
        let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
            .map_err(|_| "the key is not the one of the first certificate")?;
        Ok(Self { certified: Arc::new(certified), digest: digest.into() })
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificateConfig {
    /// The secret store that holds both.
    pub store: String,
    /// The chain's name there.
    pub certificate: SecretName,
    /// The key's name there.
    pub key: SecretName,
}

impl ClientCertificateConfig {
    pub(super) fn origin(&self) -> String {
        format!(
            "the secrets `{}` and `{}` of the store `{}`",
            self.certificate, self.key, self.store
        )
    }

    pub(super) fn broker(&self, store: Arc<dyn SecretStore>) -> Arc<dyn Broker> {
        Arc::new(Certificates { store, config: self.clone() })
    }
}

struct Certificates {
    store: Arc<dyn SecretStore>,
    config: ClientCertificateConfig,
}

#[async_trait]
impl Broker for Certificates {
    async fn mint(&self, _: &Purpose<'_>) -> Result<Minted, MintError> {
        let chain = self.store.read(&self.config.certificate).await?;
        let key = self.store.read(&self.config.key).await?;
        let certificate =
            ClientCertificate::from_pem(&chain, &key).map_err(MintError::Certificate)?;
        Ok(Credential::ClientCertificate(Arc::new(certificate)).into())
    }
}
