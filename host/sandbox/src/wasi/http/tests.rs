//! Where a stand-in may be in a request, and where it may not.
use toolward_gate::{HeaderScheme, Slot, StandIn, WasiScope};

use super::*;
use crate::wasi::Scopes;

fn stand_ins() -> (StandIns, String) {
    let name: CapabilityName = "shop:items:read".parse().unwrap();
    let scope = WasiScope::StandIn(StandIn::Variable("SHOP_TOKEN".to_owned()));
    let scopes: Scopes = [(name.clone(), Arc::new(scope))].into();
    let stand_ins = StandIns::generate(&scopes).unwrap();
    let value = stand_ins.of(&name).unwrap().to_owned();
    (stand_ins, value)
}

fn asked(target: &str, headers: &[(&str, &str)]) -> Asked {
    let mut request = http::Request::builder().uri(format!("https://shop.example{target}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Asked::read(&request.body(()).unwrap().into_parts().0).unwrap()
}

fn header(scheme: HeaderScheme) -> Slot {
    Slot::Header { name: "authorization".to_owned(), scheme }
}

#[test]
fn a_stand_in_is_taken_out_of_its_slot_and_of_no_other_place() {
    let (_, value) = stand_ins();
    let bearer = header(HeaderScheme::Bearer);
    let with = |text: String| asked("/items/1", &[("authorization", &text), ("accept", "a/b")]);
    let rest = stand_in::taken(&with(format!("Bearer {value}")), &bearer, &value).unwrap();
    assert_eq!(rest.headers, [("accept".to_owned(), "a/b".to_owned())]);
    assert!(stand_in::taken(&with(format!("bearer {value}")), &bearer, &value).is_some());
    for wrong in [
        value.clone(),
        format!("Bearer  {value}"),
        format!("Bearer {value} "),
        format!("Bearer {value}x"),
        format!("Bearer {value},{value}"),
        format!("token {value}"),
        format!("Basic {value}"),
        "Bearer 0123456789012345678901234567890123456789".to_owned(),
        String::new(),
    ] {
        assert!(stand_in::taken(&with(wrong.clone()), &bearer, &value).is_none(), "{wrong}");
    }
    let good = format!("Bearer {value}");
    let twice = asked("/items/1", &[("authorization", &good), ("authorization", &good)]);
    assert!(stand_in::taken(&twice, &bearer, &value).is_none());
    let elsewhere = asked("/items/1", &[("x-key", &good)]);
    assert!(stand_in::taken(&elsewhere, &bearer, &value).is_none());
}

#[test]
fn a_slot_can_be_raw_basic_or_a_key_of_the_query() {
    let (_, value) = stand_ins();
    let taken = |slot: &Slot, text: &str| {
        stand_in::taken(&asked("/a", &[("authorization", text)]), slot, &value).is_some()
    };
    assert!(taken(&header(HeaderScheme::Raw), &value));
    assert!(!taken(&header(HeaderScheme::Raw), &format!("Bearer {value}")));
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let basic = |pair: String| format!("Basic {}", STANDARD.encode(pair));
    assert!(taken(&header(HeaderScheme::Basic), &basic(format!("{value}:"))));
    assert!(taken(&header(HeaderScheme::Basic), &basic(value.clone())));
    assert!(!taken(&header(HeaderScheme::Basic), &basic(format!("me:{value}"))));

    let slot = Slot::Query { name: "key".to_owned() };
    let rest = stand_in::taken(&asked(&format!("/a?x=1&key={value}&y=2"), &[]), &slot, &value);
    assert_eq!(rest.unwrap().target(), "/a?x=1&y=2");
    let rest = stand_in::taken(&asked(&format!("/a?key={value}"), &[]), &slot, &value);
    assert_eq!(rest.unwrap().target(), "/a");
    for wrong in ["/a", "/a?other=VALUE", "/a?key=VALUE&key=VALUE", "/a?key=xVALUE"] {
        let asked = asked(&wrong.replace("VALUE", &value), &[]);
        assert!(stand_in::taken(&asked, &slot, &value).is_none(), "{wrong}");
    }
}

#[test]
fn a_stand_in_anywhere_else_is_found_in_every_form() {
    let (all, value) = stand_ins();
    use base64::{
        Engine as _,
        engine::general_purpose::{STANDARD, URL_SAFE},
    };
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let half = value.split_at(20).1.to_owned();
    let forms = [
        value.clone(),
        half,
        hex,
        percent,
        STANDARD.encode(format!("user:{value}")),
        URL_SAFE.encode(&value),
    ];
    for form in forms {
        let safe = form.replace(['=', '+', '/'], "");
        assert!(all.stray(&asked(&format!("/items/{safe}"), &[]), b""), "path {form}");
        assert!(all.stray(&asked(&format!("/a?q={safe}"), &[]), b""), "query {form}");
        assert!(all.stray(&asked("/a", &[("x-request-id", &form)]), b""), "header {form}");
        assert!(all.stray(&asked("/a", &[]), format!("{{\"a\":\"{form}\"}}").as_bytes()), "{form}");
    }
    assert!(!all.stray(&asked("/items/1?page=2", &[("accept", "a/b")]), b"{\"a\":1}"));
}

#[test]
fn every_call_has_another_stand_in() {
    assert_ne!(stand_ins().1, stand_ins().1);
    assert_eq!(stand_ins().1.len(), 40);
}
