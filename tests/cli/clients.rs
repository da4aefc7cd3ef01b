//! `client setup`: this host in the configuration of a client, and all else as it was.
use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::{Value, json};

use super::place::{Place, program};

fn read(place: &Place, name: &str) -> Value {
    serde_json::from_str(&place.read(name)).unwrap()
}

#[test]
fn every_client_gets_a_host_that_it_starts() {
    let place = Place::without_secrets(&[]);
    let (program, config) = (program().to_str().unwrap(), place.path("toolward.toml"));
    let args = json!(["--config", config.canonicalize().unwrap(), "run"]);
    for (client, file, outer, typed) in [
        ("claude", ".mcp.json", "mcpServers", true),
        ("cursor", ".cursor/mcp.json", "mcpServers", false),
        ("vscode", ".vscode/mcp.json", "servers", true),
    ] {
        let told = place.run(&format!("client setup {client} --json")).exits(0).json();
        assert_eq!((&told["changed"], &told["backup"]), (&json!(true), &Value::Null));
        let entry = &read(&place, file)[outer]["toolward"];
        assert_eq!((&entry["command"], &entry["args"]), (&json!(program), &args));
        assert_eq!(entry.get("type"), typed.then(|| json!("stdio")).as_ref());
        // Once more changes nothing.
        let told = place.run(&format!("client setup {client} --json")).exits(0).json();
        assert_eq!(told["changed"], json!(false));
    }
    place.run("client setup codex").exits(0);
    let written: toml::Table = place.read(".codex/config.toml").parse().unwrap();
    assert_eq!(written["mcp_servers"]["toolward"]["command"].as_str(), Some(program));
    // What was written starts the host.
    let said = place.run_with("run", "").exits(0);
    assert_eq!(said.out, "");
}

#[test]
fn over_http_the_token_comes_from_the_environment_and_is_not_in_the_file() {
    let place = Place::without_secrets(&[]);
    let url = "--url https://tools.example.com/mcp --token-variable OUR_TOKEN";
    for (client, file, outer, value) in [
        ("claude", ".mcp.json", "mcpServers", "Bearer ${OUR_TOKEN}"),
        ("cursor", ".cursor/mcp.json", "mcpServers", "Bearer ${env:OUR_TOKEN}"),
        ("vscode", ".vscode/mcp.json", "servers", "Bearer ${env:OUR_TOKEN}"),
    ] {
        place.run(&format!("client setup {client} {url}")).exits(0);
        let entry = &read(&place, file)[outer]["toolward"];
        assert_eq!(entry["url"], "https://tools.example.com/mcp");
        assert_eq!(entry["headers"]["Authorization"], value);
    }
    place.run(&format!("client setup codex {url}")).exits(0);
    let written: toml::Table = place.read(".codex/config.toml").parse().unwrap();
    let entry = &written["mcp_servers"]["toolward"];
    assert_eq!(entry["bearer_token_env_var"].as_str(), Some("OUR_TOKEN"));
    // Told so, the token itself.
    place.run("token mint --id agent-7 --out one.token").exits(0);
    let token = place.read("one.token");
    place
        .run("client setup cursor --url https://tools.example.com/mcp --write-token one.token")
        .exits(0);
    assert!(place.read(".cursor/mcp.json").contains(token.trim()));
    let mode = fs::metadata(place.path(".cursor/mcp.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    place.run("client setup cursor --http").exits(2);
    place.change("toolward.toml", "[caller]", "[listen]\naddress = \"127.0.0.1:8700\"\n\n[caller]");
    place.run("client setup claude --http").exits(0);
    assert_eq!(
        read(&place, ".mcp.json")["mcpServers"]["toolward"]["url"],
        "http://127.0.0.1:8700/mcp"
    );
}

#[test]
fn what_is_there_is_kept_and_backed_up() {
    let place = Place::without_secrets(&[]);
    let before = "{\n    \"theme\": \"dark\",\n    \"servers\": {\n        \"other\": { \"command\": \"x\", \"unknown\": [1, null] }\n    },\n    \"inputs\": []\n}";
    place.write(".vscode/mcp.json", before);
    place.set_mode(".vscode/mcp.json", 0o640);
    let told = place.run("client setup vscode --json").exits(0).json();
    let after = read(&place, ".vscode/mcp.json");
    assert_eq!(
        after.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["theme", "servers", "inputs"]
    );
    assert_eq!(after["servers"]["other"], json!({ "command": "x", "unknown": [1, null] }));
    assert_eq!(fs::read_to_string(place.path(told["backup"].as_str().unwrap())).unwrap(), before);
    for file in [".vscode/mcp.json", ".vscode/mcp.json.backup"] {
        let mode = fs::metadata(place.path(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640, "{file}");
    }
    place.run("client setup vscode --name second").exits(0);
    assert!(place.path(".vscode/mcp.json.backup-1").exists());
    let toml = "# Mine.\nmodel = \"x\" # kept\n\n[mcp_servers.other]\ncommand = \"y\"\n";
    place.write(".codex/config.toml", toml);
    place.run("client setup codex").exits(0);
    assert!(place.read(".codex/config.toml").starts_with(toml));
    assert_eq!(place.read(".codex/config.toml.backup"), toml);
}

#[test]
fn a_file_that_cannot_be_changed_is_left_alone_and_what_to_add_is_printed() {
    let place = Place::without_secrets(&[]);
    for text in ["// mine\n{ \"servers\": {} }\n", "[]", "{ \"servers\": 1 }", "{"] {
        place.write(".vscode/mcp.json", text);
        let told = place.fails_and_writes_nothing("client setup vscode");
        assert!(told.exit == 2 && told.err.contains("--print"), "{}", told.told());
    }
    place.write(".codex/config.toml", "mcp_servers = { toolward = { command = \"x\" } }\n");
    assert_eq!(place.fails_and_writes_nothing("client setup codex").exit, 2);
    for client in ["claude", "cursor", "vscode"] {
        let printed = place.run(&format!("client setup {client} --print")).exits(0);
        assert!(printed.out.contains("\"toolward\""), "{}", printed.told());
    }
    let printed = place.run("client setup codex --print").exits(0);
    assert!(printed.out.starts_with("[mcp_servers.toolward]\n"), "{}", printed.told());
    assert!(!place.path(".mcp.json").exists());
    place.fails_and_writes_nothing("client setup emacs");
    place.fails_and_writes_nothing("client setup claude --name 'a b'");
    place.fails_and_writes_nothing("client setup claude --url ftp://x");
}
