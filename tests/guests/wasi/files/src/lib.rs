//! Reads and writes files wherever it is told to.
use std::{fs, io};

wit_bindgen::generate!({
    inline: "
        package acme:files;
        interface disk {
            /// Reads a file.
            read: func(path: string) -> result<string, string>;
            /// Writes a file.
            write: func(path: string, text: string) -> result<_, string>;
            /// Lists a folder.
            folder: func(path: string) -> result<list<string>, string>;
            /// Gives a file another name.
            rename: func(old: string, new: string) -> result<_, string>;
            /// Gives a file a second name.
            hard-link: func(old: string, new: string) -> result<_, string>;
            /// Removes a file.
            remove: func(path: string) -> result<_, string>;
            /// Makes a link that leads somewhere, and reads through it.
            follow: func(to: string, link: string) -> result<string, string>;
        }
        world files { export disk; }
    ",
});

struct Files;
export!(Files);

impl exports::acme::files::disk::Guest for Files {
    fn read(path: String) -> Result<String, String> {
        fs::read_to_string(path).map_err(told)
    }
    fn write(path: String, text: String) -> Result<(), String> {
        fs::write(path, text).map_err(told)
    }
    fn folder(path: String) -> Result<Vec<String>, String> {
        let entries = fs::read_dir(path).map_err(told)?;
        let mut names: Vec<String> =
            entries.map(|one| one.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        Ok(names)
    }
    fn rename(old: String, new: String) -> Result<(), String> {
        fs::rename(old, new).map_err(told)
    }
    fn hard_link(old: String, new: String) -> Result<(), String> {
        fs::hard_link(old, new).map_err(told)
    }
    fn remove(path: String) -> Result<(), String> {
        fs::remove_file(path).map_err(told)
    }
    fn follow(to: String, link: String) -> Result<String, String> {
        #[expect(deprecated, reason = "the one way to make a link that is stable on this target")]
        fs::soft_link(to, &link).map_err(told)?;
        fs::read_to_string(link).map_err(told)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
fn told(error: io::Error) -> String {
    error.to_string()
}
