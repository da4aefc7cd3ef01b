//! How much one call may take.
use serde_json::json;
use toolward_gate::{Limit, SandboxLimits, Stop};

use crate::world::{Setting, World};

/// What a tool says, or the limit that it met.
async fn met(world: &World, tool: &str, arguments: serde_json::Value) -> Result<String, Limit> {
    match world.call(tool, arguments).await {
        Ok(output) => Ok(output.value["text"].as_str().unwrap().to_owned()),
        Err(Stop::Limit(limit)) => Err(limit),
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn memory_ends_at_its_limit_and_the_next_call_has_all_of_it_again() {
    let world = World::new().await;
    for _ in 0..2 {
        let full = met(&world, "fill_memory", json!({ "bytes": 80 << 20 })).await;
        assert_eq!(full, Err(Limit::Memory));
        let fits = met(&world, "fill_memory", json!({ "bytes": 16 << 20 })).await;
        assert_eq!(fits.unwrap(), "256 pages");
    }
}

#[tokio::test]
async fn a_result_ends_at_its_limit() {
    let world = World::new().await;
    assert_eq!(met(&world, "talk", json!({ "bytes": 2 << 20 })).await, Err(Limit::Output));
    assert_eq!(met(&world, "talk", json!({ "bytes": 1 << 19 })).await.unwrap().len(), 1 << 19);
}

#[tokio::test]
async fn a_result_of_more_values_than_a_call_may_have_is_not_read() {
    // An object with one member: that is three values, and a text is one of them.
    for (values, fits) in [(3, true), (2, false)] {
        let limits = SandboxLimits { values, ..SandboxLimits::default() };
        let world = Setting { limits: Some(limits), ..Setting::default() }.world().await;
        let said = met(&world, "talk", json!({ "bytes": 3 })).await;
        assert_eq!(said, if fits { Ok("aaa".to_owned()) } else { Err(Limit::Values) });
    }
}

#[tokio::test]
async fn a_result_that_the_host_would_not_even_read_is_a_limit_too() {
    let world = World::new().await;
    assert_eq!(met(&world, "talk", json!({ "bytes": 8 << 20 })).await, Err(Limit::HostCall));
}

#[tokio::test]
async fn recursion_ends_at_the_stack() {
    let world = World::new().await;
    assert!(met(&world, "recurse", json!({ "depth": 100 })).await.is_ok());
    assert_eq!(met(&world, "recurse", json!({ "depth": 100_000_000 })).await, Err(Limit::Stack));
    assert!(met(&world, "recurse", json!({ "depth": 100 })).await.is_ok());
}

#[tokio::test]
async fn handles_end_at_their_limit_and_the_tool_hears_so() {
    let world = World::new().await;
    assert_eq!(met(&world, "hoard", json!({ "count": 60 })).await.unwrap(), "60 held");
    let told = met(&world, "hoard", json!({ "count": 100_000 })).await.unwrap();
    assert_eq!(told, "64 and then TooMany");
}

#[tokio::test]
async fn handles_end_at_their_ceiling_whatever_the_limit_says() {
    let ceiling = SandboxLimits { handles: 5, ..SandboxLimits::ceiling() };
    let world = Setting { ceiling: Some(ceiling), ..Setting::default() }.world().await;
    assert_eq!(met(&world, "hoard", json!({ "count": 4 })).await.unwrap(), "4 held");
    let told = met(&world, "hoard", json!({ "count": 100 })).await.unwrap();
    assert_eq!(told, "5 and then TooMany");
}

#[tokio::test]
async fn log_lines_over_the_limit_are_counted_and_not_kept() {
    let world = World::new().await;
    met(&world, "chatter", json!({ "count": 10 })).await.unwrap();
    let (_, closed) = world.last_entry().await;
    assert_eq!(closed["notes"].as_array().unwrap().len(), 11);
    met(&world, "chatter", json!({ "count": 100_000 })).await.unwrap();
    let (_, closed) = world.last_entry().await;
    let notes = closed["notes"].as_array().unwrap();
    assert_eq!(notes.len(), 258);
    assert_eq!(notes[257], json!({ "note": "log-dropped", "lines": 100_000 - 256 }));
}

#[tokio::test]
async fn a_body_longer_than_the_capability_allows_does_not_leave() {
    let world = World::new().await;
    let post = |length: usize| {
        let wire = json!({ "method": "POST", "target": "/items/1", "body": "x".repeat(length) });
        world.call("fetch", wire)
    };
    let Err(Stop::Failed(failure)) = post(1025).await else { panic!() };
    assert_eq!(failure.code, "not-allowed");
    assert!(world.upstream.seen().is_empty());
    post(1024).await.unwrap();
    assert_eq!(world.upstream.seen()[0].body.len(), 1024);
}
