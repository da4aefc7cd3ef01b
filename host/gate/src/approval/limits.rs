//! How much less than was asked for does a person allow?
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{CapabilityName, Cost, HttpScope, PathPattern, Terms};

/// What a yes is narrowed to. Absent: as the policies allow. It takes away and never gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnswerLimits {
    /// From admission to the end of the run, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<u64>,
    /// All that the call may come to, what metered requests use included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// HTTP requests that leave the host, under all capabilities together. What stays in the host, as a value that a
    /// tool keeps or a line of its log, is none. Databases may hold answers with the shorter name.
    #[serde(alias = "requests", skip_serializing_if = "Option::is_none")]
    pub http_requests: Option<u32>,
    /// Of the body of each request, and of each response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<usize>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub capabilities: BTreeMap<CapabilityName, RequestLimits>,
}

/// What is left of one capability.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestLimits {
    /// Upper case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub methods: Option<BTreeSet<String>>,
    /// A pattern that is not within one of the capability's own lets nothing through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<PathPattern>>,
}

impl AnswerLimits {
    /// Whether nothing is narrowed.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Reads `usd:` and dollars, as in `usd:0.50`.
    pub fn cost_of(text: &str) -> Option<Cost> {
        Cost::parse(text)
    }

    /// Both together: what each of them leaves.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.time_ms = least(self.time_ms, other.time_ms);
        self.cost = least(self.cost, other.cost);
        self.http_requests = least(self.http_requests, other.http_requests);
        self.max_bytes = least(self.max_bytes, other.max_bytes);
        for (name, limits) in &other.capabilities {
            let mine = self.capabilities.remove(name).unwrap_or_default();
            self.capabilities.insert(name.clone(), mine.and(limits));
        }
        self
    }

    /// The terms with less. What the account of the call enforces, cost and requests, it takes from here itself.
    pub(crate) fn narrow(&self, mut terms: Terms) -> Terms {
        if let Some(most) = self.time_ms {
            terms.time = terms.time.min(Duration::from_millis(most));
        }
        for (name, scope) in &mut terms.egress.http {
            let own = self.capabilities.get(name);
            if own.is_some() || self.max_bytes.is_some() {
                *scope = Arc::new(self.narrowed(scope, own));
            }
        }
        terms
    }

    fn narrowed(&self, scope: &HttpScope, own: Option<&RequestLimits>) -> HttpScope {
        let mut less = scope.clone();
        if let Some(most) = self.max_bytes {
            less.max_request_bytes = less.max_request_bytes.min(most);
            less.response.max_bytes = less.response.max_bytes.min(most);
        }
        if let Some(methods) = own.and_then(|own| own.methods.as_ref()) {
            less.methods.retain(|method| methods.contains(method));
        }
        if let Some(paths) = own.and_then(|own| own.paths.as_ref()) {
            less.paths = within(paths, &scope.paths);
        }
        less
    }
}

impl RequestLimits {
    fn and(self, other: &Self) -> Self {
        let methods = match (self.methods, &other.methods) {
            (Some(mine), Some(theirs)) => Some(mine.intersection(theirs).cloned().collect()),
            (mine, theirs) => mine.or_else(|| theirs.clone()),
        };
        let paths = match (self.paths, &other.paths) {
            (Some(mine), Some(theirs)) => {
                let mut both = within(&mine, theirs);
                both.extend(within(theirs, &mine));
                both.dedup();
                Some(both)
            }
            (mine, theirs) => mine.or_else(|| theirs.clone()),
        };
        Self { methods, paths }
    }
}

/// Those that let nothing through that `wider` does not.
fn within(paths: &[PathPattern], wider: &[PathPattern]) -> Vec<PathPattern> {
    paths.iter().filter(|path| wider.iter().any(|one| path.is_within(one))).cloned().collect()
}

fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// As a person reads it, and as it stands in the trail.
impl fmt::Display for AnswerLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.time_ms.map(|time| format!("{time} ms")));
        parts.extend(self.cost.map(|cost| cost.to_string()));
        parts.extend(self.http_requests.map(|requests| format!("{requests} HTTP requests")));
        parts.extend(self.max_bytes.map(|bytes| format!("{bytes} bytes")));
        parts.extend(self.capabilities.iter().map(|(name, own)| format!("{name}{own}")));
        f.write_str(&parts.join(", "))
    }
}

impl fmt::Display for RequestLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(methods) = &self.methods {
            let methods: Vec<&str> = methods.iter().map(String::as_str).collect();
            write!(f, " {}", methods.join(" "))?;
        }
        for path in self.paths.iter().flatten() {
            write!(f, " {path}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        Basis, Capabilities, Digest, EgressTerms, Recording, Risk, SandboxTerms, SourceFile, Tally,
    };

    fn limits() -> impl Strategy<Value = AnswerLimits> {
        let path = proptest::sample::select(vec!["/a", "/{x}", "/{n:int}", "/a/{r...}", "/7"]);
        let paths = proptest::option::of(proptest::collection::vec(path, 0..3));
        let method = proptest::sample::select(vec!["GET", "POST", "PUT"]);
        let methods = proptest::option::of(proptest::collection::btree_set(method, 0..3));
        (
            any::<Option<u64>>(),
            any::<Option<u64>>(),
            any::<Option<u32>>(),
            any::<Option<usize>>(),
            methods,
            paths,
        )
            .prop_map(|(time_ms, cost, http_requests, max_bytes, methods, paths)| {
                let own = RequestLimits {
                    methods: methods.map(|all| all.into_iter().map(str::to_owned).collect()),
                    paths: paths
                        .map(|all| all.into_iter().map(|one| one.parse().unwrap()).collect()),
                };
                let name = "shop:things:write".parse().unwrap();
                let capabilities = [(name, own)].into();
                AnswerLimits {
                    time_ms,
                    cost: cost.map(Cost),
                    http_requests,
                    max_bytes,
                    capabilities,
                }
            })
    }

    fn lets(limits: &AnswerLimits, method: &str, path: &str) -> bool {
        limits.capabilities.values().all(|own| {
            own.methods.as_ref().is_none_or(|all| all.contains(method))
                && own.paths.as_ref().is_none_or(|all| all.iter().any(|one| one.matches(path)))
        })
    }

    proptest! {
        #[test]
        fn two_limits_together_let_through_only_what_each_of_them_does(one in limits(), two in limits()) {
            let both = one.clone().and(&two);
            for (mine, all) in [(one.time_ms, both.time_ms), (two.time_ms, both.time_ms)] {
                prop_assert!(mine.is_none_or(|mine| all.is_some_and(|all| all <= mine)));
            }
            prop_assert_eq!(both.http_requests, least(one.http_requests, two.http_requests));
            prop_assert_eq!(both.cost, least(one.cost, two.cost));
            prop_assert_eq!(both.max_bytes, least(one.max_bytes, two.max_bytes));
            for method in ["GET", "POST", "PUT"] {
                for path in ["/a", "/7", "/b", "/a/b", "/a/b/c", "/"] {
                    let passes = lets(&both, method, path);
                    prop_assert!(!passes || (lets(&one, method, path) && lets(&two, method, path)));
                }
            }
        }

        #[test]
        fn limits_are_read_as_they_were_written(one in limits()) {
            let text = serde_json::to_string(&one).unwrap();
            prop_assert_eq!(serde_json::from_str::<AnswerLimits>(&text).unwrap(), one);
        }
    }

    #[test]
    fn what_both_let_through_stays() {
        let paths =
            |path: &str| RequestLimits { methods: None, paths: Some(vec![path.parse().unwrap()]) };
        let limits = |path: &str| AnswerLimits {
            capabilities: [("shop:things:write".parse().unwrap(), paths(path))].into(),
            ..AnswerLimits::default()
        };
        for (one, other) in [("/a/{r...}", "/a/b"), ("/a/b", "/a/{r...}")] {
            assert!(lets(&limits(one).and(&limits(other)), "GET", "/a/b"), "{one} {other}");
        }
    }

    #[test]
    fn limits_are_told_in_words_and_none_of_them_in_none() {
        let none = AnswerLimits::default();
        assert_eq!((none.is_none(), none.to_string()), (true, String::new()));
        let own = RequestLimits {
            methods: Some(["GET".to_owned()].into()),
            paths: Some(vec!["/a".parse().unwrap()]),
        };
        let limits = AnswerLimits {
            time_ms: Some(5),
            cost: AnswerLimits::cost_of("usd:0.50"),
            http_requests: Some(3),
            max_bytes: Some(10),
            capabilities: [("shop:things:write".parse().unwrap(), own)].into(),
        };
        assert_eq!((limits.is_none(), limits.cost), (false, Some(Cost(500_000))));
        assert_eq!(AnswerLimits::cost_of("0.50"), None);
        let cost = Cost(500_000);
        let told = format!("5 ms, {cost}, 3 HTTP requests, 10 bytes, shop:things:write GET /a");
        assert_eq!(limits.to_string(), told);
    }

    const CAPABILITIES: &str = r#"
[capability."shop:things:write"]
description = "A thing."
interface = "http"
destination = "https://shop.example.com"
methods = ["GET", "POST"]
paths = ["/a/{r...}", "/7"]
max_request_bytes = 100
risk = "low"
response = { max_bytes = 200 }
"#;

    /// A minute, and requests to a shop.
    fn terms() -> Terms {
        let file = SourceFile::new("capabilities.toml", CAPABILITIES);
        let capabilities = Capabilities::parse(&file, &["http"]).unwrap();
        let name = "shop:things:write".parse().unwrap();
        let scope = capabilities.find(&name).unwrap().http.clone().unwrap();
        Terms {
            time: Duration::from_secs(60),
            cost: Tally::default(),
            rates: Vec::new(),
            budgets: Vec::new(),
            egress: EgressTerms { http: [(name, scope)].into() },
            sandbox: SandboxTerms::default(),
            recording: Recording::Digest,
            basis: Basis { policies: Vec::new(), policy_version: Digest::ZERO, risk: Risk::Low },
        }
    }

    #[test]
    fn each_limit_takes_from_the_terms_what_it_names_and_gives_nothing() {
        let all = ["60000 ms", "GET POST", "/a/{r...} /7", "100 out", "200 in"];
        let own = |name: &str, methods: &[&str], paths: &[&str]| {
            let methods = methods.iter().map(|one| (*one).to_owned()).collect();
            let paths = paths.iter().map(|one| one.parse().unwrap()).collect();
            let own = RequestLimits { methods: Some(methods), paths: Some(paths) };
            let capabilities = [(name.parse().unwrap(), own)].into();
            AnswerLimits { capabilities, ..AnswerLimits::default() }
        };
        let time = |ms| AnswerLimits { time_ms: Some(ms), ..AnswerLimits::default() };
        let bytes = |most| AnswerLimits { max_bytes: Some(most), ..AnswerLimits::default() };
        let (shop, other) = ("shop:things:write", "shop:things:read");
        let [_, methods, paths, request, response] = all;
        let minute = all[0];
        for (limits, left) in [
            (AnswerLimits::default(), all),
            (time(5), ["5 ms", methods, paths, request, response]),
            (time(60_001), all),
            (bytes(150), [minute, methods, paths, request, "150 in"]),
            (bytes(7), [minute, methods, paths, "7 out", "7 in"]),
            (bytes(201), all),
            (
                own(shop, &["GET", "PUT"], &["/a/b", "/b"]),
                [minute, "GET", "/a/b", request, response],
            ),
            (own(shop, &[], &[]), [minute, "", "", request, response]),
            (own(other, &[], &[]), all),
        ] {
            let less = limits.narrow(terms());
            let scope = less.egress.http.values().next().unwrap();
            let paths: Vec<String> = scope.paths.iter().map(ToString::to_string).collect();
            let methods: Vec<&str> = scope.methods.iter().map(String::as_str).collect();
            let is = [
                format!("{} ms", less.time.as_millis()),
                methods.join(" "),
                paths.join(" "),
                format!("{} out", scope.max_request_bytes),
                format!("{} in", scope.response.max_bytes),
            ];
            assert_eq!(is, left, "{limits:?}");
        }
    }

    #[test]
    fn limits_that_hold_an_unknown_word_are_refused() {
        let read = |text| serde_json::from_str::<AnswerLimits>(text);
        assert_eq!(read(r#"{"http_requests":1}"#).unwrap(), read(r#"{"requests":1}"#).unwrap());
        assert!(read(r#"{"http_request":1}"#).is_err());
    }
}
