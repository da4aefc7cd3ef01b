//! Progress, granted and not granted.
use serde_json::{Value, json};
use tokio::sync::mpsc;
use toolward_gate::{Cause, Limit, Progress, Refusal, Said, Stop};

use crate::world::{Setting, World};

async fn all(mut heard: mpsc::Receiver<Said>) -> Vec<Said> {
    let mut all = Vec::new();
    while let Some(said) = heard.recv().await {
        all.push(said);
    }
    all
}

fn progress(said: &Said) -> &Progress {
    let Said::Progress(progress) = said else { panic!("{said:?}") };
    progress
}

fn part(said: &Said) -> &str {
    let Said::Part(text) = said else { panic!("{said:?}") };
    text
}

fn recital(parts: u64, length: usize) -> Value {
    json!({ "parts": parts, "length": length })
}

#[tokio::test]
async fn a_tool_tells_its_caller_how_far_it_is_and_waits_for_a_slow_reader() {
    let world = World::new().await;
    let (to, heard) = mpsc::channel(1);
    let (outcome, said) =
        tokio::join!(world.call_heard("report", json!({ "steps": 20 }), to), all(heard));
    let steps: Vec<u64> = said.iter().map(|said| progress(said).done).collect();
    assert_eq!(outcome.unwrap().value["text"], "20 heard");
    assert_eq!(steps, (1..=20).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_tool_without_the_capability_tells_nobody() {
    let none = Setting::default().policy(
        r#"@id("no-progress") forbid(principal, action == Action::"host:progress:report", resource);"#,
    );
    let world = none.world().await;
    let (to, mut heard) = mpsc::channel(32);
    let refused = world.call_heard("report", json!({ "steps": 3 }), to).await;
    assert!(matches!(refused, Err(Stop::Refused(Refusal::NotGranted { .. }))), "{refused:?}");
    assert!(heard.recv().await.is_none());
}

#[tokio::test]
async fn parts_of_a_result_arrive_in_order_among_what_else_is_said() {
    let world = World::new().await;
    let (to, heard) = mpsc::channel(1);
    let (outcome, said) = tokio::join!(world.call_heard("recite", recital(200, 5), to), all(heard));
    assert_eq!(outcome.unwrap().value["text"], "200 heard");
    let expected: Vec<String> = (1..=200).map(|number| format!("{number:05}")).collect();
    assert_eq!(said.iter().map(part).collect::<Vec<_>>(), expected);
    let (to, heard) = mpsc::channel(1);
    let (outcome, said) =
        tokio::join!(world.call_heard("recite_between", json!({}), to), all(heard));
    assert_eq!(outcome.unwrap().value["text"], "[1, 2]");
    assert_eq!((progress(&said[0]).done, progress(&said[3]).done), (1, 2));
    // A part is data, and passed on as it is.
    assert_eq!((part(&said[1]), part(&said[2])), ("[1, ", "\u{1b}2]\n"));
}

#[tokio::test]
async fn a_reader_who_takes_nothing_holds_the_tool_until_its_time_is_over() {
    let policy = r#"@id("hurried") @ttl("500ms") permit(principal, action == Action::"call", resource == Tool::"recite");"#;
    let world = Setting::default().policy(policy).world().await;
    let (to, heard) = mpsc::channel(4);
    // Half a megabyte in long parts: no more of it is kept than the pieces that the channel has room for.
    let stopped = world.call_heard("recite", recital(8, 64 << 10), to).await;
    assert!(matches!(stopped, Err(Stop::Halted(Cause::TimeOver))), "{stopped:?}");
    let kept = all(heard).await;
    assert_eq!(kept.len(), 4);
    assert!(kept.iter().all(|said| part(said).len() <= 16 << 10));
    let (to, heard) = mpsc::channel(4);
    let (outcome, said) =
        tokio::join!(world.call_heard("recite", recital(8, 64 << 10), to), all(heard));
    assert_eq!(outcome.unwrap().value["text"], "8 heard");
    assert_eq!(said.iter().map(|said| part(said).len()).sum::<usize>(), 8 * (64 << 10));
}

#[tokio::test]
async fn a_reader_who_goes_away_is_told_to_the_tool_and_does_not_end_it() {
    let world = World::new().await;
    let (to, mut heard) = mpsc::channel(1);
    let leave = async {
        heard.recv().await.unwrap();
        drop(heard);
    };
    let (outcome, ()) = tokio::join!(world.call_heard("recite", recital(100, 5), to), leave);
    let text = outcome.unwrap().value["text"].as_str().unwrap().to_owned();
    assert!(["1 heard", "2 heard"].contains(&text.as_str()), "{text}");
    // Where nobody ever listened, nothing is handed over, and nothing counts.
    let unheard = world.call("recite", recital(2, 3 << 20)).await.unwrap();
    assert_eq!(unheard.value["text"], "0 heard");
}

#[tokio::test]
async fn parts_and_result_together_are_no_longer_than_a_result_may_be() {
    let world = World::new().await;
    let heard = |parts| {
        let (to, heard) = mpsc::channel(64);
        let world = &world;
        async move {
            tokio::join!(world.call_heard("recite", recital(parts, 64 << 10), to), all(heard)).0
        }
    };
    // A result may have a mebibyte: fifteen parts leave room for it, and sixteen are all of it.
    assert_eq!(heard(15).await.unwrap().value["text"], "15 heard");
    for over in [16, 17] {
        let stopped = heard(over).await;
        assert!(matches!(stopped, Err(Stop::Limit(Limit::Output))), "{stopped:?}");
    }
}
