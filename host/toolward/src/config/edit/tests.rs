//! Adding and removing changes one table, and nothing else of what a person wrote.
use tempfile::TempDir;

use super::*;

const WRITTEN: &str = "\
# Mine; don't touch.
environment   = 'development' # for now

[component.first]   # not mine
path = \"tools/first.wasm\"
digest = \"sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b\"

# Who speaks.
[caller]
id = \"me\" # [component.second] is no table
";

struct Written {
    _folder: TempDir,
    path: PathBuf,
}

impl Written {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("toolward.toml");
        fs::write(&path, text).unwrap();
        Self { _folder: folder, path }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    fn put(&self, component: &str, contents: &[u8]) -> Edit {
        let edit = Edit::begin(&self.path).unwrap();
        let file = PathBuf::from("tools").join(format!("{component}.wasm"));
        let nothing = Wanted { wants: Arc::default(), unlinked: Unlinked::default() };
        edit.put_component(&name(component), &file, Digest::of(contents), &nothing).unwrap();
        edit
    }

    fn remove(&self, component: &str) -> bool {
        Edit::begin(&self.path).unwrap().remove_component(&name(component)).unwrap()
    }
}

fn name(text: &str) -> ComponentName {
    text.parse().unwrap()
}

#[test]
fn a_component_is_put_in_replaced_and_taken_out_and_the_rest_stays() {
    let file = Written::new(WRITTEN);
    file.put("second", b"one");
    file.put("second", b"two");
    let text = file.text();
    assert!(text.starts_with(WRITTEN), "{text}");
    assert_eq!(text.matches("[component.second]\n").count(), 1);
    assert!(
        text.contains(&Digest::of(b"two").to_string())
            && !text.contains(&Digest::of(b"one").to_string())
    );
    toml::from_str::<toml::Table>(&text).unwrap();
    assert!(file.remove("second"));
    assert_eq!(file.text(), WRITTEN);
    assert!(!file.remove("second"), "it is not there any more");
    assert_eq!(file.text(), WRITTEN);
}

#[test]
fn the_comment_of_the_next_table_stays_when_a_component_is_taken_out() {
    let text = WRITTEN.replace("[component.first]   # not mine", "[component.first]");
    let file = Written::new(&text);
    assert!(file.remove("first"));
    let left = file.text();
    assert!(left.contains("# Who speaks.\n[caller]"), "{left}");
    assert!(
        left.starts_with("# Mine; don't touch.\n") && !left.contains("tools/first.wasm"),
        "{left}"
    );
    toml::from_str::<toml::Table>(&left).unwrap();
}

#[test]
fn a_header_with_a_comment_is_a_header() {
    let file = Written::new(WRITTEN);
    file.put("first", b"2");
    let table: toml::Table = toml::from_str(&file.text()).unwrap();
    assert_eq!(
        table["component"]["first"]["digest"].as_str(),
        Some(Digest::of(b"2").to_string().as_str())
    );
    assert!(file.remove("first"));
    assert!(!file.text().contains("[component.first]"));
    // Other ways to write the same header.
    for header in ["[component.\"first\"]", " [ component . first ] # x", "[component.'first']"] {
        let file = Written::new(&WRITTEN.replace("[component.first]   # not mine", header));
        assert!(file.remove("first"), "{header}");
    }
    let other = Written::new(&WRITTEN.replace("component.first", "component.first-of-all"));
    assert!(!other.remove("first"));
}

#[test]
fn line_ends_stay_as_they_are_written() {
    let file = Written::new(&WRITTEN.replace('\n', "\r\n"));
    assert!(file.remove("first"));
    assert!(file.text().contains("now\r\n\r\n# Who speaks.\r\n[caller]\r\n"), "{:?}", file.text());
}

#[test]
fn an_edit_that_does_not_hold_is_undone_to_the_letter() {
    for text in [WRITTEN, "environment = \"development\"", "a = 1\r\nb = 2\r\n", ""] {
        let file = Written::new(text);
        let edit = file.put("second", b"1");
        assert_ne!(file.text(), text);
        edit.undo().unwrap();
        assert_eq!(file.text(), text);
    }
}

#[test]
fn a_component_that_is_written_in_another_form_is_not_taken_out() {
    let file = Written::new("component = { first = { path = \"a\", digest = \"b\" } }\n");
    assert!(!file.remove("first"));
    assert!(file.text().contains("first"));
}

#[cfg(unix)]
#[test]
fn the_mode_of_the_file_stays() {
    use std::os::unix::fs::PermissionsExt as _;
    let file = Written::new(WRITTEN);
    for mode in [0o600, 0o640] {
        fs::set_permissions(&file.path, fs::Permissions::from_mode(mode)).unwrap();
        file.put("second", b"1");
        assert_eq!(fs::metadata(&file.path).unwrap().permissions().mode() & 0o777, mode);
    }
}

#[test]
fn what_an_operator_says_of_a_component_stands_with_it_and_goes_with_it() {
    let written = Written::new("environment = 'development'\n");
    let edit = Edit::begin(&written.path).unwrap();
    let want = |name: &str, required| Want { capability: name.parse().unwrap(), required };
    let wants = [want("a:b:c", true), want("d:e:f", true), want("g:h:i", false)].into();
    let wanted = Wanted { wants, unlinked: Unlinked::Refuse };
    edit.put_component(&name("new"), Path::new("new.wasm"), Digest::of(b"new"), &wanted).unwrap();
    let text = written.text();
    let after =
        "\ncapabilities = [\"a:b:c\", \"d:e:f\"]\noptional = [\"g:h:i\"]\nunlinked = \"refuse\"\n";
    assert!(text.ends_with(after), "{text}");
    let config = super::super::Config::load(&written.path).unwrap();
    let component = &config.components[&name("new")];
    assert_eq!(component.wants.len(), 3);
    assert_eq!(component.wants.iter().filter(|want| want.required).count(), 2);
    assert_eq!(component.unlinked, Unlinked::Refuse);
    assert!(written.remove("new"));
    assert_eq!(written.text(), "environment = 'development'\n");
}
