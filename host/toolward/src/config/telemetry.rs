//! What is written under `[telemetry]`: who is told how the host is doing.
//!
//! ```toml
//! [telemetry]
//! service_name = "toolward-eu"
//! [telemetry.prometheus]
//! address = "127.0.0.1:9464"
//! [telemetry.otlp]
//! endpoint = "https://collector.example.com:4318"
//! allow_private = ["10.1.0.0/16"]
//! every = "10s"
//! sample = 0.1
//! ```
use std::{net::SocketAddr, time::Duration};

use serde::Deserialize;
use toolward_gate::PrivateRanges;
use toolward_vault::Reports;

use super::audit::time;

/// Who is told, as it was set.
#[derive(Clone, Debug)]
pub struct TelemetryConfig {
    /// `service.name` in everything that is told.
    pub service_name: String,
    /// Where `/metrics` is served; always an address that only this machine reaches.
    pub prometheus: Option<SocketAddr>,
    pub otlp: Option<OtlpConfig>,
}

/// A collector that takes OTLP over HTTP, in protobuf.
#[derive(Clone, Debug)]
pub struct OtlpConfig {
    /// A URL with `https`, or with `http` and a loopback address. `/v1/traces` and `/v1/metrics` are added.
    pub endpoint: String,
    /// Networks besides the public one that it may be in.
    pub allow_private: PrivateRanges,
    /// Between two reports of the metrics.
    pub every: Duration,
    /// Which part of the traces is told, from 0 to 1.
    pub sample: f64,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Telemetry {
    #[serde(default = "service_name")]
    service_name: String,
    prometheus: Option<Prometheus>,
    otlp: Option<Otlp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prometheus {
    address: SocketAddr,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Otlp {
    endpoint: String,
    #[serde(default)]
    allow_private: PrivateRanges,
    #[serde(default = "every")]
    every: String,
    #[serde(default = "sample")]
    sample: f64,
}

fn service_name() -> String {
    "toolward".to_owned()
}

fn every() -> String {
    "10s".to_owned()
}

fn sample() -> f64 {
    1.0
}

impl Telemetry {
    /// Fails with what to change.
    pub(super) fn read(self) -> Result<TelemetryConfig, String> {
        let Self { service_name, prometheus, otlp } = self;
        if service_name.trim().is_empty() {
            return Err(
                "`service_name` is empty; write one, or take it out: it is `toolward` then"
                    .to_owned(),
            );
        }
        let prometheus = prometheus.map(|written| written.address);
        if let Some(address) = prometheus.filter(|address| !address.ip().is_loopback()) {
            return Err(format!(
                "`/metrics` asks for no token, and `{address}` is reached from elsewhere; write a loopback address, as `127.0.0.1:9464`"
            ));
        }
        Ok(TelemetryConfig { service_name, prometheus, otlp: otlp.map(Otlp::read).transpose()? })
    }
}

impl Otlp {
    fn read(self) -> Result<OtlpConfig, String> {
        let Self { endpoint, allow_private, every, sample } = self;
        Reports::check(&endpoint).map_err(|error| format!("`endpoint`: {error}"))?;
        if !(0.0..=1.0).contains(&sample) {
            return Err(format!("`sample` is a part of all traces, from 0 to 1, and not {sample}"));
        }
        let every = time("every", &every)?;
        if every < Duration::from_secs(1) {
            return Err("`every` is at least `1s`".to_owned());
        }
        Ok(OtlpConfig { endpoint, allow_private, every, sample })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<TelemetryConfig, String> {
        toml::from_str::<Telemetry>(text).map_err(|error| error.to_string())?.read()
    }

    #[test]
    fn what_is_not_written_is_as_usual() {
        let set = read("[otlp]\nendpoint = \"http://127.0.0.1:4318\"\n").unwrap();
        let otlp = set.otlp.unwrap();
        assert_eq!((set.service_name.as_str(), set.prometheus), ("toolward", None));
        assert_eq!((otlp.every, otlp.sample), (Duration::from_secs(10), 1.0));
    }

    #[test]
    fn what_would_be_told_to_others_in_the_clear_is_refused() {
        for wrong in [
            "[otlp]\nendpoint = \"http://collector.example.com:4318\"",
            "[otlp]\nendpoint = \"http://10.0.0.7:4318\"",
            "[otlp]\nendpoint = \"https://ana:pw@collector.example.com\"",
            "[otlp]\nendpoint = \"collector:4318\"",
            "[prometheus]\naddress = \"0.0.0.0:9464\"",
            "[prometheus]\naddress = \"10.0.0.7:9464\"",
            "[otlp]\nendpoint = \"http://127.0.0.1:4318\"\nsample = 1.5",
            "[otlp]\nendpoint = \"http://127.0.0.1:4318\"\nevery = \"10ms\"",
            "[otlp]\nendpoint = \"http://127.0.0.1:4318\"\nheaders = { a = \"b\" }",
            "service_name = \" \"",
        ] {
            let told = read(wrong).unwrap_err();
            assert!(!told.contains("ana:pw@"), "{told}");
        }
        read("[otlp]\nendpoint = \"https://collector.example.com:4318/\"").unwrap();
        read("[prometheus]\naddress = \"[::1]:9464\"").unwrap();
    }
}
