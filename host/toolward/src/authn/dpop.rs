//! Is the one who shows a token the one it was issued to? (RFC 9449)
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Validation, decode,
    jwk::{Jwk, ThumbprintHash},
};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{AuthnError, keys::Key, token::object};

/// What a caller sends beside a token that is bound to its key.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    /// The only `DPoP` header field.
    pub text: &'a str,
    /// The method of the request it stands in.
    pub method: &'a str,
    /// The URL of the request, without query and fragment, as its client writes it.
    pub url: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    jwk: Value,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: i64,
    ath: String,
}

/// Proofs that were seen: each is good once.
#[derive(Default)]
pub(super) struct Proofs(Mutex<HashMap<[u8; 32], i64>>);

impl Proofs {
    /// Checks what RFC 9449 section 4.3 lists. `confirmation` is the token's `cnf`.
    pub(super) fn check(
        &self,
        proof: Proof<'_>,
        token: &str,
        confirmation: &Value,
        now: i64,
    ) -> Result<(), AuthnError> {
        if proof.text.len() > MAX_PROOF {
            return Err(AuthnError::Token("its proof is longer than 4 KiB"));
        }
        let header = proof.text.split('.').next().unwrap_or_default();
        let header: Header = serde_json::from_value(object(header)?)
            .map_err(|_| AuthnError::Token("its proof has not the header of a DPoP proof"))?;
        let claims = signed(&header, proof.text)?;
        is_of(&claims, proof, token, now)?;
        let bound_to = confirmation.get("jkt").and_then(Value::as_str);
        if bound_to.is_none() || thumbprint(&header.jwk).as_deref() != bound_to {
            return Err(AuthnError::Token("its proof is of another key"));
        }
        self.once(&header.jwk, &claims, now)
    }

    /// A proof that was seen, or more of them than can be remembered, is refused.
    fn once(&self, key: &Value, claims: &Claims, now: i64) -> Result<(), AuthnError> {
        let name = Sha256::new().chain_update(key.to_string()).chain_update([0]);
        let name: [u8; 32] = name.chain_update(&claims.jti).finalize().into();
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MAX_SEEN {
            seen.retain(|_, ends| *ends >= now);
        }
        if seen.len() >= MAX_SEEN {
            return Err(AuthnError::Token("there are too many proofs at once"));
        }
        let ends = claims.iat.saturating_add(WINDOW.saturating_mul(2));
        match seen.insert(name, ends) {
            None => Ok(()),
            Some(_) => Err(AuthnError::Token("its proof was used before")),
        }
    }
}

fn signed(header: &Header, text: &str) -> Result<Claims, AuthnError> {
    let wrong = |_| AuthnError::Token("the signature of its proof does not hold");
    if !header.typ.eq_ignore_ascii_case("dpop+jwt") {
        return Err(AuthnError::Token("its proof is of another type"));
    }
    if PRIVATE.iter().any(|member| header.jwk.get(member).is_some()) {
        return Err(AuthnError::Token("its proof carries a private key"));
    }
    let no_key = AuthnError::Token("its proof has no key of a kind that is taken");
    let key = Key::read(&header.jwk).ok_or(no_key)?;
    let fits = |algorithm: &&_| format!("{algorithm:?}") == header.alg;
    let algorithm = key.algorithms.iter().find(fits).copied();
    let mut validation = Validation::new(
        algorithm.ok_or(AuthnError::Token("its proof's algorithm is not one of its key"))?,
    );
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    Ok(decode::<Claims>(text, &key.decoding, &validation).map_err(wrong)?.claims)
}

fn is_of(claims: &Claims, proof: Proof<'_>, token: &str, now: i64) -> Result<(), AuthnError> {
    let of_token = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(token));
    let target = claims.htu.split(['?', '#']).next().unwrap_or_default();
    if claims.htm != proof.method || target != proof.url {
        return Err(AuthnError::Token("its proof is for another request"));
    }
    if claims.ath != of_token {
        return Err(AuthnError::Token("its proof is for another token"));
    }
    if claims.iat.abs_diff(now) > WINDOW.unsigned_abs() || claims.jti.is_empty() {
        return Err(AuthnError::Token("its proof is too old, or from the future"));
    }
    Ok(())
}

/// RFC 7638.
fn thumbprint(key: &Value) -> Option<String> {
    let key: Jwk = serde_json::from_value(key.clone()).ok()?;
    key.thumbprint(ThumbprintHash::SHA256).ok()
}

/// Signatures of proofs, as metadata and challenges name them (RFC 9449 sections 5.1 and 7.1).
pub const PROOF_ALGORITHMS: [&str; 5] = ["EdDSA", "ES256", "ES384", "PS256", "RS256"];
/// The private members of every type of key (RFC 7518 section 6).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// Bytes of a proof.
const MAX_PROOF: usize = 4 << 10;
/// Seconds that a proof is good for, before and after it was made.
const WINDOW: i64 = 60;
/// Some 10 MB at most.
const MAX_SEEN: usize = 100_000;

#[cfg(test)]
mod tests;
