//! The rules that no compiler checks.
#![expect(clippy::disallowed_methods, reason = "the compiler and cargo are asked")]
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

#[test]
fn every_file_of_tests_is_a_module_of_the_one_binary() {
    let mut listed = BTreeSet::new();
    let mut unread: Vec<(String, String)> = vec![("tests/it.rs".to_owned(), "tests".to_owned())];
    while let Some((file, folder)) = unread.pop() {
        for module in modules(&read(&file)) {
            let (file, inner) = (format!("{folder}/{module}.rs"), format!("{folder}/{module}"));
            if root().join(&file).is_file() && listed.insert(file.clone()) {
                unread.push((file, inner));
            }
        }
    }
    let apart = [
        "tests/cannot/",
        "tests/guests/",
        "tests/benches/",
        "tests/clients/",
        "tests/fuzz/fuzz_targets/",
        "tests/it.rs",
        "tests/build.rs",
    ];
    let unlisted: Vec<String> = rust_files("tests")
        .into_iter()
        .filter(|file| !apart.iter().any(|part| file.starts_with(part)) && !listed.contains(file))
        .collect();
    assert!(unlisted.is_empty(), "not a module of tests/it.rs: {unlisted:?}");
}

#[test]
fn every_capability_interface_has_a_wit_file_and_is_tested_granted_and_not_granted() {
    let list = read("host/sandbox/src/capability.rs");
    // What there is of WASI has its WIT elsewhere.
    let of_wasi = |name: &&str| name.starts_with("wasi-");
    for interface in toolward_sandbox::Sandbox::interfaces().filter(|name| !of_wasi(name)) {
        assert!(
            root().join(format!("wit/{interface}.wit")).is_file(),
            "wit/{interface}.wit is missing"
        );
        let module = interface.replace('-', "_");
        assert!(list.contains(&format!("mod {module};")), "{interface} is not in capability.rs");
        let tests = read(&format!("tests/capabilities/{module}.rs"));
        let names = tests.lines().filter_map(|line| line.strip_prefix("async fn "));
        let names = names.filter(|name| name.starts_with("a_") || name.starts_with("what_"));
        let (without, with): (Vec<_>, Vec<_>) =
            names.partition(|name| name.starts_with("a_tool_without_the_capability_"));
        assert!(!with.is_empty(), "{interface} is not tested where it is granted");
        assert!(!without.is_empty(), "{interface} is not tested where it is not granted");
    }
}

#[test]
fn every_wit_item_says_what_it_lets_a_tool_do() {
    for file in files_below("wit", "wit") {
        let text = read(&file);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (index, line) in lines.iter().enumerate() {
            let item =
                ["interface ", "resource ", "record ", "enum ", "variant ", "world ", "package "];
            let function = line.contains(": func(");
            if function || item.iter().any(|word| line.starts_with(word)) {
                let before = index.checked_sub(1).map_or("", |above| lines[above]);
                assert!(
                    before.starts_with("///"),
                    "{file}:{}: `{line}` has no doc comment",
                    index + 1
                );
            }
        }
    }
}

#[test]
fn dependencies_follow_the_floors() {
    let allowed = [
        ("toolward-gate", vec![]),
        ("toolward-vault", vec!["toolward-gate"]),
        ("toolward-sandbox", vec!["toolward-gate", "toolward-vault"]),
        ("toolward-state", vec!["toolward-gate", "toolward-vault"]),
        ("toolward", vec!["toolward-gate", "toolward-vault", "toolward-sandbox", "toolward-state"]),
    ];
    let metadata = metadata();
    for (name, below) in allowed {
        let package = metadata["packages"]
            .as_array()
            .unwrap()
            .iter()
            .find(|package| package["name"] == name)
            .unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            let dependency = dependency["name"].as_str().unwrap();
            let ours = dependency.starts_with("toolward");
            assert!(!ours || below.contains(&dependency), "{name} may not use {dependency}");
        }
    }
}

/// What stands in for parts of the house is for tests and benches.
#[test]
fn no_host_is_built_with_a_gate_that_says_yes() {
    let metadata = metadata();
    let (mut products, mut tests) = (Vec::new(), 0);
    for package in metadata["packages"].as_array().unwrap() {
        for dependency in package["dependencies"].as_array().unwrap() {
            let asks = |name: &str| {
                dependency["features"].as_array().unwrap().iter().any(|one| one == name)
            };
            if !["toolward-gate", "toolward-vault", "toolward-sandbox"]
                .iter()
                .any(|name| dependency["name"] == *name)
                || !(asks("testing") || asks("fuzzing"))
            {
                continue;
            }
            // No kind is a dependency of the product itself.
            if dependency["kind"] == "dev" {
                tests += 1;
            } else {
                products.push(package["name"].clone());
            }
        }
        for (feature, others) in package["features"].as_object().unwrap() {
            let others = others.as_array().unwrap().iter().filter_map(Value::as_str);
            let opens = others.filter(|one| one.ends_with("/testing") || *one == "testing");
            assert_eq!(opens.count(), 0, "{} opens it by `{feature}`", package["name"]);
        }
    }
    assert!(products.is_empty(), "built with what is for tests: {products:?}");
    assert!(tests >= 4, "nobody asks for it");
}

#[test]
fn every_span_skips_its_arguments() {
    for file in rust_files("host") {
        for (number, line) in read(&file).lines().enumerate() {
            let instrumented = line.trim_start().starts_with("#[instrument")
                || line.contains("tracing::instrument");
            let said =
                !instrumented || line.contains("skip_all") || line.trim_start().starts_with("use ");
            assert!(
                said,
                "{file}:{}: `instrument` without `skip_all` prints arguments",
                number + 1
            );
        }
    }
}

#[test]
fn no_test_is_ignored_or_expects_a_panic() {
    // Written in two parts, so that this file does not hold what it looks for.
    let words = [
        concat!("#[", "ignore"),
        concat!("#[", "should_panic"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
    ];
    for file in
        rust_files("host").into_iter().chain(rust_files("tests")).chain(rust_files("guest-sdk"))
    {
        let text = read(&file);
        for word in words {
            assert!(!text.contains(word), "{file} has `{word}`");
        }
    }
}

#[test]
fn links_in_markdown_lead_somewhere() {
    for file in ["README.md", "host/README.md"] {
        let folder = root().join(file).parent().unwrap().to_owned();
        for link in read(file).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            assert!(folder.join(target).exists(), "{file}: `{link}` leads nowhere");
        }
    }
}

#[test]
fn secrets_are_exposed_only_in_the_vault() {
    let word = concat!("expose", "_secret");
    for file in rust_files("host") {
        assert!(
            file.starts_with("host/vault/") || !read(&file).contains(word),
            "{file} reads a secret"
        );
    }
}

/// The names in lines such as `mod calls;`.
fn modules(text: &str) -> Vec<String> {
    let name = |line: &str| {
        let line = line.trim();
        let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
        Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())
    };
    text.lines().filter_map(name).collect()
}

fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn rust_files(folder: &str) -> Vec<String> {
    files_below(folder, "rs")
}

/// Files with this ending, relative to the root, sorted.
fn files_below(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|one| one == ending) {
                found.push(path.strip_prefix(root()).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}
