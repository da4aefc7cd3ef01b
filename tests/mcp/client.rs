//! A client that writes lines and reads lines, and checks each line that it reads.
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, ChildStdin, Output},
    sync::mpsc::{Receiver, channel},
    thread::{self, JoinHandle},
};

use serde_json::{Value, json};

use crate::cli::{PATIENCE, Place, Ran};

pub(crate) struct Client {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
    requests: u64,
    /// Everything that came.
    transcript: String,
    /// Notifications that came while an answer was waited for.
    pub(crate) notes: Vec<Value>,
}

impl Client {
    /// Starts the program, and does not say anything yet.
    pub(crate) fn silent(place: &Place) -> Self {
        Self::of(place.start("run"))
    }

    /// The same, with everything in the log.
    pub(crate) fn loud(place: &Place) -> Self {
        Self::of(place.start("run -vv"))
    }

    fn of(mut child: Child) -> Self {
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            // Ends with the stream, or with the client.
            output.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
        });
        let mut stream = child.stderr.take().unwrap();
        let errors = thread::spawn(move || {
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        });
        let input = child.stdin.take();
        Self {
            child,
            input,
            lines,
            errors: Some(errors),
            requests: 0,
            transcript: String::new(),
            notes: Vec::new(),
        }
    }

    /// Starts the program and shakes hands.
    pub(crate) fn connected(place: &Place) -> Self {
        let mut client = Self::silent(place);
        client.initialize();
        client
    }

    /// Of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn initialize(&mut self) -> Value {
        self.greet("2025-06-18", &json!({}))
    }

    /// As a client of this revision that can do this.
    pub(crate) fn greet(&mut self, revision: &str, capabilities: &Value) -> Value {
        let answer = self.ask(
            "initialize",
            json!({
                "protocolVersion": revision, "capabilities": capabilities,
                "clientInfo": { "name": "a client", "version": "1" },
            }),
        );
        self.write(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string());
        answer["result"].clone()
    }

    pub(crate) fn write(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
        input.flush().unwrap();
    }

    /// Sends a request, and returns its id.
    pub(crate) fn request(&mut self, method: &str, params: Value) -> u64 {
        self.requests += 1;
        let id = self.requests;
        let mut message = json!({ "jsonrpc": "2.0", "id": id, "method": method });
        message["params"] = params;
        self.write(&message.to_string());
        id
    }

    /// The next message. It is JSON-RPC, as everything on standard output has to be.
    pub(crate) fn next(&mut self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("the program says nothing more");
        self.transcript.push_str(&line);
        self.transcript.push('\n');
        let message: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(message["jsonrpc"], "2.0", "{message}");
        message
    }

    /// The answer to a request.
    pub(crate) fn answer(&mut self, id: u64) -> Value {
        loop {
            let message = self.next();
            if message["id"] == id {
                return message;
            }
            assert!(message.get("id").is_none(), "an answer nobody waits for: {message}");
            self.notes.push(message);
        }
    }

    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        self.answer(id)
    }

    pub(crate) fn request_call(&mut self, tool: &str, arguments: Value) -> u64 {
        let mut params = json!({ "name": tool });
        params["arguments"] = arguments;
        self.request("tools/call", params)
    }

    /// The result of a tool.
    pub(crate) fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let id = self.request_call(tool, arguments);
        let answer = self.answer(id);
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].clone()
    }

    /// Hangs up, and returns what the program said and how it ended.
    pub(crate) fn hang_up(mut self, place: &Place) -> Ran {
        drop(self.input.take());
        let status = self.child.wait().unwrap();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.transcript.push_str(&line);
            self.transcript.push('\n');
        }
        let stdout = std::mem::take(&mut self.transcript).into_bytes();
        let stderr = self.errors.take().unwrap().join().unwrap().into_bytes();
        place.ran("run", Output { status, stdout, stderr })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}
