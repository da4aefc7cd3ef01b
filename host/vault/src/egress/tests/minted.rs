//! Requests with minted credentials: what becomes of a value that comes back, is refused, or outlives its use.
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::future::join;
use toolward_gate::{Destination, SwitchTarget};

use super::{
    is,
    support::{Desk, Setup, outbound},
};
use crate::{
    BrokerConfig, EgressSettings, SecretStore,
    broker::tests::{Drawer, Endpoint, Request, SECRET, answer},
};

const WITHHELD: (&str, &str) = ("withheld", "withheld /items/{id}");
const SENT: (&str, &str) = ("ok", "sent /items/{id} 200");
const REFUSED: (&str, &str) = ("ok", "sent /items/{id} 401");

/// What an API does with the token that it is shown.
type Api = fn(token: &str) -> Vec<u8>;

/// A server that mints numbered tokens under `/token`, and is the API everywhere else.
struct Site {
    endpoint: Endpoint,
    minted: Arc<AtomicUsize>,
    /// For how many seconds a token is good.
    lasts: Arc<AtomicUsize>,
}

impl Site {
    async fn with(api: Api) -> Self {
        let site = Self::held(api).await;
        site.endpoint.let_go();
        site
    }

    async fn held(api: Api) -> Self {
        let minted = Arc::new(AtomicUsize::new(0));
        let lasts = Arc::new(AtomicUsize::new(900));
        let (counted, seconds) = (minted.clone(), lasts.clone());
        let answers = move |request: &Request, _| {
            if request.line.starts_with("POST /token ") {
                let token = token(counted.fetch_add(1, Ordering::SeqCst));
                let seconds = seconds.load(Ordering::SeqCst);
                let body = format!(
                    "{{\"access_token\":\"{token}\",\"token_type\":\"Bearer\",\"expires_in\":{seconds}}}"
                );
                return answer("200 OK", "application/json", &body);
            }
            api(request.header("authorization").unwrap().strip_prefix("Bearer ").unwrap())
        };
        Self { endpoint: Endpoint::held(answers).await, minted, lasts }
    }

    /// A call whose credential is minted here and used here.
    async fn desk(&self) -> Desk {
        let config = format!(
            "kind = \"oauth2-client-credentials\"\nstore = \"local\"\ntoken_endpoint = \"{}\"\n\
             allow_private = true\nclient_id = \"toolward\"\nclient_secret = \"crm-secret\"",
            self.endpoint.url("/token")
        );
        let store = Arc::new(Drawer::default());
        store.put("crm-secret", SECRET);
        self.desk_with(&config, store).await
    }

    async fn desk_with(&self, config: &str, store: Arc<dyn SecretStore>) -> Desk {
        let config: BrokerConfig = toml::from_str(config).unwrap();
        let stores = [("local".to_owned(), store)].into();
        let broker = config.broker(&"github".parse().unwrap(), &stores).unwrap();
        let (host, port) = ("localhost".to_owned(), self.endpoint.port);
        let mut setup = Setup::at(Destination { https: true, host, port });
        let extra_roots_pem = Some(self.endpoint.authority.clone().into_bytes());
        setup.settings = EgressSettings { extra_roots_pem, ..EgressSettings::default() };
        setup.broker = Some(broker);
        setup.open().await
    }

    fn minted(&self) -> usize {
        self.minted.load(Ordering::SeqCst)
    }

    /// The tokens that the API was shown, in their order.
    fn shown(&self) -> Vec<String> {
        let seen = self.endpoint.seen();
        let api = seen.iter().filter(|one| one.line.contains(" /items/"));
        api.map(|one| one.header("authorization").unwrap().to_owned()).collect()
    }
}

fn token(number: usize) -> String {
    format!("at_{number}_Zx81kQ7mW0pLr5vTnB4y")
}

fn told(text: &str) -> Vec<u8> {
    answer("200 OK", "application/json", &format!("\"{text}\""))
}

fn refused(text: &str) -> Vec<u8> {
    answer("401 Unauthorized", "application/json", &format!("\"{text}\""))
}

async fn sends(desk: &Desk, expected: (&str, &str), what: &str) {
    is(&desk.outcome(outbound()).await, expected, what);
}

/// C-39, in the same breath.
#[tokio::test]
async fn a_minted_token_arrives_and_is_kept_back_when_it_comes_back() {
    let site = Site::with(|_| told("nothing of it")).await;
    let desk = site.desk().await;
    sends(&desk, SENT, "a plain answer").await;
    sends(&desk, SENT, "another one").await;
    assert_eq!(site.shown(), vec![format!("Bearer {}", token(0)); 2]);
    assert_eq!(site.minted(), 1);
    let site = Site::with(|token| told(&STANDARD.encode(format!("<{token}>")))).await;
    sends(&site.desk().await, WITHHELD, "an echo").await;
}

/// C-39: what it was minted with, too.
#[tokio::test]
async fn what_a_token_was_minted_with_is_kept_back_when_it_comes_back() {
    let site = Site::with(|_| told(SECRET)).await;
    sends(&site.desk().await, WITHHELD, "the client's secret").await;
    let basic: Api = |_| told(&STANDARD.encode(format!("toolward:{SECRET}")));
    sends(&Site::with(basic).await.desk().await, WITHHELD, "its Basic string").await;
    let other: Api = |_| told(&STANDARD.encode("toolward:another0Value1Of2Length"));
    sends(&Site::with(other).await.desk().await, SENT, "another Basic string").await;
}

/// C-39 and J-16: the one before is looked for as well.
#[tokio::test]
async fn a_refused_token_is_replaced_and_is_still_kept_back_when_it_comes_back() {
    let site = Site::with(|shown| match shown == token(0) {
        true => refused("no"),
        false => told(&token(0)),
    })
    .await;
    let desk = site.desk().await;
    sends(&desk, REFUSED, "the tool sees the refusal, and nothing is sent twice").await;
    assert_eq!((site.minted(), site.shown().len()), (1, 1));
    sends(&desk, WITHHELD, "the new token is used, and the old one comes back").await;
    assert_eq!(site.shown(), [token(0), token(1)].map(|token| format!("Bearer {token}")));
    let never: Api = |shown| match shown == token(0) {
        true => refused("no"),
        false => told("tk_7_Qp25vR9nX3sLk6wUmC7z"),
    };
    let site = Site::with(never).await;
    let desk = site.desk().await;
    sends(&desk, REFUSED, "as before").await;
    sends(&desk, SENT, "a value that never was one").await;
}

/// J-16: no storm. What a tool gets refused again and again does not ask the token endpoint again and again.
#[tokio::test]
async fn an_api_that_refuses_every_token_costs_two_of_them() {
    let site = Site::with(|_| refused("no")).await;
    let desk = site.desk().await;
    for _ in 0..10 {
        sends(&desk, REFUSED, "refused").await;
    }
    assert_eq!((site.minted(), site.shown().len()), (2, 10));
    let site = Site::with(|_| answer("403 Forbidden", "application/json", "1")).await;
    let desk = site.desk().await;
    for _ in 0..10 {
        sends(&desk, ("ok", "sent /items/{id} 403"), "forbidden").await;
    }
    assert_eq!(site.minted(), 1, "403 says that the token was understood");
}

/// C-39: a response that is under way while its token is replaced.
#[tokio::test]
async fn a_response_that_began_before_a_token_was_replaced_is_searched_for_both() {
    for echo in [token(0), token(1)] {
        let site = Site::held(|_| told("{}")).await;
        let desk = site.desk().await;
        let slow = async { desk.send(outbound()).await };
        let replaced = async {
            site.endpoint.has_request().await;
            site.endpoint.let_one_go();
            site.endpoint.has_request().await;
            desk.throw_here(SwitchTarget::Capability("other:thing:read".to_owned())).await;
        };
        // The request is under way when the first token is dropped.
        let second = async {
            replaced.await;
            let next = desk.send(outbound());
            let served = async {
                site.endpoint.has_request().await;
                site.endpoint.echo(&echo);
                site.endpoint.let_go();
            };
            join(next, served).await.0
        };
        let (first, second) = Box::pin(join(slow, second)).await;
        assert_eq!(first.unwrap_err().code(), "withheld", "{echo}");
        assert_eq!(second.unwrap_err().code(), "withheld", "{echo}");
        assert_eq!(site.minted(), 2);
    }
}

/// H-24: a switch drops what was minted before it, whatever it stops.
#[tokio::test]
async fn what_was_minted_before_a_switch_is_not_used_after_it() {
    let site = Site::with(|_| told("{}")).await;
    let desk = site.desk().await;
    sends(&desk, SENT, "before").await;
    sends(&desk, SENT, "no switch").await;
    assert_eq!(site.minted(), 1);
    desk.throw_here(SwitchTarget::Principal("somebody-else".to_owned())).await;
    sends(&desk, SENT, "after").await;
    assert_eq!(site.minted(), 2);
    desk.throw_here(SwitchTarget::Credential("github".to_owned())).await;
    sends(&desk, ("halted", "not-sent halted"), "its own switch").await;
    assert_eq!((site.minted(), site.shown().len()), (2, 3));
}

/// H-24: while it is minted.
#[tokio::test]
async fn a_switch_ends_a_request_that_waits_for_its_credential() {
    let site = Site::held(|_| told("{}")).await;
    let desk = site.desk().await;
    let switched = async {
        site.endpoint.has_request().await;
        desk.throw_here(SwitchTarget::Everything).await;
    };
    let (outcome, ()) = join(desk.outcome(outbound()), switched).await;
    is(&outcome, ("halted", "not-sent halted"), "while it waits");
    assert!(site.shown().is_empty());
}

#[tokio::test]
async fn the_value_before_a_rotation_is_still_kept_back_when_it_comes_back() {
    const OLD: &str = "ghp_old4fK29dLq81XzWm73bT";
    for (echoed, expected) in [(true, WITHHELD), (false, SENT)] {
        let api: Api = if echoed { |_| told(OLD) } else { |_| told("ghp_gone5gL30eMr92YaXn84cU") };
        let site = Site::with(api).await;
        let store = Arc::new(Drawer::default());
        store.put("token", OLD);
        let config = "kind = \"static-token\"\nstore = \"local\"\nsecret = \"token\"";
        let desk = site.desk_with(config, store.clone()).await;
        sends(&desk, expected, "the current value").await;
        store.put("token", "ghp_new6hM41fNs03ZbYo95dV");
        sends(&desk, expected, "the value before").await;
        let last = site.shown().pop().unwrap();
        assert_eq!(last, "Bearer ghp_new6hM41fNs03ZbYo95dV");
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_had_sends_nothing() {
    let endpoint = Site::with(|_| told("{}")).await;
    let store = Arc::new(Drawer::default());
    let config = format!(
        "kind = \"oauth2-client-credentials\"\nstore = \"local\"\ntoken_endpoint = \"{}\"\n\
         allow_private = true\nclient_id = \"toolward\"\nclient_secret = \"crm-secret\"",
        endpoint.endpoint.url("/token")
    );
    let desk = endpoint.desk_with(&config, store.clone()).await;
    let unavailable = ("credential-unavailable", "not-sent credential-unavailable");
    sends(&desk, unavailable, "no client secret").await;
    assert!(endpoint.endpoint.seen().is_empty());
    store.put("crm-secret", SECRET);
    sends(&desk, SENT, "with it").await;
}

/// H-24: what a switch withdraws is known by its credential, and is revoked where the provider can.
#[tokio::test]
async fn a_switch_withdraws_the_values_of_what_it_names_and_of_nothing_else() {
    let site = Site::with(|_| told("{}")).await;
    let config = format!(
        "kind = \"oauth2-client-credentials\"\nstore = \"local\"\ntoken_endpoint = \"{}\"\n\
         revocation_endpoint = \"{}\"\nallow_private = true\nclient_id = \"toolward\"\n\
         client_secret = \"crm-secret\"",
        site.endpoint.url("/token"),
        site.endpoint.url("/revoke")
    );
    for (target, withdrawn) in [
        ("everything", 1),
        ("credential github", 1),
        ("provider shop", 1),
        ("provider other", 0),
        ("credential other", 0),
        ("tool shop", 0),
        ("capability shop:items:read", 0),
        ("principal agent-7", 0),
    ] {
        let store = Arc::new(Drawer::default());
        store.put("crm-secret", SECRET);
        let desk = site.desk_with(&config, store).await;
        sends(&desk, SENT, "before").await;
        let named = desk.withdraw(&target.parse().unwrap());
        let names: Vec<String> = named.iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, vec!["github"; withdrawn], "{target}");
    }
}

/// A value that ends in mid-flight ends the request that uses it.
#[tokio::test]
async fn a_request_does_not_outlive_the_value_that_it_carries() {
    let site = Site::held(|_| told("{}")).await;
    site.lasts.store(3, Ordering::SeqCst);
    let desk = site.desk().await;
    site.endpoint.let_one_go();
    let outcome = desk.outcome(outbound()).await;
    is(&outcome, ("credential-ended", "unanswered /items/{id} credential-ended"), "held");
    assert_eq!(site.shown().len(), 1, "it had left");
    site.lasts.store(900, Ordering::SeqCst);
    site.endpoint.let_go();
    sends(&desk, SENT, "with a value that is good").await;
}
