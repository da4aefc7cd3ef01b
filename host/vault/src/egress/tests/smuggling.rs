//! What a tool writes to get the credential, or its request, elsewhere.
use toolward_gate::{Destination, Slot};

use super::{
    SENT, is, only_the_plain_request_leaves,
    server::{Server, json},
    support::{ANSWER, Setup, TOKEN, outbound},
    with_header,
};
use crate::Outbound;

async fn server() -> Server {
    Server::answering(json(format!("\"{ANSWER}\""))).await
}

/// [C-43] Nothing is put into what a tool writes: it arrives as it is.
#[tokio::test]
async fn a_placeholder_of_any_syntax_is_text() {
    for text in ["{{github}}", "${GITHUB_TOKEN}", "$TOKEN", "%GITHUB%", "<%= token %>", "{hex}"] {
        let server = server().await;
        let desk = Setup::to(&server).open().await;
        let wanted = Outbound { body: Some(text.into()), ..with_header("x-colour", text) };
        is(&desk.outcome(wanted).await, SENT, text);
        let request = server.requests().remove(0);
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, text);
        assert!(head.contains(&format!("x-colour: {text}\r\n")) || head.ends_with(text), "{head}");
        assert_eq!(request.matches(TOKEN).count(), 1, "in its slot: {request}");
    }
}

/// [C-08]
#[tokio::test]
async fn a_method_that_is_not_allowed_leaves_in_no_spelling() {
    let server = server().await;
    let desk = Setup::to(&server).open().await;
    let methods =
        ["TRACE", "TRACK", "CONNECT", "post", "Post", "POST ", "PO ST", "", "*", "M-SEARCH"];
    let refused = methods.map(|method| Outbound { method: method.to_owned(), ..outbound() });
    only_the_plain_request_leaves(&desk, &server, refused.to_vec()).await;
}

/// [C-27], [C-46], [D-21], [D-22], [D-27]
#[tokio::test]
async fn a_header_that_forwards_upgrades_or_asks_for_a_part_is_refused() {
    let server = server().await;
    let desk = Setup::to(&server).open().await;
    let names = [
        "forwarded",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-original-url",
        "x-rewrite-url",
        ":authority",
        "Range",
        "if-range",
        "upgrade",
        "http2-settings",
        "sec-websocket-key",
        "te",
        "trailer",
        "expect",
        "keep-alive",
        "referer",
        "x-http-method",
        "x-method-override",
        "proxy-connection",
        "alt-used",
    ];
    only_the_plain_request_leaves(
        &desk,
        &server,
        names.map(|name| with_header(name, "a")).to_vec(),
    )
    .await;
}

/// [C-45], [C-47]
#[tokio::test]
async fn a_target_of_another_form_than_a_path_is_refused() {
    let server = server().await;
    let desk = Setup::to(&server).open().await;
    let targets = [
        "http://evil.test/items/1",
        "https://evil.test/items/1",
        "//evil.test/items/1",
        "http://127.0.0.1@evil.test/items/1",
        "http://127.0.0.1:80@evil.test/items/1",
        "http://127.0.0.1\\@evil.test/items/1",
        "@evil.test/items/1",
        "*",
        "?q=1",
        "items/1",
        "",
        "/items/1#@evil.test",
        "/items/1 HTTP/1.1\r\nhost: evil.test",
        "/items/%0d%0ahost:%20evil.test",
        "/items/\u{10a}\u{560a}",
    ];
    let refused = targets.map(|target| Outbound { target: target.to_owned(), ..outbound() });
    only_the_plain_request_leaves(&desk, &server, refused.to_vec()).await;
}

/// [C-48] Libraries print the URL in their errors.
#[tokio::test]
async fn a_credential_in_the_query_is_in_no_error() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let nowhere = Destination { https: false, host: "127.0.0.1".to_owned(), port: closed };
    let query = || Slot::Query { name: "key".to_owned() };
    let error = Setup::at(nowhere).slot(query()).open().await.send(outbound()).await.unwrap_err();
    let said = format!("{error} {error:?}");
    assert!(error.code() == "connection-failed" && !said.contains("key=") && !said.contains("ghp"));
    let server = server().await;
    is(&Setup::to(&server).slot(query()).open().await.outcome(outbound()).await, SENT, "there");
    assert!(server.requests()[0].contains("key=ghp"), "{:?}", server.requests());
}
