//! Which keys open, and for whom. Each refused one is a good one with one thing changed.
use jiff::SignedDuration;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{
    authn::{
        Authn, Shown,
        testing::{self, Memory},
    },
    config::Config,
};
use std::{fs, sync::Arc};

const TAKEN: &str = "environment = \"production\"\n[authentication]\napi_keys = true\n";

/// A host with one key.
struct Place {
    folder: TempDir,
    records: Arc<Memory>,
    key: IssuedKey,
}

fn wanted(seconds: i64) -> KeyWanted {
    let now = Timestamp::from_second(super::super::now()).unwrap();
    KeyWanted {
        principal: "robo".to_owned(),
        kind: Kind::Service,
        roles: ["assistant".to_owned()].into(),
        scope: Some(["github:issues:read".parse().unwrap()].into()),
        by: "ana".to_owned(),
        now,
        ends_at: now.checked_add(SignedDuration::from_secs(seconds)).unwrap(),
    }
}

impl Place {
    fn new(seconds: i64) -> Self {
        let key = IssuedKey::make(wanted(seconds)).unwrap();
        let records = Arc::new(Memory::default());
        records.keys.lock().unwrap().push(key.record.clone());
        Self { folder: tempfile::tempdir().unwrap(), records, key }
    }

    fn authn(&self, configuration: &str) -> Authn {
        let path = self.folder.path().join("toolward.toml");
        fs::write(&path, configuration).unwrap();
        testing::authn_with(&Config::load(&path).unwrap(), &self.records).unwrap()
    }
}

#[tokio::test]
async fn a_key_makes_the_principal_it_was_made_for_where_keys_are_taken() {
    let place = Place::new(600);
    let authn = place.authn(TAKEN);
    let principal = authn.api_key(&place.key.text).await.unwrap();
    assert_eq!((principal.id(), principal.kind()), ("robo", Kind::Service));
    assert!(principal.roles().contains("assistant"));
    assert!(!principal.in_scope(&"github:issues:write".parse().unwrap()));
    assert_eq!(principal.ends_at(), Some(place.key.record.ends_at));
    // As a bearer, too.
    assert!(authn.bearer(&place.key.text).await.is_ok());
    assert!(authn.identify(Some(Shown::bearer(&place.key.text))).await.is_ok());
    let closed = place.authn("environment = \"production\"\n");
    for refused in [
        closed.api_key(&place.key.text).await,
        closed.bearer(&place.key.text).await,
        closed.identify(Some(Shown::bearer(&place.key.text))).await,
    ] {
        assert!(matches!(refused, Err(AuthnError::NoApiKeys)));
    }
}

#[tokio::test]
async fn a_key_that_was_changed_cut_or_made_up_is_refused() {
    let (place, other) = (Place::new(600), Place::new(600));
    let authn = place.authn(TAKEN);
    let text = place.key.text.as_str();
    authn.api_key(text).await.unwrap();
    // With a good checksum, the secret decides.
    let (head, _) = text.split_at(PREFIX.len() + ID + 1);
    let forged = format!("{head}{}", "0".repeat(SECRET));
    let forged = format!("{forged}{}", checksum(&forged));
    let changed = [
        forged.as_str(),
        other.key.text.as_str(),
        text.split_at(text.len() - 1).0,
        &format!("{text}0"),
        &text.to_uppercase(),
        &format!(" {text}"),
        "twk_",
        "",
    ];
    for text in changed {
        assert!(matches!(authn.api_key(text).await, Err(AuthnError::ApiKey(_))), "{text}");
    }
}

#[tokio::test]
async fn a_key_that_ended_or_was_revoked_is_refused() {
    let ended = Place::new(-1);
    let refused = ended.authn(TAKEN).api_key(&ended.key.text).await;
    assert!(matches!(refused, Err(AuthnError::ApiKey(_))));
    let place = Place::new(600);
    let authn = place.authn(TAKEN);
    authn.api_key(&place.key.text).await.unwrap();
    place.records.keys.lock().unwrap()[0].revoked_at = Some(place.key.record.created_at);
    assert!(matches!(authn.api_key(&place.key.text).await, Err(AuthnError::Denied)));
    place.records.keys.lock().unwrap()[0].revoked_at = None;
    *place.records.unreadable.lock().unwrap() = true;
    let unknown = authn.api_key(&place.key.text).await.unwrap_err();
    assert!(!unknown.is_of_caller(), "{unknown}");
}

#[test]
fn what_is_remembered_of_a_key_does_not_hold_it() {
    let place = Place::new(600);
    let (_, secret) = place.key.text.split_at(PREFIX.len() + ID + 1);
    let (secret, _) = secret.split_at(SECRET);
    let record = format!("{:?} {}", place.key.record, serde_json::json!(place.key.record));
    assert!(!record.contains(secret) && record.contains(&place.key.record.id));
}

proptest! {
    /// Nothing that is not a whole key gets as far as being looked up.
    #[test]
    fn a_text_that_is_read_as_a_key_is_one(text in "(twk_)?[0-9a-f_]{0,100}|.{0,100}") {
        prop_assert!(read(&text).is_none());
    }

    #[test]
    fn one_changed_character_is_noticed(place in 0..93_usize, to in "[0-9a-f]") {
        let key = IssuedKey::make(wanted(1)).unwrap();
        let mut changed = key.text.to_string();
        changed.replace_range(place..=place, &to);
        prop_assert_eq!(read(&changed).is_some(), changed == *key.text);
    }
}
