//! Is a request meant for this host? Its `Host` and `Origin` say so, before anything else of it is read.
//!
//! A page in a browser on this machine can speak to a loopback address, and a name that turns (DNS rebinding) makes
//! it look like the page's own. Neither can choose what stands in these two fields.
use std::{collections::BTreeSet, net::SocketAddr};

use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};

use super::problem::Problem;
use crate::config::ListenConfig;

/// The names of one listener.
#[derive(Clone, Debug)]
pub struct Place {
    /// As clients write it: scheme and authority.
    pub url: String,
    hosts: BTreeSet<String>,
    origins: BTreeSet<String>,
    implied: &'static str,
}

impl Place {
    /// `address` is where it really listens.
    pub fn new(config: &ListenConfig, address: SocketAddr) -> Self {
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let url = config.url.clone().unwrap_or_else(|| format!("{scheme}://{address}"));
        let implied = if url.starts_with("https://") { ":443" } else { ":80" };
        let authority = url.split_once("://").map_or("", |(_, authority)| authority);
        let mut hosts = BTreeSet::from([bare(authority, implied)]);
        if address.ip().is_loopback() {
            let port = address.port();
            hosts.extend(LOOPBACK.map(|name| bare(&format!("{name}:{port}"), implied)));
        }
        Self { url, hosts, origins: config.origins.clone(), implied }
    }

    /// Fails where the request is meant for another host, or comes from a page that nobody named.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let host = only(headers, &header::HOST).filter(|_| uri.authority().is_none());
        let host = host.map(|host| bare(&host.to_ascii_lowercase(), self.implied));
        if !host.is_some_and(|host| self.hosts.contains(&host)) {
            let detail = "the request names another host; the operator writes the name under `url`";
            return Err(Problem::new(StatusCode::FORBIDDEN, "wrong-host", detail));
        }
        if headers.contains_key(header::ORIGIN) {
            let origin = only(headers, &header::ORIGIN).map(str::to_ascii_lowercase);
            if !origin.is_some_and(|origin| self.origins.contains(&origin)) {
                let detail = "no page of this origin may speak to the host; the operator lists them under `origins`";
                return Err(Problem::new(StatusCode::FORBIDDEN, "wrong-origin", detail));
            }
        }
        Ok(())
    }
}

/// The text of a field that stands there once.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let first: &HeaderValue = all.next()?;
    if all.next().is_some() { None } else { first.to_str().ok() }
}

fn bare(authority: &str, implied: &str) -> String {
    authority.strip_suffix(implied).unwrap_or(authority).to_owned()
}

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LimitsConfig;

    fn place(url: Option<&str>, address: &str) -> Place {
        let config = ListenConfig {
            address: address.parse().unwrap(),
            url: url.map(str::to_owned),
            origins: ["https://app.example.com".to_owned()].into(),
            tls: None,
            limits: LimitsConfig::default(),
        };
        Place::new(&config, config.address)
    }

    fn check(place: &Place, target: &str, fields: &[(&'static str, &str)]) -> Option<u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        place.check(&target.parse().unwrap(), &headers).err().map(|problem| problem.status)
    }

    /// F-06.
    #[test]
    fn a_request_that_names_another_host_is_refused() {
        let place = place(None, "127.0.0.1:8700");
        for host in ["127.0.0.1:8700", "localhost:8700", "LOCALHOST:8700", "[::1]:8700"] {
            assert_eq!(check(&place, "/mcp", &[("host", host)]), None, "{host}");
        }
        for host in [
            "evil.test",
            "evil.test:8700",
            "",
            "127.0.0.1",
            "127.0.0.1:8701",
            "localhost.evil.test:8700",
            "127.0.0.1:8700@evil.test",
            "127.0.0.1:08700",
            "localhost:8700.",
            "localhost.:8700",
        ] {
            assert_eq!(check(&place, "/mcp", &[("host", host)]), Some(403), "{host}");
        }
        assert_eq!(check(&place, "/mcp", &[]), Some(403), "none");
        let twice = [("host", "localhost:8700"), ("host", "localhost:8700")];
        assert_eq!(check(&place, "/mcp", &twice), Some(403), "two");
        let whole = "http://localhost:8700/mcp";
        assert_eq!(check(&place, whole, &[("host", "localhost:8700")]), Some(403), "absolute form");
    }

    #[test]
    fn a_public_name_is_taken_with_and_without_the_port_that_its_scheme_implies() {
        let place = place(Some("https://tools.example.com"), "0.0.0.0:8700");
        for host in ["tools.example.com", "tools.example.com:443"] {
            assert_eq!(check(&place, "/", &[("host", host)]), None, "{host}");
        }
        for host in ["localhost:8700", "0.0.0.0:8700", "tools.example.com:80"] {
            assert_eq!(check(&place, "/", &[("host", host)]), Some(403), "{host}");
        }
    }

    /// F-07.
    #[test]
    fn a_page_that_nobody_named_is_refused_and_no_page_is_not() {
        let place = place(None, "127.0.0.1:8700");
        let with =
            |origin: &str| check(&place, "/mcp", &[("host", "localhost:8700"), ("origin", origin)]);
        assert_eq!(check(&place, "/mcp", &[("host", "localhost:8700")]), None);
        assert_eq!(with("https://app.example.com"), None);
        for origin in [
            "https://evil.test",
            "null",
            "",
            "http://localhost.evil.test",
            "http://localhost:8700",
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com.evil.test",
        ] {
            assert_eq!(with(origin), Some(403), "{origin}");
        }
    }
}
