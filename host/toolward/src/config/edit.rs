//! Changes to the configuration file that keep the rest of it as it was written.
use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use toolward_gate::{ComponentName, Digest};

/// The file as it was, to go back to when a change does not hold.
#[derive(Debug)]
pub struct Edit {
    path: PathBuf,
    before: String,
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
    ) -> io::Result<()> {
        let mut text = without(&self.before, name).unwrap_or_else(|| self.before.clone());
        if !text.is_empty() && !text.ends_with("\n\n") {
            text.push_str(if text.ends_with('\n') { "\n" } else { "\n\n" });
        }
        let path = toml::Value::String(file.to_string_lossy().into_owned());
        text.push_str(&format!("{}\npath = {path}\ndigest = \"{digest}\"\n", header(name)));
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

/// The text without a component's table: from its header to the next header.
fn without(text: &str, name: &ComponentName) -> Option<String> {
    let header = header(name);
    let mut lines = text.lines();
    let mut kept: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != header).collect();
    if kept.len() == text.lines().count() {
        return None;
    }
    let rest = lines.skip_while(|line| !line.trim_start().starts_with('['));
    kept.extend(rest);
    while kept.last().is_some_and(|line| line.trim().is_empty()) {
        kept.pop();
    }
    Some(kept.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_put_in_replaced_and_taken_out_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("toolward.toml");
        let written = "# mine\nenvironment = \"development\"\n\n[caller] # me\nid = \"a\"\n";
        fs::write(&path, written).unwrap();
        let name: ComponentName = "weather".parse().unwrap();
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        Edit::begin(&path)
            .unwrap()
            .put_component(&name, Path::new("tools/weather.wasm"), one)
            .unwrap();
        Edit::begin(&path)
            .unwrap()
            .put_component(&name, Path::new("tools/weather.wasm"), two)
            .unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with(written)
                && text.contains(&two.to_string())
                && !text.contains(&one.to_string())
        );
        assert!(Edit::begin(&path).unwrap().remove_component(&name).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), written);
        assert!(!Edit::begin(&path).unwrap().remove_component(&name).unwrap());
    }
}
