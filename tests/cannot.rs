//! Programs that must not compile, and what the compiler says to them.
//!
//! Each file of `cannot/` is compiled against the libraries that this test binary was linked with. A
//! general tool would build the whole house a second time to find that out.
#![expect(clippy::disallowed_methods, reason = "the compiler and cargo are asked")]
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

#[test]
fn every_forbidden_program_is_refused_by_the_compiler() {
    for program in programs() {
        let name = program.file_stem().unwrap().to_string_lossy().into_owned();
        let (compiled, said) = compile(&program);
        assert!(!compiled, "`{name}` compiles");
        insta::with_settings!({ snapshot_path => "cannot", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, said);
        });
    }
}

#[test]
fn an_allowed_program_compiles_in_the_same_way() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("allowed.rs");
    let text = "use toolward_gate::*;\nuse toolward_vault::*;\nuse toolward_sandbox::*;\n\
                pub async fn run(vault: &Vault, sandbox: &Sandbox, permit: Permit) -> Result<Output, Stop> {\n\
                    sandbox.run(vault.equip(permit)).await\n}\n";
    fs::write(&program, text).unwrap();
    let (compiled, said) = compile(&program);
    assert!(compiled, "{said}");
}

fn programs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cannot");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut programs: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|ending| ending == "rs")).collect();
    programs.sort();
    programs
}

/// Whether the program compiles, and the first lines of each error: code, text and what was written.
fn compile(program: &Path) -> (bool, String) {
    let libraries = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let out = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.args(["--edition=2024", "--crate-type=lib", "--emit=metadata", "--error-format=short"]);
    command
        .arg("--out-dir")
        .arg(out.path())
        .arg("-L")
        .arg(format!("dependency={}", libraries.display()));
    for library in ["toolward_gate", "toolward_vault", "toolward_sandbox", "serde_json"] {
        command.arg("--extern").arg(format!("{library}={}", newest(&libraries, library).display()));
    }
    let output = command.arg(program).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<&str> = text
        .lines()
        .filter(|line| line.contains(": error"))
        .filter_map(|line| line.split_once(".rs:"))
        .map(|(_, rest)| rest)
        .collect();
    (output.status.success(), errors.join("\n"))
}

/// The library as it was built last: earlier builds leave theirs behind.
fn newest(folder: &Path, library: &str) -> PathBuf {
    let begins = format!("lib{library}-");
    let fits = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(&begins) && name.ends_with(".rlib")
    };
    let changed = |path: &PathBuf| {
        fs::metadata(path).and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(fits);
    files
        .max_by_key(changed)
        .unwrap_or_else(|| panic!("`{library}` is not in {}", folder.display()))
}
