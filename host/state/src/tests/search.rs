//! What is found in the trail, and what is not.
use std::time::Duration;

use serde_json::Value;
use toolward_gate::{Admitted, AuditLog as _, Change, Closed, Cost, Ending, Note, Record};

use super::support::{Place, call, closed, opened};
use crate::{Decided, Search, State};

/// A call that was admitted and sent something, one that was refused, one that waits, and a change.
async fn trail(place: &Place) -> State {
    let state = place.open().await;
    let (ran, refused, held) = (call("robo"), call("rita"), call("robo"));
    state.append(&opened(&ran)).await.unwrap();
    let admitted = Admitted { call: ran.id, basis: None, approval: None, reserved: Cost(1) };
    state.append(&Record::Admitted(admitted)).await.unwrap();
    let sent =
        Note::NotSent { capability: "shop:orders:write".to_owned(), code: "path".to_owned() };
    state.close(Closed { notes: vec![sent], ..closed(&ran, 1) }).await.unwrap();
    place.clock.pass(Duration::from_millis(1500));
    state.append(&opened(&refused)).await.unwrap();
    let ended = |outcome: &str| Ending { outcome: outcome.to_owned(), detail: None };
    state.close(Closed { ending: ended("forbidden"), ..closed(&refused, 0) }).await.unwrap();
    state.append(&opened(&held)).await.unwrap();
    state.close(Closed { ending: ended("held"), ..closed(&held, 0) }).await.unwrap();
    let (by, action) = ("ana".to_owned(), "kill-on".to_owned());
    state
        .record_change(Change {
            by,
            action,
            subject: "everything".to_owned(),
            reason: "x".to_owned(),
        })
        .await
        .unwrap();
    state
}

#[tokio::test]
async fn each_question_finds_its_records_and_no_others() {
    let place = Place::new();
    let begin = place.now();
    let state = trail(&place).await;
    let all = Search::default();
    let later = begin.checked_add(Duration::from_millis(1)).unwrap();
    let robo = Some("robo".to_owned());
    let capability = |name: &str| Search { capability: Some(name.to_owned()), ..Search::default() };
    let questions = [
        (all.clone(), vec![1, 2, 3, 4, 5, 6, 7, 8]),
        (Search { principal: robo.clone(), ..all.clone() }, vec![1, 2, 3, 6, 7]),
        (Search { principal: Some("owen".to_owned()), ..all.clone() }, vec![1, 2, 3, 4, 5, 6, 7]),
        (Search { principal: Some("ana".to_owned()), ..all.clone() }, vec![8]),
        (Search { tool: Some("charge".to_owned()), ..all.clone() }, vec![1, 2, 3, 4, 5, 6, 7]),
        (Search { tool: Some("charg".to_owned()), ..all.clone() }, vec![]),
        (capability("shop:orders:write"), vec![1, 2, 3]),
        (capability("shop:orders:read"), vec![]),
        (Search { decision: Some(Decided::Allow), ..all.clone() }, vec![1, 2, 3]),
        (Search { decision: Some(Decided::Refuse), ..all.clone() }, vec![4, 5]),
        (Search { decision: Some(Decided::Ask), ..all.clone() }, vec![6, 7]),
        (Search { code: Some("forbidden".to_owned()), ..all.clone() }, vec![4, 5]),
        (Search { code: Some("kill-on".to_owned()), ..all.clone() }, vec![8]),
        (Search { since: Some(later), ..all.clone() }, vec![4, 5, 6, 7, 8]),
        (Search { until: Some(later), ..all.clone() }, vec![1, 2, 3]),
        (Search { since: Some(begin), until: Some(begin), ..all.clone() }, vec![]),
        (Search { principal: robo, decision: Some(Decided::Ask), ..all.clone() }, vec![6, 7]),
        (Search { after: Some(5), most: Some(2), ..all }, vec![6, 7]),
    ];
    for (question, expected) in questions {
        let found = state.search(&question).await.unwrap();
        let found: Vec<u64> = found.iter().map(|link| link.sequence).collect();
        assert_eq!(found, expected, "{question:?}");
    }
}

#[tokio::test]
async fn what_is_looked_for_is_a_value_and_never_a_part_of_the_question() {
    let place = Place::new();
    let state = trail(&place).await;
    for text in ["' OR '1' = '1", "robo' --", "\"", "$.x", "%", "_"] {
        let question = Search {
            principal: Some(text.to_owned()),
            tool: Some(text.to_owned()),
            capability: Some(text.to_owned()),
            code: Some(text.to_owned()),
            ..Search::default()
        };
        assert!(state.search(&question).await.unwrap().is_empty(), "{text}");
    }
}

/// I-15: what somebody else wrote is one JSON value in one line.
#[tokio::test]
async fn control_characters_stay_inside_their_value() {
    let place = Place::new();
    let state = place.open().await;
    let text = "one\ntwo\r\u{1b}[31m\u{2028}\0\",\"record\":\"opened";
    let (by, action) = (text.to_owned(), "kill-on".to_owned());
    state
        .record_change(Change { by, action, subject: text.to_owned(), reason: text.to_owned() })
        .await
        .unwrap();
    let found = state
        .search(&Search { principal: Some(text.to_owned()), ..Search::default() })
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    assert!(!found[0].record.contains(['\n', '\r', '\u{1b}', '\0']));
    let record: Value = serde_json::from_str(&found[0].record).unwrap();
    assert_eq!((record["record"].as_str(), record["by"].as_str()), (Some("changed"), Some(text)));
    assert!(state.verify(&mut |_, _| ()).await.unwrap().holds());
}
