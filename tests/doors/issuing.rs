//! An issuer that the configuration names, and keys that its tokens may be bound to. Signed by another library than the
//! one that checks.
use std::sync::atomic::{AtomicU32, Ordering};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use toolward_gate::{Clock as _, SystemClock};

pub(super) struct Key(Ed25519KeyPair);

impl Key {
    pub(super) fn new() -> Self {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self(Ed25519KeyPair::from_pkcs8(made.as_ref()).unwrap())
    }

    /// RFC 8037 section 2.
    pub(super) fn public(&self) -> Value {
        json!({ "crv": "Ed25519", "kty": "OKP", "x": BASE64.encode(self.0.public_key()) })
    }

    /// RFC 7638: the members that it needs, in the order of their names.
    pub(super) fn thumbprint(&self) -> String {
        let x = BASE64.encode(self.0.public_key());
        let text = format!("{{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"{x}\"}}");
        BASE64.encode(Sha256::digest(text))
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = self.0.sign(message.as_bytes());
        format!("{message}.{}", BASE64.encode(signature))
    }

    /// A proof of this key for a token and a request (RFC 9449 section 4.2), with these claims changed.
    pub(super) fn proof(&self, token: &str, method: &str, url: &str, changes: &Value) -> String {
        let header = json!({ "typ": "dpop+jwt", "alg": "EdDSA", "jwk": self.public() });
        let mut claims = json!({
            "jti": fresh(), "htm": method, "htu": url, "iat": SystemClock.now().as_second(),
            "ath": BASE64.encode(Sha256::digest(token)),
        });
        merge(&mut claims, changes);
        self.signed(&header, &claims)
    }
}

/// Whose tokens the host takes.
pub(super) struct Issuer(pub(super) Key);

impl Issuer {
    pub(super) fn new() -> Self {
        Self(Key::new())
    }

    /// For the configuration.
    pub(super) fn table(&self) -> String {
        let x = BASE64.encode(self.0.0.public_key());
        format!(
            "[issuer.\"https://issuer.test\"]\naudience = \"urn:toolward:host\"\n\
             jwks = {{ keys = [{{ kty = \"OKP\", crv = \"Ed25519\", kid = \"1\", x = \"{x}\" }}] }}\n"
        )
    }

    /// An agent's, with the usual role, and with these claims besides.
    pub(super) fn token(&self, more: &Value) -> String {
        let now = SystemClock.now().as_second();
        let mut claims = json!({
            "iss": "https://issuer.test", "aud": "urn:toolward:host", "sub": "agent-7",
            "kind": "agent", "roles": ["assistant"], "jti": fresh(), "iat": now, "exp": now.saturating_add(600),
        });
        merge(&mut claims, more);
        self.0.signed(&json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": "1" }), &claims)
    }
}

fn merge(claims: &mut Value, changes: &Value) {
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
}

fn fresh() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed).to_string()
}
