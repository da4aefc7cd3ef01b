//! Which server is believed, and who the host is to it.
use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature,
        verify_tls13_signature,
    },
    server::ParsedCertificate,
    sign::SingleCertAndKey,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _};
use sha2::{Digest as _, Sha256};
use toolward_gate::Trust;

use crate::broker::ClientCertificate;

/// The authorities of this machine, and what makes a connection from them.
pub(super) struct Tls {
    provider: Arc<CryptoProvider>,
    extra_roots: Vec<CertificateDer<'static>>,
    /// Read at the first use: reading the machine's certificates takes longer than a request.
    machine: OnceLock<Arc<dyn ServerCertVerifier>>,
}

impl Tls {
    /// Fails when the extra roots are not certificates in PEM form.
    pub(super) fn new(extra_roots_pem: Option<&[u8]>) -> Result<Self, String> {
        let pem = extra_roots_pem.unwrap_or_default();
        let extra_roots: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        roots(&extra_roots).map_err(|error| error.to_string())?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        Ok(Self { provider, extra_roots, machine: OnceLock::new() })
    }

    /// Sessions are resumed within one configuration only, which is made for one capability, one destination
    /// and one client certificate.
    pub(super) fn config(
        &self,
        trust: &Trust,
        identity: Option<&ClientCertificate>,
    ) -> Result<ClientConfig, Error> {
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier(trust)?);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let shown = SingleCertAndKey::from(identity.certified.clone());
                builder.with_client_cert_resolver(Arc::new(shown))
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    fn verifier(&self, trust: &Trust) -> Result<Arc<dyn ServerCertVerifier>, Error> {
        let chain = match &trust.authorities {
            Some(authorities) => Some(self.signed_by(authorities)?),
            None if trust.public_keys.is_empty() => Some(self.machine()?),
            None => None,
        };
        Ok(match chain {
            Some(chain) if trust.public_keys.is_empty() => chain,
            chain => Arc::new(Pinned {
                keys: trust.public_keys.clone(),
                chain,
                algorithms: self.provider.signature_verification_algorithms,
            }),
        })
    }

    fn machine(&self) -> Result<Arc<dyn ServerCertVerifier>, Error> {
        if let Some(known) = self.machine.get() {
            return Ok(known.clone());
        }
        let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(
            self.extra_roots.iter().cloned(),
            self.provider.clone(),
        )?;
        Ok(self.machine.get_or_init(|| Arc::new(verifier)).clone())
    }

    fn signed_by(&self, authorities: &[Vec<u8>]) -> Result<Arc<dyn ServerCertVerifier>, Error> {
        let certificates: Vec<_> = authorities.iter().map(|der| der.as_slice().into()).collect();
        let roots = Arc::new(roots(&certificates)?);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, self.provider.clone());
        Ok(verifier.build().map_err(|error| Error::General(error.to_string()))?)
    }
}

/// Fails when an authority's certificate is none.
pub fn check(trust: &Trust) -> Result<(), String> {
    let authorities = trust.authorities.as_deref().unwrap_or_default();
    let certificates: Vec<_> = authorities.iter().map(|der| der.as_slice().into()).collect();
    roots(&certificates).map(drop).map_err(|error| error.to_string())
}

fn roots(certificates: &[CertificateDer<'_>]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    certificates.iter().try_for_each(|one| roots.add(one.clone().into_owned()))?;
    Ok(roots)
}

/// Believes servers that have one of these keys, and who else vouches for them where somebody must.
#[derive(Debug)]
struct Pinned {
    keys: BTreeSet<[u8; 32]>,
    chain: Option<Arc<dyn ServerCertVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let key = ParsedCertificate::try_from(end_entity)?.subject_public_key_info();
        if !self.keys.contains(<[u8; 32]>::from(Sha256::digest(&key)).as_slice()) {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        match &self.chain {
            None => Ok(ServerCertVerified::assertion()),
            Some(chain) => {
                chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
