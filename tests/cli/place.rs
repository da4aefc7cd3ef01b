//! A folder with a configuration, and the real program run in it.
use std::{
    collections::BTreeMap,
    env, fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
};

use serde_json::Value;
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use toolward_gate::Digest;

use super::{redact::redact, upstream::Upstream};

/// What the upstream has to see, and nobody else.
pub(crate) const TOKEN: &str = "ghp_4fK29dLq81XzWm73bTnVw5RyHc60";
pub(crate) const KEY: &str = "sk_test_9QmZ27xLpVd84TnBs61KfYwR3c";

/// One user's folder.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) upstream: Upstream,
}

/// What a command did.
pub(crate) struct Ran {
    line: String,
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) err: String,
    folder: PathBuf,
}

impl Place {
    /// Without a configuration.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), upstream: Upstream::start() }
    }

    /// With these components, their policies, and both secrets.
    pub(crate) fn with(components: &[&str]) -> Self {
        let place = Self::without_secrets(components);
        place.run_with("secret set github-token", TOKEN).exits(0);
        place.run_with("secret set payments-key", KEY).exits(0);
        place
    }

    /// With these components and their policies.
    pub(crate) fn without_secrets(components: &[&str]) -> Self {
        let place = Self::empty();
        place.write("policies/capabilities.toml", &place.capabilities());
        place.write("policies/default.cedar", &shipped("policies/default.cedar"));
        let mut configuration = CONFIGURATION.to_owned();
        for name in components {
            let bytes = component(name);
            place.write_bytes(&format!("tools/{name}.wasm"), bytes);
            place.write(&format!("policies/{name}.cedar"), &policy(name));
            configuration.push_str(&format!(
                "\n[component.{name}]\npath = \"tools/{name}.wasm\"\ndigest = \"{}\"\n",
                Digest::of(bytes)
            ));
        }
        place.write("toolward.toml", &configuration);
        place
    }

    /// What is shipped, with the upstream in place of the public addresses.
    fn capabilities(&self) -> String {
        let text =
            shipped("policies/capabilities.toml") + &shipped("host/toolward/src/demo/demo.toml");
        let local = format!("http://{}\"\nallow_private = true", self.upstream.address());
        ["https://api.github.com\"", "https://api.stripe.com\""]
            .into_iter()
            .fold(text, |text, public| text.replace(public, &local))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        self.write_bytes(name, text.as_bytes());
    }

    pub(crate) fn write_bytes(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Changes a file, which has to hold what is replaced.
    pub(crate) fn change(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "`{from}` does not stand in `{name}`");
        self.write(name, &text.replacen(from, to, 1));
    }

    pub(crate) fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Writes into the database as another program would.
    pub(crate) fn sql(&self, statement: &'static str) {
        let options = SqliteConnectOptions::new().filename(self.path("data/toolward.db"));
        let written = async {
            let mut connection = options.connect().await.unwrap();
            sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        };
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(written);
    }

    /// Every file and folder, and what is in it; the whole database is in its one file.
    pub(crate) fn tree(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        if self.path("data/toolward.db").exists() {
            self.sql("PRAGMA wal_checkpoint(TRUNCATE)");
        }
        let (mut tree, mut folders) = (BTreeMap::new(), vec![self.folder.path().to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.to_string_lossy().into_owned();
                if path.is_dir() {
                    folders.push(path.clone());
                    tree.insert(path, Vec::new());
                } else if !(name.ends_with("-wal") || name.ends_with("-shm")) {
                    tree.insert(path.clone(), fs::read(path).unwrap());
                }
            }
        }
        tree
    }

    /// Runs `toolward` with these words; `'…'` is one word.
    pub(crate) fn run(&self, line: &str) -> Ran {
        self.run_with(line, "")
    }

    /// The same, with this on standard input.
    pub(crate) fn run_with(&self, line: &str, input: &str) -> Ran {
        self.run_in(&[], line, input)
    }

    /// The same, with variables.
    pub(crate) fn run_in(&self, variables: &[(&str, &str)], line: &str, input: &str) -> Ran {
        let mut child = self.start_in(variables, line);
        // A command that does not read its input may have ended already.
        let _written = child.stdin.take().unwrap().write_all(input.as_bytes());
        self.ran(line, child.wait_with_output().unwrap())
    }

    pub(crate) fn start(&self, line: &str) -> Child {
        self.start_in(&[], line)
    }

    pub(crate) fn start_in(&self, variables: &[(&str, &str)], line: &str) -> Child {
        let words = words(line);
        let secret = |word: &String| [TOKEN, KEY].iter().any(|secret| word.contains(secret));
        assert!(!words.iter().any(secret), "a secret stands on the command line");
        let mut command = command(program());
        command.args(words).current_dir(self.folder.path()).env_clear();
        command.env("PATH", env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.folder.path()).env("USER", "ana");
        if self.path("toolward.toml").exists() {
            command.env("TOOLWARD_CONFIG", self.path("toolward.toml"));
        }
        command.envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// As ctrl-c does.
    pub(crate) fn interrupt(child: &Child) {
        let id = child.id().to_string();
        assert!(command("kill").args(["-INT", &id]).status().unwrap().success());
    }

    /// What a child said. Nothing that is said ever holds a secret.
    pub(crate) fn ran(&self, line: &str, output: Output) -> Ran {
        let ran = Ran {
            line: line.to_owned(),
            exit: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            folder: self.folder.path().canonicalize().unwrap(),
        };
        for secret in [TOKEN, KEY] {
            assert!(
                !ran.out.contains(secret) && !ran.err.contains(secret),
                "{line} shows a secret"
            );
        }
        ran
    }

    /// Runs a command that fails, and checks that it left everything as it was.
    pub(crate) fn fails_and_writes_nothing(&self, line: &str) -> Ran {
        let before = self.tree();
        let ran = self.run(line);
        assert_ne!(ran.exit, 0, "{}", ran.told());
        let after = self.tree();
        let changed = |path: &&PathBuf| before.get(*path) != after.get(*path);
        let changed: Vec<_> = before.keys().chain(after.keys()).filter(changed).collect();
        assert!(changed.is_empty(), "{line} changed {changed:?}");
        ran
    }
}

impl Ran {
    pub(crate) fn exits(self, exit: i32) -> Self {
        assert_eq!(self.exit, exit, "{}", self.told());
        self
    }

    /// Standard output as one JSON value.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.told()))
    }

    /// Standard error as one JSON object, which says `error`. Nothing stands on standard output.
    pub(crate) fn error(&self) -> Value {
        assert_eq!(self.out, "", "{}", self.told());
        let whole: Value = serde_json::from_str(&self.err)
            .unwrap_or_else(|error| panic!("{error}: {}", self.told()));
        whole["error"].clone()
    }

    /// For snapshots: the command, its exit code, and all it said.
    pub(crate) fn told(&self) -> String {
        let text =
            format!("$ toolward {}\nexit {}\n{}{}", self.line, self.exit, self.out, self.err);
        redact(&text.replace(self.folder.to_str().unwrap(), "FOLDER"))
    }
}

/// The program, built as the tests are.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_toolward-under-test"))
}

/// A component, built from its source by `toolward build`.
pub(crate) fn component(name: &str) -> &'static [u8] {
    static BUILT: [OnceLock<Vec<u8>>; COMPONENTS.len()] =
        [const { OnceLock::new() }; COMPONENTS.len()];
    let index = COMPONENTS.iter().position(|(known, _)| *known == name).unwrap();
    BUILT[index].get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("built.wasm");
        let mut command = command(program());
        command.arg("build").arg(root().join(COMPONENTS[index].1)).arg("--output").arg(&file);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read(file).unwrap()
    })
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn shipped(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn policy(component: &str) -> String {
    match component {
        "github-issues" | "payments" | "weather" => {
            shipped(&format!("policies/examples/{component}.cedar"))
        }
        "hostile" => shipped("host/toolward/src/demo/demo.cedar"),
        _ => format!(
            "@id(\"{component}\")\npermit(principal in Role::\"assistant\", action == Action::\"call\", resource in Component::\"{component}\");\n"
        ),
    }
}

#[expect(clippy::disallowed_methods, reason = "these tests are about processes")]
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    Command::new(program)
}

fn words(line: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for one in line.chars() {
        match one {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(one),
        }
    }
    words
}

const COMPONENTS: [(&str, &str); 6] = [
    ("github-issues", "example-tools/github-issues"),
    ("hostile", "example-tools/hostile"),
    ("payments", "example-tools/payments"),
    ("relay", "tests/guests/relay"),
    ("teller", "tests/guests/teller"),
    ("weather", "example-tools/weather"),
];

const CONFIGURATION: &str = r#"# Mine.
environment = "development"

[secret_store.local]
kind = "file"
path = "secrets.age"
unlock = { key_file = "secrets.key" }

[credential.github]
kind = "static-token"
store = "local"
secret = "github-token"
owner = "ana"

[credential.stripe]
kind = "static-token"
store = "local"
secret = "payments-key"
owner = "ana"

[caller]
id = "agent-7"
roles = ["assistant", "triage"]

[operator]
roles = ["oncall", "payer"]
"#;
