//! A client of `wasi:http`, as its makers write one: it takes its key from where it is used to, and sends it.
use wasip2::http::{
    outgoing_handler,
    types::{Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme},
};

wit_bindgen::generate!({
    inline: "
        package acme:client;
        interface shop {
            record header { name: string, value: string }
            record request {
                method: string,
                url: string,
                headers: list<header>,
                body: string,
            }
            record response { status: u16, headers: list<header>, body: string }
            /// Sends what it is told to. `{key}` stands for the value of the variable `SHOP_TOKEN`, `{hex}` and
            /// `{base64}` for what they say of it.
            send: func(request: request) -> result<response, string>;
            record followed { pieces: list<string>, ended: string }
            /// Reads a response as it comes in. After each piece it asks for another one, which lets the first go on.
            follow: func(url: string, next: string) -> result<followed, string>;
            /// Begins a request and goes away.
            begin: func(url: string) -> result<_, string>;
            /// The key, as it finds it.
            key: func() -> option<string>;
        }
        world client { export shop; }
    ",
});

use exports::acme::client::shop::{Followed, Guest, Header, Request, Response};

struct Client;
export!(Client);

impl Guest for Client {
    fn send(request: Request) -> Result<Response, String> {
        let key = std::env::var("SHOP_TOKEN").unwrap_or_default();
        let filled = |text: &str| {
            text.replace("{key}", &key)
                .replace("{hex}", &hex(&key))
                .replace("{base64}", &base64(&key))
        };
        let headers: Vec<(String, Vec<u8>)> = request
            .headers
            .iter()
            .map(|header| (header.name.clone(), filled(&header.value).into_bytes()))
            .collect();
        let outgoing = outgoing(&request.method, &filled(&request.url), &headers)?;
        let body = outgoing.body().map_err(|()| "no body".to_owned())?;
        let pending =
            outgoing_handler::handle(outgoing, None).map_err(|error| format!("{error:?}"))?;
        write(body, filled(&request.body).as_bytes())?;
        pending.subscribe().block();
        let answer = pending.get().ok_or("not ready")?.map_err(|()| "taken".to_owned())?;
        answer.map_err(|error| format!("{error:?}")).and_then(response)
    }
    fn follow(url: String, next: String) -> Result<Followed, String> {
        let incoming = get(&url)?;
        let body = incoming.consume().map_err(|()| "no body".to_owned())?;
        let stream = body.stream().map_err(|()| "no stream".to_owned())?;
        let mut pieces = Vec::new();
        loop {
            match stream.blocking_read(1 << 16) {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => {
                    pieces.push(String::from_utf8_lossy(&piece).into_owned());
                    response(get(&next)?)?;
                }
                Err(ended) => return Ok(Followed { pieces, ended: format!("{ended:?}") }),
            }
        }
    }
    fn begin(url: String) -> Result<(), String> {
        let outgoing = outgoing("GET", &url, &[])?;
        let pending =
            outgoing_handler::handle(outgoing, None).map_err(|error| format!("{error:?}"))?;
        std::mem::forget(pending);
        Ok(())
    }
    fn key() -> Option<String> {
        std::env::var("SHOP_TOKEN").ok()
    }
}

fn get(url: &str) -> Result<IncomingResponse, String> {
    let outgoing = outgoing("GET", url, &[])?;
    let pending = outgoing_handler::handle(outgoing, None).map_err(|error| format!("{error:?}"))?;
    pending.subscribe().block();
    let answer = pending.get().ok_or("not ready")?.map_err(|()| "taken".to_owned())?;
    answer.map_err(|error| format!("{error:?}"))
}

fn outgoing(
    method: &str,
    url: &str,
    headers: &[(String, Vec<u8>)],
) -> Result<OutgoingRequest, String> {
    let (scheme, rest) = url.split_once("://").ok_or("no scheme")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let fields = Fields::from_list(headers).map_err(|error| format!("{error:?}"))?;
    let request = OutgoingRequest::new(fields);
    let method = match method {
        "GET" => Method::Get,
        "POST" => Method::Post,
        other => Method::Other(other.to_owned()),
    };
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    let set = request
        .set_method(&method)
        .and_then(|()| request.set_scheme(Some(&scheme)))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(path)));
    set.map_err(|()| "HttpRequestUriInvalid".to_owned())?;
    Ok(request)
}

fn write(body: OutgoingBody, mut bytes: &[u8]) -> Result<(), String> {
    let stream = body.write().map_err(|()| "no stream".to_owned())?;
    while !bytes.is_empty() {
        stream.subscribe().block();
        let Ok(room) = stream.check_write() else { break };
        let (now, later) = bytes.split_at(bytes.len().min(usize::try_from(room).unwrap()));
        if stream.write(now).is_err() {
            break;
        }
        bytes = later;
    }
    drop(stream);
    // Where the request was refused, nobody reads the body; the answer says why.
    let _ = OutgoingBody::finish(body, None);
    Ok(())
}

fn response(incoming: IncomingResponse) -> Result<Response, String> {
    let headers = incoming
        .headers()
        .entries()
        .into_iter()
        .map(|(name, value)| Header { name, value: String::from_utf8_lossy(&value).into_owned() })
        .collect();
    let status = incoming.status();
    let body = incoming.consume().map_err(|()| "no body".to_owned())?;
    let stream = body.stream().map_err(|()| "no stream".to_owned())?;
    let mut bytes = Vec::new();
    while let Ok(more) = stream.blocking_read(1 << 16) {
        bytes.extend(more);
    }
    Ok(Response { status, headers, body: String::from_utf8_lossy(&bytes).into_owned() })
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let mut word = [0; 4];
        word[1..=chunk.len()].copy_from_slice(chunk);
        let word = u32::from_be_bytes(word);
        for at in 0..=chunk.len() {
            let letter = usize::try_from(word >> (18 - 6 * at) & 63).unwrap();
            encoded.push(char::from(LETTERS[letter]));
        }
    }
    encoded
}
