//! Sessions of AWS STS and an object in S3, as `moto` plays them: it checks signatures and the policies of users and
//! roles. Session policies it takes and does not enforce: what is sent of them, the vault's own tests look at.
use super::{Stand, installed, place, read, script, shown};
use crate::cli::place::Place;

fn stand() -> Option<Stand> {
    let folder = installed()?;
    let python = folder.join("python/bin/python");
    Some(Stand::start(&[python.to_str().unwrap(), &script("aws.py")]))
}

const SESSION: &str = "session_policy = { actions = [\"s3:GetObject\"], resources = [\"arn:aws:s3:::repos/acme/*\"] }";

/// A host whose issues are objects in a bucket.
fn host(stand: &Stand, credential: &str, session: &str) -> Place {
    let credential = format!(
        "[credential.issues]\nowner = \"ana\"\nstore = \"local\"\naccess_key_id = \"aws-id\"\n\
         secret_access_key = \"aws-key\"\n{credential}\n"
    );
    let capability = format!(
        "destination = \"{}\"\n{session}\n\
         inject = {{ aws_sigv4 = \"headers\", service = \"s3\", region = \"eu-central-1\" }}\n",
        stand.text("url")
    );
    let place = place(&credential, &capability);
    place.run_with("secret set aws-id", stand.text("id")).exits(0);
    place.run_with("secret set aws-key", stand.text("key")).exits(0);
    place
}

fn of_role(stand: &Stand) -> String {
    format!(
        "kind = \"aws-sts\"\nrole_arn = \"{}\"\nregion = \"eu-central-1\"\nendpoint = \"{}/\"\nallow_private = true",
        stand.text("role"),
        stand.text("url")
    )
}

#[test]
fn a_tool_reads_an_object_with_a_session_of_its_role_and_not_with_the_keys_of_the_host() {
    let Some(stand) = stand() else { return };
    let session = host(&stand, &of_role(&stand), SESSION);
    let done = read(&session, 7).exits(0);
    assert_eq!(done.json()["result"]["title"], "It drips.", "{}", done.told());
    let shown = shown(&session, &done);
    assert!(!shown.contains(stand.text("key")) && !shown.contains("FQoGZXIvYXdzE"), "{shown}");
    // The host's own user may assume the role, and nothing else.
    let keys = host(&stand, "kind = \"aws-keys\"", "");
    let refused = read(&keys, 7);
    assert!(refused.exit != 0 && refused.out.is_empty(), "{}", refused.told());
}

#[test]
fn a_wrong_key_gets_no_session() {
    let Some(stand) = stand() else { return };
    let place = host(&stand, &of_role(&stand), SESSION);
    place.run_with("secret set aws-key", "wrongXUtnFEMI/K7MDENG/bPxRfiCYwrongKEY00").exits(0);
    let refused = read(&place, 7);
    assert!(refused.err.contains("check the stored `secret_access_key`"), "{}", refused.told());
    assert_ne!(refused.exit, 0);
    place.run_with("secret set aws-key", stand.text("key")).exits(0);
    read(&place, 7).exits(0);
}
