//! Where the configuration is.
use std::{
    env,
    path::{Path, PathBuf},
};

/// The configuration file: the one that is named, by flag or `TOOLWARD_CONFIG`; else `toolward.toml` here or in
/// a folder above, up to the root of the repository; else the user's; else the machine's.
pub fn find(named: Option<&Path>) -> Option<PathBuf> {
    if let Some(named) = named {
        return Some(named.to_owned());
    }
    let here = env::current_dir().ok()?;
    let mut folders = Vec::new();
    for folder in here.ancestors() {
        folders.push(folder.join(NAME));
        if folder.join(".git").exists() {
            break;
        }
    }
    folders.extend(user_path());
    folders.push(PathBuf::from("/etc/toolward").join(NAME));
    folders.into_iter().find(|path| path.is_file())
}

/// `$XDG_CONFIG_HOME/toolward/config.toml`.
pub fn user_path() -> Option<PathBuf> {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let folder = env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(home)?;
    Some(folder.join("toolward/config.toml"))
}

const NAME: &str = "toolward.toml";
