//! A test in a process of its own: it counts what the whole process has.
use std::{env, io::Write as _, process::Command};

/// Runs a test again, alone, after `before` in a shell, with a runtime of as many threads as the machine has or, where
/// `one`, of one. Gives what its work said.
#[expect(clippy::disallowed_methods, reason = "the test starts itself")]
pub(crate) fn alone(
    test: &str,
    before: &str,
    one: bool,
    work: impl Future<Output = String>,
) -> String {
    use tokio::runtime::Builder;
    if is_alone() {
        let mut builder =
            if one { Builder::new_current_thread() } else { Builder::new_multi_thread() };
        let said = builder.enable_all().build().unwrap().block_on(work);
        writeln!(std::io::stderr(), "it said: {said}").unwrap();
        return said;
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{before} exec \"$0\" \"$@\"")]).arg(env::current_exe().unwrap());
    let output = shell.args(["--exact", test, "--nocapture"]).env(ALONE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let line = said.lines().find_map(|line| line.strip_prefix("it said: "));
    line.unwrap_or_else(|| panic!("it did not run: {said}")).to_owned()
}

/// Whether this is that process.
pub(crate) fn is_alone() -> bool {
    env::var_os(ALONE).is_some()
}

const ALONE: &str = "TOOLWARD_TEST_ALONE";
