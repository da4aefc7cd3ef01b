//! Where in what a server sends can a value stand, and what becomes of it there?
use super::wire::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PUSH_PROMISE, field,
    frame,
};

/// A place in a response, as bytes on a socket.
pub(super) struct Placement {
    pub(super) name: &'static str,
    takes: Takes,
    pub(super) ends: Ends,
    wire: fn(&[u8]) -> Vec<Vec<u8>>,
}

/// What may stand there by the rules of HTTP; anything else breaks the response.
#[derive(Clone, Copy)]
enum Takes {
    Anything,
    /// RFC 9110 section 5.5.
    Value,
    /// RFC 9110 section 5.6.2.
    Token,
}

/// What becomes of a response with a credential there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// The credential is found, and nothing of the response reaches the tool.
    Withheld,
    /// The response breaks off or is none: the tool is told that, or that it was withheld.
    Broken,
    /// No tool sees that part of a response, and what it sees is whole.
    Dropped,
}

impl Placement {
    pub(super) fn of(&self, written: &[u8]) -> Vec<Vec<u8>> {
        (self.wire)(written)
    }

    /// Whether the response is one, with this in it.
    pub(super) fn takes(&self, written: &[u8]) -> bool {
        let is_value = |byte: &u8| *byte == b'\t' || *byte >= b' ' && *byte != 0x7f;
        let is_token =
            |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        match self.takes {
            Takes::Anything => true,
            Takes::Value => written.iter().all(is_value),
            Takes::Token => written.iter().all(is_token),
        }
    }
}

const fn at(
    name: &'static str,
    takes: Takes,
    ends: Ends,
    wire: fn(&[u8]) -> Vec<Vec<u8>>,
) -> Placement {
    Placement { name, takes, ends, wire }
}

/// In HTTP/1.1 (RFC 9112).
pub(super) const PLAIN: [Placement; 23] = [
    at("body", Takes::Anything, Ends::Withheld, |value| whole(OK, JSON, &quoted(value))),
    at("error page", Takes::Anything, Ends::Withheld, |value| {
        whole("500 Internal Server Error", HTML, &[b"<pre>Bearer ", value, b"</pre>"].concat())
    }),
    at("body of a refusal", Takes::Anything, Ends::Withheld, |value| {
        whole("401 Unauthorized", JSON, &quoted(value))
    }),
    at("part of a body", Takes::Anything, Ends::Withheld, |value| {
        let part = b"--b\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n";
        whole(OK, PARTS, &[part.as_slice(), value, b"\r\n--b--\r\n"].concat())
    }),
    at("body in chunks", Takes::Anything, Ends::Withheld, |value| chunked(value, 5, b"", b"")),
    at("chunks of a byte", Takes::Anything, Ends::Withheld, |value| chunked(value, 1, b"", b"")),
    at("body that breaks off", Takes::Anything, Ends::Broken, |value| {
        let body = quoted(value);
        let head = format!("HTTP/1.1 200 OK\r\n{JSON}content-length: {}\r\n\r\n", body.len() + 9);
        vec![head.into_bytes(), body]
    }),
    at("chunks that break off", Takes::Anything, Ends::Broken, |value| {
        let mut pieces = chunked(value, 7, b"", b"");
        pieces.pop();
        pieces
    }),
    at("field", Takes::Value, Ends::Withheld, |value| with_field(OK, b"etag", value)),
    at("field that is not shown", Takes::Value, Ends::Withheld, |value| {
        with_field(OK, b"x-debug", value)
    }),
    at("name of a field", Takes::Token, Ends::Withheld, |value| {
        with_field(OK, &[b"x-", value].concat(), b"1")
    }),
    at("cookie", Takes::Value, Ends::Withheld, |value| {
        with_field(OK, b"set-cookie", &[b"session=", value, b"; HttpOnly"].concat())
    }),
    at("challenge", Takes::Value, Ends::Withheld, |value| {
        let challenge = [b"Bearer error_description=\"", value, b"\""].concat();
        with_field("401 Unauthorized", b"www-authenticate", &challenge)
    }),
    at("location", Takes::Value, Ends::Withheld, |value| {
        with_field("302 Found", b"location", &[b"/items/2?page=", value].concat())
    }),
    at("location elsewhere", Takes::Value, Ends::Withheld, |value| {
        let elsewhere = [b"https://elsewhere.example/", value].concat();
        with_field("307 Temporary Redirect", b"location", &elsewhere)
    }),
    at("folded field", Takes::Value, Ends::Broken, |value| {
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\netag: a\r\n ";
        vec![[head.as_slice(), value, b"\r\ncontent-length: 2\r\n\r\n{}"].concat()]
    }),
    at("reason", Takes::Value, Ends::Dropped, |value| {
        vec![[b"HTTP/1.1 200 ", value, b"\r\n", EMPTY].concat()]
    }),
    at("early hints", Takes::Value, Ends::Dropped, |value| {
        let hints = [b"HTTP/1.1 103 Early Hints\r\nlink: <", value, b">\r\n\r\n"].concat();
        vec![hints, [b"HTTP/1.1 200 OK\r\n", EMPTY].concat()]
    }),
    at("chunk extension", Takes::Token, Ends::Dropped, |value| {
        chunked(b"more", 2, &[b";a=", value].concat(), b"")
    }),
    at("trailer", Takes::Value, Ends::Dropped, |value| {
        chunked(b"more", 2, b"", &[b"x-digest: ", value, b"\r\n"].concat())
    }),
    at("name of a trailer", Takes::Token, Ends::Dropped, |value| {
        chunked(b"more", 2, b"", &[b"x-", value, b": 1\r\n"].concat())
    }),
    at("behind the end", Takes::Anything, Ends::Dropped, |value| {
        vec![[b"HTTP/1.1 200 OK\r\n", EMPTY, value].concat()]
    }),
    at("behind an upgrade", Takes::Anything, Ends::Dropped, |value| {
        let head = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n";
        vec![[head.as_slice(), b"\r\n", value].concat()]
    }),
];

/// In HTTP/2 (RFC 9113).
pub(super) const FRAMED: [Placement; 11] = [
    at("field", Takes::Value, Ends::Withheld, |value| headed(&field(b"etag", value))),
    at("name of a field", Takes::Token, Ends::Withheld, |value| {
        let name = [b"x-", value.to_ascii_lowercase().as_slice()].concat();
        headed(&field(&name, b"1"))
    }),
    at("cookie", Takes::Value, Ends::Withheld, |value| headed(&field(b"set-cookie", value))),
    at("field over two frames", Takes::Value, Ends::Withheld, |value| {
        let block = [start(), field(b"x-debug", value)].concat();
        let (first, second) = block.split_at(block.len() - value.len() / 2);
        vec![
            frame(HEADERS, 0, first),
            frame(CONTINUATION, END_HEADERS, second),
            frame(DATA, END_STREAM, b"{}"),
        ]
    }),
    at("body in frames", Takes::Anything, Ends::Withheld, |value| {
        let mut frames = vec![frame(HEADERS, END_HEADERS, &start())];
        frames.extend(quoted(value).chunks(5).map(|piece| frame(DATA, 0, piece)));
        frames.push(frame(DATA, END_STREAM, b""));
        frames
    }),
    at("name with a colon", Takes::Token, Ends::Broken, |value| {
        headed(&field(&[b":", value.to_ascii_lowercase().as_slice()].concat(), b"1"))
    }),
    at("promise", Takes::Value, Ends::Broken, |value| {
        let asked = [
            field(b":method", b"GET"),
            field(b":scheme", b"https"),
            field(b":authority", b"localhost"),
            field(b":path", &[b"/", value].concat()),
        ];
        let promise = [[0, 0, 0, 2].as_slice(), &asked.concat()].concat();
        vec![frame(PUSH_PROMISE, END_HEADERS, &promise)]
    }),
    at("trailer", Takes::Value, Ends::Dropped, |value| {
        vec![
            frame(HEADERS, END_HEADERS, &start()),
            frame(DATA, 0, b"{}"),
            frame(HEADERS, END_HEADERS | END_STREAM, &field(b"x-digest", value)),
        ]
    }),
    at("padding", Takes::Anything, Ends::Dropped, |value| {
        let mut frames = vec![frame(HEADERS, END_HEADERS, &start())];
        frames.extend(value.chunks(200).map(|padding| {
            let length = u8::try_from(padding.len()).unwrap();
            frame(DATA, PADDED, &[&[length], padding].concat())
        }));
        frames.push(frame(DATA, END_STREAM, b"{}"));
        frames
    }),
    at("frame of no kind", Takes::Anything, Ends::Dropped, |value| {
        let mut frames = headed(b"");
        frames.insert(1, frame(0xfa, 0, value));
        frames
    }),
    at("farewell", Takes::Anything, Ends::Dropped, |value| {
        let mut frames = headed(b"");
        let farewell = [[0; 8].as_slice(), value].concat();
        frames.insert(1, frame(GOAWAY, 0, &farewell));
        frames
    }),
];

fn quoted(value: &[u8]) -> Vec<u8> {
    [b"{\"you sent\":\"", value, b"\"}"].concat()
}

fn whole(status: &str, fields: &str, body: &[u8]) -> Vec<Vec<u8>> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{fields}content-length: {length}\r\n\r\n");
    vec![[head.as_bytes(), body].concat()]
}

fn with_field(status: &str, name: &[u8], value: &[u8]) -> Vec<Vec<u8>> {
    let line = format!("HTTP/1.1 {status}\r\n");
    vec![[line.as_bytes(), name, b": ", value, b"\r\n", EMPTY].concat()]
}

fn chunked(text: &[u8], size: usize, extension: &[u8], trailer: &[u8]) -> Vec<Vec<u8>> {
    let head = format!("HTTP/1.1 200 OK\r\n{JSON}transfer-encoding: chunked\r\n\r\n");
    let mut pieces = vec![head.into_bytes()];
    for chunk in quoted(text).chunks(size) {
        let length = format!("{:x}", chunk.len());
        pieces.push([length.as_bytes(), extension, b"\r\n", chunk, b"\r\n"].concat());
    }
    pieces.push([b"0\r\n".as_slice(), trailer, b"\r\n"].concat());
    pieces
}

fn start() -> Vec<u8> {
    [field(b":status", b"200"), field(b"content-type", b"application/json")].concat()
}

fn headed(fields: &[u8]) -> Vec<Vec<u8>> {
    vec![
        frame(HEADERS, END_HEADERS, &[start().as_slice(), fields].concat()),
        frame(DATA, END_STREAM, b"{}"),
    ]
}

const OK: &str = "200 OK";
const JSON: &str = "content-type: application/json\r\n";
const HTML: &str = "content-type: text/html\r\n";
const PARTS: &str = "content-type: multipart/form-data; boundary=b\r\n";
/// The rest of a head, and a body.
const EMPTY: &[u8] = b"content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
