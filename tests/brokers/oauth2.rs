//! Tokens of `oidc-provider`, and an API that checks them against its keys.
use super::{Stand, installed, place, read, script, shown};
use crate::cli::place::Place;

const SECRET: &str = "cs_9fQ2mX7vLr4TnB1yUj8sEc5a";

fn stand() -> Option<Stand> {
    let folder = installed()?;
    let node = folder.join("python/bin/node");
    let (node, modules) = (node.to_str().unwrap(), folder.to_str().unwrap());
    Some(Stand::start(&[node, &script("oidc.mjs"), modules, SECRET]))
}

/// A host whose issues are the stand's, with tokens for this client.
fn host(stand: &Stand, client: &str, more: &str) -> Place {
    let shown = if more.contains("private-key-jwt") { "client_key" } else { "client_secret" };
    let credential = format!(
        "[credential.issues]\nkind = \"oauth2-client-credentials\"\nowner = \"ana\"\nstore = \"local\"\n\
         token_endpoint = \"{}\"\nallow_private = true\nclient_id = \"{client}\"\n\
         {shown} = \"client-secret\"\nresource = [\"urn:api\"]\n{more}\n",
        stand.text("token_endpoint")
    );
    let capability = format!(
        "destination = \"{}\"\ninject = {{ header = \"authorization\", as = \"bearer\" }}\n",
        stand.text("shop")
    );
    let place = place(&credential, &capability);
    place.run_with("secret set client-secret", SECRET).exits(0);
    place
}

#[test]
fn a_tool_reads_with_a_token_of_an_oauth2_server_and_sees_neither_token_nor_secret() {
    let Some(stand) = stand() else { return };
    for (client, how) in [("basic", "client-secret-basic"), ("post", "client-secret-post")] {
        let place =
            host(&stand, client, &format!("scope = [\"read\"]\nauthentication = \"{how}\""));
        let read = read(&place, 7).exits(0);
        let title = read.json()["result"]["title"].as_str().unwrap_or_default().to_owned();
        assert!(title.starts_with(&format!("{client} may read, token ")), "{}", read.told());
        let shown = shown(&place, &read);
        assert!(!shown.contains(SECRET) && !shown.contains("eyJ"), "{shown}");
    }
}

/// RFC 7523: the server knows the public half of a key, and checks who signed, for whom and whether it was used before.
#[test]
fn a_client_that_signs_is_believed_and_one_with_another_key_is_not() {
    let Some(stand) = stand() else { return };
    let place = host(
        &stand,
        "signed",
        "scope = [\"read\"]\nauthentication = \"private-key-jwt\"\nkey_id = \"key-1\"",
    );
    place.run_with("secret set client-secret", stand.text("key").trim_end()).exits(0);
    let read_once = read(&place, 7).exits(0);
    let title = read_once.json()["result"]["title"].as_str().unwrap_or_default().to_owned();
    assert!(title.starts_with("signed may read, token "), "{}", read_once.told());
    let shown = shown(&place, &read_once);
    assert!(!shown.contains("eyJ") && !shown.contains("PRIVATE KEY"), "{shown}");
    read(&place, 7).exits(0);
    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    place.run_with("secret set client-secret", other.trim_end()).exits(0);
    let refused = read(&place, 7);
    assert!(refused.exit != 0 && refused.err.contains("check `client_id`"), "{}", refused.told());
}

/// The API tells the scope of the token that it was shown.
#[test]
fn a_capability_gets_its_own_part_of_the_scope_and_no_other() {
    let Some(stand) = stand() else { return };
    let place = host(&stand, "basic", "scope = [\"read\", \"write\"]");
    let title = |place: &Place| read(place, 7).exits(0).json()["result"]["title"].to_string();
    assert!(title(&place).contains("may read write,"));
    place.change(
        "policies/capabilities.toml",
        "credential = \"issues\"",
        "credential = \"issues\"\noauth_scope = [\"read\"]",
    );
    assert!(title(&place).contains("may read,"));
    place.change("policies/capabilities.toml", "[\"read\"]", "[\"admin\"]");
    let refused = read(&place, 7);
    assert!(refused.exit != 0 && refused.err.contains("`admin`"), "{}", refused.told());
}

/// C-39, with a real token: it is a JSON Web Token of some 600 bytes.
#[test]
fn a_token_that_the_api_repeats_is_kept_back() {
    let Some(stand) = stand() else { return };
    let place = host(&stand, "basic", "scope = [\"read\"]");
    let echoed = read(&place, 1);
    assert!(echoed.exit != 0 && echoed.err.contains("withheld"), "{}", echoed.told());
    assert!(!shown(&place, &echoed).contains("eyJ"));
    read(&place, 7).exits(0);
}

#[test]
fn a_wrong_secret_or_resource_gets_no_token_and_the_log_says_what_to_check() {
    let Some(stand) = stand() else { return };
    let place = host(&stand, "basic", "scope = [\"read\"]");
    place.run_with("secret set client-secret", "cs_wrong0123456789abcdefgh").exits(0);
    let refused = read(&place, 7);
    assert!(refused.exit != 0 && refused.err.contains("check `client_id`"), "{}", refused.told());
    assert!(!refused.err.contains("cs_wrong"), "{}", refused.told());
    place.run_with("secret set client-secret", SECRET).exits(0);
    read(&place, 7).exits(0);
    place.change("toolward.toml", "urn:api", "urn:other");
    let refused = read(&place, 7);
    assert!(refused.exit != 0 && refused.err.contains("check `resource`"), "{}", refused.told());
}
