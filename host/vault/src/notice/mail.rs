//! A message by electronic mail (RFC 5321), over TLS: from the first byte (RFC 8314 section 3.3), or from `STARTTLS` on.
use std::{str::FromStr, time::Duration};

use lettre::{
    Message,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, AsyncTokioStream},
        extension::ClientId,
    },
};
use serde::Deserialize;
use toolward_gate::{Destination, PrivateRanges};

use super::{
    NoticeError, Notices,
    starttls::{self, Greeted},
};
use crate::{
    Secret,
    address::{self, AddressFault},
    host_request::PostError,
};

/// Who takes mail from this host: `smtps://HOST` (port 465), `smtp+starttls://HOST` (port 587), each with `:PORT` for
/// another one; `smtp://ADDRESS:PORT` on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct MailServer {
    at: Destination,
    /// It begins in the clear.
    starttls: bool,
}

impl FromStr for MailServer {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or(FORM)?;
        let (tls, starttls, usual) = match scheme {
            "smtps" => (true, false, 465),
            "smtp+starttls" => (true, true, 587),
            "smtp" => (false, false, 465),
            _ => return Err(FORM),
        };
        // The port is one that requests of tools never go to.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| FORM)?),
            _ => (rest, usual),
        };
        let host = Destination::parse(&format!("https://{host}")).map_err(|_| FORM)?.host;
        let here = host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if port == 0 || !(tls || here) {
            return Err(FORM);
        }
        Ok(Self { at: Destination { https: tls, host, port }, starttls })
    }
}

impl TryFrom<String> for MailServer {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        text.parse()
    }
}

/// A message to one person. Subject and text are as they will be read: what stands in them is escaped before.
#[derive(Clone, Debug)]
pub struct Mail {
    pub from: String,
    pub to: String,
    pub subject: String,
    pub text: String,
}

impl Notices {
    /// Hands a message to the server. Fails after twenty seconds at the latest.
    pub async fn mail(
        &self,
        server: &MailServer,
        allow_private: &PrivateRanges,
        login: Option<(&str, &Secret)>,
        mail: &Mail,
    ) -> Result<(), NoticeError> {
        let message = mail.message()?;
        let handing = self.hand_over(server, allow_private, login, &message);
        let late = |_| PostError::Unreachable;
        tokio::time::timeout(DEADLINE, handing).await.map_err(late)?
    }

    async fn hand_over(
        &self,
        server: &MailServer,
        allow_private: &PrivateRanges,
        login: Option<(&str, &Secret)>,
        message: &Message,
    ) -> Result<(), NoticeError> {
        let stream = self.reach(server, allow_private).await?;
        let name = ClientId::Domain("toolward".to_owned());
        let mut connection =
            AsyncSmtpConnection::connect_with_transport(stream, &name).await.map_err(failed)?;
        if let Some((user, password)) = login {
            let login = Credentials::new(user.to_owned(), password.expose().to_owned());
            connection.auth(&[Mechanism::Plain], &login).await.map_err(failed)?;
        }
        connection.send(message.envelope(), &message.formatted()).await.map_err(failed)?;
        // It is taken; whether the server says goodbye does not matter.
        drop(connection.quit().await);
        Ok(())
    }

    async fn reach(
        &self,
        MailServer { at, starttls }: &MailServer,
        allow_private: &PrivateRanges,
    ) -> Result<Box<dyn AsyncTokioStream>, NoticeError> {
        let addresses = address::resolve(at, allow_private, &self.0.own).await;
        let addresses = addresses.map_err(|fault| match fault {
            AddressFault::Denied => PostError::AddressDenied,
            AddressFault::Unresolved => PostError::Unreachable,
        })?;
        let unreachable = |_| NoticeError::from(PostError::Unreachable);
        let transport = &self.0.transport;
        if !starttls {
            return transport.dial(at, &addresses).await.map_err(unreachable);
        }
        let mut stream = transport.reach(&addresses).await.map_err(unreachable)?;
        starttls::agree(&mut stream).await?;
        let stream = transport.encrypt(at, stream).await.map_err(unreachable)?;
        Ok(Box::new(Greeted::new(stream)))
    }
}

impl Mail {
    fn message(&self) -> Result<Message, NoticeError> {
        let address = |text: &str| {
            text.parse::<Mailbox>().map_err(|_| NoticeError::Unfit("an address is none"))
        };
        Message::builder()
            .from(address(&self.from)?)
            .to(address(&self.to)?)
            .subject(&self.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(self.text.clone())
            .map_err(|_| NoticeError::Unfit("it is no message"))
    }
}

/// What the server said is not repeated: it may hold what was sent.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
fn failed(error: lettre::transport::smtp::Error) -> NoticeError {
    let code = error.status().map(u16::from);
    code.map_or(NoticeError::Request(PostError::Unreachable), NoticeError::Status)
}

const FORM: &str = "a mail server is written `smtps://HOST` or `smtp+starttls://HOST`, with `:PORT` where that is not 465 or 587; `smtp://127.0.0.1:PORT` is for one on this machine";
const DEADLINE: Duration = Duration::from_secs(20);
