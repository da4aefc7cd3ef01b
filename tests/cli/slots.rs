//! Where credentials go and whom they are shown to, as a user configures it: requests as a server gets them.
use std::{
    io::{BufRead as _, BufReader, Read, Write},
    net::TcpListener,
    sync::{Arc, mpsc},
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sha2::{Digest as _, Sha256};

use super::place::{Place, Ran};
use crate::brokers;

const VALUE: &str = "sess_5Tq8wLr2mXv9cKf4Zs7yBn1d";
const ISSUE: &str = r#"{"number":7,"title":"Broken link","state":"open","body":"It happens.","html_url":"https://github.com/acme/site/issues/7","more":"s3rvermark"}"#;
const CREDENTIAL: &str = "[credential.issues]\nkind = \"static-token\"\nowner = \"ana\"\nstore = \"local\"\nsecret = \"issues-key\"\n";

/// A server that answers each request with an issue, and tells the head of it.
struct Site {
    port: u16,
    heads: mpsc::Receiver<String>,
}

impl Site {
    fn start(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, heads) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let head = match &tls {
                    None => answer(stream),
                    Some(tls) => {
                        let connection = ServerConnection::new(tls.clone()).unwrap();
                        answer(StreamOwned::new(connection, stream))
                    }
                };
                // A client that does not believe the server sends nothing.
                if let Some(head) = head {
                    let _is_heard = sender.send(head);
                }
            }
        });
        Self { port, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.try_iter().collect()
    }
}

fn answer(stream: impl Read + Write) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).ok().filter(|count| *count > 0)?;
    }
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{ISSUE}",
        ISSUE.len()
    );
    reader.get_mut().write_all(answer.as_bytes()).ok()?;
    reader.get_mut().flush().ok()?;
    Some(head)
}

fn place(capability: &str) -> Place {
    let place = brokers::place(CREDENTIAL, capability);
    place.run_with("secret set issues-key", VALUE).exits(0);
    place
}

fn reads(place: &Place) -> Ran {
    place.run("call read_issue owner=acme repo=site number=7 --json")
}

#[test]
fn a_cookie_goes_out_in_its_slot_and_nowhere_else() {
    let site = Site::start(None);
    let place = place(&format!(
        "destination = \"http://127.0.0.1:{}\"\ninject = {{ cookie = \"session\" }}\n",
        site.port
    ));
    let ran = reads(&place).exits(0);
    let heads = site.heads();
    assert_eq!(heads.len(), 1);
    assert!(heads[0].contains(&format!("\r\ncookie: session={VALUE}\r\n")), "{}", heads[0]);
    assert!(!heads[0].contains("authorization") && !ran.told().contains(VALUE), "{}", ran.told());
}

/// The signature is checked with another implementation than the host's: HMAC after RFC 2104.
#[test]
fn a_request_is_signed_after_its_template() {
    let site = Site::start(None);
    let place = place(&format!(
        "destination = \"http://127.0.0.1:{}\"\ninject = {{ hmac = \"sha256\", sign = \"v0:{{timestamp}}:{{body}}\", header = \"x-signature\", write = \"v0={{hex}}\", timestamp_header = \"x-timestamp\" }}\n",
        site.port
    ));
    reads(&place).exits(0);
    let head = site.heads().remove(0);
    let field = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap();
        line.to_owned()
    };
    let signed = format!("v0:{}:", field("x-timestamp"));
    assert_eq!(field("x-signature"), format!("v0={}", hex::encode(hmac(signed.as_bytes()))));
    assert!(!head.contains(VALUE));
}

fn hmac(text: &[u8]) -> Vec<u8> {
    let mut key = VALUE.as_bytes().to_vec();
    key.resize(64, 0);
    let pad = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<_>>();
    let inner = Sha256::digest([pad(0x36).as_slice(), text].concat());
    Sha256::digest([pad(0x5c).as_slice(), inner.as_slice()].concat()).to_vec()
}

#[test]
fn a_server_is_believed_by_its_public_key_and_not_by_another() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let pinned = rcgen::PublicKeyData::subject_public_key_info(&made.signing_key);
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let site = Site::start(Some(Arc::new(tls)));
    let digest = |key: &[u8]| STANDARD.encode(Sha256::digest(key));
    let trusting = |digest: &str| {
        place(&format!(
            "destination = \"https://127.0.0.1:{}\"\ninject = {{ header = \"authorization\", as = \"bearer\" }}\ntls = {{ public_key = \"sha256/{digest}\" }}\n",
            site.port
        ))
    };
    reads(&trusting(&digest(&pinned))).exits(0);
    assert!(site.heads()[0].contains(&format!("authorization: Bearer {VALUE}")));
    let refused = reads(&trusting(&digest(b"another key")));
    assert_ne!(refused.exit, 0, "{}", refused.told());
    assert!(refused.told().contains("connection-failed"), "{}", refused.told());
    assert!(site.heads().is_empty());
}

#[test]
fn only_declared_fields_reach_a_tool_and_a_check_tells_them() {
    let site = Site::start(None);
    let capability = format!(
        "destination = \"http://127.0.0.1:{}\"\ninject = {{ header = \"authorization\", as = \"bearer\" }}\n",
        site.port
    );
    let shaped = place(&capability);
    let told = shaped.run("check tools/github-issues.wasm").exits(0).out;
    assert!(told.contains("with the credential issues (static-token)\n"), "{told}");
    assert!(!told.contains("and shows"), "{told}");
    let file = "policies/capabilities.toml";
    let whole = "response = { content_types = [\"application/json\"] }\ncredential";
    let fields = "fields = [\"/number\", { at = \"/title\", type = \"string\", max_length = 80 }]";
    shaped.change(
        file,
        whole,
        &format!("response = {{ {fields} }}\nmeter = {{ max_tokens = 9, quantities = {{ used = {{ at = \"/number\", tokens = true }} }} }}\ncredential"),
    );
    let told = shaped.run("check tools/github-issues.wasm").exits(0).out;
    for line in [
        "    and shows of a response only /number (a string, a number or a boolean), /title (a string of at most 80 characters)\n",
        "    and sets aside usd:0.00 and 9 tokens for each request\n",
    ] {
        assert!(told.contains(line), "{told}");
    }
    let data = shaped.run("check tools/github-issues.wasm --json").exits(0).json();
    let told = data["tools"].to_string();
    assert!(told.contains("\"kind\":\"static-token\"") && told.contains("\"tokens\":9"), "{told}");
    shaped.change(file, fields, "status_only = true");
    let told = shaped.run("check tools/github-issues.wasm").exits(0).out;
    assert!(told.contains("    and shows of a response its status only\n"), "{told}");
}
