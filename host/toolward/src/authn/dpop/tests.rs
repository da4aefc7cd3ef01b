//! Which proofs show that a token is its holder's. Each refused one is the good one with one thing changed.
use jsonwebtoken::EncodingKey;
use serde_json::json;

use super::{super::testing, *};

const NOW: i64 = 1_800_000_000;
const TOKEN: &str = "a.token.of-the-holder";
const URL: &str = "https://tools.example.com/mcp";

/// A key, as its holder has it.
struct Holder {
    key: EncodingKey,
    public: Value,
}

impl Holder {
    fn new() -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let x = BASE64_URL_SAFE_NO_PAD.encode(rcgen::PublicKeyData::der_bytes(&pair));
        let key = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).unwrap();
        Self { key, public: json!({ "kty": "OKP", "crv": "Ed25519", "x": x }) }
    }

    /// What a token that is bound to this key has in `cnf`.
    fn confirmation(&self) -> Value {
        json!({ "jkt": thumbprint(&self.public).unwrap() })
    }

    fn proof(&self, change: impl FnOnce(&mut Value, &mut Value)) -> String {
        let mut header = json!({ "typ": "dpop+jwt", "alg": "EdDSA", "jwk": self.public });
        let hash = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(TOKEN));
        let mut claims = json!({ "jti": "1", "htm": "POST", "htu": URL, "iat": NOW, "ath": hash });
        change(&mut header, &mut claims);
        testing::signed_values(&header, &claims, &self.key)
    }
}

fn check(proofs: &Proofs, holder: &Holder, text: &str) -> Result<(), AuthnError> {
    let proof = Proof { text, method: "POST", url: URL };
    proofs.check(proof, TOKEN, &holder.confirmation(), NOW)
}

#[test]
fn a_proof_of_the_holder_for_this_request_is_good_once() {
    let (proofs, holder) = (Proofs::default(), Holder::new());
    let proof = holder.proof(|_, _| {});
    check(&proofs, &holder, &proof).unwrap();
    let again = check(&proofs, &holder, &proof).unwrap_err().to_string();
    assert!(again.ends_with("used before"), "{again}");
    check(&proofs, &holder, &holder.proof(|_, claims| claims["jti"] = json!("2"))).unwrap();
    // Two holders may choose the same name.
    let other = Holder::new();
    check(&proofs, &other, &other.proof(|_, _| {})).unwrap();
}

#[test]
fn a_proof_for_something_else_is_refused() {
    let holder = Holder::new();
    let refused = |change: &dyn Fn(&mut Value, &mut Value)| {
        check(&Proofs::default(), &holder, &holder.proof(change)).unwrap_err()
    };
    let changed = [
        ("htm", json!("GET")),
        ("htu", json!("https://tools.example.org/mcp")),
        ("iat", json!(NOW - 61)),
        ("iat", json!(NOW + 61)),
        ("ath", json!("another")),
        ("jti", json!("")),
    ];
    for (name, value) in changed {
        refused(&|_, claims| claims[name] = value.clone());
    }
    for name in ["htm", "htu", "iat", "ath", "jti"] {
        refused(&|_, claims| drop(claims.as_object_mut().unwrap().remove(name)));
    }
    for (name, value) in [
        ("typ", json!("JWT")),
        ("alg", json!("none")),
        ("alg", json!("ES256")),
        ("kid", json!("1")),
    ] {
        refused(&|header, _| header[name] = value.clone());
    }
    refused(&|header, _| header["jwk"]["d"] = json!("AAAA"));
    refused(&|header, _| header["jwk"] = json!({ "kty": "oct", "k": "AAAA" }));
    // The query and the fragment are not part of it.
    let holder_proof = holder.proof(|_, claims| claims["htu"] = json!(format!("{URL}?a=b#c")));
    check(&Proofs::default(), &holder, &holder_proof).unwrap();
}

#[test]
fn a_proof_of_another_key_is_refused() {
    let (holder, thief) = (Holder::new(), Holder::new());
    check(&Proofs::default(), &holder, &thief.proof(|_, _| {})).unwrap_err();
    // With the holder's key in the header, and the thief's signature.
    let forged = thief.proof(|header, _| header["jwk"] = holder.public.clone());
    check(&Proofs::default(), &holder, &forged).unwrap_err();
    check(&Proofs::default(), &holder, &holder.proof(|_, _| {})).unwrap();
}
