use proptest::prelude::*;
use serde_json::json;

use super::*;

fn shop() -> ProviderName {
    "shop".parse().unwrap()
}

fn usage(cost: u64, tokens: u64, requests: u64, bytes: u64) -> Usage {
    Usage { cost: Cost(cost), tokens, requests, bytes }
}

#[test]
fn requests_and_bytes_are_written_where_there_were_any() {
    let cases = [
        (usage(0, 0, 0, 0), json!({ "cost": 0, "tokens": 0 })),
        (usage(5, 7, 0, 0), json!({ "cost": 5, "tokens": 7 })),
        (usage(0, 0, 1, 0), json!({ "cost": 0, "tokens": 0, "requests": 1 })),
        (usage(5, 7, 2, 9), json!({ "cost": 5, "tokens": 7, "requests": 2, "bytes": 9 })),
    ];
    for (usage, written) in cases {
        assert_eq!(json!(usage), written);
        assert_eq!(serde_json::from_value::<Usage>(written).unwrap(), usage);
    }
}

#[test]
fn a_provider_is_named_for_what_was_used_of_it_and_for_nothing_else() {
    let used = usage(5, 0, 1, 0);
    let cases = [
        (Tally::default(), json!({})),
        (Cost(5).into(), json!({})),
        (Tally::of(shop(), Usage::default()), json!({})),
        (Tally::of(shop(), used), json!({ "shop": used })),
        (Tally::of(shop(), used).with(&Cost(5).into()), json!({ "shop": used })),
    ];
    for (tally, written) in cases {
        assert_eq!(json!(tally), written);
        assert_eq!(tally.names_nobody(), written == json!({}), "{tally:?}");
    }
}

fn amounts() -> impl Strategy<Value = Usage> {
    (0_u64..2, 0_u64..2, 0_u64..2, 0_u64..2).prop_map(|(a, b, c, d)| usage(a, b, c, d))
}

proptest! {
    /// A record leaves a list out that would be empty, and no other.
    #[test]
    fn a_list_of_providers_is_left_out_where_it_would_be_empty(
        used in prop::collection::vec((prop::option::of("[a-c]"), amounts()), 0..4),
    ) {
        let mut tally = Tally::default();
        for (provider, usage) in used {
            tally.add(provider.map(|name| name.parse().unwrap()), usage);
        }
        prop_assert_eq!(tally.names_nobody(), json!(tally) == json!({}));
    }
}
