//! Servers that take messages: one that speaks HTTP and one that takes mail, on this machine.
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use super::upstream::PATIENCE;

/// One request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Posted {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Answers every request alike.
pub(crate) struct Desk {
    pub(crate) address: SocketAddr,
    posted: Mutex<Receiver<Posted>>,
    answer: Arc<Mutex<String>>,
}

impl Desk {
    pub(crate) fn answering(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, posted) = channel();
        let answer = Arc::new(Mutex::new(answer.to_owned()));
        let said = answer.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (sender, said) = (sender.clone(), said.clone());
                thread::spawn(move || converse(stream.unwrap(), &sender, &said));
            }
        });
        Self { address, posted: Mutex::new(posted), answer }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn answers(&self, answer: &str) {
        answer.clone_into(&mut self.answer.lock().unwrap());
    }

    /// The next message; fails the test where none comes.
    pub(crate) fn next(&self) -> Posted {
        self.posted.lock().unwrap().recv_timeout(PATIENCE).unwrap()
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.posted.lock().unwrap().try_recv().is_err()
    }
}

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"ok\":true}";
pub(crate) const BROKEN: &str = "HTTP/1.1 500 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

fn converse(stream: TcpStream, sender: &Sender<Posted>, answer: &Mutex<String>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        if line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let answer = answer.lock().unwrap().clone();
    reader.get_mut().write_all(answer.as_bytes()).ok()?;
    sender.send(Posted { head, body: String::from_utf8(body).unwrap() }).ok()
}

/// Takes mail.
pub(crate) struct MailDesk {
    pub(crate) address: SocketAddr,
    mails: Mutex<Receiver<String>>,
}

impl MailDesk {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, mails) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                take(stream.unwrap(), &sender);
            }
        });
        Self { address, mails: Mutex::new(mails) }
    }

    /// The next mail, with what was said before it.
    pub(crate) fn next(&self) -> String {
        self.mails.lock().unwrap().recv_timeout(PATIENCE).unwrap()
    }
}

/// RFC 5321 section 3.3, as far as a client that behaves needs it.
fn take(stream: TcpStream, sender: &Sender<String>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    reader.get_mut().write_all(b"220 desk\r\n").ok()?;
    let (mut said, mut in_mail) = (String::new(), false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        said.push_str(&line);
        let word = line.split_whitespace().next().unwrap_or_default();
        let answer: &[u8] = match (in_mail, word) {
            (true, ".") => {
                in_mail = false;
                sender.send(std::mem::take(&mut said)).ok()?;
                b"250 taken\r\n"
            }
            (true, _) => continue,
            (false, "DATA") => {
                in_mail = true;
                b"354 go on\r\n"
            }
            (false, "QUIT") => return reader.get_mut().write_all(b"221 bye\r\n").ok(),
            (false, _) => b"250 well\r\n",
        };
        reader.get_mut().write_all(answer).ok()?;
    }
}

/// Sends one request, and reads what comes back: its status, its head and its body.
pub(crate) fn ask(to: &str, head: &str, body: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let text = format!(
        "{head}\r\nhost: {to}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), body.to_owned())
}
