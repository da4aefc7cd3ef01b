//! `toolward client setup`: the configuration with which a client finds this host.
mod known;
mod merge;

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Context, Failure, run};
use known::{Client, Entry};

#[derive(Subcommand)]
pub(super) enum ClientCommand {
    /// Write this host into a client's configuration, and leave the rest of it as it is.
    Setup(Setup),
}

#[derive(Args)]
pub(super) struct Setup {
    #[arg(value_enum)]
    client: Client,
    /// What the client calls this host.
    #[arg(long, default_value = "toolward", value_parser = name)]
    name: String,
    /// Over HTTP, at the address under `[listen]`; without it the client starts the host itself.
    #[arg(long)]
    http: bool,
    /// Over HTTP, at this address.
    #[arg(long, value_name = "URL", conflicts_with = "http")]
    url: Option<String>,
    /// The variable of the client's environment that holds its token, for HTTP.
    #[arg(long, value_name = "NAME", default_value = "TOOLWARD_TOKEN", value_parser = variable)]
    token_variable: String,
    /// A file with the client's token, that the host reads when the client starts it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["http", "url"])]
    token_file: Option<PathBuf>,
    /// Write the token itself into the configuration, from this file. Whoever reads it can speak as the client.
    #[arg(long, value_name = "FILE")]
    write_token: Option<PathBuf>,
    /// The client's configuration, where it is not at its usual place.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// For all projects of this user, and not for the folder alone.
    #[arg(long, conflicts_with = "file")]
    user: bool,
    /// Print what would be written, and write nothing.
    #[arg(long)]
    print: bool,
}

fn name(text: &str) -> Result<String, &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let fits = (1..=64).contains(&text.len()) && text.bytes().all(plain);
    fits.then(|| text.to_owned()).ok_or("use 1 to 64 letters, digits, `_` or `-`")
}

fn variable(text: &str) -> Result<String, &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let fits = !text.is_empty()
        && text.bytes().all(plain)
        && !text.starts_with(|one: char| one.is_ascii_digit());
    fits.then(|| text.to_owned()).ok_or("use letters, digits and `_`, as in `TOOLWARD_TOKEN`")
}

impl ClientCommand {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Setup(setup) => setup.run(context),
        }
    }
}

impl Setup {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let entry = self.entry(context)?;
        if self.print {
            let text = self.client.merged("", &self.name, &entry).map_err(Failure::Usage)?;
            let told = json!({ "client": self.client.name(), "configuration": text });
            return Ok(context.terminal.show(&told, || text.clone())?);
        }
        let path = match &self.file {
            Some(file) => file.clone(),
            None => self.client.path(self.user).map_err(Failure::Usage)?,
        };
        let before = before(&path)?;
        let merged = self.client.merged(before.as_deref().unwrap_or_default(), &self.name, &entry);
        let after = merged.map_err(|why| {
            Failure::Usage(format!(
                "`{}` is not changed: {why}; `--print` shows what to add by hand",
                path.display()
            ))
        })?;
        let is_changed = before.as_deref() != Some(after.as_str());
        let backup = match &before {
            Some(before) if is_changed => Some(keep(&path, before)?),
            _ => None,
        };
        if is_changed {
            write(&path, &after)?;
        }
        self.tell(context, &path, backup.as_deref(), is_changed)
    }

    fn entry(&self, context: &Context) -> Result<Entry, Failure> {
        let token = self.write_token.as_deref().map(run::token_in).transpose()?;
        let url = match &self.url {
            Some(url) => Some(url.clone()),
            None if self.http => Some(listened(context)?),
            None => None,
        };
        if let Some(url) = url {
            if !(url.starts_with("https://") || url.starts_with("http://")) {
                return Err(Failure::Usage(format!(
                    "`{url}` is no address: write `https://…/mcp`"
                )));
            }
            return Ok(Entry::Http { url, variable: self.token_variable.clone(), token });
        }
        if token.is_some() {
            let why = "a host that the client starts reads its token from `--token-file`";
            return Err(Failure::Usage(why.to_owned()));
        }
        let config = context.config_path()?.canonicalize()?;
        let token_file = self.token_file.as_deref().map(Path::canonicalize).transpose();
        let token_file =
            token_file.map_err(|error| Failure::Usage(format!("the token file: {error}")))?;
        Ok(Entry::Stdio { program: super::program()?, config, token_file })
    }

    fn tell(
        &self,
        context: &Context,
        path: &Path,
        backup: Option<&Path>,
        is_changed: bool,
    ) -> Result<(), Failure> {
        let told = json!({
            "client": self.client.name(),
            "file": path,
            "backup": backup,
            "changed": is_changed,
        });
        context.terminal.show(&told, || {
            let file = path.display();
            match (is_changed, backup) {
                (false, _) => format!("`{file}` says so already"),
                (true, None) => format!("wrote `{file}`"),
                (true, Some(backup)) => {
                    format!("changed `{file}`; as it was, it is in `{}`", backup.display())
                }
            }
        })?;
        Ok(())
    }
}

/// Where agents reach this host.
fn listened(context: &Context) -> Result<String, Failure> {
    let config = context.config()?;
    let nowhere =
        || Failure::Usage("nothing is under `[listen]`; write `--url` with the address".to_owned());
    let listen = config.listen.as_ref().ok_or_else(nowhere)?;
    let scheme = if listen.tls.is_some() { "https" } else { "http" };
    let url = listen.url.clone().unwrap_or_else(|| format!("{scheme}://{}", listen.address));
    Ok(format!("{url}/mcp"))
}

fn before(path: &Path) -> Result<Option<String>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::Usage(format!("`{}` cannot be read: {error}", path.display()))),
    }
}

/// A copy beside it, that is as readable as it was; never over another one.
fn keep(path: &Path, text: &str) -> Result<PathBuf, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for number in 0..MAX_BACKUPS {
        let number = if number == 0 { String::new() } else { format!("-{number}") };
        let backup = path.with_file_name(format!("{name}.backup{number}"));
        match fs::File::create_new(&backup) {
            Ok(mut file) => {
                file.set_permissions(fs::metadata(path)?.permissions())?;
                file.write_all(text.as_bytes())?;
                file.sync_all()?;
                return Ok(backup);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::Usage(format!("there are {MAX_BACKUPS} backups beside `{}`", path.display())))
}

/// Whole or not at all. A link stays one, and a new file is its owner's alone: it may hold a token one day.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    if let Ok(found) = fs::metadata(&path) {
        file.as_file().set_permissions(found.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}

const MAX_BACKUPS: u32 = 100;
