//! A server that sends a byte now and then, in any part of its answer.
use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::interval};

use super::{
    SENT, is,
    server::{Script, Server},
    support::{Setup, outbound},
};

/// The lines of status, of fields and of trailers, and the body: each is long.
fn parts() -> [String; 4] {
    let long = "a".repeat(LONG);
    [
        format!("HTTP/1.1 200 {long}\r\n"),
        format!(
            "content-type: application/json\r\ntransfer-encoding: chunked\r\nx-long: {long}\r\n\r\n"
        ),
        format!("{:x}\r\n\"{long}\"\r\n0\r\n", LONG + 2),
        format!("x-long: {long}\r\n\r\n"),
    ]
}

/// One part byte by byte, and what is around it in one piece each.
fn pieces(slow: usize) -> Vec<Vec<u8>> {
    let parts = parts();
    let whole = |parts: &[String]| parts.concat().into_bytes();
    let mut pieces = vec![whole(&parts[..slow])];
    pieces.extend(parts[slow].bytes().map(|byte| vec![byte]));
    pieces.push(whole(&parts[slow + 1..]));
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[tokio::test]
async fn a_byte_now_and_then_makes_no_call_longer() {
    for (slow, part) in ["status", "fields", "body", "trailers"].into_iter().enumerate() {
        let pace = Arc::new(Semaphore::new(1));
        let server = Server::start(Script::Paced(pieces(slow), pace.clone()), None).await;
        let desk = Setup { time: TIME, ..Setup::to(&server) }.open().await;
        let mut bytes = interval(TIME / 10);
        let drips = async {
            loop {
                bytes.tick().await;
                pace.add_permits(1);
            }
        };
        tokio::select! {
            outcome = desk.outcome(outbound()) => assert_eq!(outcome.0, "time-over", "{part}"),
            () = drips => {}
        }
        server.is_left().await;
    }
}

#[tokio::test]
async fn the_same_answers_are_taken_where_they_come_in_time() {
    for slow in 0..parts().len() {
        let pace = Arc::new(Semaphore::new(LONG * 2));
        let server = Server::start(Script::Paced(pieces(slow), pace), None).await;
        let desk = Setup::to(&server).open().await;
        is(&desk.outcome(outbound()).await, SENT, "in time");
    }
}

const TIME: Duration = Duration::from_millis(500);
/// At that pace each part takes forty times as long as the call may.
const LONG: usize = 400;
