//! Values that mean nothing, where a component looks for its key.
use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use toolward_gate::{CapabilityName, HeaderScheme, Slot, StandIn, Stop, WasiScope};
use toolward_vault::Marker;

use super::{Scopes, http::Asked, unavailable};

/// Every stand-in of one call, each made for it.
pub(super) struct StandIns {
    values: BTreeMap<CapabilityName, (StandIn, String)>,
    marker: Marker,
}

impl StandIns {
    pub(super) fn generate(scopes: &Scopes) -> Result<Self, Stop> {
        let mut values = BTreeMap::new();
        for (name, scope) in scopes {
            if let WasiScope::StandIn(place) = &**scope {
                values.insert(name.clone(), (place.clone(), value()?));
            }
        }
        let all: Vec<&str> = values.values().map(|(_, value)| value.as_str()).collect();
        let marker = Marker::of(&all);
        Ok(Self { values, marker })
    }

    pub(super) fn of(&self, capability: &CapabilityName) -> Option<&str> {
        self.values.get(capability).map(|(_, value)| value.as_str())
    }

    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.values().filter_map(|(place, value)| match place {
            StandIn::Variable(name) => Some((name.as_str(), value.as_str())),
            StandIn::Config(_) => None,
        })
    }

    /// What `wasi:config/store` holds.
    pub(super) fn settings(&self) -> BTreeMap<String, String> {
        let entry = |(place, value): &(StandIn, String)| match place {
            StandIn::Config(name) => Some((name.clone(), value.clone())),
            StandIn::Variable(_) => None,
        };
        self.values.values().filter_map(entry).collect()
    }

    /// Whether a part of one stands anywhere in a request whose slot was emptied.
    pub(super) fn stray(&self, asked: &Asked, body: &[u8]) -> bool {
        let holds = |text: &str| self.marker.is_in(text.as_bytes());
        let in_headers = || asked.headers.iter().any(|(name, value)| holds(name) || holds(value));
        holds(&asked.target()) || in_headers() || self.marker.is_in(body)
    }
}

/// The request without its slot, if that holds the stand-in once, and nothing but it.
pub(super) fn taken(asked: &Asked, slot: &Slot, stand_in: &str) -> Option<Asked> {
    let mut rest = asked.clone();
    let slots = match slot {
        Slot::Header { name, scheme } => {
            let (slots, others): (Vec<_>, Vec<_>) =
                rest.headers.into_iter().partition(|(header, _)| header == name);
            rest.headers = others;
            slots.iter().map(|(_, value)| in_header(value, *scheme, stand_in)).collect::<Vec<_>>()
        }
        Slot::Query { name } => {
            let query = rest.query.take().unwrap_or_default();
            let is_slot = |pair: &&str| pair.split('=').next() == Some(name.as_str());
            let (slots, others): (Vec<&str>, Vec<&str>) = query.split('&').partition(is_slot);
            rest.query = Some(others.join("&")).filter(|query| !query.is_empty());
            let whole = format!("{name}={stand_in}");
            slots.iter().map(|pair| **pair == whole).collect()
        }
        // A capability with one of these has no stand-in: a component would have to sign with it.
        Slot::Cookie { .. } | Slot::AwsSigV4(_) | Slot::Hmac(_) | Slot::ClientCertificate => {
            return None;
        }
    };
    (slots == [true]).then_some(rest)
}

fn in_header(value: &str, scheme: HeaderScheme, stand_in: &str) -> bool {
    let after = |word: &str| {
        let (said, rest) = value.split_once(' ')?;
        // The name of a scheme is written in any case (RFC 9110 section 11.1).
        said.eq_ignore_ascii_case(word).then_some(rest)
    };
    match scheme {
        HeaderScheme::Raw => value == stand_in,
        HeaderScheme::Bearer => after("bearer") == Some(stand_in),
        HeaderScheme::Basic => after("basic")
            .and_then(|text| STANDARD.decode(text).ok())
            // A key alone is mostly the user, with no password after the colon (RFC 7617 section 2).
            .is_some_and(|pair| pair.strip_suffix(b":").unwrap_or(&pair) == stand_in.as_bytes()),
    }
}

/// Letters and digits only, so that it fits wherever a key does.
fn value() -> Result<String, Stop> {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes).map_err(|error| unavailable("random numbers", error))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
