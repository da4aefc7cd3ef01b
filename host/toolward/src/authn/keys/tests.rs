//! Which keys are an issuer's, and what each may check. Against public vectors, where they are there.
use std::{collections::BTreeSet, path::Path};

use serde_json::json;

use super::*;

fn public_key() -> String {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    BASE64_URL_SAFE_NO_PAD.encode(rcgen::PublicKeyData::der_bytes(&pair))
}

fn named(name: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut key =
        json!({ "kty": "OKP", "crv": "Ed25519", "x": public_key(), "kid": name, "use": "sig" });
    change(&mut key);
    key
}

fn parse(keys: &[Value]) -> Result<Keys, String> {
    Keys::parse(&json!({ "keys": keys }).to_string())
}

#[test]
fn a_key_that_is_not_for_checking_signatures_is_not_among_them() {
    let set = |key: Value| parse(&[named("good", |_| {}), key]).unwrap().names().len();
    assert_eq!(set(named("other", |_| {})), 2);
    assert_eq!(set(named("other", |key| key["use"] = json!("enc"))), 1);
    assert_eq!(set(named("other", |key| key["key_ops"] = json!(["sign"]))), 1);
    assert_eq!(set(named("other", |key| key["key_ops"] = json!(["sign", "verify"]))), 2);
    assert_eq!(set(named("other", |key| key["crv"] = json!("X25519"))), 1);
    assert_eq!(set(named("other", |key| key["alg"] = json!("RS256"))), 1);
    assert_eq!(set(json!({ "kty": "oct", "kid": "other", "k": "a".repeat(64) })), 1);
    let modulus = |bytes: usize| BASE64_URL_SAFE_NO_PAD.encode(vec![0xAB; bytes]);
    let rsa = |bytes| json!({ "kty": "RSA", "kid": "other", "n": modulus(bytes), "e": "AQAB" });
    assert_eq!((set(rsa(256)), set(rsa(255)), set(rsa(128))), (2, 1, 1));
}

#[test]
fn a_set_with_two_keys_of_one_name_or_without_keys_is_refused() {
    parse(&[named("one", |_| {}), named("two", |_| {})]).unwrap();
    parse(&[named("one", |_| {}), named("one", |_| {})]).err().unwrap();
    parse(&[named("one", |_| {}), named("one", |key| key["use"] = json!("enc"))]).err().unwrap();
    parse(&[]).err().unwrap();
    parse(&[json!({ "kty": "oct", "k": "a".repeat(64) })]).err().unwrap();
}

#[test]
fn a_token_without_a_name_of_a_key_finds_it_only_where_there_is_one() {
    let two = parse(&[named("one", |_| {}), named("two", |_| {})]).unwrap();
    assert!(two.find(None).is_none() && two.find(Some("one")).is_some());
    let one = parse(&[named("one", |_| {})]).unwrap();
    assert!(one.find(None).is_some() && one.find(Some("")).is_none());
    let unnamed = |key: &mut Value| drop(key.as_object_mut().unwrap().remove("kid"));
    let mixed = parse(&[named("", unnamed), named("one", |_| {})]).unwrap();
    assert!(mixed.find(None).is_none());
    assert!(parse(&[named("", unnamed)]).unwrap().find(None).is_some());
}

/// Vectors that end otherwise here, each with the reason.
const SIGNATURES: [(u64, &str); 4] = [
    (346, "the vector's key is for PS256, its signature of PS384"),
    (347, "ES512 is not an algorithm that is taken"),
    (350, "the vector's key is for PS256, its signature of PS384"),
    (351, "ES512 is not an algorithm that is taken"),
];
const KEYS: [(u64, &str); 0] = [];
const CRYPTO: [(u64, &str); 0] = [];

#[test]
fn public_vectors_of_signatures_are_told_apart() {
    told_apart("json_web_signature.json", &SIGNATURES);
}

#[test]
fn public_vectors_of_keys_are_told_apart() {
    told_apart("json_web_key.json", &KEYS);
    told_apart("json_web_crypto.json", &CRYPTO);
}

/// Vectors of the Wycheproof project: what is not valid is refused, but for what is listed, and all that is listed
/// still ends otherwise. Encrypted ones are of a form that is never taken.
#[expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a figure, or that a test is left out"
)]
fn told_apart(file: &str, deviations: &[(u64, &str)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("left out: the vectors `{file}` are not beside this checkout");
        return;
    };
    let vectors: Value = serde_json::from_str(&text).unwrap();
    let (mut counts, mut other) = ([[0_u32; 2]; 2], BTreeSet::new());
    for group in vectors["testGroups"].as_array().unwrap() {
        let key = if group["public"].is_object() { &group["public"] } else { &group["private"] };
        let is_shared = |key: &Value| key["kty"] == "oct";
        let shared =
            is_shared(key) || key["keys"].as_array().is_some_and(|keys| keys.iter().all(is_shared));
        for test in group["tests"].as_array().unwrap() {
            let valid = test["result"] == "valid";
            let Some(text) = test["jws"].as_str() else { continue };
            // Shared keys are not taken at all: their vectors are checked to be refused.
            let expected = valid && !shared;
            let taken = verifies(key, text);
            let count = &mut counts[usize::from(expected)][usize::from(taken)];
            *count = u32::saturating_add(*count, 1);
            if taken != expected {
                other.insert(test["tcId"].as_u64().unwrap());
            }
        }
    }
    let [[refused, taken_wrongly], [refused_wrongly, taken]] = counts;
    println!(
        "{file}: invalid: {refused} refused, {taken_wrongly} taken; valid: {taken} taken, {refused_wrongly} refused"
    );
    let known: BTreeSet<u64> = deviations.iter().map(|(id, _)| *id).collect();
    assert_eq!(other, known);
    assert!(taken > 0 && refused > 0);
}

/// As `Authn` does: the key chooses the algorithm, and the header has nothing else.
fn verifies(key: &Value, text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let [header, claims, signature] = parts[..] else { return false };
    let Ok(header) = super::super::token::object(header) else { return false };
    let set = if key["keys"].is_array() { key.clone() } else { json!({ "keys": [key] }) };
    let Ok(set) = Keys::parse(&set.to_string()) else { return false };
    let Some(key) = set.find(header["kid"].as_str()) else { return false };
    let named = header["alg"].as_str().and_then(|name| name.parse::<Algorithm>().ok());
    let plain = header
        .as_object()
        .unwrap()
        .keys()
        .all(|name| ["alg", "kid", "typ"].contains(&name.as_str()));
    let Some(algorithm) = named.filter(|one| plain && key.algorithms.contains(one)) else {
        return false;
    };
    let readable = BASE64_URL_SAFE_NO_PAD.decode(claims).is_ok();
    let message = text.rsplit_once('.').unwrap().0;
    let holds =
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key.decoding, algorithm);
    readable && holds.unwrap_or(false)
}
