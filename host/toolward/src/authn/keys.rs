//! Which key may have signed? An issuer's keys, each with what it is for.
mod roca;

use std::collections::{BTreeSet, HashMap};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde_json::Value;
use toolward_gate::parse_json;

/// The keys of one issuer (RFC 7517 section 5). Those that cannot check a signature are not among them.
pub(super) struct Keys {
    named: HashMap<String, Key>,
    unnamed: Vec<Key>,
}

/// A key, and the algorithms that its type, curve and `alg` leave.
pub(super) struct Key {
    pub(super) decoding: DecodingKey,
    pub(super) algorithms: Vec<Algorithm>,
}

impl Keys {
    /// Fails where the text is no key set, two keys have one name, or none can check a signature.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let set = parse_json(text).map_err(|error| error.to_string())?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or("it has no list `keys`")?;
        let (mut named, mut unnamed) = (HashMap::new(), Vec::new());
        let mut names = BTreeSet::new();
        for written in keys {
            let name = written.get("kid").and_then(Value::as_str);
            if let Some(name) = name
                && !names.insert(name)
            {
                return Err(format!("two keys have the `kid` `{name}`"));
            }
            let Some(key) = Key::read(written) else { continue };
            match name {
                Some(name) => drop(named.insert(name.to_owned(), key)),
                None => unnamed.push(key),
            }
        }
        if named.is_empty() && unnamed.is_empty() {
            return Err("none of its keys can check a signature".to_owned());
        }
        Ok(Self { named, unnamed })
    }

    /// The key that a token names. One without a name is it only where it is the only one.
    pub(super) fn find(&self, name: Option<&str>) -> Option<&Key> {
        match (name, self.unnamed.as_slice()) {
            (Some(name), _) => self.named.get(name),
            (None, [only]) if self.named.is_empty() => Some(only),
            (None, []) if self.named.len() == 1 => self.named.values().next(),
            (None, _) => None,
        }
    }

    /// For the log: what changed between two answers of an issuer.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        self.named.keys().map(String::as_str).collect()
    }
}

impl Key {
    /// Nothing where it is for something else, or is too weak.
    pub(super) fn read(written: &Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(written.clone()).ok()?;
        let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        let verifies = jwk
            .common
            .key_operations
            .as_ref()
            .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let mut algorithms = of_type(&jwk.algorithm)?;
        if let Some(named) = written.get("alg") {
            algorithms.retain(|one| named.as_str() == Some(format!("{one:?}").as_str()));
        }
        let decoding = DecodingKey::from_jwk(&jwk).ok()?;
        (signs && verifies && !algorithms.is_empty()).then_some(Self { decoding, algorithms })
    }
}

/// What a key of this type and curve can check (RFC 7518 section 3.1, RFC 8037 section 3.1). A shared key
/// checks nothing: whoever can check with it can sign.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library may come to know more types and curves; a key of another one checks nothing"
)]
fn of_type(parameters: &AlgorithmParameters) -> Option<Vec<Algorithm>> {
    match parameters {
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => Some(vec![Algorithm::ES256]),
            EllipticCurve::P384 => Some(vec![Algorithm::ES384]),
            _ => None,
        },
        AlgorithmParameters::OctetKeyPair(key) => {
            (key.curve == EllipticCurve::Ed25519).then(|| vec![Algorithm::EdDSA])
        }
        AlgorithmParameters::RSA(key) => {
            let modulus = BASE64_URL_SAFE_NO_PAD.decode(&key.n).ok()?;
            let bytes = modulus.iter().skip_while(|byte| **byte == 0).count();
            (bytes >= RSA_BYTES && !roca::is_weak(&modulus)).then(|| RSA.to_vec())
        }
        _ => None,
    }
}

const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];
/// 2,048 bits (RFC 7518 section 3.3).
const RSA_BYTES: usize = 256;

#[cfg(test)]
mod tests;
