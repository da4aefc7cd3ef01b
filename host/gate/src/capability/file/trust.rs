//! How the servers that a capability believes are written.
use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde::Deserialize;
use toml::Spanned;

use super::Reader;
use crate::{SourceError, Trust};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenTrust {
    ca: Option<Spanned<String>>,
    public_key: Option<Spanned<String>>,
    public_keys: Option<Vec<Spanned<String>>>,
}

impl Reader<'_> {
    pub(super) fn trust(
        &self,
        written: Option<&Spanned<WrittenTrust>>,
    ) -> Result<Trust, SourceError> {
        let Some(written) = written else { return Ok(Trust::default()) };
        let WrittenTrust { ca, public_key, public_keys } = written.get_ref();
        let keys = public_key.iter().chain(public_keys.iter().flatten());
        let trust = Trust {
            authorities: ca.as_ref().map(|path| self.authorities(path)).transpose()?,
            public_keys: keys.map(|key| self.public_key(key)).collect::<Result<_, _>>()?,
        };
        if trust == Trust::default() {
            let message = "`tls` names neither an authority nor a public key";
            return Err(self.file.error(written.span(), message).with_help(
                "write `{ ca = \"authority.pem\" }` or `{ public_key = \"sha256/…\" }`, or take `tls` out",
            ));
        }
        Ok(trust)
    }

    /// The certificates of a file beside this one.
    fn authorities(&self, written: &Spanned<String>) -> Result<Vec<Vec<u8>>, SourceError> {
        let wrong = |why: String| {
            let message = format!("`{}` cannot be used as an authority: {why}", written.get_ref());
            self.file.error(written.span(), message).with_help(
                "name a file of certificates in PEM form; its path is relative to this file",
            )
        };
        let folder = self.file.path.parent().unwrap_or_else(|| std::path::Path::new(""));
        let pem = fs::read(folder.join(written.get_ref()))
            .map_err(|error| wrong(format!("it cannot be read: {error}")))?;
        let certificates = CertificateDer::pem_slice_iter(&pem)
            .map(|one| one.map(|der| der.to_vec()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| wrong("it is damaged".to_owned()))?;
        if certificates.is_empty() {
            return Err(wrong("it holds no certificate".to_owned()));
        }
        Ok(certificates)
    }

    fn public_key(&self, written: &Spanned<String>) -> Result<[u8; 32], SourceError> {
        let digest = written.get_ref().strip_prefix("sha256/");
        let bytes = digest.and_then(|digest| STANDARD.decode(digest).ok());
        bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| {
            let message = format!("`{}` is not the digest of a public key", written.get_ref());
            self.file.error(written.span(), message).with_help(
                "write `sha256/` and base64 of the SHA-256 of the key, which `openssl x509 -in server.pem -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64` prints",
            )
        })
    }
}
