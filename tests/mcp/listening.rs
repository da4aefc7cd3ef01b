//! What a connection tells of by itself, and how much it takes in.
use serde_json::{Value, json};

use super::client::Client;
use crate::cli::Place;

#[test]
fn a_client_of_an_older_revision_hears_on_its_connection_that_the_list_is_another() {
    let place = Place::without_secrets(&["teller"]);
    let mut client = Client::silent(&place);
    let said = client.initialize();
    assert_eq!(said["capabilities"]["tools"]["listChanged"], true, "{said}");
    let names = |client: &mut Client| {
        let answer = client.ask("tools/list", json!({}));
        let tools = answer["result"]["tools"].as_array().unwrap().clone();
        tools.iter().any(|tool| tool["name"] == "say")
    };
    assert!(names(&mut client));
    for (word, there) in [("on", false), ("off", true)] {
        place.run(&format!("kill {word} tool say --reason odd")).exits(0);
        let heard = client.next();
        assert_eq!(heard["method"], "notifications/tools/list_changed", "{heard}");
        assert_eq!(names(&mut client), there);
    }
    client.hang_up(&place).exits(0);
}

/// F-16: a message is as long as it may be at the other doors.
#[test]
fn a_message_that_is_too_long_is_thrown_away_and_the_next_one_is_read() {
    let place = Place::without_secrets(&["teller"]);
    let mut client = Client::connected(&place);
    let message = |id: u64, length: usize| {
        let text = "a".repeat(length);
        let params = json!({ "name": "nothing", "arguments": { "text": text } });
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string()
    };
    let answered = |answer: Value, id: u64| {
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(id), &json!(-32602)));
    };
    client.write(&message(100, 1_000_000));
    answered(client.next(), 100);
    client.write(&message(101, 1_050_000));
    client.write(&message(102, 10));
    answered(client.next(), 102);
    client.hang_up(&place).exits(0);
}
