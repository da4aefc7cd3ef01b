use super::*;

fn budget(text: &str) -> Held {
    Held::Budget(text.parse().unwrap())
}

#[test]
fn how_far_a_limit_is_used_up_is_said_in_what_it_limits() {
    let rate = RateLimit::parse_all("10/minute by tool").unwrap().remove(0);
    let cases = [
        (Held::Rate(rate), By::Tool, "calls", "1500000 calls"),
        (budget("usd:2.00/day by principal"), By::Principal, "micro-dollars", "usd:1.50"),
        (budget("tokens:9/month"), By::Both, "tokens", "1500000 tokens"),
        (budget("requests:9/hour of shop by tool"), By::Tool, "requests", "1500000 requests"),
        (budget("bytes:9/total"), By::Both, "bytes", "1500000 bytes"),
    ];
    for (held, by, unit, amount) in cases {
        let said = (held.by(), held.unit(), held.amount(1_500_000));
        assert_eq!(said, (by, unit, amount.to_owned()), "{held}");
    }
}
