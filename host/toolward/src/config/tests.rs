//! What is read from `toolward.toml`, and what is said of it when it cannot be.
use std::{fs, path::Path};

use tempfile::TempDir;

use jsonwebtoken::Algorithm;

use super::*;

/// A folder with this configuration.
fn written(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toolward.toml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn loaded(text: &str) -> Config {
    let (_folder, path) = written(text);
    Config::load(&path).unwrap()
}

/// Every mistake, as one line each, without the folder.
fn refused(text: &str) -> String {
    let (folder, path) = written(text);
    let errors = Config::load(&path).unwrap_err();
    let lines: Vec<String> = errors.iter().map(|error| format!("{error:?}")).collect();
    lines.join("\n").replace(&format!("{}/", folder.path().display()), "")
}

const DIGEST: &str = "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";

fn whole() -> String {
    format!(
        r#"
environment = "production"
data = "/var/lib/toolward"
policies = "rules"
[component.weather]
path = "tools/weather.wasm"
digest = "{DIGEST}"
[secret_store.local]
kind = "file"
path = "secrets.age"
unlock = "passphrase"
[secret_store.machine]
kind = "env"
prefix = "SECRET_"
[credential.github]
kind = "static-token"
store = "local"
secret = "github-token"
owner = "ana"
environment = "production"
[issuer."https://login.example.com"]
jwks = "keys.json"
audience = "toolward"
algorithms = ["EdDSA", "ES256"]
[operator]
id = "ana"
roles = ["oncall"]
[egress]
roots = "ca.pem"
"#
    )
}

#[test]
fn a_whole_configuration_is_read_and_its_paths_are_complete() {
    let (folder, path) = written(&whole());
    let config = Config::load(&path).unwrap();
    let base = folder.path().canonicalize().unwrap();
    assert_eq!(config.environment, Environment::Production);
    assert_eq!(config.data, Path::new("/var/lib/toolward"));
    assert_eq!(config.database(), Path::new("/var/lib/toolward/toolward.db"));
    assert_eq!(config.policies, base.join("rules"));
    assert_eq!(config.roots, Some(base.join("ca.pem")));
    let (name, component) = config.components.first_key_value().unwrap();
    assert_eq!(name.as_str(), "weather");
    assert_eq!(component.path, base.join("tools/weather.wasm"));
    assert_eq!(component.digest.to_string(), DIGEST);
    let issuer = &config.issuers["https://login.example.com"];
    assert_eq!(issuer.keys, KeysConfig::File(base.join("keys.json")));
    assert_eq!(issuer.algorithms, [Algorithm::EdDSA, Algorithm::ES256]);
    assert_eq!(config.credentials.first_key_value().unwrap().1.owner, "ana");
    assert_eq!(config.stores.keys().collect::<Vec<_>>(), ["local", "machine"]);
    assert_eq!(config.operator_id(), "ana");
    assert!(config.caller.is_none());
}

#[test]
fn one_line_is_enough() {
    let config = loaded("environment = \"development\"");
    assert_eq!(config.data, config.base.join("data"));
    assert_eq!(config.policies, config.base.join("policies"));
    assert!(config.components.is_empty() && config.stores.is_empty() && config.issuers.is_empty());
    assert!(!config.operator_id().is_empty());
}

#[test]
fn a_caller_is_an_agent_without_roles_unless_more_is_said() {
    let config = loaded("environment = \"development\"\n[caller]\nid = \"me\"");
    let caller = config.caller.unwrap();
    assert_eq!((caller.id.as_str(), caller.kind), ("me", Kind::Agent));
    assert!(caller.roles.is_empty() && caller.acts_for.is_empty());
}

#[test]
fn the_first_configuration_is_one_and_its_examples_are_too() {
    let text = include_str!("../command/init/toolward.toml");
    let caller = loaded(text).caller.unwrap();
    assert_eq!(caller.id, "local-agent");
    let commented = text.split_once("# [credential.github]").unwrap().1;
    let example =
        commented.lines().skip(1).map_while(|line| line.strip_prefix("# ")).collect::<Vec<_>>();
    let config = loaded(&format!("{text}\n[credential.github]\n{}", example.join("\n")));
    assert_eq!(config.credentials.len(), 1);
}

#[test]
fn every_mistake_is_told_with_its_place_and_what_to_change() {
    let whole = whole();
    let changed = |from: &str, to: &str| {
        assert!(whole.contains(from), "{from}");
        refused(&whole.replacen(from, to, 1))
    };
    let told = [
        refused("data = \"x\""),
        changed("\"production\"\ndata", "\"staging\"\ndata"),
        changed("policies =", "polices ="),
        changed("digest = \"sha256:6b", "digest = \"sha256:zz"),
        changed("[component.weather]", "[component.\"my weather\"]"),
        changed("prefix =", "prefx ="),
        changed("kind = \"env\"", "kind = \"vault\""),
        changed("unlock = \"passphrase\"", "unlock = \"pasphrase\""),
        changed("owner = \"ana\"\n", ""),
        changed(
            "owner = \"ana\"\nenvironment = \"production\"",
            "owner = \"ana\"\nenvironment = \"development\"",
        ),
        changed("kind = \"static-token\"", "kind = \"oauth\""),
        changed("secret = \"github-token\"", "secret = \"github token\""),
        changed("\"EdDSA\"", "\"HS256\""),
        changed("\"EdDSA\"", "\"none\""),
        changed("audience = \"toolward\"\n", ""),
        changed("[egress]", "[operator]"),
    ];
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once() {
    let text = whole()
        .replace("digest = \"sha256:6b", "digest = \"sha256:zz")
        .replace("\"ES256\"", "\"HS512\"");
    assert_eq!(refused(&text).lines().count(), 2);
}

#[test]
fn what_a_component_wants_is_read_and_each_mistake_told() {
    let with = |lines: &str| {
        whole().replacen("[secret_store.local]", &format!("{lines}\n[secret_store.local]"), 1)
    };
    let config = loaded(&with("capabilities = [\"a:b:c\"]\noptional = [\"d:e:f\"]"));
    let component = config.components.first_key_value().unwrap().1;
    let wants = component.wants.iter().map(|want| (want.capability.as_str(), want.required));
    assert_eq!(wants.collect::<Vec<_>>(), [("a:b:c", true), ("d:e:f", false)]);
    assert_eq!(component.unlinked, Unlinked::RefuseCall);
    let told = [
        refused(&with("capabilities = [\"a:*:c\"]")),
        refused(&with("capabilities = [\"a:b:c\"]\noptional = [\"a:b:c\"]")),
        refused(&with("capability = [\"a:b:c\"]")),
        refused(&with("unlinked = \"ignore\"")),
    ];
    insta::assert_snapshot!(told.join("\n"));
}
