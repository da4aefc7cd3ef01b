//! One directory, and nothing that leads out of it.
use std::{fs, os::unix::fs::symlink, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{refused_import, wanting};
use crate::world::{Guest, World};

/// A folder with one file that is lent, beside one that is not.
struct Folders {
    all: TempDir,
}

impl Folders {
    fn new() -> Self {
        let all = tempfile::tempdir().unwrap();
        fs::create_dir_all(all.path().join("lent/inner")).unwrap();
        fs::write(all.path().join("lent/notes.txt"), "buy bread").unwrap();
        fs::write(all.path().join("lent/inner/deep.txt"), "deep").unwrap();
        fs::write(all.path().join("hidden.txt"), SECRET).unwrap();
        Self { all }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.all.path().join(name)
    }

    async fn world(&self, access: &str) -> World {
        self.world_with(access, "").await
    }

    async fn world_with(&self, access: &str, keys: &str) -> World {
        let lent = format!(
            "[capability.\"host:notes:use\"]\ndescription = \"Notes.\"\ninterface = \"wasi-filesystem\"\n\
             directory = \"{}\"\naccess = \"{access}\"\n{keys}\nrisk = \"low\"\n",
            self.path("lent").display()
        );
        wanting(Guest::Files, &["host:notes:use"], &lent).world().await
    }
}

/// What a tool reports: its value, or its words.
async fn does(world: &World, tool: &str, arguments: Value) -> Result<Value, String> {
    match world.call(tool, arguments).await {
        Ok(output) => Ok(output.value["result"].clone()),
        Err(toolward_gate::Stop::Failed(failure)) => Err(failure.message),
        Err(other) => panic!("{other:?}"),
    }
}

async fn reads(world: &World, path: &str) -> Result<Value, String> {
    does(world, "disk_read", json!({ "path": path })).await
}

#[tokio::test]
async fn a_directory_that_is_lent_for_reading_is_read_and_not_changed() {
    let folders = Folders::new();
    let world = folders.world("read").await;
    assert_eq!(reads(&world, "notes.txt").await.unwrap(), "buy bread");
    assert_eq!(reads(&world, "/inner/deep.txt").await.unwrap(), "deep");
    let listed = does(&world, "disk_folder", json!({ "path": "/" })).await.unwrap();
    assert_eq!(listed, json!(["inner", "notes.txt"]));
    for (tool, arguments) in [
        ("disk_write", json!({ "path": "notes.txt", "text": "x" })),
        ("disk_write", json!({ "path": "new.txt", "text": "x" })),
        ("disk_rename", json!({ "old": "notes.txt", "new": "other.txt" })),
        ("disk_hard-link", json!({ "old": "notes.txt", "new": "second.txt" })),
        ("disk_remove", json!({ "path": "notes.txt" })),
        ("disk_follow", json!({ "to": "notes.txt", "link": "link" })),
    ] {
        does(&world, tool, arguments).await.unwrap_err();
    }
    assert_eq!(fs::read_to_string(folders.path("lent/notes.txt")).unwrap(), "buy bread");
    assert_eq!(fs::read_dir(folders.path("lent")).unwrap().count(), 2);
}

#[tokio::test]
async fn a_directory_that_is_lent_for_writing_is_changed() {
    let folders = Folders::new();
    let world = folders.world("read-write").await;
    does(&world, "disk_write", json!({ "path": "new.txt", "text": "eggs" })).await.unwrap();
    assert_eq!(fs::read_to_string(folders.path("lent/new.txt")).unwrap(), "eggs");
    does(&world, "disk_rename", json!({ "old": "new.txt", "new": "inner/old.txt" })).await.unwrap();
    does(&world, "disk_remove", json!({ "path": "inner/old.txt" })).await.unwrap();
    let linked = does(&world, "disk_follow", json!({ "to": "notes.txt", "link": "link" })).await;
    assert_eq!(linked.unwrap(), "buy bread", "a link that stays inside is followed");
}

#[tokio::test]
async fn no_path_leads_out_of_it() {
    let folders = Folders::new();
    let world = folders.world("read-write").await;
    let hidden = folders.path("hidden.txt");
    assert_eq!(fs::read_to_string(&hidden).unwrap(), SECRET, "there is something to be found");
    let whole = hidden.to_string_lossy().into_owned();
    for path in [
        "../hidden.txt",
        "/../hidden.txt",
        "inner/../../hidden.txt",
        "./../hidden.txt",
        "../hidden.txt/",
        "..//hidden.txt",
        "../lent/../hidden.txt",
        &whole,
        "/etc/passwd",
        "/proc/self/environ",
        "/dev/stdin",
    ] {
        let read = reads(&world, path).await;
        assert!(read.is_err(), "{path}: {read:?}");
        does(&world, "disk_write", json!({ "path": path, "text": "x" })).await.unwrap_err();
        does(&world, "disk_rename", json!({ "old": path, "new": "mine.txt" })).await.unwrap_err();
        does(&world, "disk_rename", json!({ "old": "notes.txt", "new": path })).await.unwrap_err();
        does(&world, "disk_hard-link", json!({ "old": path, "new": "mine.txt" }))
            .await
            .unwrap_err();
        does(&world, "disk_remove", json!({ "path": path })).await.unwrap_err();
    }
    assert_eq!(fs::read_to_string(&hidden).unwrap(), SECRET);
    assert_eq!(reads(&world, "notes.txt").await.unwrap(), "buy bread");
}

#[tokio::test]
async fn no_link_leads_out_of_it_whoever_made_it() {
    let folders = Folders::new();
    symlink(folders.path("hidden.txt"), folders.path("lent/whole")).unwrap();
    symlink("../hidden.txt", folders.path("lent/relative")).unwrap();
    symlink("..", folders.path("lent/up")).unwrap();
    symlink("/", folders.path("lent/root")).unwrap();
    symlink("notes.txt", folders.path("lent/inside")).unwrap();
    let world = folders.world("read-write").await;
    assert_eq!(reads(&world, "inside").await.unwrap(), "buy bread");
    for path in [
        "whole",
        "relative",
        "up/hidden.txt",
        "root/etc/passwd",
        "inner/../up/hidden.txt",
        "whole/",
    ] {
        let read = reads(&world, path).await;
        assert!(read.is_err(), "{path}: {read:?}");
        does(&world, "disk_write", json!({ "path": path, "text": "x" })).await.unwrap_err();
    }
    for to in ["../hidden.txt", "/etc/passwd", "inner/../../hidden.txt"] {
        let followed =
            does(&world, "disk_follow", json!({ "to": to, "link": format!("l{}", to.len()) }))
                .await;
        assert!(followed.is_err(), "{to}: {followed:?}");
    }
    // What was good when it was checked may be a link when it is opened.
    fs::remove_file(folders.path("lent/inside")).unwrap();
    symlink("../hidden.txt", folders.path("lent/inside")).unwrap();
    reads(&world, "inside").await.unwrap_err();
    assert_eq!(fs::read_to_string(folders.path("hidden.txt")).unwrap(), SECRET);
}

#[tokio::test]
async fn without_the_capability_nothing_of_it_runs() {
    let world = wanting(Guest::Files, &[], "").world().await;
    let outcome = world.call("disk_read", json!({ "path": "/etc/passwd" })).await;
    assert!(refused_import(&outcome).starts_with("wasi:"), "{outcome:?}");
}

#[tokio::test]
async fn a_directory_that_is_gone_stops_the_call() {
    let folders = Folders::new();
    let world = folders.world("read").await;
    reads(&world, "notes.txt").await.unwrap();
    fs::rename(folders.path("lent"), Path::new(&folders.path("moved"))).unwrap();
    let outcome = world.call("disk_read", json!({ "path": "notes.txt" })).await;
    assert!(matches!(outcome, Err(toolward_gate::Stop::Unavailable(_))), "{outcome:?}");
}

/// What is in the folder that is lent, in bytes.
fn size(folders: &Folders) -> u64 {
    let entries = fs::read_dir(folders.path("lent")).unwrap();
    entries
        .map(|one| one.unwrap().metadata().unwrap())
        .filter(fs::Metadata::is_file)
        .map(|one| one.len())
        .sum()
}

fn text(path: &str, length: usize) -> Value {
    json!({ "path": path, "text": "x".repeat(length) })
}

#[tokio::test]
async fn a_directory_does_not_grow_beyond_its_quota_of_bytes() {
    let folders = Folders::new();
    // Nine bytes and four are there already.
    let world = folders.world_with("read-write", "quota_bytes = 100_013").await;
    does(&world, "disk_write", text("large.txt", 100_001)).await.unwrap_err();
    assert!(size(&folders) <= 100_013, "{}", size(&folders));
    does(&world, "disk_remove", json!({ "path": "large.txt" })).await.unwrap();
    does(&world, "disk_write", text("large.txt", 100_000)).await.unwrap();
    does(&world, "disk_write", text("more.txt", 1)).await.unwrap_err();
    // What is removed has room again for the next call.
    does(&world, "disk_remove", json!({ "path": "large.txt" })).await.unwrap();
    does(&world, "disk_write", text("more.txt", 1)).await.unwrap();
    assert_eq!(reads(&world, "more.txt").await.unwrap(), "x");
}

#[tokio::test]
async fn a_directory_has_no_more_files_folders_and_links_than_its_quota() {
    let folders = Folders::new();
    // A folder and two files are there already.
    let world = folders.world_with("read-write", "quota_entries = 4").await;
    does(&world, "disk_write", text("one.txt", 1)).await.unwrap();
    let second = json!({ "old": "one.txt", "new": "two.txt" });
    for (tool, arguments) in [
        ("disk_write", text("two.txt", 1)),
        ("disk_hard-link", second.clone()),
        ("disk_follow", json!({ "to": "one.txt", "link": "two.txt" })),
    ] {
        does(&world, tool, arguments).await.unwrap_err();
        assert!(!folders.path("lent/two.txt").exists(), "{tool}");
    }
    does(&world, "disk_write", text("one.txt", 9)).await.unwrap();
    does(&world, "disk_remove", json!({ "path": "inner/deep.txt" })).await.unwrap();
    does(&world, "disk_hard-link", second).await.unwrap();
}

const SECRET: &str = "what is not lent";
