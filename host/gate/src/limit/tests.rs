use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn a_window_with_a_name_is_as_long_as_its_name_says() {
    let long = [("second", 1), ("minute", 60), ("hour", 3600), ("day", 86_400)];
    for (name, seconds) in long {
        let window = Window::try_from(name.to_owned()).unwrap();
        assert_eq!(window, Window::Past(Duration::from_secs(seconds)), "{name}");
        assert_eq!(String::from(window), name);
    }
    let window = Window::try_from("120000000us".to_owned()).unwrap();
    assert_eq!(window, Window::Past(Duration::from_secs(120)));
    assert!(Window::try_from("fortnight".to_owned()).is_err());
}

/// H-10.
#[test]
fn a_month_goes_back_to_the_same_day_or_to_the_last_one_there_is() {
    let cases = [
        ("2026-03-15T10:00:00Z", "2026-02-15T10:00:00Z"),
        ("2026-03-31T10:00:00Z", "2026-02-28T10:00:00Z"),
        ("2028-03-31T10:00:00Z", "2028-02-29T10:00:00Z"),
        ("2028-03-29T10:00:00Z", "2028-02-29T10:00:00Z"),
        ("2100-03-30T10:00:00Z", "2100-02-28T10:00:00Z"),
        ("2026-05-31T10:00:00Z", "2026-04-30T10:00:00Z"),
        ("2026-01-01T00:00:00Z", "2025-12-01T00:00:00Z"),
    ];
    for (now, begin) in cases {
        assert_eq!(Window::Month.begin(at(now)), Some(at(begin)), "{now}");
    }
}

/// H-10: what was used on a day that the next month does not have counts until that month is over.
#[test]
fn what_was_used_leaves_a_month_when_it_is_a_month_old() {
    let cases = [
        ("2026-02-15T10:00:00Z", "2026-03-15T10:00:00Z"),
        ("2026-01-31T10:00:00Z", "2026-03-01T00:00:00Z"),
        ("2028-01-31T10:00:00Z", "2028-03-01T00:00:00Z"),
        ("2028-01-29T10:00:00Z", "2028-02-29T10:00:00Z"),
        ("2027-01-29T10:00:00Z", "2027-03-01T00:00:00Z"),
        ("2026-02-28T10:00:00Z", "2026-03-28T10:00:00Z"),
        ("2025-12-31T23:59:59Z", "2026-01-31T23:59:59Z"),
    ];
    for (used, leaves) in cases {
        assert_eq!(Window::Month.leaves(at(used)), Some(at(leaves)), "{used}");
    }
    assert_eq!(Window::Total.leaves(at("2026-01-01T00:00:00Z")), None);
    let day = Window::named("day").unwrap();
    // A day is 24 hours: no zone moves its clocks here.
    assert_eq!(day.leaves(at("2026-03-28T12:00:00Z")), Some(at("2026-03-29T12:00:00Z")));
}

#[test]
fn a_limit_reads_as_it_is_written() {
    let budgets = [
        "usd:20.00/day",
        "tokens:100000/month",
        "requests:1000/hour of github",
        "bytes:1/total by principal",
        "usd:0.50/minute of github by tool",
    ];
    for text in budgets {
        let read = BudgetLimit::parse_all(text).unwrap();
        assert_eq!(read.iter().map(ToString::to_string).collect::<Vec<_>>(), [text]);
        let json = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<Vec<BudgetLimit>>(&json).unwrap(), read);
    }
    for text in ["10/minute", "5/total", "1000/month by principal", "1/second by tool"] {
        let read = RateLimit::parse_all(text).unwrap();
        assert_eq!(read.iter().map(ToString::to_string).collect::<Vec<_>>(), [text]);
        let json = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<Vec<RateLimit>>(&json).unwrap(), read);
    }
    assert_eq!(BudgetLimit::parse_all("usd:1/day, tokens:5/hour").unwrap().len(), 2);
}

/// H-05.
#[test]
fn a_limit_that_does_not_say_all_of_it_is_none() {
    let wrong = [
        "usd:1/day,",
        "usd:1/second",
        "usd:1",
        "usd:1/day of",
        "usd:1/day of Git Hub",
        "usd:1/day by",
        "usd:1/day by anybody",
        "usd:1/day by principal of github",
        "usd:1/day of github of github",
        "requests:+1/day",
        "bytes:1e6/day",
        "dollars:1/day",
    ];
    for text in wrong {
        assert_eq!(BudgetLimit::parse_all(text), None, "{text}");
    }
    for text in ["1/day of github", "-1/day", "4294967296/day", "0/total", "1/day by nobody"] {
        assert_eq!(RateLimit::parse_all(text), None, "{text}");
    }
}

#[test]
fn requests_count_against_a_budget_of_them_or_of_their_bytes_at_their_provider() {
    let cases = [
        ("requests:1/day", [true, true]),
        ("bytes:1/day", [true, true]),
        ("requests:1/day of shop", [true, false]),
        ("bytes:1/day of mail", [false, true]),
        ("usd:1/day", [false, false]),
        ("tokens:1/day of shop", [false, false]),
    ];
    for (text, counts) in cases {
        let budget: BudgetLimit = text.parse().unwrap();
        let of = |name: &str| budget.counts_requests_of(&name.parse().unwrap());
        assert_eq!([of("shop"), of("mail")], counts, "{text}");
    }
}

fn time() -> impl Strategy<Value = Timestamp> {
    // From 1970 to 2100.
    (0_i64..4_102_444_800).prop_map(|second| Timestamp::from_second(second).unwrap())
}

fn window() -> impl Strategy<Value = Window> {
    let past =
        (1_u64..40 * 24 * 3600).prop_map(|seconds| Window::Past(Duration::from_secs(seconds)));
    prop_oneof![Just(Window::Month), past]
}

proptest! {
    /// H-09: a window never moves back, so that what has left it does not return.
    #[test]
    fn a_later_window_begins_no_earlier(window in window(), one in time(), more in 0_i64..10_000_000) {
        let later = one.checked_add(SignedDuration::from_secs(more)).unwrap();
        prop_assert!(window.begin(one) <= window.begin(later));
    }

    #[test]
    fn what_is_used_counts_until_it_leaves_and_not_a_moment_longer(window in window(), used in time()) {
        let leaves = window.leaves(used).unwrap();
        let before = leaves.checked_sub(SignedDuration::from_micros(1)).unwrap();
        prop_assert!(window.begin(leaves).unwrap() >= used);
        prop_assert!(window.begin(before).unwrap() < used);
    }

    /// H-10: all of a calendar month is in the window at its end, whatever its length.
    #[test]
    fn a_calendar_month_is_never_longer_than_the_window(now in time()) {
        let utc = now.to_zoned(TimeZone::UTC);
        let first = utc.date().first_of_month().to_zoned(TimeZone::UTC).unwrap().timestamp();
        prop_assert!(Window::Month.begin(now).unwrap() <= first);
    }
}
