//! Responses that a tool reads while they come in.
use std::sync::Arc;

use flate2::{Compression, write::GzEncoder};
use tokio::sync::Semaphore;
use toolward_gate::{BodyShape, SwitchTarget};

use super::{
    metered::meter,
    server::{Script, Server, response},
    support::{Desk, Setup, TOKEN, outbound, set},
};
use crate::{EgressError, Streamed};

const EVENTS: (&str, &str) = ("content-type", "text/event-stream");

/// A server that writes a head and the first chunk, and each further one when somebody lets it go on.
struct Paced {
    server: Server,
    pace: Arc<Semaphore>,
}

impl Paced {
    async fn writing(chunks: &[&[u8]]) -> Self {
        Self::with_field("x-note: plain", chunks).await
    }

    async fn with_field(field: &str, chunks: &[&[u8]]) -> Self {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{field}\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        let chunk = |one: &&[u8]| {
            [format!("{:x}\r\n", one.len()).as_bytes(), one, b"\r\n".as_slice()].concat()
        };
        let mut pieces: Vec<Vec<u8>> = chunks.iter().map(chunk).collect();
        pieces[0] = [head.as_bytes(), &pieces[0]].concat();
        pieces.push(b"0\r\n\r\n".to_vec());
        let pace = Arc::new(Semaphore::new(1));
        let server = Server::start(Script::Paced(pieces, pace.clone()), None).await;
        Self { server, pace }
    }

    fn goes_on(&self) {
        self.pace.add_permits(1);
    }

    /// To its end, whatever is read of it.
    fn runs(&self) {
        self.pace.add_permits(64);
    }
}

fn setup(server: &Server) -> Setup {
    let mut setup = Setup::to(server);
    setup.scope.response.body = BodyShape::Streamed;
    setup.scope.response.content_types = set(&["text/event-stream"]);
    setup
}

async fn opens(desk: &Desk) -> Result<Streamed, EgressError> {
    desk.grant.egress().send_streaming(outbound()).await
}

/// What the tool has of a response at its end, and how it ends.
async fn read(mut streamed: Streamed) -> (Vec<u8>, &'static str) {
    let mut body = Vec::new();
    loop {
        match streamed.next().await {
            Ok(Some(piece)) => body.extend(piece),
            Ok(None) => return (body, "ok"),
            Err(error) => {
                assert_eq!(streamed.next().await, Err(error.clone()), "told once more");
                return (body, error.code());
            }
        }
    }
}

fn lines(count: usize) -> Vec<u8> {
    (0..count).map(|number| format!("data: line {number}\n\n")).collect::<String>().into_bytes()
}

#[tokio::test]
async fn a_tool_has_the_beginning_while_the_server_holds_the_end() {
    let (first, last) = (lines(40), lines(2));
    let paced = Paced::writing(&[&first, &last]).await;
    let desk = setup(&paced.server).open().await;
    let mut streamed = opens(&desk).await.unwrap();
    assert_eq!(streamed.status(), 200);
    assert_eq!(streamed.headers(), [(EVENTS.0.to_owned(), EVENTS.1.to_owned())]);
    let begun = streamed.next().await.unwrap().unwrap();
    assert!(first.starts_with(&begun) && begun.len() > first.len() / 2, "{}", begun.len());
    assert!(desk.notes().is_empty());
    paced.runs();
    let (rest, end) = read(streamed).await;
    assert_eq!(([begun, rest].concat(), end), ([first, last].concat(), "ok"));
    assert_eq!(desk.notes(), ["sent /items/{id} 200"]);
}

#[tokio::test]
async fn a_body_shorter_than_what_is_held_is_there_at_its_end() {
    for body in [b"data: x\n\n".as_slice(), b""] {
        let server = Server::answering(response("200 OK", &[EVENTS], body)).await;
        let desk = setup(&server).open().await;
        assert_eq!(read(opens(&desk).await.unwrap()).await, (body.to_vec(), "ok"));
    }
}

/// Nothing of a value that is split over chunks goes on, and it counts like any other.
#[tokio::test]
async fn a_value_in_two_chunks_ends_the_body_before_its_first_byte() {
    let (head, tail) = TOKEN.split_at(9);
    let first = [&lines(40), head.as_bytes()].concat();
    let second = [tail.as_bytes(), &lines(40)].concat();
    let paced = Paced::writing(&[&first, &second]).await;
    let desk = Setup { suspends: true, ..setup(&paced.server) }.open().await;
    for end in ["withheld", "withheld", "halted"] {
        let mut streamed = opens(&desk).await.unwrap();
        let begun = streamed.next().await.unwrap().unwrap();
        paced.goes_on();
        let (rest, code) = read(streamed).await;
        assert_eq!(code, end);
        assert!(lines(40).starts_with(&[begun, rest].concat()));
        assert_eq!(desk.last_note(), "withheld /items/{id}");
        paced.server.is_left().await;
        paced.goes_on();
    }
    let digest = desk.grant.call().tool.digest;
    assert_eq!(desk.thrown(), [format!("use {digest} shop:items:read")]);

    // The same chunks, of which the second does not go on with the value.
    let paced = Paced::writing(&[&first, &lines(40)]).await;
    paced.runs();
    let desk = setup(&paced.server).open().await;
    let (body, code) = read(opens(&desk).await.unwrap()).await;
    assert_eq!((body, code), ([first, lines(40)].concat(), "ok"));
}

#[tokio::test]
async fn a_value_in_the_head_or_at_the_very_end_is_withheld() {
    let head = Paced::with_field(&format!("x-echo: {TOKEN}"), &[&lines(40)]).await;
    let desk = setup(&head.server).open().await;
    assert_eq!(opens(&desk).await.unwrap_err(), EgressError::Withheld);
    assert_eq!(desk.last_note(), "withheld /items/{id}");
    let end = [&lines(40), TOKEN.as_bytes()].concat();
    let paced = Paced::writing(&[&end]).await;
    paced.runs();
    let (body, code) = read(opens(&setup(&paced.server).open().await).await.unwrap()).await;
    assert!(code == "withheld" && lines(40).starts_with(&body), "{code}");
}

#[tokio::test]
async fn a_body_over_the_limit_ends_there_and_an_announced_one_before_it() {
    const TOO_LARGE: &str = "unanswered /items/{id} response-too-large";
    let half = vec![b'x'; 2048];
    let paced = Paced::writing(&[&half, &half, b"x"]).await;
    paced.runs();
    let desk = setup(&paced.server).open().await;
    let (body, code) = read(opens(&desk).await.unwrap()).await;
    assert!(code == "response-too-large" && body.len() <= 4096, "{code}");
    assert_eq!(desk.last_note(), TOO_LARGE);
    let server = Server::answering(response("200 OK", &[EVENTS], vec![b'x'; 4097])).await;
    let desk = setup(&server).open().await;
    assert_eq!(opens(&desk).await.unwrap_err(), EgressError::ResponseTooLarge(4096));
    assert_eq!(desk.last_note(), TOO_LARGE);
    let fits = Paced::writing(&[&half, &half]).await;
    fits.runs();
    let desk = setup(&fits.server).open().await;
    assert_eq!(read(opens(&desk).await.unwrap()).await, (half.repeat(2), "ok"));
}

#[tokio::test]
async fn a_switch_thrown_in_the_middle_closes_the_connection() {
    let paced = Paced::writing(&[&lines(40), &lines(40)]).await;
    let desk = setup(&paced.server).open().await;
    let mut streamed = opens(&desk).await.unwrap();
    streamed.next().await.unwrap().unwrap();
    let throw = desk.throw(SwitchTarget::Credential("github".to_owned()));
    let (ended, ()) = tokio::join!(streamed.next(), throw);
    assert_eq!(ended.unwrap_err().code(), "halted");
    // While somebody still holds what is left of it.
    paced.server.is_left().await;
    assert_eq!(desk.notes(), ["unanswered /items/{id} halted"]);
}

#[tokio::test]
async fn a_body_that_nobody_reads_on_closes_its_connection_and_is_in_the_notes() {
    let paced = Paced::writing(&[&lines(40), &lines(40)]).await;
    let desk = setup(&paced.server).open().await;
    let mut streamed = opens(&desk).await.unwrap();
    streamed.next().await.unwrap().unwrap();
    drop(streamed);
    paced.server.is_left().await;
    assert_eq!(desk.notes(), ["sent /items/{id} 200"]);
}

#[tokio::test]
async fn what_is_compressed_or_of_another_type_is_not_streamed() {
    let mut coder = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut coder, &lines(4)).unwrap();
    let packed = coder.finish().unwrap();
    let refused = [
        response("200 OK", &[EVENTS, ("content-encoding", "gzip")], packed),
        response("200 OK", &[("content-type", "text/html")], lines(4)),
        response("206 Partial Content", &[EVENTS], lines(4)),
    ];
    for answer in refused {
        let server = Server::answering(answer).await;
        let desk = setup(&server).open().await;
        assert_eq!(opens(&desk).await.unwrap_err().code(), "response-refused");
        assert_eq!(desk.last_note(), "unanswered /items/{id} response-refused");
    }
}

/// Where the tool cannot read it in parts, the same capability gives it whole.
#[tokio::test]
async fn only_a_capability_that_says_so_is_streamed() {
    let server = Server::answering(response("200 OK", &[EVENTS], lines(4))).await;
    let mut others = [setup(&server), setup(&server), setup(&server)];
    others[0].scope.response.body = BodyShape::Whole;
    others[1].scope.response.body = BodyShape::StatusOnly;
    others[2].scope.meter = Some(meter());
    for other in others {
        let desk = other.open().await;
        assert_eq!(opens(&desk).await.unwrap_err().code(), "not-allowed");
        assert_eq!(desk.last_note(), "not-sent not-allowed");
    }
    assert_eq!(server.connections(), 0);
    let desk = setup(&server).open().await;
    assert_eq!(desk.send(outbound()).await.unwrap().body(), lines(4));
}
