//! How long? A time as people write it at the command line.
use std::ops::RangeInclusive;

use jiff::SignedDuration;

/// Reads a time that lies between two, as in `30m` or `8h`; anything else is `wrong`.
pub(super) fn within(
    range: RangeInclusive<SignedDuration>,
    wrong: &'static str,
) -> impl Fn(&str) -> Result<SignedDuration, &'static str> + Clone + Send + Sync + 'static {
    move |text| {
        let read: Option<SignedDuration> = text.parse().ok();
        read.filter(|time| range.contains(time)).ok_or(wrong)
    }
}

/// Any time that is over at some time.
pub(super) const ANY: RangeInclusive<SignedDuration> = MOMENT..=SignedDuration::MAX;

/// Any time up to `most`.
pub(super) const fn up_to(most: SignedDuration) -> RangeInclusive<SignedDuration> {
    MOMENT..=most
}

const MOMENT: SignedDuration = SignedDuration::from_nanos(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_positive_and_at_most_what_is_allowed() {
        let hour = within(up_to(SignedDuration::from_hours(1)), "no");
        assert_eq!(hour("1h"), Ok(SignedDuration::from_hours(1)));
        assert_eq!(hour("1ns"), Ok(SignedDuration::from_nanos(1)));
        for text in ["0s", "-1s", "-1h", "61m", "soon", "", "1", "99999999999999999999h"] {
            assert_eq!(hour(text), Err("no"), "{text}");
        }
        assert!(within(ANY, "no")("87600h").is_ok());
        assert_eq!(within(ANY, "no")("-1h"), Err("no"));
    }
}
