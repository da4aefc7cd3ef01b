//! Narrowing against a model: the set of requests that a handle lets through only ever shrinks.
use std::collections::BTreeSet;

use proptest::prelude::*;
use toolward_gate::{HttpScope, Scope, ToolsScope};

use super::{Handle, Limits, Refusal, Spent, Widest};
use crate::testing::http;

/// A capability over everything that can be narrowed.
fn scope() -> HttpScope {
    http(200)
}

/// The same, with tools besides.
fn widest() -> Widest {
    let tools = TOOLS.map(|name| name.parse().unwrap()).into();
    let own = Scope::Tools(ToolsScope { tools, lends: [].into() });
    Widest { http: Some(scope().into()), own: Some(own.into()) }
}

fn handle() -> Handle {
    Handle::new("github:issues:write".parse().unwrap())
}

/// Everything that could be asked for: each method with each path.
const METHODS: [&str; 3] = ["GET", "POST", "DELETE"];
const PATHS: [&str; 6] = ["/", "/a", "/a/", "/a/b", "/ab", "/b"];

const TOOLS: [&str; 3] = ["read", "write", "list"];
/// A tool that the capability does not name.
const OTHER: &str = "other";

/// What a handle lets through, said without the code that enforces it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Allowed {
    requests: BTreeSet<(&'static str, &'static str)>,
    tools: BTreeSet<&'static str>,
    /// The longest body.
    bytes: usize,
}

impl Allowed {
    fn by(handle: &Handle) -> Self {
        let (scope, narrowing) = (scope(), &handle.narrowing);
        let method = |name: &str| {
            scope.methods.contains(name)
                && narrowing.methods.as_ref().is_none_or(|left| left.contains(name))
        };
        let path = |path: &str| {
            narrowing.path_prefix.as_ref().is_none_or(|prefix| path.starts_with(prefix))
        };
        let mut requests = BTreeSet::new();
        for one in METHODS.into_iter().filter(|name| method(name)) {
            requests.extend(PATHS.into_iter().filter(|text| path(text)).map(|place| (one, place)));
        }
        let most = scope.max_request_bytes.max(scope.response.max_bytes);
        let bytes = narrowing.max_bytes.map_or(most, |left| left.min(most));
        let reached = |tool: &&str| handle.reaches(&tool.parse().unwrap());
        Self { requests, tools: TOOLS.into_iter().filter(reached).collect(), bytes }
    }

    /// What the handle would let through that allows this and is narrowed as asked.
    fn narrowed(&self, to: &Limits) -> Self {
        let left = |(method, path): &&(&str, &str)| {
            to.methods.as_ref().is_none_or(|left| left.iter().any(|one| one == method))
                && to.path_prefix.as_ref().is_none_or(|prefix| path.starts_with(prefix))
        };
        let tool = |tool: &&&str| {
            to.tools.as_ref().is_none_or(|left| left.iter().any(|one| one == **tool))
        };
        let bytes = to.max_bytes.unwrap_or(u64::MAX);
        Self {
            requests: self.requests.iter().filter(left).copied().collect(),
            tools: self.tools.iter().filter(tool).copied().collect(),
            bytes: self.bytes.min(usize::try_from(bytes).unwrap_or(usize::MAX)),
        }
    }
}

fn limits() -> impl Strategy<Value = Limits> {
    let methods = proptest::sample::subsequence(&METHODS[..], 0..=METHODS.len());
    let methods =
        methods.prop_map(|names| names.into_iter().map(str::to_owned).collect::<Vec<_>>());
    let prefix = proptest::option::weighted(0.4, proptest::sample::select(&PATHS[..]));
    let all = [TOOLS[0], TOOLS[1], TOOLS[2], OTHER];
    let tools = proptest::sample::subsequence(all.to_vec(), 0..=3);
    let tools = tools.prop_map(|names| names.into_iter().map(str::to_owned).collect::<Vec<_>>());
    let tools = proptest::option::weighted(0.3, tools);
    let uses = proptest::option::weighted(0.4, 0..6_u32);
    let time = proptest::option::weighted(0.2, 60_000..90_000_u64);
    let bytes = proptest::option::weighted(0.3, 0..300_u64);
    (proptest::option::weighted(0.4, methods), prefix, tools, bytes, uses, time).prop_map(
        |(methods, prefix, tools, max_bytes, uses, time_ms)| Limits {
            methods,
            path_prefix: prefix.map(str::to_owned),
            tools,
            max_bytes,
            uses,
            time_ms,
        },
    )
}

/// How often a handle can still be used. It uses them up.
fn uses_left(handle: &Handle) -> u32 {
    let counted = (0..MANY).take_while(|_| handle.spend().is_ok()).count();
    u32::try_from(counted).unwrap()
}

/// More than any limit of a test.
const MANY: u32 = 10;

proptest! {
    #[test]
    fn any_sequence_of_narrowing_takes_away_exactly_what_was_asked_and_gives_nothing(
        steps in proptest::collection::vec(limits(), 1..8),
    ) {
        let (mut handle, mut fewest) = (handle(), MANY);
        for step in steps {
            let before = Allowed::by(&handle);
            match handle.narrow(step.clone(), &widest()) {
                Ok(less) => {
                    let after = Allowed::by(&less);
                    prop_assert!(after.requests.is_subset(&before.requests));
                    prop_assert!(after.tools.is_subset(&before.tools));
                    prop_assert!(after.bytes <= before.bytes);
                    prop_assert_eq!(&after, &before.narrowed(&step));
                    // `None` is as long as the call, and longer than any other.
                    let longer = less.expires_at.is_none() && handle.expires_at.is_some();
                    prop_assert!(!longer && less.expires_at.zip(handle.expires_at).is_none_or(|(less, before)| less <= before));
                    fewest = fewest.min(step.uses.unwrap_or(MANY));
                    handle = less;
                }
                Err(refusal) => {
                    prop_assert!(matches!(refusal, Refusal::NotNarrower), "{refusal:?}");
                    prop_assert_eq!(Allowed::by(&handle), before);
                }
            }
        }
        prop_assert_eq!(uses_left(&handle), fewest);
        let spent = handle.spend().err();
        prop_assert_eq!(spent, (fewest < MANY).then_some(Spent::Uses));
    }

    #[test]
    fn a_use_of_a_narrowed_handle_is_one_of_every_wider_one(
        uses in proptest::collection::vec(0..6_u32, 1..6), spent in 0..8_usize,
    ) {
        let mut chain = vec![handle()];
        for uses in &uses {
            let to = Limits {
                methods: None,
                path_prefix: None,
                tools: None,
                max_bytes: None,
                uses: Some(*uses),
                time_ms: None,
            };
            chain.push(chain.last().unwrap().narrow(to, &Widest::default()).unwrap());
        }
        let taken = (0..spent).filter(|_| chain.last().unwrap().spend().is_ok()).count();
        let taken = u32::try_from(taken).unwrap();
        // From the narrowest outwards: what is counted there is used up in the wider ones, too.
        for (handle, own) in chain.iter().skip(1).zip(&uses).rev() {
            let uses: &Vec<std::sync::Arc<std::sync::atomic::AtomicU32>> = &handle.uses;
            let left = uses.last().unwrap().load(std::sync::atomic::Ordering::Relaxed);
            prop_assert_eq!(left, own.saturating_sub(taken));
        }
    }
}
