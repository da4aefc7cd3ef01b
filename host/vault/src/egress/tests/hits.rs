//! What a response that held a credential has for a consequence.
use toolward_gate::{HeaderScheme, Note};

use super::{
    is,
    server::{Server, json},
    support::{Desk, Setup, TOKEN, header, outbound},
};
use crate::{EgressSettings, FingerprintKey, Secret};

const WITHHELD: (&str, &str) = ("withheld", "withheld /items/{id}");
const ENDED: (&str, &str) = ("halted", "withheld /items/{id}");

async fn echo() -> Server {
    Server::answering(json(format!("\"{TOKEN}\""))).await
}

fn fingerprint(desk: &Desk) -> String {
    let notes = desk.grant.call().notes.read();
    notes
        .iter()
        .find_map(|note| match note {
            Note::Withheld { fingerprint, credential, .. } => {
                assert_eq!(credential.as_ref().unwrap().as_str(), "github");
                Some(fingerprint.clone())
            }
            _ => None,
        })
        .unwrap()
}

#[tokio::test]
async fn the_third_response_with_a_credential_ends_the_call_and_throws_the_switch() {
    let server = echo().await;
    let desk = Setup { suspends: true, ..Setup::to(&server) }.open().await;
    is(&desk.outcome(outbound()).await, WITHHELD, "the first");
    is(&desk.outcome(outbound()).await, WITHHELD, "the second");
    assert!(desk.thrown().is_empty());
    is(&desk.outcome(outbound()).await, ENDED, "the third");
    let digest = desk.grant.call().tool.digest;
    assert_eq!(desk.thrown(), [format!("use {digest} shop:items:read")]);
    is(&desk.outcome(outbound()).await, ("halted", "not-sent halted"), "the fourth");
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn where_nobody_counts_no_number_of_them_ends_the_call() {
    let server = echo().await;
    let desk = Setup::to(&server).open().await;
    for number in 0..5 {
        is(&desk.outcome(outbound()).await, WITHHELD, &number.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_responses_at_once_two_at_most_leave_the_call_running() {
    let server = echo().await;
    let desk = Setup { suspends: true, ..Setup::to(&server) }.open().await;
    let mut sending = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let egress = desk.grant.egress().clone();
        sending.spawn(async move { egress.send(outbound()).await.unwrap_err().code() });
    }
    let codes = sending.join_all().await;
    assert!(codes.iter().all(|code| ["withheld", "halted"].contains(code)), "{codes:?}");
    let withheld = codes.iter().filter(|code| **code == "withheld").count();
    assert!(withheld <= 2 && !desk.thrown().is_empty(), "{codes:?}");
}

#[tokio::test]
async fn the_note_tells_which_credential_it_was_and_not_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let key = FingerprintKey::open(&folder.path().join("fingerprint.key")).unwrap();
    let (key, server) = (std::sync::Arc::new(key), echo().await);
    let settings =
        || EgressSettings { fingerprints: Some(key.clone()), ..EgressSettings::default() };
    let told = async |setup: Setup| {
        let desk = Setup { settings: settings(), ..setup }.open().await;
        is(&desk.outcome(outbound()).await, WITHHELD, "an echo");
        fingerprint(&desk)
    };
    let expected = key.fingerprints(&Secret::new(TOKEN))[0].to_string();
    assert_eq!(told(Setup::to(&server)).await, expected);
    assert_eq!(told(Setup::to(&server)).await, expected, "in another call");

    // The password came back, which is a credential by itself and the end of one.
    const PAIR: &str = "ana:ghp_Zx81+kQ/7mW=0pLr5vTn";
    let basic = header("authorization", HeaderScheme::Basic);
    let basic = told(Setup::to(&server).slot(basic).secret(Some(PAIR))).await;
    let pair = key.fingerprints(&Secret::new(PAIR))[0].to_string();
    assert!([&expected, &pair].contains(&&basic), "{basic}");
}
