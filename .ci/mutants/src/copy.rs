//! A copy of the workspace that may be changed.
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{catalog::Mutant, round::Suite};

pub struct Copy {
    pub root: PathBuf,
    from: PathBuf,
}

impl Copy {
    /// All that git knows of, and what is new.
    pub fn of(workspace: &Path) -> Result<Self> {
        let from = fs::canonicalize(workspace)?;
        let root = from.join("target/mutants/tree");
        let listed = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
        let files = done(Command::new("git").args(listed).current_dir(&from))?.stdout;
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        for file in
            String::from_utf8(files)?.split_terminator('\0').filter(|file| from.join(file).exists())
        {
            let to = root.join(file);
            fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
            fs::copy(from.join(file), to)?;
        }
        Ok(Self { root, from })
    }

    pub fn folder(&self, package: &str) -> Result<PathBuf> {
        let metadata = ["metadata", "--no-deps", "--format-version=1"];
        let said: Value = serde_json::from_slice(&done(self.cargo().args(metadata))?.stdout)?;
        let packages = said["packages"].as_array().context("no packages")?;
        let named = packages.iter().find(|one| one["name"] == package);
        let manifest = named.and_then(|one| one["manifest_path"].as_str());
        let manifest = manifest.with_context(|| format!("there is no package {package:?}"))?;
        Ok(Path::new(manifest).parent().context("a file is in a folder")?.to_owned())
    }

    pub fn mutants(&self, package: &str, files: &[String]) -> Result<Vec<Mutant>> {
        let mut command = Command::new("cargo");
        command.args(["mutants", "--list", "--json", "-p", package]).current_dir(&self.from);
        for file in files {
            command.args(["--file", file]);
        }
        let listed = done(&mut command)
            .context("is there no `cargo mutants`? `cargo install --locked cargo-mutants`")?;
        let mut mutants: Vec<Mutant> = serde_json::from_slice(&listed.stdout)?;
        for (mutant, number) in mutants.iter_mut().zip(1..) {
            mutant.number = number;
        }
        Ok(mutants)
    }

    /// Builds the tests of a package's library.
    pub fn tests(&self, package: &str) -> Result<Suite> {
        let words =
            ["test", "--locked", "--no-run", "--lib", "--message-format=json", "-p", package];
        let output = done(self.cargo().args(words))?;
        let said = String::from_utf8(output.stdout)?;
        let program = said.lines().find_map(|line| {
            let said: Value = serde_json::from_str(line).ok()?;
            let is_test = said["profile"]["test"] == true;
            said["executable"].as_str().filter(|_| is_test).map(PathBuf::from)
        });
        let program = program.with_context(|| format!("{package} has no tests in its library"))?;
        Ok(Suite { program, folder: self.folder(package)? })
    }

    /// In the copy, with the target folder of the workspace: what it depends on is built already.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new("cargo");
        command.current_dir(&self.root);
        if std::env::var_os("CARGO_TARGET_DIR").is_none() {
            command.env("CARGO_TARGET_DIR", self.from.join("target"));
        }
        command
    }
}

pub fn done(command: &mut Command) -> Result<Output> {
    let output = command.stdin(Stdio::null()).output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}\n{told}");
    Ok(output)
}
