//! Programs that must not compile, and what the compiler says to them.
//!
//! Each file of `cannot/` is compiled against the libraries that this test binary was linked with. A
//! general tool would build the whole house a second time to find that out.
#![expect(clippy::disallowed_methods, reason = "the compiler and cargo are asked")]
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
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
    let (compiled, said) = compile_with(&allowed(), libraries());
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
    compile_with(&fs::read_to_string(program).unwrap(), libraries())
}

/// A library and the file it is in.
type Library = (&'static str, PathBuf);

/// The libraries that belong together: builds with other features leave theirs behind, newer or older.
fn libraries() -> &'static [Library] {
    static LIBRARIES: OnceLock<Vec<Library>> = OnceLock::new();
    LIBRARIES.get_or_init(|| {
        let [gates, vaults, sandboxes, json] =
            ["toolward_gate", "toolward_vault", "toolward_sandbox", "serde_json"].map(built);
        for sandbox in &sandboxes {
            for vault in &vaults {
                for gate in &gates {
                    let set = vec![gate.clone(), vault.clone(), sandbox.clone(), json[0].clone()];
                    if compile_with(&allowed(), &set).0 {
                        return with_host(&set);
                    }
                }
            }
        }
        panic!("no libraries in {} belong together", folder().display())
    })
}

/// The same, and a host that was built with them.
fn with_host(set: &[Library]) -> Vec<Library> {
    let sets = built("toolward").into_iter().map(|host| [set, &[host]].concat());
    let fits = |set: &Vec<Library>| compile_with(&embedded(), set).0;
    { sets }.find(fits).expect("no host belongs to these libraries")
}

/// What a program may do that embeds a host.
fn embedded() -> String {
    "use toolward_gate::Call;\nuse toolward::{Host, Output, Stop};\n\
     pub async fn call(host: &Host, call: Call) -> Result<Output, Stop> {\n\
         host.perform_unless(call, std::future::pending()).await\n}\n"
        .to_owned()
}

/// What may be done, in the form of what may not.
fn allowed() -> String {
    "use toolward_gate::*;\nuse toolward_vault::*;\nuse toolward_sandbox::*;\n\
     pub async fn run(vault: &Vault, sandbox: &Sandbox, permit: Permit) -> Result<Output, Stop> {\n\
         sandbox.run(vault.equip(permit)).await\n}\n"
        .to_owned()
}

fn compile_with(text: &str, libraries: &[Library]) -> (bool, String) {
    let out = tempfile::tempdir().unwrap();
    let program = out.path().join("program.rs");
    fs::write(&program, text).unwrap();
    let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.args(["--edition=2024", "--crate-type=lib", "--emit=metadata", "--error-format=short"]);
    command.arg("--out-dir").arg(out.path());
    command.arg("-L").arg(format!("dependency={}", folder().display()));
    for (name, file) in libraries {
        command.arg("--extern").arg(format!("{name}={}", file.display()));
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

/// Every build of a library, the newest first.
fn built(library: &'static str) -> Vec<Library> {
    let begins = format!("lib{library}-");
    let fits = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(&begins) && name.ends_with(".rlib")
    };
    let changed = |path: &PathBuf| {
        fs::metadata(path).and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).filter(fits).collect();
    files.sort_by_key(|path| std::cmp::Reverse(changed(path)));
    assert!(!files.is_empty(), "`{library}` is not in {}", folder().display());
    files.into_iter().map(|file| (library, file)).collect()
}

/// Where the libraries are that this test binary was linked with.
fn folder() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_owned()
}
