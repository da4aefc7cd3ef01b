use proptest::prelude::*;

use super::*;

const fn millis(time: u64) -> Duration {
    Duration::from_millis(time)
}

#[test]
fn who_called_too_often_is_told_when_to_try_again() {
    let window = Window::Past(Duration::from_secs(60));
    let cases = [
        (Some(millis(1_500)), "try again in 2 s"),
        (Some(millis(30_000)), "try again in 30 s"),
        (Some(millis(1)), "try again in 1 s"),
        (Some(Duration::ZERO), "try again in 1 s"),
        (None, "ask for a larger one"),
    ];
    for (retry_after, told) in cases {
        let refusal = Refusal::OverRate { calls: 10, window, retry_after };
        assert_eq!(refusal.to_string(), format!("over the rate of 10/minute; {told}"));
        assert_eq!(refusal.code(), "over-rate");
    }
    let refusal = Refusal::QueueTime { waited: millis(5_001) };
    let told = "its turn did not come within 6 s; try again in a moment";
    assert_eq!((refusal.code(), refusal.to_string().as_str()), ("queue-time", told));
}

proptest! {
    #[test]
    fn a_wait_in_whole_seconds_is_never_too_short_nor_a_second_too_long(
        seconds in 0_u64..1_000_000,
        nanos in prop_oneof![Just(0), Just(1), Just(999_999_999), 0_u32..1_000_000_000],
    ) {
        let time = Duration::new(seconds, nanos);
        let told = Duration::from_secs(whole_seconds(&time));
        prop_assert!(told >= time.max(Duration::from_secs(1)));
        prop_assert!(told.saturating_sub(time) < Duration::from_secs(1) || time.is_zero());
    }
}

#[test]
fn a_component_that_imports_too_much_is_told_what_it_wants_instead() {
    let names = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
    let cases = [
        (names(&[]), "; it wants none"),
        (names(&["shop:items:read"]), "; it wants `shop:items:read`"),
        (
            names(&["shop:items:read", "mail:letters:send"]),
            "; it wants `shop:items:read`, `mail:letters:send`",
        ),
    ];
    for (wanted, told) in cases {
        let interface = "wasi:http".to_owned();
        let text = Refusal::NotLinked { interface, wanted }.to_string();
        let imports = "the component imports `wasi:http`, which none of the capabilities in its \
                       manifest opens";
        assert_eq!(text, format!("{imports}{told}"));
    }
}
