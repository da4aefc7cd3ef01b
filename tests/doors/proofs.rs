//! Tokens that are bound to a key: only who proves to have it gets in, and each proof once (RFC 9449). Class E.
use serde_json::{Value, json};

use super::{
    issuing::{Issuer, Key},
    server::Server,
    wire::{Answer, Request},
};
use crate::cli::Place;

/// A call with a token and a proof.
fn call(server: &Server, scheme: &str, token: &str, proof: Option<&str>) -> Answer {
    let call = json!({ "tool": "say", "arguments": { "text": "x" } });
    let request = Request::post("/v1/calls", &call);
    let request = request.field("authorization", &format!("{scheme} {token}"));
    match proof {
        Some(proof) => request.field("dpop", proof).send(server.agents),
        None => request.send(server.agents),
    }
}

fn with(issuer: &Issuer) -> Server {
    Server::at(Place::without_secrets(&["teller"]), &issuer.table())
}

/// E-17: a proof that was seen is worth nothing, and neither is a token without one.
#[test]
fn a_token_that_is_bound_to_a_key_is_good_with_a_fresh_proof_of_it_and_with_nothing_else() {
    let (issuer, holder, thief) = (Issuer::new(), Key::new(), Key::new());
    let server = with(&issuer);
    let token = issuer.token(&json!({ "cnf": { "jkt": holder.thumbprint() } }));
    let url = format!("http://{}/v1/calls", server.agents);
    let proof = |changes: Value| holder.proof(&token, "POST", &url, &changes);
    let status = |proof: &str| call(&server, "DPoP", &token, Some(proof)).status;

    let good = proof(json!({}));
    assert_eq!(status(&good), 200);
    assert_eq!(status(&good), 401, "it was used before");
    assert_eq!(status(&proof(json!({}))), 200, "another one is good");
    assert_eq!(status(&proof(json!({ "htu": format!("{url}?a=b#c") }))), 200);
    for (what, wrong) in [
        ("another method", json!({ "htm": "GET" })),
        ("another path", json!({ "htu": format!("http://{}/mcp", server.agents) })),
        ("another scheme", json!({ "htu": format!("https://{}/v1/calls", server.agents) })),
        ("another host", json!({ "htu": "http://evil.test/v1/calls" })),
        (
            "another address of this host",
            json!({ "htu": format!("http://{}/v1/calls", server.people) }),
        ),
        ("another token", json!({ "ath": "AAAA" })),
        ("long ago", json!({ "iat": 1_700_000_000 })),
        ("times to come", json!({ "iat": 4_000_000_000_u32 })),
        ("nothing it can be known by", json!({ "jti": "" })),
    ] {
        let answer = call(&server, "DPoP", &token, Some(&proof(wrong)));
        assert_eq!((answer.status, answer.problem().as_str()), (401, "unauthenticated"), "{what}");
        assert!(answer.all("www-authenticate")[1].starts_with("DPoP "), "{answer:?}");
    }
    assert_eq!(status(&thief.proof(&token, "POST", &url, &json!({}))), 401, "another key");
    assert_eq!(status("a.b.c"), 401);
    // As a plain bearer it is anybody's: with a proof beside it, too.
    assert_eq!(call(&server, "Bearer", &token, None).status, 401);
    assert_eq!(call(&server, "Bearer", &token, Some(&proof(json!({})))).status, 401);
    assert_eq!(call(&server, "DPoP", &token, None).status, 400);
    let log = server.end();
    assert!(log.contains("its proof was used before"), "{log}");
    assert!(!log.contains(&token) && !log.contains(&good), "{log}");
}

#[test]
fn a_token_that_is_bound_to_no_key_is_a_bearers_and_no_proof_makes_it_another() {
    let (issuer, holder) = (Issuer::new(), Key::new());
    let server = with(&issuer);
    let token = issuer.token(&json!({}));
    let url = format!("http://{}/v1/calls", server.agents);
    assert_eq!(call(&server, "Bearer", &token, None).status, 200);
    let proof = holder.proof(&token, "POST", &url, &json!({}));
    assert_eq!(call(&server, "DPoP", &token, Some(&proof)).status, 401);
    // What it is bound to is not known here: nobody can show it.
    let strange = issuer.token(&json!({ "cnf": { "kid": "1" } }));
    assert_eq!(call(&server, "Bearer", &strange, None).status, 401);
    let proof = holder.proof(&strange, "POST", &url, &json!({}));
    assert_eq!(call(&server, "DPoP", &strange, Some(&proof)).status, 401);
    let two = Request::get("/v1/tools").field("authorization", &format!("DPoP {token}"));
    assert_eq!(two.field("dpop", "a.b.c").field("dpop", "a.b.c").send(server.agents).status, 400);
    server.end();
}

/// E-23: what would help is said in the words of the issuer, and only to who shows a token of it.
#[test]
fn the_scope_that_is_missing_is_said_in_the_issuers_words() {
    let issuer = Issuer::new();
    let mapped = "scopes = { claim = \"/scope\", map = { \"talk\" = [\"host:log:write\"], \"spend\" = [\"payments:charges:create\", \"host:log:write\"] } }\n";
    let server = Server::at(Place::with(&["payments"]), &format!("{}{mapped}", issuer.table()));
    let metadata = Request::get("/.well-known/oauth-protected-resource").send(server.agents);
    assert_eq!(metadata.json()["scopes_supported"], json!(["spend", "talk"]));
    let charge = json!({ "tool": "create_charge",
        "arguments": { "amount": 1000, "currency": "eur", "description": "Rent" } });
    let ask = |token: &str| Request::post("/v1/calls", &charge).token(token).send(server.agents);
    let narrow = ask(&issuer.token(&json!({ "scope": "talk" })));
    assert_eq!((narrow.status, narrow.problem().as_str()), (403, "not-granted"));
    let told = narrow.all("www-authenticate");
    assert!(told[0].starts_with("Bearer "), "{told:?}");
    assert!(told[0].ends_with("error=\"insufficient_scope\", scope=\"spend\""), "{told:?}");
    assert!(told[1].starts_with("DPoP "), "{told:?}");
    assert_eq!(ask(&issuer.token(&json!({ "scope": "spend talk" }))).status, 202);
    // No token of whatever scope helps this one.
    let visitor = ask(&issuer.token(&json!({ "roles": ["visitor"], "scope": "spend" })));
    assert_eq!(visitor.status, 403);
    assert!(visitor.all("www-authenticate").is_empty(), "{visitor:?}");
    // Who shows nothing needs no scope to get in.
    let nobody = Request::get("/v1/tools").send(server.agents);
    assert!(!nobody.field("www-authenticate").contains("scope="), "{nobody:?}");
    server.end();
}
