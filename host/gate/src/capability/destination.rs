//! Where a request may go: one scheme, host and port.
/// One scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    pub https: bool,
    /// Lower case; an address literal without brackets.
    pub host: String,
    pub port: u16,
}

impl Destination {
    /// Reads `scheme://host` or `scheme://host:port`. Fails with what is wrong.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, authority) = text.split_once("://").ok_or("it has no scheme")?;
        let https = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err("its scheme is neither `https` nor `http`"),
        };
        if authority.contains(['/', '?', '#', '@', '\\']) {
            return Err("it has more than scheme, host and port");
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or("its bracket is not closed")?,
            None => authority.find(':').map_or((authority, ""), |at| authority.split_at(at)),
        };
        let literal = authority.starts_with('[');
        let named =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        let fits = if literal {
            // In the one spelling that every reader gives it (RFC 5952).
            host.parse::<std::net::Ipv6Addr>()
                .is_ok_and(|six| six.to_ipv4_mapped().is_none() && six.to_string() == host)
        } else {
            host.bytes().all(named) && host.split('.').all(|label| !label.is_empty())
        };
        if !fits {
            return Err("its host is not a name in lower case, nor an address");
        }
        let port = match port.strip_prefix(':') {
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|port: &u16| *port != 0 && port.to_string() == digits)
                .ok_or("its port is not a number from 1 to 65535")?,
            None if port.is_empty() => {
                if https {
                    443
                } else {
                    80
                }
            }
            None => return Err("something follows its address"),
        };
        if NOT_HTTP.contains(&port) {
            return Err(
                "its port is one of another protocol, which a request could be mistaken for",
            );
        }
        Ok(Self { https, host: host.to_owned(), port })
    }

    /// `host` or `host:port`, as in a `Host` header; the default port is left out (RFC 9110 section 7.2).
    pub fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let default = if self.https { 443 } else { 80 };
        if self.port == default { host } else { format!("{host}:{}", self.port) }
    }
    pub fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.authority())
    }
}

/// Ports of services that act on lines of text (the Fetch standard, "port blocking", and databases).
const NOT_HTTP: [u16; 24] = [
    7, 9, 19, 20, 21, 22, 23, 25, 53, 69, 79, 110, 119, 135, 143, 389, 465, 587, 636, 993, 995,
    3306, 6379, 11211,
];
