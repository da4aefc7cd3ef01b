use proptest::prelude::*;

use super::*;

mod shaping;

const INTERFACES: [&str; 3] = ["http", "log", "clock"];
const GOOD: &str = r#"
[capability."github:issues:write"]
description = "Open issues."
interface = "http"
destination = "https://api.github.com"
methods = ["POST", "PATCH"]
paths = ["/repos/{owner}/{repo}/issues"]
credential = "github"
inject = { header = "Authorization", as = "bearer" }
risk = "medium"
cost = "usd:0.01"
response = { content_types = ["application/json"], max_bytes = 1_048_576 }
"#;

fn parse(text: &str) -> Result<Capabilities, Vec<SourceError>> {
    Capabilities::parse(&SourceFile::new("capabilities.toml", text), &INTERFACES)
}

#[test]
fn a_whole_definition_is_read() {
    let all = parse(GOOD).unwrap();
    let definition = all.find(&"github:issues:write".parse().unwrap()).unwrap();
    let scope = definition.http.as_ref().unwrap();
    assert_eq!(scope.destinations[0].to_string(), "https://api.github.com");
    assert_eq!(
        scope.slot,
        Some(Slot::Header { name: "authorization".to_owned(), scheme: HeaderScheme::Bearer })
    );
    assert_eq!((definition.risk, definition.cost), (Risk::Medium, Cost(10_000)));
    assert_eq!(definition.cost.to_string(), "usd:0.01");
}

/// What is said about [`GOOD`] with one text in place of another.
fn said(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "`{from}` does not stand in the good file");
    let errors = parse(&GOOD.replace(from, to)).unwrap_err();
    errors.iter().map(|error| format!("{error:?}")).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_mistake_is_told_with_its_place_and_what_to_change() {
    let mistakes = [
        said("methods", "methds"),
        said("github:issues:write", "github:*:write"),
        said("\"http\"", "\"htp\""),
        said("https://api.github.com", "https://api.github.com/v3"),
        said("https://api.github.com", "http://api.github.com"),
        said("https://api.github.com", "https://API.github.com"),
        said("https://api.github.com", "https://u:p@api.github.com"),
        said("\"POST\"", "\"TRACE\""),
        said("/repos/{owner}/{repo}/issues", "/repos/../admin"),
        said("credential = \"github\"\n", ""),
        said(
            "{ header = \"Authorization\", as = \"bearer\" }",
            "{ header = \"Host\", as = \"raw\" }",
        ),
        said("{ header = \"Authorization\", as = \"bearer\" }", "{ header = \"Authorization\" }"),
        said("\"medium\"", "\"harmless\""),
        said("usd:0.01", "eur:0.01"),
        said("application/json\"", "application/json; charset=utf-8\""),
        said("interface = \"http\"", "interface = \"log\""),
        said("description = \"Open issues.\"\n", ""),
        said("[capability.\"github:issues:write\"]", "[capability.\"github:issues:write\""),
    ];
    insta::assert_snapshot!(mistakes.join("\n"));
}

#[test]
fn the_digest_changes_with_what_a_capability_allows() {
    let before = parse(GOOD).unwrap().digest();
    assert_eq!(before, parse(&format!("# a comment\n{GOOD}")).unwrap().digest());
    assert_ne!(before, parse(&GOOD.replace("\"PATCH\"", "\"PUT\"")).unwrap().digest());
}

#[test]
fn a_response_has_a_ceiling() {
    let with = |bytes: &str| GOOD.replace("1_048_576", bytes);
    assert!(parse(&with("67_108_864")).is_ok());
    assert!(parse(&with("67_108_865")).is_err());
}

#[test]
fn a_cost_has_at_most_six_decimals() {
    assert_eq!(Cost::parse("usd:20"), Some(Cost(20_000_000)));
    assert_eq!(Cost::parse("usd:0.000001"), Some(Cost(1)));
    for wrong in
        ["usd:", "usd:.5", "usd:1.", "usd:-1", "usd:0.0000001", "usd:99999999999999999999", "1"]
    {
        assert_eq!(Cost::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn which_tools_may_be_called_is_read_and_each_mistake_told() {
    const GOOD: &str = r#"
[capability."weather:tools:call"]
description = "Ask for the weather."
interface = "tools"
tools = ["get_forecast"]
lends = ["weather:forecast:read"]
risk = "low"
"#;
    let read = |text: &str| {
        let file = SourceFile::new("capabilities.toml", text);
        Capabilities::parse(&file, &["tools", "log"])
    };
    let all = read(GOOD).unwrap();
    let scope = all.find(&"weather:tools:call".parse().unwrap()).unwrap().scope.clone().unwrap();
    let tools = ToolsScope {
        tools: ["get_forecast".parse().unwrap()].into(),
        lends: ["weather:forecast:read".parse().unwrap()].into(),
    };
    assert_eq!(*scope, Scope::Tools(tools));
    let said = |from: &str, to: &str| {
        let errors = read(&GOOD.replace(from, to)).unwrap_err();
        errors.iter().map(|error| format!("{error:?}")).collect::<Vec<_>>().join("\n")
    };
    let mistakes = [
        said("tools = [\"get_forecast\"]\n", ""),
        said("[\"get_forecast\"]", "[]"),
        said("get_forecast", "get forecast"),
        said("weather:forecast:read", "weather:*"),
        said("\"tools\"", "\"log\""),
    ];
    insta::assert_snapshot!(mistakes.join("\n"));
    let wider = GOOD.replace("lends = [\"weather:forecast:read\"]\n", "");
    assert_ne!(all.digest(), read(&wider).unwrap().digest());
}

mod lent;
mod requests;
mod servers;
mod slots;

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        let _ = parse(&text).is_ok();
        let _ = parse(&format!("{GOOD}{text}")).is_ok();
        let _ = Destination::parse(&text).is_ok();
    }
}

mod wasi {
    use super::*;

    const INTERFACES: [&str; 6] =
        ["http", "log", "wasi-http", "wasi-clocks", "wasi-filesystem", "wasi-environment"];
    const GOOD: &str = r#"
[capability."host:notes:read"]
description = "Read the notes."
interface = "wasi-filesystem"
directory = "/srv/notes"
access = "read"
risk = "low"
[capability."host:region:read"]
description = "Know the region."
interface = "wasi-environment"
variables = ["REGION", "LANG"]
values = { REGION = "eu" }
risk = "low"
[capability."github:issues:read"]
description = "Read issues."
interface = "wasi-http"
destination = "https://api.github.com"
methods = ["GET"]
paths = ["/repos/{owner}/{repo}/issues"]
credential = "github"
inject = { header = "authorization", as = "bearer" }
stand_in = { variable = "GITHUB_TOKEN" }
risk = "low"
"#;

    fn parse(text: &str) -> Result<Capabilities, Vec<SourceError>> {
        Capabilities::parse(&SourceFile::new("capabilities.toml", text), &INTERFACES)
    }

    fn said(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "`{from}` does not stand in the good file");
        let errors = parse(&GOOD.replace(from, to)).unwrap_err();
        errors.iter().map(|error| format!("{error:?}")).collect::<Vec<_>>().join("\n")
    }

    fn opened(name: &str) -> WasiScope {
        let all = parse(GOOD).unwrap();
        all.find(&name.parse().unwrap()).unwrap().wasi.as_deref().unwrap().clone()
    }

    #[test]
    fn what_a_capability_says_of_wasi_is_read() {
        assert_eq!(
            opened("host:notes:read"),
            WasiScope::Directory { path: "/srv/notes".into(), quota: None }
        );
        assert_eq!(
            opened("host:region:read"),
            WasiScope::Variables {
                names: ["LANG".to_owned(), "REGION".to_owned()].into(),
                values: [("REGION".to_owned(), "eu".to_owned())].into(),
            }
        );
        let stand_in = StandIn::Variable("GITHUB_TOKEN".to_owned());
        assert_eq!(opened("github:issues:read"), WasiScope::StandIn(stand_in));
    }

    #[test]
    fn every_mistake_about_wasi_is_told_with_its_place_and_what_to_change() {
        let mistakes = [
            said("\"/srv/notes\"", "\"notes\""),
            said("\"/srv/notes\"", "\"/\""),
            said("\"/srv/notes\"", "\"/srv/../etc\""),
            said("access = \"read\"\n", ""),
            said("access = \"read\"", "access = \"write\""),
            said("directory =", "folder ="),
            said("access = \"read\"", "access = \"read\"\nmethods = [\"GET\"]"),
            said("wasi-environment", "wasi-clocks"),
            said("[\"REGION\", \"LANG\"]", "[]"),
            said("\"LANG\"]", "\"GITHUB_TOKEN\"]"),
            said("\"LANG\"]", "\"TOOLWARD_PASSPHRASE_FILE\"]"),
            said("\"LANG\"]", "\"A=B\"]"),
            said("[\"REGION\", \"LANG\"]", "[\"LANG\"]"),
            said("{ variable = \"GITHUB_TOKEN\" }", "{}"),
            said("{ variable = \"GITHUB_TOKEN\" }", "{ file = \"token\" }"),
            said(
                "credential = \"github\"\ninject = { header = \"authorization\", as = \"bearer\" }\n",
                "",
            ),
        ];
        insta::assert_snapshot!(mistakes.join("\n"));
    }

    #[test]
    fn the_digest_changes_with_what_a_capability_opens_of_wasi() {
        let before = parse(GOOD).unwrap().digest();
        let wider = GOOD.replace("access = \"read\"", "access = \"read-write\"");
        assert_ne!(before, parse(&wider).unwrap().digest());
    }
}
