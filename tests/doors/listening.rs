//! Streams on which clients hear that the list of tools is another one.
use std::{
    io::{BufRead as _, BufReader},
    net::TcpStream,
};

use serde_json::{Value, json};

use super::{mcp::modern, server::Server};

/// One `subscriptions/listen`, read message by message.
pub(super) struct Stream(BufReader<TcpStream>);

impl Stream {
    /// Opens it, and hears that it is open.
    pub(super) fn open(server: &Server, token: &str) -> Self {
        let mut stream = Self::begun(server, token);
        let first = stream.next();
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{first}");
        stream
    }

    fn begun(server: &Server, token: &str) -> Self {
        let params = json!({ "notifications": { "toolsListChanged": true } });
        let request = modern("subscriptions/listen", params).token(token);
        Self(BufReader::new(request.begin(server.agents)))
    }

    pub(super) fn next(&mut self) -> Value {
        self.message().expect("the stream has ended")
    }

    fn message(&mut self) -> Option<Value> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some(data) = line.strip_prefix("data:")
                && let Ok(message) = serde_json::from_str(data.trim())
            {
                return Some(message);
            }
        }
    }

    /// Everything that is still to come.
    fn rest(mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.message()).collect()
    }
}

fn methods(messages: &[Value]) -> Vec<&str> {
    messages.iter().filter_map(|one| one["method"].as_str()).collect()
}

#[test]
fn who_is_shown_another_list_hears_of_it_and_nobody_else() {
    let server = Server::with(&["teller"]);
    let stranger = server.mint("--id agent-9 --role visitor");
    let (mut mine, theirs) =
        (Stream::open(&server, &server.agent), Stream::open(&server, &stranger));
    server.place.run("kill on tool say --reason odd").exits(0);
    let heard = mine.next();
    assert_eq!(heard["method"], "notifications/tools/list_changed", "{heard}");
    assert_eq!(heard["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 1, "{heard}");
    let list = server.ask(modern("tools/list", json!({}))).body;
    assert!(!list.contains("\"say\"") && list.contains("\"count\""), "{list}");
    server.place.run("kill off tool say --reason fine").exits(0);
    assert_eq!(mine.next()["method"], "notifications/tools/list_changed");
    // It ends in good order, and does not keep the host.
    server.end();
    let (mine, theirs) = (mine.rest(), theirs.rest());
    assert_eq!(methods(&theirs), Vec::<&str>::new(), "{theirs:?}");
    for rest in [mine, theirs] {
        assert_eq!(rest.last().unwrap()["id"], 1, "{rest:?}");
        assert!(rest.last().unwrap()["result"].is_object(), "{rest:?}");
    }
}

/// streams are as bounded as anything else that is held for somebody.
#[test]
fn nobody_holds_more_streams_than_there_are_for_one() {
    let server = Server::with(&["teller"]);
    let open: Vec<Stream> = (0..8).map(|_| Stream::open(&server, &server.agent)).collect();
    let refused = Stream::begun(&server, &server.agent).rest();
    assert_eq!(refused.last().unwrap()["error"]["code"], -32600, "{refused:?}");
    let other = server.mint("--id agent-8 --role assistant");
    drop(Stream::open(&server, &other));
    drop(open);
    // A place is free once it is noticed that its client is gone.
    loop {
        let mut again = Stream::begun(&server, &server.agent);
        again.next();
        server.place.run("kill on tool say --reason odd").exits(0);
        let next = again.next();
        server.place.run("kill off tool say --reason fine").exits(0);
        if next["method"] == "notifications/tools/list_changed" {
            break;
        }
        assert_eq!(next["error"]["code"], -32600, "{next}");
    }
    server.end();
}

/// E-17: a stream is no longer than what proved who listens.
#[test]
fn a_stream_ends_with_its_token_and_when_that_is_taken_back() {
    let server = Server::with(&["teller"]);
    let short = server.mint("--id agent-8 --role assistant --for 3s");
    let over = Stream::open(&server, &short).rest();
    assert!(over.last().unwrap()["result"].is_object(), "{over:?}");
    let other = server.mint("--id agent-9 --role assistant");
    let (revoked, mut stays) =
        (Stream::open(&server, &other), Stream::open(&server, &server.agent));
    server.place.run("token revoke --subject agent-9 --reason leaked").exits(0);
    let over = revoked.rest();
    assert!(over.last().unwrap()["result"].is_object(), "{over:?}");
    server.place.run("kill on tool say --reason odd").exits(0);
    assert_eq!(stays.next()["method"], "notifications/tools/list_changed");
    server.end();
}
