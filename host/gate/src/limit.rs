//! How much may be used up, in which time, of whom and by whom?
use std::{fmt, str::FromStr, time::Duration};

use jiff::{Span, Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{Cost, ProviderName, Tally, Usage};

/// The time over which a limit counts. It slides: no moment is the end of one and the beginning of the next, so
/// that nobody gets twice the limit at an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Window {
    /// So long back from now.
    Past(Duration),
    /// Back to the same time of the same day of the month before, in UTC, or of its last day where it has no such
    /// day. So the limit holds in every calendar month, too.
    Month,
    /// From the beginning: what is used up does not come back.
    Total,
}

impl Window {
    /// What is used after this counts. `None`: everything does.
    pub fn begin(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Past(time) => Some(now.checked_sub(time).unwrap_or(Timestamp::MIN)),
            Self::Month => Some(months_after(now, -1).unwrap_or(Timestamp::MIN)),
            Self::Total => None,
        }
    }

    /// The first moment at which what was used at this one no longer counts; `None` where it always will.
    pub fn leaves(self, at: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Past(time) => at.checked_add(time).ok(),
            Self::Month => {
                let next = months_after(at, 1)?;
                if self.begin(next)? >= at { Some(next) } else { next_day(next) }
            }
            Self::Total => None,
        }
    }

    /// `second`, `minute`, `hour`, `day`, `month` or `total`.
    fn named(text: &str) -> Option<Self> {
        let named = NAMED.iter().find(|(name, _)| *name == text);
        match text {
            "month" => Some(Self::Month),
            "total" => Some(Self::Total),
            _ => named.map(|(_, seconds)| Self::Past(Duration::from_secs(*seconds))),
        }
    }
}

/// The day of the month stays, as far as the other month has it.
fn months_after(at: Timestamp, months: i64) -> Option<Timestamp> {
    let span = Span::new().try_months(months).ok()?;
    Some(at.to_zoned(TimeZone::UTC).checked_add(span).ok()?.timestamp())
}

/// The beginning of the day after.
fn next_day(at: Timestamp) -> Option<Timestamp> {
    let day = at.to_zoned(TimeZone::UTC).date().tomorrow().ok()?;
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

impl From<Duration> for Window {
    fn from(time: Duration) -> Self {
        Self::Past(time)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Month => f.write_str("month"),
            Self::Total => f.write_str("total"),
            Self::Past(time) => {
                let whole = |(_, seconds): &&(&str, u64)| Duration::from_secs(*seconds) == *time;
                match NAMED.iter().find(whole) {
                    Some((name, _)) => f.write_str(name),
                    None => write!(f, "{}us", time.as_micros()),
                }
            }
        }
    }
}

impl TryFrom<String> for Window {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let micros = || text.strip_suffix("us").and_then(number).map(Duration::from_micros);
        let window = Self::named(&text).or_else(|| micros().map(Self::Past));
        window.ok_or_else(|| format!("`{text}` is not a window"))
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.to_string()
    }
}

const NAMED: [(&str, u64); 4] =
    [("second", 1), ("minute", 60), ("hour", 60 * 60), ("day", 24 * 60 * 60)];

/// For whom a limit counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// One principal with one tool.
    #[default]
    Both,
    /// One principal, with whatever tools.
    Principal,
    /// One tool, whoever calls it.
    Tool,
}

/// So much of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Amount {
    Cost(Cost),
    Tokens(u64),
    Requests(u64),
    Bytes(u64),
}

impl Amount {
    /// The number, in the unit that it is of.
    pub fn most(self) -> u64 {
        match self {
            Self::Cost(cost) => cost.0,
            Self::Tokens(most) | Self::Requests(most) | Self::Bytes(most) => most,
        }
    }

    /// What it looks at in a usage.
    pub fn of(self, usage: Usage) -> u64 {
        match self {
            Self::Cost(_) => usage.cost.0,
            Self::Tokens(_) => usage.tokens,
            Self::Requests(_) => usage.requests,
            Self::Bytes(_) => usage.bytes,
        }
    }

    /// As much of the same thing.
    #[must_use]
    pub fn but(self, number: u64) -> Self {
        match self {
            Self::Cost(_) => Self::Cost(Cost(number)),
            Self::Tokens(_) => Self::Tokens(number),
            Self::Requests(_) => Self::Requests(number),
            Self::Bytes(_) => Self::Bytes(number),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("usd", _) => Cost::parse(text).map(Self::Cost),
            ("tokens", most) => number(most).map(Self::Tokens),
            ("requests", most) => number(most).map(Self::Requests),
            ("bytes", most) => number(most).map(Self::Bytes),
            _ => None,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cost(cost) => write!(f, "{cost}"),
            Self::Tokens(most) => write!(f, "tokens:{most}"),
            Self::Requests(most) => write!(f, "requests:{most}"),
            Self::Bytes(most) => write!(f, "bytes:{most}"),
        }
    }
}

/// At most `calls` in any `window`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    pub calls: u32,
    pub window: Window,
    pub by: By,
}

impl RateLimit {
    /// For each principal and tool.
    pub fn new(calls: u32, window: impl Into<Window>) -> Self {
        Self { calls, window: window.into(), by: By::Both }
    }

    /// Reads one or several, as in `10/minute, 1000/month by principal`.
    pub(crate) fn parse_all(text: &str) -> Option<Vec<Self>> {
        text.split(',').map(Self::parse).collect()
    }

    fn parse(text: &str) -> Option<Self> {
        let Words { most, window, of: None, by } = Words::read(text)? else { return None };
        let calls = u32::try_from(number(most)?).ok().filter(|calls| *calls > 0)?;
        Some(Self { calls, window, by })
    }
}

/// As in an annotation.
impl FromStr for BudgetLimit {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| format!("`{text}` is not a budget"))
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.calls, self.window)?;
        by(f, self.by)
    }
}

/// At most so much in any `window`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetLimit {
    pub most: Amount,
    pub window: Window,
    /// Where it is of one provider only.
    pub of: Option<ProviderName>,
    pub by: By,
}

impl BudgetLimit {
    /// Of all providers, for each principal and tool.
    pub fn new(most: Amount, window: impl Into<Window>) -> Self {
        Self { most, window: window.into(), of: None, by: By::Both }
    }

    /// Whether all of this would fit into it.
    pub fn fits(&self, tally: &Tally) -> bool {
        self.most.of(tally.at(self.of.as_ref())) <= self.most.most()
    }

    /// Whether requests of this provider count against it, whatever they cost.
    pub(crate) fn counts_requests_of(&self, provider: &ProviderName) -> bool {
        matches!(self.most, Amount::Requests(_) | Amount::Bytes(_))
            && self.of.as_ref().is_none_or(|of| of == provider)
    }

    /// Reads one or several, as in `usd:20/day, requests:1000/hour of github by principal`.
    pub(crate) fn parse_all(text: &str) -> Option<Vec<Self>> {
        text.split(',').map(Self::parse).collect()
    }

    fn parse(text: &str) -> Option<Self> {
        let Words { most, window, of, by } = Words::read(text)?;
        if window == Window::Past(Duration::from_secs(1)) {
            return None;
        }
        Some(Self { most: Amount::parse(most)?, window, of, by })
    }
}

impl fmt::Display for BudgetLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.most, self.window)?;
        if let Some(of) = &self.of {
            write!(f, " of {of}")?;
        }
        by(f, self.by)
    }
}

fn by(f: &mut fmt::Formatter<'_>, by: By) -> fmt::Result {
    match by {
        By::Both => Ok(()),
        By::Principal => f.write_str(" by principal"),
        By::Tool => f.write_str(" by tool"),
    }
}

/// `MOST/WINDOW`, then `of PROVIDER` and `by principal` or `by tool`, each of them or not.
struct Words<'a> {
    most: &'a str,
    window: Window,
    of: Option<ProviderName>,
    by: By,
}

impl<'a> Words<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let (most, window) = words.next()?.rsplit_once('/')?;
        let mut read = Self { most, window: Window::named(window)?, of: None, by: By::default() };
        let mut word = words.next();
        if word == Some("of") {
            read.of = Some(words.next()?.parse().ok()?);
            word = words.next();
        }
        if word == Some("by") {
            read.by = match words.next()? {
                "principal" => By::Principal,
                "tool" => By::Tool,
                _ => return None,
            };
            word = words.next();
        }
        word.is_none().then_some(read)
    }
}

/// Digits only: `parse` alone takes a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
