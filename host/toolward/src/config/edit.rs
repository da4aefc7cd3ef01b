//! Changes to the configuration file that keep the rest of it as it was written.
use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use toolward_gate::{ComponentName, Digest, Want};

use super::Unlinked;

/// The file as it was, to go back to when a change does not hold.
#[derive(Debug)]
pub struct Edit {
    path: PathBuf,
    before: String,
}

/// What an operator says of a component that says nothing of it itself.
#[derive(Debug)]
pub struct Wanted {
    pub wants: Arc<[Want]>,
    pub unlinked: Unlinked,
}

impl Wanted {
    fn lines(&self) -> String {
        let line = |key: &str, required: bool| {
            let names = self.wants.iter().filter(|want| want.required == required);
            let names: Vec<_> = names.map(|want| format!("\"{}\"", want.capability)).collect();
            let some = (!names.is_empty()).then(|| format!("{key} = [{}]\n", names.join(", ")));
            some.unwrap_or_default()
        };
        let unlinked = match self.unlinked {
            Unlinked::RefuseCall => "",
            Unlinked::Refuse => "unlinked = \"refuse\"\n",
        };
        line("capabilities", true) + &line("optional", false) + unlinked
    }
}

impl Edit {
    pub fn begin(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), before: fs::read_to_string(path)? })
    }

    /// Writes a component at the end, or in place of the one with this name.
    pub fn put_component(
        &self,
        name: &ComponentName,
        file: &Path,
        digest: Digest,
        wanted: &Wanted,
    ) -> io::Result<()> {
        let mut text = without(&self.before, name).unwrap_or_else(|| self.before.clone());
        if !text.is_empty() && !text.ends_with("\n\n") {
            text.push_str(if text.ends_with('\n') { "\n" } else { "\n\n" });
        }
        let path = toml::Value::String(file.to_string_lossy().into_owned());
        text.push_str(&format!("{}\npath = {path}\ndigest = \"{digest}\"\n", header(name)));
        text.push_str(&wanted.lines());
        self.write(&text)
    }

    /// Takes a component out; `false` where it does not stand in a table of its own.
    pub fn remove_component(&self, name: &ComponentName) -> io::Result<bool> {
        match without(&self.before, name) {
            Some(text) => self.write(&text).map(|()| true),
            None => Ok(false),
        }
    }

    /// Puts back what was there.
    pub fn undo(&self) -> io::Result<()> {
        self.write(&self.before)
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let folder = self
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        new.write_all(text.as_bytes())?;
        new.as_file().sync_all()?;
        fs::set_permissions(new.path(), fs::metadata(&self.path)?.permissions())?;
        new.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }
}

fn header(name: &ComponentName) -> String {
    format!("[component.{name}]")
}

/// The text without a component's table: its header and its settings. Comments after them belong to what follows.
fn without(text: &str, name: &ComponentName) -> Option<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let header = lines.iter().position(|line| is_header(line, name))?;
    let (before, table) = lines.split_at(header);
    let after = table.split_first().map_or(table, |(_, after)| after);
    let next = after.iter().position(|line| line.trim_start().starts_with('['));
    let settings =
        after.iter().take(next.unwrap_or(after.len())).rposition(|line| is_setting(line));
    let rest = after.iter().skip(settings.map_or(0, |last| last.saturating_add(1)));
    let (before, rest) = (before.concat(), rest.copied().collect::<String>());
    let empty = before.is_empty() || before.ends_with("\n\n") || before.ends_with("\n\r\n");
    Some(match rest.trim_start_matches(['\r', '\n']) {
        "" if before.is_empty() => String::new(),
        "" => before.trim_end().to_owned() + "\n",
        // One empty line is enough.
        rest if empty => before + rest,
        _ => before + &rest,
    })
}

fn is_header(line: &str, name: &ComponentName) -> bool {
    let Some((inside, after)) = line.trim().strip_prefix('[').and_then(|line| line.split_once(']'))
    else {
        return false;
    };
    let plain = |one: &char| !one.is_whitespace() && !matches!(one, '"' | '\'');
    let table: String = inside.chars().filter(plain).collect();
    let after = after.trim();
    (after.is_empty() || after.starts_with('#')) && table == format!("component.{name}")
}

fn is_setting(line: &str) -> bool {
    !line.trim().is_empty() && !line.trim_start().starts_with('#')
}

#[cfg(test)]
mod tests;
