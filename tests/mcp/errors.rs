//! What is no call: protocol errors, which are the client's to mend.
use serde_json::json;

use super::client::Client;
use crate::cli::Place;

#[test]
fn a_tool_or_a_method_that_is_not_there_is_a_protocol_error() {
    let place = Place::without_secrets(&["teller"]);
    let mut client = Client::connected(&place);
    let unknown = client.ask("tools/call", json!({ "name": "sya", "arguments": {} }));
    assert_eq!(unknown["error"]["code"], -32602);
    assert_eq!(unknown["error"]["message"], "there is no tool `sya`; did you mean `say`?");
    for method in ["tools/destroy", "prompts/list", "resources/list", "resources/templates/list"] {
        let answer = client.ask(method, json!({}));
        assert_eq!(answer["error"]["code"], -32601, "{answer}");
    }
    let said = client.call("say", json!({ "text": "still here" }));
    assert_eq!(said["structuredContent"]["text"], "still here");
    client.hang_up(&place).exits(0);
    let trail = place.run("audit tail --json").exits(0);
    let opened = trail.out.lines().filter(|line| line.contains(r#""record":"opened""#)).count();
    assert_eq!(opened, 1, "only the call that was one is recorded");
}

#[test]
fn lines_that_are_no_messages_do_not_end_the_connection() {
    let place = Place::without_secrets(&["teller"]);
    let mut client = Client::connected(&place);
    // What is not JSON has no id to answer to, and is passed over.
    client.write("this is not JSON");
    client.write("{\"jsonrpc\":\"2.0\",\"id\":");
    client.write("");
    // What is JSON and no message is answered.
    client.write("{\"jsonrpc\":\"1.0\",\"id\":70,\"method\":7}");
    let answer = client.next();
    assert_eq!(answer["error"]["code"], -32600, "{answer}");
    let said = client.call("say", json!({ "text": "still here" }));
    assert_eq!(said["structuredContent"]["text"], "still here");
    client.hang_up(&place).exits(0);
}

#[test]
fn arguments_that_are_no_object_are_not_called() {
    let place = Place::without_secrets(&["teller"]);
    let mut client = Client::connected(&place);
    let answer = client.ask("tools/call", json!({ "name": "say", "arguments": ["text"] }));
    assert!(answer["error"]["code"].is_i64(), "{answer}");
    client.hang_up(&place).exits(0);
    assert!(!place.run("audit tail").exits(0).out.contains("calls"));
}
