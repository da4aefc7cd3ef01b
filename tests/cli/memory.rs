//! What of a host's memory gets to a disk.
use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{ExitStatus, Stdio},
};

use super::{
    Place,
    place::{command, program},
};

/// I-30. `cat` is the control: it leaves a core where this machine makes any.
#[test]
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn a_host_that_crashes_leaves_no_core() {
    let place = Place::with(&["weather"]);
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"a client","version":"1"}}}"#;
    if !crashed(&place, Path::new("cat"), &[], hello).core_dumped() {
        eprintln!("left out: this machine makes no cores, whatever a program asks for");
        return;
    }
    let status = crashed(&place, program(), &["run"], hello);
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), false));
}

/// Runs it where a core may have any size, and ends it as a crash does once it has answered a line.
fn crashed(place: &Place, program: &Path, words: &[&str], line: &str) -> ExitStatus {
    let mut shell = command("sh");
    shell.args(["-c", "ulimit -c unlimited && exec \"$@\"", "sh"]).arg(program).args(words);
    shell.current_dir(place.path("")).env_clear().env("PATH", env::var_os("PATH").unwrap());
    shell.env("HOME", place.path("")).env("TOOLWARD_CONFIG", place.path("toolward.toml"));
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = shell.spawn().unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "{line}").unwrap();
    let mut answer = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut answer).unwrap();
    assert!(answer.contains("2025-06-18"), "{answer}");
    assert!(command("kill").args(["-ABRT", &child.id().to_string()]).status().unwrap().success());
    child.wait().unwrap()
}

/// I-35. What a machine that swaps is told is `wiring/memory` and `memory` of the vault.
#[test]
fn whether_memory_may_be_swapped_is_said_in_the_configuration() {
    let place = Place::with(&["weather"]);
    let swaps = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    let configured = place.read("toolward.toml");
    place.write("toolward.toml", &format!("{configured}\n[memory]\nswap = \"refuse\"\n"));
    let ran = place.run("secret list");
    if swaps.lines().count() == 1 {
        ran.exits(0);
    } else {
        assert!(ran.exits(3).err.contains("swap"));
    }
    place.write("toolward.toml", &format!("{configured}\n[memory]\nswap = \"never\"\n"));
    let ran = place.run("secret list").exits(3);
    assert!(ran.err.contains("never") && ran.err.contains("refuse"), "{}", ran.told());
}
