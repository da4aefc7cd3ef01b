//! HTTP/1.1 by hand: what is sent is what a test wrote, and what comes is read to its end.
use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
};

use serde_json::Value;

use crate::cli::PATIENCE;

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
}

/// A request that is still to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    target: String,
    host: Option<String>,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        let (method, target) = (method.to_owned(), target.to_owned());
        Self { method, target, host: None, fields: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn post(target: &str, body: &Value) -> Self {
        Self::new("POST", target).field("content-type", "application/json").body(body.to_string())
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn token(self, token: &str) -> Self {
        self.field("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn send(self, to: SocketAddr) -> Answer {
        Answer::read(self.begin(to))
    }

    /// Sends it, and leaves the answer to be read.
    pub(crate) fn begin(self, to: SocketAddr) -> TcpStream {
        let host = self.host.unwrap_or_else(|| to.to_string());
        let mut text = format!(
            "{} {} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n",
            self.method, self.target
        );
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let said = self.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        if !said && (!self.body.is_empty() || self.method == "POST") {
            text.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        let mut stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{text}\r\n").as_bytes()).unwrap();
        // A server that has decided may not read what follows.
        let _written = stream.write_all(&self.body);
        stream
    }
}

impl Answer {
    pub(crate) fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        // What was not read by the other side resets the connection after the answer.
        let _ended = stream.read_to_end(&mut bytes);
        let _closed = stream.shutdown(Shutdown::Both);
        Self::of(&String::from_utf8(bytes).unwrap())
    }

    fn of(text: &str) -> Self {
        let (head, body) =
            text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let fields: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap_or((line.trim_end_matches(':'), "")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let chunked = fields.contains(&("transfer-encoding".to_owned(), "chunked".to_owned()));
        let body = if chunked { joined(body) } else { body.to_owned() };
        Self { status, fields, body }
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(one, _)| one == name).map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn field(&self, name: &str) -> &str {
        self.all(name).first().copied().unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of a problem document.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.field("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{self:?}");
        problem["type"].as_str().unwrap().strip_prefix("urn:toolward:problem:").unwrap().to_owned()
    }

    /// The events of a stream: the name, where there is one, and the data.
    pub(crate) fn events(&self) -> Vec<(String, Value)> {
        assert!(self.field("content-type").starts_with("text/event-stream"), "{self:?}");
        let event = |block: &str| {
            let of = |name: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(name));
                line.map(|line| line.trim_start_matches(' ').to_owned())
            };
            let data = serde_json::from_str(&of("data:")?).ok()?;
            Some((of("event:").unwrap_or_default(), data))
        };
        self.body.split("\n\n").filter_map(event).collect()
    }
}

fn joined(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            break;
        }
        let (chunk, rest) = rest.split_at(length);
        whole.push_str(chunk);
        body = rest.strip_prefix("\r\n").unwrap();
    }
    whole
}
