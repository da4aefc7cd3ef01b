//! For how long fetched keys are believed, and how often the issuer is asked.
use std::sync::Mutex as StdMutex;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;
use tokio::time::advance;

use super::*;

/// An issuer whose answer the test sets, and which counts the questions.
#[derive(Default)]
struct Issuer {
    answer: StdMutex<Option<String>>,
    asked: StdMutex<u32>,
}

impl Issuer {
    fn has(&self, names: &[&str]) {
        let key = |name: &&str| {
            let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
            let x = BASE64_URL_SAFE_NO_PAD.encode(rcgen::PublicKeyData::der_bytes(&pair));
            json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": name })
        };
        let keys: Vec<_> = names.iter().map(key).collect();
        *self.answer.lock().unwrap() = Some(json!({ "keys": keys }).to_string());
    }

    fn is_away(&self) {
        *self.answer.lock().unwrap() = None;
    }

    fn asked(&self) -> u32 {
        *self.asked.lock().unwrap()
    }
}

#[async_trait]
impl FetchKeys for Issuer {
    async fn fetch(&self, _url: &str, _private: &PrivateRanges) -> Result<String, String> {
        let asked = self.asked.lock().unwrap().saturating_add(1);
        *self.asked.lock().unwrap() = asked;
        tokio::task::yield_now().await;
        self.answer.lock().unwrap().clone().ok_or_else(|| "it is away".to_owned())
    }
}

fn fetched(issuer: &Arc<Issuer>) -> Fetched {
    Fetched::new(
        "https://login.example.com/keys".to_owned(),
        PrivateRanges::default(),
        issuer.clone(),
    )
}

async fn has(fetched: &Fetched, name: &str) -> bool {
    fetched.keys(Some(name)).await.is_some_and(|keys| keys.find(Some(name)).is_some())
}

#[tokio::test(start_paused = true)]
async fn many_tokens_at_once_ask_the_issuer_once() {
    let issuer = Arc::new(Issuer::default());
    issuer.has(&["one"]);
    let fetched = fetched(&issuer);
    let all = futures::future::join_all((0..100).map(|_| has(&fetched, "one"))).await;
    assert!(all.iter().all(|found| *found));
    assert_eq!(issuer.asked(), 1);
    advance(FRESH).await;
    assert!(has(&fetched, "one").await);
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_found_and_names_that_are_made_up_do_not_ask_each_time() {
    let issuer = Arc::new(Issuer::default());
    issuer.has(&["one"]);
    let fetched = fetched(&issuer);
    assert!(has(&fetched, "one").await);
    issuer.has(&["two"]);
    assert!(!has(&fetched, "two").await, "it was asked a moment ago");
    advance(PAUSE).await;
    assert!(has(&fetched, "two").await);
    assert!(!has(&fetched, "one").await, "the issuer took it back");
    for _ in 0..100 {
        assert!(!has(&fetched, "made-up").await);
    }
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn keys_are_used_while_the_issuer_is_away_and_not_for_ever() {
    let issuer = Arc::new(Issuer::default());
    issuer.has(&["one"]);
    let fetched = fetched(&issuer);
    assert!(has(&fetched, "one").await);
    issuer.is_away();
    advance(STALE - Duration::from_secs(1)).await;
    assert!(has(&fetched, "one").await);
    advance(Duration::from_secs(1)).await;
    assert!(!has(&fetched, "one").await);
    issuer.has(&["one"]);
    advance(PAUSE).await;
    assert!(has(&fetched, "one").await);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_key_set_changes_nothing() {
    let issuer = Arc::new(Issuer::default());
    issuer.has(&["one"]);
    let fetched = fetched(&issuer);
    assert!(has(&fetched, "one").await);
    *issuer.answer.lock().unwrap() = Some("<html>".to_owned());
    advance(FRESH).await;
    assert!(has(&fetched, "one").await);
    assert_eq!(issuer.asked(), 2);
}
