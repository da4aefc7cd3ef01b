use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::*;

fn key() -> Secret {
    Secret::new("8f742231b10e8888abcd99yyyzzz85a5")
}

/// The example of <https://docs.slack.dev/authentication/verifying-requests-from-slack>.
const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
const SIGNED: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
const AT: i64 = 1_531_420_618;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

#[test]
fn the_example_of_slacks_documentation_is_believed() {
    assert_eq!(verify(&key(), ("v0", "1531420618", SIGNED), BODY.as_bytes(), at(AT)), Ok(()));
}

/// G-26.
#[test]
fn a_signature_of_another_time_key_body_or_version_is_not_believed() {
    let believed = |version, time: &str, signature: &str, body: &str, now| {
        verify(&key(), (version, time, signature), body.as_bytes(), at(now))
    };
    assert_eq!(believed("v0", "1531420618", SIGNED, BODY, AT + 300), Ok(()));
    for now in [AT + 301, AT - 301, 0] {
        assert_eq!(believed("v0", "1531420618", SIGNED, BODY, now), Err(SignatureError::Time));
    }
    for time in
        ["", "-1531420618", "+1531420618", " 1531420618", "1531420618.0", "99999999999999999999"]
    {
        assert_eq!(believed("v0", time, SIGNED, BODY, AT), Err(SignatureError::Time), "{time}");
    }
    let other = BODY.replace("roadrunner", "coyote");
    let encoded = BODY.replace("%2F", "%2f");
    for body in [other.as_str(), encoded.as_str(), ""] {
        let refused = believed("v0", "1531420618", SIGNED, body, AT);
        assert_eq!(refused, Err(SignatureError::Signature));
    }
    let moved = believed("v0", "1531420619", SIGNED, BODY, AT);
    assert_eq!(moved, Err(SignatureError::Signature));
    let bare = SIGNED.strip_prefix("v0=").unwrap();
    let cut = SIGNED.strip_suffix("03").unwrap();
    for signature in ["", "v0=", bare, cut, &format!("{SIGNED}00"), "v1=aa"] {
        let refused = believed("v0", "1531420618", signature, BODY, AT);
        assert_eq!(refused, Err(SignatureError::Signature), "{signature}");
    }
    let other_key =
        verify(&Secret::new("another"), ("v0", "1531420618", SIGNED), BODY.as_bytes(), at(AT));
    assert_eq!(other_key, Err(SignatureError::Signature));
}

#[test]
fn a_mail_server_is_reached_over_tls_or_on_this_machine() {
    for text in [
        "smtps://mail.example.com",
        "smtps://mail.example.com:2465",
        "smtp+starttls://mail.example.com",
        "smtp+starttls://mail.example.com:2587",
        "smtp://127.0.0.1:25",
        "smtp://[::1]:25",
    ] {
        assert!(text.parse::<MailServer>().is_ok(), "{text}");
    }
    for text in [
        "smtp://mail.example.com",
        "starttls://mail.example.com",
        "smtp://10.0.0.1:25",
        "https://mail.example.com",
        "mail.example.com",
        "smtps://",
        "smtps://a:b@mail.example.com",
        "smtps://mail.example.com:0",
        "smtps://mail.example.com/x",
    ] {
        assert!(text.parse::<MailServer>().is_err(), "{text}");
    }
}

/// Takes one message, and writes down what was said to it.
async fn sink(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    heard: Arc<Mutex<Vec<String>>>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 sink\r\n").await.ok()?;
    talk(stream, heard).await
}

async fn talk(
    mut stream: BufReader<impl AsyncRead + AsyncWrite + Unpin>,
    heard: Arc<Mutex<Vec<String>>>,
) -> Option<()> {
    let mut in_message = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        heard.lock().unwrap().push(line.clone());
        let answer = match line.split(' ').next().unwrap_or_default() {
            "." if in_message => {
                in_message = false;
                "250 taken\r\n"
            }
            _ if in_message => continue,
            "EHLO" => "250-sink\r\n250 AUTH PLAIN\r\n",
            "AUTH" => "235 welcome\r\n",
            "DATA" => {
                in_message = true;
                "354 go on\r\n"
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await.ok()?;
                return Some(());
            }
            "RCPT" if line.contains("nobody") => "550 nobody of that name\r\n",
            _ => "250 well\r\n",
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
    }
}

fn mail(to: &str) -> Mail {
    let subject = "A question waits".to_owned();
    Mail {
        from: "toolward@example.com".to_owned(),
        to: to.to_owned(),
        subject,
        text: "Look.\n.\nAfter a dot.".to_owned(),
    }
}

async fn listening(acceptor: Option<TlsAcceptor>) -> (u16, Arc<Mutex<Vec<String>>>) {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, to) = (listener.local_addr().unwrap().port(), heard.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            match &acceptor {
                None => {
                    sink(stream, to.clone()).await;
                }
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        {
                            sink(stream, to.clone()).await;
                        }
                    }
                }
            }
        }
    });
    (port, heard)
}

#[tokio::test]
async fn a_message_reaches_a_server_with_its_login_and_what_is_refused_is_told_by_its_code() {
    let (port, heard) = listening(None).await;
    let server: MailServer = format!("smtp://127.0.0.1:{port}").parse().unwrap();
    let notices = Notices::new(EgressSettings::default()).unwrap();
    let (here, password) = (PrivateRanges::loopback(), key());
    let login = Some(("robo", &password));
    let nowhere =
        notices.mail(&server, &PrivateRanges::default(), login, &mail("ana@example.com")).await;
    assert_eq!(nowhere, Err(PostError::AddressDenied.into()));
    notices.mail(&server, &here, login, &mail("ana@example.com")).await.unwrap();
    let said = heard.lock().unwrap().join("\n");
    for part in [
        "MAIL FROM:<toolward@example.com>",
        "RCPT TO:<ana@example.com>",
        "Subject: A question waits",
        "Look.",
        "..",
        "After a dot.",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let refused = notices.mail(&server, &here, login, &mail("nobody@example.com")).await;
    assert_eq!(refused, Err(NoticeError::Status(550)));
    let broken =
        notices.mail(&server, &here, login, &mail("ana@example.com\r\nBcc: eve@example.com")).await;
    assert!(matches!(broken, Err(NoticeError::Unfit(_))), "{broken:?}");
}

/// A certificate for this machine, and a server that shows it.
fn machine() -> (Vec<u8>, TlsAcceptor) {
    let pair = KeyPair::generate().unwrap();
    let mut wanted = CertificateParams::new(vec![]).unwrap();
    wanted.subject_alt_names.push(rcgen::SanType::IpAddress([127, 0, 0, 1].into()));
    let certificate = wanted.self_signed(&pair).unwrap();
    let der = rustls_pki_types::PrivatePkcs8KeyDer::from(pair.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = config
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], der.into())
        .unwrap();
    (certificate.pem().into_bytes(), TlsAcceptor::from(Arc::new(config)))
}

type Lines = Arc<Mutex<Vec<String>>>;

/// Greets, offers this, and answers `STARTTLS` with that; then goes on over TLS. What was said to it in the clear and
/// over TLS is written down apart.
async fn starting(
    tls: TlsAcceptor,
    offer: &'static str,
    answer: &'static str,
) -> (u16, Lines, Lines) {
    let (clear, covered): (Lines, Lines) = Default::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, said, over) =
        (listener.local_addr().unwrap().port(), clear.clone(), covered.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            stream.write_all(b"220-sink\r\n220 ready\r\n").await.unwrap();
            for reply in [offer, answer] {
                let mut line = String::new();
                if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                    break;
                }
                said.lock().unwrap().push(line.trim_end().to_owned());
                stream.write_all(reply.as_bytes()).await.unwrap();
            }
            let Ok(stream) = tls.accept(stream.into_inner()).await else { continue };
            // It does not greet anew.
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            over.lock().unwrap().push(line.trim_end().to_owned());
            stream.write_all(b"250-sink\r\n250 AUTH PLAIN\r\n").await.unwrap();
            talk(stream, over.clone()).await;
        }
    });
    (port, clear, covered)
}

const OFFER: &str = "250-sink\r\n250-8BITMIME\r\n250 STARTTLS\r\n";

#[tokio::test]
async fn what_begins_in_the_clear_says_nothing_there_and_goes_on_over_tls() {
    let (root, tls) = machine();
    let here = PrivateRanges::loopback();
    let password = key();
    for (trusted, taken) in [(None, false), (Some(root), true)] {
        let (port, clear, covered) = starting(tls.clone(), OFFER, "220 go on\r\n").await;
        let server: MailServer = format!("smtp+starttls://127.0.0.1:{port}").parse().unwrap();
        let settings = EgressSettings { extra_roots_pem: trusted, ..EgressSettings::default() };
        let notices = Notices::new(settings).unwrap();
        let login = Some(("robo", &password));
        let sent = notices.mail(&server, &here, login, &mail("ana@example.com")).await;
        assert_eq!(sent.is_ok(), taken, "{sent:?}");
        assert_eq!(*clear.lock().unwrap(), ["EHLO toolward", "STARTTLS"]);
        let said = covered.lock().unwrap().join("\n");
        let whole = said.contains("AUTH PLAIN") && said.contains("RCPT TO:<ana@example.com>");
        assert_eq!(whole, taken, "{said}");
    }
}

#[tokio::test]
async fn a_server_without_tls_or_with_more_to_say_before_it_gets_no_mail() {
    let (root, tls) = machine();
    let settings =
        || EgressSettings { extra_roots_pem: Some(root.clone()), ..EgressSettings::default() };
    let cases = [
        (OFFER, "220 go on\r\n", None),
        ("250 sink\r\n", "220 go on\r\n", Some(NoticeError::Unfit("the server offers no TLS"))),
        ("250-STARTTLSX\r\n250 sink\r\n", "", Some(NoticeError::Unfit("the server offers no TLS"))),
        (OFFER, "454 not now\r\n", Some(NoticeError::Status(454))),
        // What was sent in the clear is no answer over TLS (CVE-2011-0411, and CVE-2021-33515 for its like).
        (OFFER, "220 go on\r\n250 taken\r\n", Some(PostError::Unreachable.into())),
        ("554 no\r\n", "", Some(NoticeError::Status(554))),
        ("what\r\n", "", Some(NoticeError::Unfit("what the server says is no reply"))),
    ];
    for (offer, answer, refused) in cases {
        let (port, clear, covered) = starting(tls.clone(), offer, answer).await;
        let server: MailServer = format!("smtp+starttls://127.0.0.1:{port}").parse().unwrap();
        let notices = Notices::new(settings()).unwrap();
        let here = PrivateRanges::loopback();
        let sent = notices.mail(&server, &here, None, &mail("ana@example.com")).await;
        assert_eq!(sent.clone().err(), refused, "{offer} {answer}");
        assert!(
            clear.lock().unwrap().iter().all(|line| line == "EHLO toolward" || line == "STARTTLS")
        );
        assert_eq!(covered.lock().unwrap().is_empty(), refused.is_some());
    }
}

#[tokio::test]
async fn a_mail_server_over_tls_is_believed_only_where_its_authority_is() {
    let (root, tls) = machine();
    let (port, heard) = listening(Some(tls)).await;
    let server: MailServer = format!("smtps://127.0.0.1:{port}").parse().unwrap();
    let here = PrivateRanges::loopback();
    for (roots, taken) in [(None, false), (Some(root), true)] {
        let settings = EgressSettings { extra_roots_pem: roots, ..EgressSettings::default() };
        let sent = Notices::new(settings)
            .unwrap()
            .mail(&server, &here, None, &mail("ana@example.com"))
            .await;
        assert_eq!(sent.is_ok(), taken, "{sent:?}");
        assert_eq!(!heard.lock().unwrap().is_empty(), taken);
    }
}
