//! How much of what, and of which provider?
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use crate::ProviderName;

/// What a call costs, in micro-dollars (a millionth of a dollar).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cost(pub u64);

impl Cost {
    /// Both together. Saturates: a cost that does not fit is over every budget.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Reads `usd:` and dollars with at most six decimals, as in `usd:0.01`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let dollars = text.strip_prefix("usd:")?;
        let (whole, fraction) = dollars.split_once('.').unwrap_or((dollars, "0"));
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || fraction.len() > 6 {
            return None;
        }
        let micros: u64 = format!("{fraction:0<6}").parse().ok()?;
        whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micros).map(Self)
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000);
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        write!(f, "usd:{whole}.{:0<2}", fraction.trim_end_matches('0'))
    }
}

/// What a call or a request uses up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub cost: Cost,
    /// Of a model, in and out; what counts as one is the upstream's to say.
    pub tokens: u64,
    /// That left the host, whatever came of them.
    #[serde(default, skip_serializing_if = "is_none")]
    pub requests: u64,
    /// Of request and response bodies, both ways.
    #[serde(default, skip_serializing_if = "is_none")]
    pub bytes: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none(amount: &u64) -> bool {
    *amount == 0
}

impl From<Cost> for Usage {
    fn from(cost: Cost) -> Self {
        Self { cost, ..Self::default() }
    }
}

impl Usage {
    /// Both together; saturates, as a cost does.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            cost: self.cost.with(other.cost),
            tokens: self.tokens.saturating_add(other.tokens),
            requests: self.requests.saturating_add(other.requests),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// What is left of it without `other`; never less than nothing.
    pub(crate) fn without(self, other: Self) -> Self {
        Self {
            cost: Cost(self.cost.0.saturating_sub(other.cost.0)),
            tokens: self.tokens.saturating_sub(other.tokens),
            requests: self.requests.saturating_sub(other.requests),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

/// What is used, provider by provider. What is of no provider stands apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<Option<ProviderName>, Usage>);

impl Tally {
    /// So much of one provider.
    pub fn of(provider: ProviderName, usage: Usage) -> Self {
        Self([(Some(provider), usage)].into())
    }

    pub fn iter(&self) -> impl Iterator<Item = (Option<&ProviderName>, Usage)> {
        self.0.iter().map(|(provider, usage)| (provider.as_ref(), *usage))
    }

    /// Of one provider; of all, where none is named.
    pub fn at(&self, provider: Option<&ProviderName>) -> Usage {
        match provider {
            None => self.total(),
            Some(_) => self.0.get(&provider.cloned()).copied().unwrap_or_default(),
        }
    }

    pub fn total(&self) -> Usage {
        self.0.values().fold(Usage::default(), |sum, one| sum.with(*one))
    }

    /// Both together.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        for (provider, usage) in &other.0 {
            self.add(provider.clone(), *usage);
        }
        self
    }

    pub(crate) fn add(&mut self, provider: Option<ProviderName>, usage: Usage) {
        let of_it = self.0.entry(provider).or_default();
        *of_it = of_it.with(usage);
    }

    pub(crate) fn take(&mut self, provider: &ProviderName, usage: Usage) {
        if let Some(of_it) = self.0.get_mut(&Some(provider.clone())) {
            *of_it = of_it.without(usage);
        }
    }

    /// Whether there is nothing that a provider would be named for.
    pub(crate) fn names_nobody(&self) -> bool {
        !self.0.iter().any(|(provider, usage)| provider.is_some() && *usage != Usage::default())
    }
}

impl From<Usage> for Tally {
    fn from(usage: Usage) -> Self {
        Self([(None, usage)].into())
    }
}

impl From<Cost> for Tally {
    fn from(cost: Cost) -> Self {
        Usage::from(cost).into()
    }
}

/// By the providers' names.
impl Serialize for Tally {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let used = |usage: &Usage| *usage != Usage::default();
        let named = self.0.iter().filter(|(_, usage)| used(usage));
        serializer.collect_map(named.filter_map(|(name, usage)| Some((name.as_ref()?, usage))))
    }
}

#[cfg(test)]
mod tests;
