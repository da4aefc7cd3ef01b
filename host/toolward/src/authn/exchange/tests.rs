//! A token becomes a narrower one, and never anything else.
use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;
use toolward_gate::{Denial, DenialTarget};

use super::{super::now, *};
use crate::authn::{
    DevelopmentKey, IssuedKey, KeyWanted, Wanted,
    testing::{self, Memory},
};

/// A host that exchanges tokens, and signs some of its own.
struct Place {
    _folder: TempDir,
    config: Config,
    records: Arc<Memory>,
    authn: Authn,
    key: DevelopmentKey,
}

impl Place {
    fn new() -> Self {
        Self::with("environment = \"development\"\n[authentication]\napi_keys = true\n")
    }

    fn with(configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("toolward.toml");
        fs::write(&path, configuration).unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        let config = Config::load(&path).unwrap();
        let key = DevelopmentKey::open_or_make(&config).unwrap();
        ExchangeKey::make(&config).unwrap();
        let records = Arc::new(Memory::default());
        let authn = testing::authn_with(&config, &records).unwrap();
        Self { _folder: folder, config, records, authn, key }
    }

    fn mint(&self, id: &str, change: impl FnOnce(&mut Wanted)) -> String {
        let mut wanted = wanted(id);
        change(&mut wanted);
        self.key.mint(&wanted).unwrap()
    }

    async fn exchange(&self, asked: Exchanging<'_>) -> Result<Exchanged, ExchangeError> {
        let caller = self.authn.bearer(asked.subject).await.unwrap();
        self.authn.exchange(&caller, asked).await
    }

    /// Who speaks with what was made.
    async fn made(&self, asked: Exchanging<'_>) -> Principal {
        self.authn.bearer(&self.exchange(asked).await.unwrap().token).await.unwrap()
    }

    fn deny(&self, target: DenialTarget) {
        self.records.denied.lock().unwrap().push(Denial {
            target,
            reason: "a test".to_owned(),
            by: "ana".to_owned(),
            since: Timestamp::UNIX_EPOCH,
            expires_at: None,
        });
    }
}

fn wanted(id: &str) -> Wanted {
    Wanted {
        id: id.to_owned(),
        kind: Kind::Agent,
        roles: ["triage".to_owned()].into(),
        acts_for: vec![],
        scope: None,
        issued_at: now(),
        seconds: 3600,
        audience: None,
    }
}

fn names(scope: &[&str]) -> BTreeSet<CapabilityName> {
    scope.iter().map(|name| name.parse().unwrap()).collect()
}

fn of(subject: &str) -> Exchanging<'_> {
    Exchanging { subject, ..Exchanging::default() }
}

#[tokio::test]
async fn an_agent_gets_a_token_for_another_agent_that_acts_for_it() {
    let place = Place::new();
    let own = place.mint("planner", |wanted| wanted.acts_for = vec!["ana".to_owned()]);
    let helper = place.mint("helper", |wanted| wanted.roles = ["other".to_owned()].into());
    let asked = Exchanging { actor: Some(&helper), scope: Some("github:issues:read"), ..of(&own) };
    let made = place.exchange(asked).await.unwrap();
    assert_eq!((made.seconds, made.is_bound), (900, false));
    let principal = place.authn.bearer(&made.token).await.unwrap();
    assert_eq!(principal.id(), "helper");
    assert_eq!(principal.acts_for(), ["planner", "ana"]);
    assert_eq!(principal.roles(), &BTreeSet::from(["triage".to_owned()]));
    assert_eq!(principal.scope(), Some(&names(&["github:issues:read"])));
    assert_eq!(principal.proven_by().len(), 3);
    assert!(made.change.reason.contains("helper, which acts for planner"), "{:?}", made.change);
    assert!(!made.change.reason.contains(&made.token));
}

#[tokio::test]
async fn an_agent_gets_a_token_for_one_door_and_for_less_time() {
    let place = Place::new();
    let own = place.mint("planner", |_| {});
    let asked = Exchanging { door: Some("rest"), seconds: Some(60), ..of(&own) };
    let made = place.exchange(asked).await.unwrap();
    assert_eq!(made.seconds, 60);
    let principal = place.authn.bearer(&made.token).await.unwrap();
    assert_eq!((principal.id(), principal.door()), ("planner", Some("rest")));
    assert!(principal.acts_for().is_empty());
    // Once for a door, not for another.
    let other = Exchanging { door: Some("mcp-http"), ..of(&made.token) };
    assert!(matches!(place.exchange(other).await, Err(ExchangeError::Invalid(_))));
    assert_eq!(place.made(of(&made.token)).await.door(), Some("rest"));
}

#[tokio::test]
async fn only_the_callers_own_token_is_exchanged() {
    let place = Place::new();
    let (own, other) = (place.mint("planner", |_| {}), place.mint("boss", |_| {}));
    let caller = place.authn.bearer(&own).await.unwrap();
    assert!(place.authn.exchange(&caller, of(&own)).await.is_ok());
    for subject in [other.as_str(), "", "a.b.c", own.split_at(own.len() - 4).0] {
        let refused = place.authn.exchange(&caller, of(subject)).await;
        assert!(matches!(refused, Err(ExchangeError::NotTheCallers)), "{subject}");
    }
    let asked = Exchanging { actor: Some("a.b.c"), ..of(&own) };
    assert!(matches!(place.exchange(asked).await, Err(ExchangeError::Actor)));
}

#[tokio::test]
async fn a_wider_scope_is_refused() {
    let place = Place::new();
    let held = names(&["github:issues:read", "github:issues:write"]);
    let own = place.mint("planner", |wanted| wanted.scope = Some(held));
    let asked = |scope| Exchanging { scope: Some(scope), ..of(&own) };
    let made = place.made(asked("github:issues:read")).await;
    assert_eq!(made.scope(), Some(&names(&["github:issues:read"])));
    for wider in ["github:repo:delete", "github:issues:read github:repo:delete"] {
        assert!(matches!(place.exchange(asked(wider)).await, Err(ExchangeError::Wider(_))));
    }
    for wrong in ["*", "github:issues:*", "github:issues:read,github:issues:write"] {
        assert!(matches!(place.exchange(asked(wrong)).await, Err(ExchangeError::Invalid(_))));
    }
    // What is not named leaves nothing; what is not asked for stays.
    assert_eq!(place.made(asked("")).await.scope(), Some(&names(&[])));
    assert_eq!(place.made(of(&own)).await.scope().map(BTreeSet::len), Some(2));
    let narrow = names(&["github:issues:write", "github:repo:delete"]);
    let helper = place.mint("helper", |wanted| wanted.scope = Some(narrow));
    let both = place.made(Exchanging { actor: Some(&helper), ..of(&own) }).await;
    assert_eq!(both.scope(), Some(&names(&["github:issues:write"])));
}

#[tokio::test]
async fn what_was_exchanged_ends_with_what_it_was_exchanged_for() {
    let place = Place::new();
    let own = place.mint("planner", |wanted| wanted.seconds = 100);
    let helper = place.mint("helper", |wanted| wanted.seconds = 50);
    let longer = Exchanging { seconds: Some(500), ..of(&own) };
    assert!(place.exchange(longer).await.unwrap().seconds <= 100);
    let asked = Exchanging { actor: Some(&helper), ..longer };
    assert!(place.exchange(asked).await.unwrap().seconds <= 50);
    for seconds in [0, -5] {
        let asked = Exchanging { seconds: Some(seconds), ..of(&own) };
        assert!(matches!(place.exchange(asked).await, Err(ExchangeError::Invalid(_))));
    }
}

#[tokio::test]
async fn a_token_is_exchanged_again_only_so_often_and_by_no_one_twice() {
    let place = Place::new();
    let mut token = place.mint("a0", |_| {});
    for depth in 1..=3 {
        let actor = place.mint(&format!("a{depth}"), |_| {});
        let asked = Exchanging { actor: Some(&actor), ..of(&token) };
        token = place.exchange(asked).await.unwrap().token;
    }
    let last = place.authn.bearer(&token).await.unwrap();
    assert_eq!((last.id(), last.acts_for().len()), ("a3", 3));
    let one_more = place.exchange(of(&token)).await;
    assert!(matches!(one_more, Err(ExchangeError::Invalid(_))));
    // Round in a circle, or with somebody who acts for others.
    let (own, first) = (place.mint("x", |_| {}), place.mint("y", |_| {}));
    let of_first = place.exchange(Exchanging { actor: Some(&first), ..of(&own) }).await.unwrap();
    let back = Exchanging { actor: Some(&own), ..of(&of_first.token) };
    assert!(matches!(place.exchange(back).await, Err(ExchangeError::Invalid(_))));
    let own = place.mint("z", |_| {});
    let refused = place.exchange(Exchanging { actor: Some(&of_first.token), ..of(&own) }).await;
    assert!(matches!(refused, Err(ExchangeError::Invalid(_))));
}

#[tokio::test]
async fn a_tree_is_denied_at_its_root_and_a_token_alone_without() {
    let place = Place::new();
    let (own, helper) = (place.mint("planner", |_| {}), place.mint("helper", |_| {}));
    let below = place.exchange(Exchanging { actor: Some(&helper), ..of(&own) }).await.unwrap();
    let root = place.authn.bearer(&own).await.unwrap().proven_by()[0].clone();
    let token =
        |tree| DenialTarget::Token { issuer: root.issuer.clone(), id: root.id.clone(), tree };
    place.deny(token(false));
    assert!(matches!(place.authn.bearer(&own).await, Err(AuthnError::Denied)));
    assert!(place.authn.bearer(&below.token).await.is_ok());
    place.deny(token(true));
    assert!(matches!(place.authn.bearer(&below.token).await, Err(AuthnError::Denied)));
    assert!(place.authn.bearer(&helper).await.is_ok());
}

#[tokio::test]
async fn a_denied_token_is_not_exchanged_nor_one_that_cannot_be_looked_up() {
    let place = Place::new();
    let (own, helper) = (place.mint("planner", |_| {}), place.mint("helper", |_| {}));
    let caller = place.authn.bearer(&own).await.unwrap();
    let asked = Exchanging { actor: Some(&helper), ..of(&own) };
    place.authn.exchange(&caller, asked).await.unwrap();
    let before = Timestamp::from_second(now() + 1).unwrap();
    place.deny(DenialTarget::Subject { id: "helper".to_owned(), issuer: None, before });
    assert!(matches!(place.authn.exchange(&caller, asked).await, Err(ExchangeError::Actor)));
    place.authn.exchange(&caller, of(&own)).await.unwrap();
    *place.records.unreadable.lock().unwrap() = true;
    let refused = place.authn.exchange(&caller, of(&own)).await;
    assert!(matches!(refused, Err(ExchangeError::Unavailable(_))));
}

#[tokio::test]
async fn an_api_key_is_exchanged_for_a_token_that_ends_with_it() {
    let place = Place::new();
    let at = |second| Timestamp::from_second(second).unwrap();
    let key = IssuedKey::make(KeyWanted {
        principal: "robo".to_owned(),
        kind: Kind::Service,
        roles: ["triage".to_owned()].into(),
        scope: None,
        by: "ana".to_owned(),
        now: at(now()),
        ends_at: at(now() + 30),
    });
    let key = key.unwrap();
    place.records.keys.lock().unwrap().push(key.record.clone());
    let made = place.exchange(of(&key.text)).await.unwrap();
    assert!(made.seconds <= 30);
    assert_eq!(place.authn.bearer(&made.token).await.unwrap().id(), "robo");
    let issuer = toolward_gate::API_KEY_ISSUER.to_owned();
    place.deny(DenialTarget::Token { issuer, id: key.record.id.clone(), tree: true });
    assert!(matches!(place.authn.bearer(&made.token).await, Err(AuthnError::Denied)));
}

/// Only a token's own issuer says what it was exchanged for, and at which door it is good.
#[tokio::test]
async fn a_token_that_others_signed_with_a_lineage_is_not_believed_in_it() {
    let place = Place::new();
    let forged =
        json!([{ "issuer": "urn:somebody", "id": "x", "issued_at": "2026-01-01T00:00:00Z" }]);
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let x = base64::Engine::encode(
        &base64::prelude::BASE64_URL_SAFE_NO_PAD,
        rcgen::PublicKeyData::der_bytes(&pair),
    );
    let keys = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": x }] });
    fs::write(folder.path().join("keys.json"), keys.to_string()).unwrap();
    let path = folder.path().join("toolward.toml");
    let configuration = "environment = \"development\"\n[issuer.\"https://login.example.com\"]\njwks = \"keys.json\"\naudience = \"urn:toolward:host\"\n";
    fs::write(&path, configuration).unwrap();
    let authn = testing::authn_with(&Config::load(&path).unwrap(), &place.records).unwrap();
    let signer = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).unwrap();
    let signed = |issuer: &str| {
        let header = json!({ "alg": "EdDSA", "typ": "at+jwt" });
        let claims = json!({ "iss": issuer, "aud": AUDIENCE, "sub": "ana", "iat": now(), "exp": now() + 60,
            "jti": "1", "toolward_lineage": forged, "toolward_door": "rest" });
        testing::signed_values(&header, &claims, &signer)
    };
    let principal = authn.bearer(&signed("https://login.example.com")).await.unwrap();
    assert_eq!((principal.proven_by().len(), principal.door()), (1, None));
    // Nobody else signs as this host does.
    assert!(authn.bearer(&signed(ISSUER)).await.is_err());
    assert!(place.authn.bearer(&signed(ISSUER)).await.is_err());
}

#[test]
fn a_bound_token_does_not_become_one_for_whoever_has_it() {
    let principal = |id: &str| {
        let identity = toolward_gate::Identity {
            id: id.to_owned(),
            kind: Kind::Agent,
            roles: [].into(),
            groups: [].into(),
            acts_for: vec![],
            scope: None,
            ends_at: None,
        };
        Principal::authenticated(identity)
    };
    let read = |bound_to: Option<Value>| Read { principal: principal("a"), bound_to };
    let (free, one, two) =
        (read(None), read(Some(json!({ "jkt": "1" }))), read(Some(json!({ "jkt": "2" }))));
    assert_eq!(bound(&free, None).unwrap(), None);
    assert_eq!(bound(&one, None).unwrap(), one.bound_to.as_ref());
    assert_eq!(bound(&one, Some(&two)).unwrap(), two.bound_to.as_ref());
    assert_eq!(bound(&free, Some(&two)).unwrap(), two.bound_to.as_ref());
    assert!(bound(&one, Some(&free)).is_err());
}

#[test]
fn the_key_is_its_owners_and_in_production_one_that_is_named() {
    let place = Place::new();
    let path = path(&place.config);
    ExchangeKey::make(&place.config).unwrap();
    assert!(ExchangeKey::open(&place.config).unwrap().is_some());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        mode(0o640);
        assert!(matches!(ExchangeKey::open(&place.config), Err(AuthnError::ExchangeKey { .. })));
        mode(0o600);
    }
    let mut production = place.config.clone();
    production.environment = Environment::Production;
    assert!(
        ExchangeKey::open(&production).unwrap().is_none(),
        "the one of development is not used"
    );
    production.authentication.exchange.key = Some(path);
    assert!(ExchangeKey::open(&production).unwrap().is_some());
    let pem = place.config.data.join("key.pem");
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    write_private(&pem, pair.serialize_pem().as_bytes()).unwrap();
    production.authentication.exchange.key = Some(pem.clone());
    assert!(ExchangeKey::open(&production).unwrap().is_some());
    fs::write(&pem, "nothing").unwrap();
    assert!(matches!(ExchangeKey::open(&production), Err(AuthnError::ExchangeKey { .. })));
    fs::remove_file(&pem).unwrap();
    assert!(matches!(ExchangeKey::open(&production), Err(AuthnError::ExchangeKey { .. })));
}

const ALL: [&str; 4] = ["a:b:c", "a:b:d", "a:e:f", "g:h:i"];

fn scope() -> impl Strategy<Value = Option<BTreeSet<CapabilityName>>> {
    let some = prop::sample::subsequence(ALL.to_vec(), 0..=ALL.len());
    prop::option::of(some.prop_map(|some| names(&some)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever is asked for, and however often: what is made allows nothing that the token before did not.
    #[test]
    fn what_is_made_only_ever_narrows(
        held in scope(),
        seconds in 1_i64..2000,
        steps in prop::collection::vec((scope(), scope(), -5_i64..3000, any::<bool>(), any::<bool>()), 1..4),
    ) {
        static PLACE: std::sync::LazyLock<Place> = std::sync::LazyLock::new(Place::new);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut token = PLACE.mint("a0", |wanted| { wanted.scope = held; wanted.seconds = seconds; });
        for (depth, (asked, of_actor, seconds, is_other, is_door)) in steps.into_iter().enumerate() {
            let actor = PLACE.mint(&format!("b{depth}"), |wanted| {
                wanted.scope = of_actor.clone();
                wanted.roles = ["admin".to_owned()].into();
            });
            let asked = asked.as_ref().map(words);
            let asked = Exchanging {
                subject: &token,
                actor: is_other.then_some(actor.as_str()),
                scope: asked.as_deref(),
                door: is_door.then_some("rest"),
                seconds: Some(seconds),
            };
            let before = runtime.block_on(PLACE.authn.bearer(&token)).unwrap();
            let Ok(made) = runtime.block_on(PLACE.exchange(asked)) else { continue };
            let after = runtime.block_on(PLACE.authn.bearer(&made.token)).unwrap();
            for name in ALL {
                let name = name.parse().unwrap();
                prop_assert!(!after.in_scope(&name) || before.in_scope(&name));
                let by_actor = !is_other || of_actor.as_ref().is_none_or(|scope| scope.contains(&name));
                prop_assert!(!after.in_scope(&name) || by_actor);
            }
            prop_assert!(after.ends_at() <= before.ends_at());
            prop_assert!(after.roles().is_subset(before.roles()));
            prop_assert!(before.door().is_none() || before.door() == after.door());
            prop_assert!(after.proven_by().starts_with(before.proven_by()));
            prop_assert!(after.is_or_acts_for(before.id()));
            token = made.token;
        }
    }
}
