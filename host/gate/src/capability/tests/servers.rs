//! Which networks are opened, and which servers are believed.
use super::*;

const DESTINATION: &str = "destination = \"https://api.github.com\"";
const KEY: &str = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn with(written: &str) -> Result<Arc<HttpScope>, Vec<SourceError>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/capability/tests/capabilities.toml");
    let text = GOOD.replace(DESTINATION, &format!("{DESTINATION}\n{written}"));
    let all = Capabilities::parse(&SourceFile::new(folder, text), &INTERFACES)?;
    Ok(all.find(&"github:issues:write".parse().unwrap()).unwrap().http.clone().unwrap())
}

#[test]
fn only_the_networks_that_are_named_are_opened() {
    let opens = |written: &str, address: &str| {
        with(written).unwrap().allow_private.contains(address.parse().unwrap())
    };
    assert!(!opens("", "127.0.0.1") && !opens("allow_private = false", "127.0.0.1"));
    assert!(opens("allow_private = true", "127.0.0.1") && opens("allow_private = true", "::1"));
    assert!(!opens("allow_private = true", "10.0.0.1"));
    let named = "allow_private = [\"10.1.0.0/16\"]";
    assert!(opens(named, "10.1.2.3") && !opens(named, "10.2.0.1") && !opens(named, "127.0.0.1"));
}

#[test]
fn http_is_for_networks_that_are_named() {
    let cleartext = |ranges: &str| {
        let written = GOOD
            .replace(DESTINATION, &format!("destination = \"http://build.internal\"\n{ranges}"));
        parse(&written)
    };
    assert!(cleartext("").is_err() && cleartext("allow_private = []").is_err());
    assert!(cleartext("allow_private = [\"10.1.0.0/16\"]").is_ok());
    let certificate = "{ tls = \"client-certificate\" }";
    let written = GOOD.replace("{ header = \"Authorization\", as = \"bearer\" }", certificate);
    assert!(parse(&written).is_ok());
    let clear = written.replace("https://api.github.com", "http://127.0.0.1");
    assert!(parse(&clear.replace("methods", "allow_private = true\nmethods")).is_err());
}

#[test]
fn authorities_and_public_keys_are_read() {
    assert_eq!(with("").unwrap().tls, Trust::default());
    let pinned = with(&format!("tls = {{ public_key = \"{KEY}\" }}")).unwrap();
    assert_eq!(pinned.tls, Trust { authorities: None, public_keys: [[0; 32]].into() });
    let authority = with("tls = { ca = \"authority.pem\" }").unwrap();
    assert_eq!(authority.tls.authorities.as_ref().unwrap().len(), 1);
    let both = with(&format!("tls = {{ ca = \"authority.pem\", public_keys = [\"{KEY}\"] }}"));
    assert_eq!(both.unwrap().tls.public_keys.len(), 1);
}

#[test]
fn every_mistake_about_networks_and_servers_is_told() {
    let said = |written: &str| {
        let errors = with(written).unwrap_err();
        let all =
            errors.iter().map(|error| format!("{}: {:?}", error.message(), error.help_text()));
        all.collect::<Vec<_>>().join("\n")
    };
    let mistakes = [
        said("allow_private = [\"8.8.8.0/24\"]"),
        said("allow_private = [\"10.1.0.1/16\"]"),
        said("allow_private = [\"loopback\"]"),
        said("allow_private = \"10.1.0.0/16\""),
        said("tls = {}"),
        said("tls = { ca = \"none.pem\" }"),
        said("tls = { ca = \"servers.rs\" }"),
        said("tls = { public_key = \"sha256/AAAA\" }"),
        said(&format!("tls = {{ public_key = \"{}\" }}", KEY.replace("sha256", "sha1"))),
        said("tls = { verify = false }"),
    ];
    insta::assert_snapshot!(mistakes.join("\n"));
}

/// D-16, D-17.
#[test]
fn a_destination_is_one_host_and_one_port_of_http() {
    for wrong in [
        "https://*.example.com",
        "https://ex*mple.com",
        "https://api.example.com:0",
        "https://api.example.com:65536",
        "https://api.example.com:0443",
        "https://api.example.com:+443",
        "https://api.example.com:",
        "https://api.example.com:22",
        "https://api.example.com:25",
        "https://api.example.com:6379",
        "https://api.example.com.",
        "https://api..example.com",
        "https://b\u{fc}cher.example",
        "https://[0:0:0:0:0:0:0:1]",
        "https://[::ffff:127.0.0.1]",
        "https://[::1%25lo]",
        "https://[::1]8443",
        "https://[::1",
        "ftp://api.example.com",
        "unix:///run/docker.sock",
    ] {
        assert!(Destination::parse(wrong).is_err(), "{wrong}");
    }
    for right in
        ["https://api.example.com:8443", "https://xn--bcher-kva.example", "https://[::1]:8443"]
    {
        assert_eq!(Destination::parse(right).unwrap().to_string(), right);
    }
    assert_eq!(
        Destination::parse("https://a.example:443").unwrap().to_string(),
        "https://a.example"
    );
}
