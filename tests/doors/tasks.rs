//! Calls whose callers come back for the answer. Classes E and F.
use serde_json::{Value, json};

use super::{
    mcp::{declaring, modern, result},
    server::Server,
    wire::{Answer, Request},
};
use crate::cli::Place;

fn can() -> Value {
    json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } })
}

fn call(server: &Server, token: &str, tool: &str, arguments: Value) -> Value {
    let params = json!({ "name": tool, "arguments": arguments });
    result(&declaring(can(), "tools/call", params).token(token).send(server.agents))
}

fn charge(server: &Server) -> Value {
    let arguments = json!({ "amount": 1000, "currency": "eur", "description": "Rent" });
    call(server, &server.agent, "create_charge", arguments)
}

fn asked(server: &Server, token: &str, method: &str, task: &Value) -> Value {
    let mut params = json!({ "taskId": task["taskId"] });
    if method == "tasks/update" {
        params["inputResponses"] = json!({});
    }
    let request = declaring(can(), method, params).token(token);
    answered(|| request.clone().send(server.agents)).json()
}

/// One who asks all the time meets the limit of one caller's rate.
fn answered(send: impl Fn() -> Answer) -> Answer {
    loop {
        let answer = send();
        if answer.status != 429 {
            return answer;
        }
    }
}

fn get(server: &Server, task: &Value) -> Value {
    let answer = asked(server, &server.agent, "tasks/get", task);
    assert!(answer.get("error").is_none(), "{answer}");
    answer["result"].clone()
}

/// As a client polls, only less patiently.
fn polled(server: &Server, task: &Value) -> Value {
    loop {
        let now = get(server, task);
        if now["status"] != "working" {
            return now;
        }
        std::thread::yield_now();
    }
}

/// Waits until a person was asked: a host that is busy hands out the task before that.
fn held(server: &Server, task: &Value) -> Value {
    loop {
        let now = get(server, task);
        assert_eq!(now["status"], "working", "{now}");
        if now["statusMessage"] == "it waits for a person" {
            return now;
        }
        std::thread::yield_now();
    }
}

fn decide(server: &Server, task: &Value, word: &str) {
    let task = held(server, task);
    let id = task["_meta"]["toolward/approval"].as_str().unwrap();
    let decided = Request::post(&format!("/v1/approvals/{id}/{word}"), &json!({}));
    assert_eq!(server.administer(decided).status, 200);
}

/// E-28: another principal's task is not there.
#[test]
fn a_held_task_outlives_the_host_and_goes_on_for_its_principal_once_it_is_approved() {
    let server = Server::at(Place::with(&["payments"]), "");
    let discovered = result(&server.ask(modern("server/discover", json!({}))));
    assert!(
        discovered["capabilities"]["extensions"]["io.modelcontextprotocol/tasks"].is_object(),
        "{discovered}"
    );
    let task = charge(&server);
    assert_eq!((&task["resultType"], &task["status"]), (&json!("task"), &json!("working")));
    held(&server, &task);
    assert_eq!(task["ttlMs"], 24 * 3600 * 1000);
    // A client that does not say that it knows tasks gets the answer that every client knows.
    let arguments = json!({ "amount": 2000, "currency": "eur", "description": "Rent" });
    let params = json!({ "name": "create_charge", "arguments": arguments });
    let plain = modern("tools/call", params);
    let plain = result(&answered(|| server.ask(plain.clone())));
    assert_eq!(plain["_meta"]["toolward/code"], "held");
    let server = server.crashed_and_started();
    assert_eq!(get(&server, &task)["status"], "working");
    decide(&server, &task, "approve");
    let other = server.mint("--id agent-8 --role assistant");
    let through = server.mint("--id agent-7 --role assistant --acts-for ana");
    for stranger in [&other, &through] {
        for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
            let mut task = task.clone();
            let theirs = asked(&server, stranger, method, &task);
            task["taskId"] = json!("00000000-0000-4000-8000-000000000000");
            let nobodys = asked(&server, stranger, method, &task);
            assert_eq!(theirs["error"]["code"], -32602, "{method}: {theirs}");
            assert_eq!(theirs["error"], nobodys["error"], "they cannot be told apart");
        }
    }
    assert!(server.place.upstream.seen().is_empty(), "nobody but its principal sets it going");
    let done = polled(&server, &task);
    assert_eq!(done["status"], "completed", "{done}");
    assert_eq!(done["result"]["structuredContent"]["status"], "requires_payment_method");
    assert_eq!(get(&server, &task), done);
    asked(&server, &server.agent, "tasks/cancel", &task);
    assert_eq!(get(&server, &task), done, "what is over is over");
    assert_eq!(server.place.upstream.seen().len(), 1);
    server.end();
}

#[test]
fn a_task_that_a_person_denies_is_completed_with_the_reason() {
    let server = Server::at(Place::with(&["payments"]), "");
    let task = charge(&server);
    decide(&server, &task, "deny");
    let done = polled(&server, &task);
    assert_eq!((&done["status"], &done["result"]["isError"]), (&json!("completed"), &json!(true)));
    assert_eq!(done["result"]["_meta"]["toolward/code"], "denied");
    assert!(server.place.upstream.seen().is_empty());
    server.end();
}

#[test]
fn a_held_task_that_is_cancelled_does_not_go_on() {
    let server = Server::at(Place::with(&["payments"]), "");
    let task = charge(&server);
    let id = held(&server, &task)["_meta"]["toolward/approval"].as_str().unwrap().to_owned();
    let acknowledged = asked(&server, &server.agent, "tasks/cancel", &task);
    assert_eq!(acknowledged["result"]["resultType"], "complete", "{acknowledged}");
    let decided = Request::post(&format!("/v1/approvals/{id}/approve"), &json!({}));
    assert_eq!(server.administer(decided).status, 200);
    assert_eq!(get(&server, &task)["status"], "cancelled");
    assert!(server.place.upstream.seen().is_empty());
    server.end();
}

/// E-28, F-22.
#[test]
fn a_call_that_takes_long_becomes_a_task_that_its_principal_alone_cancels() {
    let server = Server::at(Place::with(&["hostile", "teller"]), "");
    let page = json!({ "page": "slow" });
    let task = call(&server, &server.agent, "fetch_debug_page", page);
    assert_eq!((&task["resultType"], &task["status"]), (&json!("task"), &json!("working")));
    server.place.upstream.slow_began();
    let other = server.mint("--id agent-8 --role assistant");
    let theirs = asked(&server, &other, "tasks/cancel", &task);
    assert_eq!(theirs["error"]["code"], -32602, "{theirs}");
    assert_eq!(get(&server, &task)["status"], "working");
    asked(&server, &server.agent, "tasks/cancel", &task);
    server.place.upstream.slow_ended();
    assert_eq!(polled(&server, &task)["status"], "cancelled");
    let trail = server.place.run("audit tail").exits(0).out;
    assert!(trail.contains("cancelled"), "{trail}");
    server.end();
}

#[test]
fn a_task_whose_host_ended_while_it_ran_is_failed() {
    let server = Server::at(Place::with(&["hostile"]), "");
    let task = call(&server, &server.agent, "fetch_debug_page", json!({ "page": "slow" }));
    assert_eq!(task["resultType"], "task", "{task}");
    server.place.upstream.slow_began();
    let server = server.crashed_and_started();
    let lost = get(&server, &task);
    assert_eq!((&lost["status"], &lost["error"]["code"]), (&json!("failed"), &json!(-32603)));
    server.end();
}

#[test]
fn tasks_are_for_clients_that_say_they_know_them_and_have_no_other_methods() {
    let server = Server::with(&["teller"]);
    let task = json!({ "taskId": "00000000-0000-4000-8000-000000000000" });
    let undeclared = server.ask(modern("tasks/get", task.clone())).json();
    assert_eq!(undeclared["error"]["code"], -32021, "{undeclared}");
    for method in ["tasks/list", "tasks/result"] {
        let answer = declaring(can(), method, task.clone()).token(&server.agent);
        let answer = answer.send(server.agents).json();
        assert_eq!(answer["error"]["code"], -32601, "{method}: {answer}");
    }
    server.end();
}
