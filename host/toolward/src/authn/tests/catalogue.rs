//! What is tried against tokens, by the ids of the catalogue of attacks (class E). Each is a good token with one
//! thing changed, and the good one is taken beside it.
use proptest::prelude::*;

use super::*;

/// A token with this header and these claims, to the letter.
fn written(login: &Login, header: &str, claims: &str) -> String {
    testing::signed(header, claims, &login.key, Algorithm::EdDSA)
}

fn usual() -> String {
    json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": KEY_ID }).to_string()
}

/// E-03, E-04: a key that comes along is not used; no address that comes along is asked. The fetcher of these tests
/// fails, and nothing here has a URL.
#[test]
fn a_key_that_comes_with_its_token_is_not_believed() {
    let login = Login::new();
    let (thief, point) = key();
    let public =
        json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64_URL_SAFE_NO_PAD.encode(point) });
    for kid in [None, Some(KEY_ID), Some("other")] {
        let mut header = json!({ "alg": "EdDSA", "typ": "at+jwt", "jwk": public });
        if let Some(kid) = kid {
            header["kid"] = json!(kid);
        }
        said(login.identify(&testing::signed_values(&header, &good(), &thief)));
    }
    login.identify(&written(&login, &usual(), &good().to_string())).unwrap();
}

/// E-05.
#[test]
fn a_name_of_a_key_is_a_name_and_nothing_else() {
    let login = Login::new();
    let long = "k".repeat(1 << 20);
    let names = [
        json!("../../keys.json"),
        json!("keys.json"),
        json!("' OR 1=1 --"),
        json!("https://login.example.com/keys"),
        json!("2026\u{0}"),
        json!(" 2026"),
        json!(""),
        json!(long),
        json!(2026),
        json!(["2026"]),
        json!({}),
        json!(true),
    ];
    for name in names {
        let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": name });
        let refused =
            said(login.identify(&written(&login, &header.to_string(), &good().to_string())));
        assert!(!refused.contains("OR 1=1") && !refused.contains("../"), "{refused}");
    }
    login.identify(&written(&login, &usual(), &good().to_string())).unwrap();
}

/// E-07: what cannot be read is never absent.
#[test]
fn a_claim_of_another_type_is_refused() {
    let login = Login::new();
    let claims = good();
    let with = |claim: &str, text: &str| {
        let rest: Vec<String> = claims
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| *name != claim)
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        written(&login, &usual(), &format!("{{\"{claim}\":{text},{}}}", rest.join(",")))
    };
    login.identify(&with("exp", &(now() + 60).to_string())).unwrap();
    login.identify(&with("nbf", &(now() - 60).to_string())).unwrap();
    for text in [
        "\"9999999999\"",
        "1e400",
        "9.9e9",
        "9999999999.5",
        "true",
        "null",
        "[]",
        "{}",
        "-1",
        "18446744073709551615",
    ] {
        for claim in ["exp", "iat"] {
            let refused = login.identify(&with(claim, text));
            assert!(refused.is_err(), "{claim} {text}");
        }
    }
    for text in ["\"0\"", "[]", "true", "1e400", "{}", "\"tomorrow\"", "null"] {
        assert!(login.identify(&with("nbf", text)).is_err(), "nbf {text}");
    }
    for (claim, text) in [
        ("aud", "{}"),
        ("aud", "null"),
        ("aud", "7"),
        ("aud", "[7]"),
        ("sub", "7"),
        ("sub", "null"),
        ("iss", "{}"),
        ("jti", "7"),
        ("act", "\"robo\""),
        ("act", "{}"),
        ("act", "{\"sub\":7}"),
        ("scope", "7"),
        ("scope", "[7]"),
        ("roles", "{\"a\":true}"),
        ("kind", "7"),
    ] {
        assert!(login.identify(&with(claim, text)).is_err(), "{claim} {text}");
    }
}

/// E-08.
#[test]
fn an_audience_is_ours_to_the_letter() {
    let login = Login::new();
    let with = |aud: Value| login.identify(&login.token(|claims| claims["aud"] = aud));
    with(json!("toolward")).unwrap();
    with(json!(["somebody", "toolward"])).unwrap();
    for aud in ["toolwar", "toolward2", "toolward/", "Toolward", " toolward", "toolward ", "", "*"]
    {
        assert!(with(json!(aud)).is_err() && with(json!([aud])).is_err(), "{aud}");
    }
    assert!(with(json!([])).is_err());
}

/// E-11: before anything of it is decoded.
#[test]
fn a_token_that_is_too_long_or_deep_is_refused() {
    let login = Login::new();
    let padded = |bytes: usize| login.token(|claims| claims["pad"] = json!("x".repeat(bytes)));
    login.identify(&padded(4_000)).unwrap();
    for token in [padded(8_000), padded(1 << 20), format!("{}.e30.x", "A".repeat(9_000))] {
        assert!(said(login.identify(&token)).contains("8 KiB"));
    }
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let claims = good().to_string();
    let deep = claims.replacen('{', &format!("{{\"deep\":{deep},"), 1);
    said(login.identify(&written(&login, &usual(), &deep)));
}

/// E-12.
#[test]
fn a_member_that_stands_twice_is_refused_wherever_it_is() {
    let login = Login::new();
    let (header, claims) = (usual(), good().to_string());
    login.identify(&written(&login, &header, &claims)).unwrap();
    for twice in [
        "\"exp\":9999999999",
        "\"scope\":\"a:b:c\"",
        "\"aud\":\"toolward\"",
        "\"e\\u0078p\":9999999999",
    ] {
        let changed = claims.replacen('{', &format!("{{{twice},"), 1);
        let changed = if twice.contains("scope") {
            changed.replacen('{', &format!("{{{twice},"), 1)
        } else {
            changed
        };
        said(login.identify(&written(&login, &header, &changed)));
    }
    for twice in ["\"alg\":\"none\"", "\"alg\":\"EdDSA\"", "\"kid\":\"2026\""] {
        let changed = header.replacen('{', &format!("{{{twice},"), 1);
        said(login.identify(&written(&login, &changed, &claims)));
    }
}

/// E-15.
#[test]
fn another_writing_of_a_token_is_not_the_token() {
    let login = Login::new();
    let token = login.token(|_| {});
    login.identify(&token).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let (last, rest) = (token.chars().last().unwrap(), token.split_at(token.len() - 1).0);
    // The last character of 64 bytes in base64 has four bits that mean nothing.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for other in alphabet.chars().filter(|one| *one != last) {
        assert!(login.identify(&format!("{rest}{other}")).is_err(), "{last} as {other}");
    }
    for changed in [
        format!("{token}="),
        format!("{token}=="),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{token}."),
        format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
        format!("{}.{} .{}", parts[0], parts[1], parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], parts[2].replace(['-', '_'], "+") + "!"),
        format!("{}.{}.", parts[0], parts[1]),
    ] {
        assert!(login.identify(&changed).is_err(), "{changed:?}");
    }
}

/// E-23.
#[test]
fn a_scope_is_read_from_its_one_claim_and_word_by_word() {
    let login = Login::new();
    let scope = |scope: Value| {
        let principal = login.identify(&login.token(|claims| claims["scope"] = scope)).unwrap();
        principal.scope().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(scope(json!("github:issues:read")), ["github:issues:read"]);
    assert_eq!(scope(json!("  github:issues:read  a:b:c ")), ["a:b:c", "github:issues:read"]);
    for none in [
        "*",
        "github:*:read",
        "github:issues",
        "github:issues:read:admin",
        "github:issues:read,a:b:c",
        "github:issues:read\ta:b:c",
        "GitHub:issues:read",
        "",
    ] {
        assert_eq!(scope(json!(none)), Vec::<String>::new(), "{none}");
    }
    // Another claim that some issuers use says nothing here.
    let token = login.token(|claims| {
        claims["scope"] = json!("a:b:c");
        claims["scp"] = json!(["github:issues:read"]);
        claims["permissions"] = json!(["github:issues:read"]);
    });
    let principal = login.identify(&token).unwrap();
    assert!(!principal.in_scope(&"github:issues:read".parse().unwrap()));
}

/// E-24: a token of the same issuer and key, for somebody else or of another kind.
#[test]
fn a_token_for_another_door_or_of_another_kind_is_refused() {
    let login = Login::new();
    let header = |typ: &str| json!({ "alg": "EdDSA", "typ": typ, "kid": KEY_ID });
    let with =
        |typ: &str| login.identify(&testing::signed_values(&header(typ), &good(), &login.key));
    with("at+jwt").unwrap();
    for typ in ["JWT", "id+jwt", "logout+jwt", "dpop+jwt", "at+jwt2", "", "application/jwt"] {
        assert!(with(typ).is_err(), "{typ}");
    }
}

/// E-31: who asks is told that it is no token, and not what is known here.
#[test]
fn what_is_said_of_a_token_holds_nothing_of_it() {
    let login = Login::new();
    for token in [
        login.token(|claims| claims["sub"] = json!("s3cret-sub\u{7}")),
        login.token(|claims| claims["iss"] = json!("https://s3cret.example.com")),
        login.token(|claims| claims["aud"] = json!("s3cret-audience")),
        login.token(|claims| claims["act"] = json!({ "sub": "s3cret\u{7}" })),
        "s3cret.s3cret.s3cret".to_owned(),
    ] {
        let told = said(login.identify(&token));
        assert!(
            !told.contains("s3cret") && !told.contains(KEY_ID) && !told.contains("ana"),
            "{told}"
        );
    }
}

proptest! {
    /// E-10, E-18: the boundaries, on a clock that a test sets.
    #[test]
    fn a_token_is_good_from_its_beginning_to_its_end_and_half_a_minute_around(
        now in 100_i64..1_000_000,
        exp in -40_i64..40,
        nbf in prop::option::of(-40_i64..40),
        iat in -40_i64..40,
    ) {
        let times = claims::Times { exp: now + exp, iat: now + iat, nbf: nbf.map(|nbf| now + nbf) };
        let expected = exp > -30 && iat <= 30 && nbf.is_none_or(|nbf| nbf <= 30);
        prop_assert_eq!(times.check(Duration::from_secs(3600), now).is_ok(), expected);
    }

    /// A clock that is set back makes no ended token good, but for what it is set back by.
    #[test]
    fn times_at_the_edge_of_numbers_do_not_wrap(
        exp in any::<i64>(), iat in any::<i64>(), nbf in prop::option::of(any::<i64>()), now in 0_i64..10_000_000_000,
    ) {
        let good = claims::Times { exp, iat, nbf }.check(Duration::from_secs(3600), now).is_ok();
        let (exp, iat, now) = (i128::from(exp), i128::from(iat), i128::from(now));
        let expected = iat >= 0 && exp - iat <= 3600 && exp + 30 > now && iat <= now + 30
            && nbf.is_none_or(|nbf| i128::from(nbf) <= now + 30);
        prop_assert_eq!(good, expected);
    }

    /// Whatever bytes come, and however they are cut: an answer, and nobody is let in.
    #[test]
    fn no_text_that_nobody_signed_is_a_token(text in "[A-Za-z0-9_.=-]{0,200}|.{0,60}") {
        thread_local!(static LOGIN: Login = Login::new());
        prop_assert!(LOGIN.with(|login| login.identify(&text).is_err()));
    }
}
