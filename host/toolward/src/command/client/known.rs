//! Which clients are known, where each has its configuration, and how it writes down a host.
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use super::merge;

/// A client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Client {
    /// Claude Code: `.mcp.json`.
    Claude,
    /// `.cursor/mcp.json`.
    Cursor,
    /// `.vscode/mcp.json`.
    Vscode,
    /// `~/.codex/config.toml`.
    Codex,
}

/// How the client reaches the host.
pub(super) enum Entry {
    /// It starts the host.
    Stdio { program: PathBuf, config: PathBuf, token_file: Option<PathBuf> },
    /// With a token from a variable of its environment, or with this one.
    Http { url: String, variable: String, token: Option<String> },
}

impl Client {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Cursor => "cursor",
            Self::Vscode => "vscode",
            Self::Codex => "codex",
        }
    }

    /// Where its configuration usually is. Fails with what to write instead.
    pub(super) fn path(self, user: bool) -> Result<PathBuf, String> {
        let home = || {
            let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"));
            home.map(PathBuf::from).ok_or("there is no home folder; write `--file`".to_owned())
        };
        match (self, user) {
            (Self::Claude, false) => Ok(".mcp.json".into()),
            (Self::Claude, true) => Ok(home()?.join(".claude.json")),
            (Self::Cursor, false) => Ok(".cursor/mcp.json".into()),
            (Self::Cursor, true) => Ok(home()?.join(".cursor/mcp.json")),
            (Self::Vscode, false) => Ok(".vscode/mcp.json".into()),
            (Self::Vscode, true) => {
                Err("its place depends on the profile; write `--file`, as `MCP: Open User Configuration` shows it".to_owned())
            }
            (Self::Codex, _) => match std::env::var_os("CODEX_HOME") {
                Some(folder) => Ok(Path::new(&folder).join("config.toml")),
                None => Ok(home()?.join(".codex/config.toml")),
            },
        }
    }

    /// The configuration with this host in it, under a name. Fails with why it is not changed.
    pub(super) fn merged(self, before: &str, name: &str, entry: &Entry) -> Result<String, String> {
        let written = self.written(entry)?;
        match self {
            Self::Claude | Self::Cursor => merge::json(before, "mcpServers", name, &written),
            Self::Vscode => merge::json(before, "servers", name, &written),
            Self::Codex => merge::toml(before, "mcp_servers", name, &written),
        }
    }

    fn written(self, entry: &Entry) -> Result<Value, String> {
        let mut written = Map::new();
        let mut put = |name: &str, value: Value| drop(written.insert(name.to_owned(), value));
        let typed = matches!(self, Self::Claude | Self::Vscode);
        match entry {
            Entry::Stdio { program, config, token_file } => {
                if typed {
                    put("type", json!("stdio"));
                }
                put("command", json!(text(program)?));
                put("args", json!(["--config", text(config)?, "run"]));
                if let Some(file) = token_file {
                    put("env", json!({ "TOOLWARD_TOKEN_FILE": text(file)? }));
                }
            }
            Entry::Http { url, variable, token } => {
                if typed {
                    put("type", json!("http"));
                }
                put("url", json!(url));
                let bearer = |token: &str| json!({ "Authorization": format!("Bearer {token}") });
                match (self, token) {
                    (Self::Codex, None) => put("bearer_token_env_var", json!(variable)),
                    (Self::Codex, Some(token)) => put("http_headers", bearer(token)),
                    (_, Some(token)) => put("headers", bearer(token)),
                    (Self::Claude, None) => put("headers", bearer(&format!("${{{variable}}}"))),
                    (Self::Cursor | Self::Vscode, None) => {
                        put("headers", bearer(&format!("${{env:{variable}}}")));
                    }
                }
            }
        }
        Ok(Value::Object(written))
    }
}

fn text(path: &Path) -> Result<&str, String> {
    path.to_str().ok_or_else(|| format!("`{}` is not UTF-8", path.display()))
}
