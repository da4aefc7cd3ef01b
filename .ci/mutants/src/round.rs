//! Which tests come by which mutants, and which notice.
use std::{
    collections::BTreeSet,
    fs,
    io::{self, IsTerminal as _},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{self, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::{catalog::Mutant, copy};

/// A program of tests, and the folder of its package.
pub struct Suite {
    pub program: PathBuf,
    pub folder: PathBuf,
}

struct Test {
    name: String,
    seconds: f64,
    met: BTreeSet<usize>,
}

/// Tries all of them with the tests that take no longer than so many seconds by themselves, and gives back those that
/// none of these notices.
pub fn run(mutants: &[Mutant], most: f64, suite: Suite) -> Result<Vec<Mutant>> {
    let names = suite.names()?;
    let mut tests = at_once("tests", &names, |name| suite.look(name, most));
    tests.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
    let mut left = at_once("mutants", mutants, |mutant| {
        (!suite.notices(mutant, &tests)).then(|| mutant.clone())
    });
    left.sort_by_key(|mutant| mutant.number);
    Ok(left)
}

/// One for each processor.
fn at_once<T: Sync, R: Send>(
    what: &str,
    all: &[T],
    one: impl Fn(&T) -> Option<R> + Sync,
) -> Vec<R> {
    let (next, done, results) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(item) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = one(item);
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            results.extend(result);
            if io::stderr().is_terminal() {
                eprint!(
                    "\r{what}: {} of {}  ",
                    1 + done.fetch_add(1, Ordering::Relaxed),
                    all.len()
                );
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Suite {
    fn names(&self) -> Result<Vec<String>> {
        let listed = copy::done(self.command().args(["--list", "--format", "terse"]))?;
        let text = String::from_utf8(listed.stdout)?;
        Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
    }

    /// A test by itself, with no mutant on: what it comes by, and how long it takes.
    fn look(&self, name: &str, most: f64) -> Option<Test> {
        let notes = format!("mutants-met-{}-{:?}", process::id(), thread::current().id());
        let notes = std::env::temp_dir().join(notes);
        let begin = Instant::now();
        let passed = ended(self.command().env("MUTANTS_MET", &notes).args(["--exact", name]), most);
        let seconds = begin.elapsed().as_secs_f64();
        let met = fs::read_to_string(&notes).unwrap_or_default();
        let _ = fs::remove_file(&notes);
        if passed != Some(true) {
            println!("left out, for it fails or takes more than {most} s: {name}");
            return None;
        }
        let met = met.lines().filter_map(|line| line.parse().ok()).collect();
        Some(Test { name: name.to_owned(), seconds, met })
    }

    /// A test that does not end with the mutant notices it, too; where no test comes by, nobody does.
    fn notices(&self, mutant: &Mutant, tests: &[Test]) -> bool {
        let meeting: Vec<&Test> =
            tests.iter().filter(|test| test.met.contains(&mutant.number)).collect();
        let mut meeting = meeting.as_slice();
        // A few of the shortest first; most mutants end there.
        for size in [3, 12, 48, usize::MAX] {
            let (batch, after) = meeting.split_at(size.min(meeting.len()));
            if self.passes(mutant, batch) != Some(true) {
                return true;
            }
            meeting = after;
        }
        false
    }

    fn passes(&self, mutant: &Mutant, batch: &[&Test]) -> Option<bool> {
        let alone: f64 = batch.iter().map(|test| test.seconds).sum();
        let mut command = self.command();
        command.env("MUTANT", mutant.number.to_string()).arg("--exact");
        command.args(batch.iter().map(|test| &test.name));
        if batch.is_empty() { Some(true) } else { ended(&mut command, 20.0 + 3.0 * alone) }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command.env("PROPTEST_CASES", "32").env("INSTA_UPDATE", "no");
        command
    }
}

/// Whether it passed, or nothing where it had to be ended.
fn ended(command: &mut Command, most: f64) -> Option<bool> {
    let begin = Instant::now();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // What a test started ends with it.
    let mut child = command.process_group(0).spawn().ok()?;
    while begin.elapsed() < Duration::from_secs_f64(most) {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status.success());
        }
        thread::sleep(Duration::from_millis(5));
    }
    let group = format!("-{}", child.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    let _ = child.wait();
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_end_is_ended_with_all_that_it_started() {
        let noted = std::env::temp_dir().join(format!("mutants-ended-{}", process::id()));
        let script = format!("sleep 1000 & echo $! > {}; wait", noted.display());
        assert_eq!(ended(Command::new("sh").args(["-c", &script]), 3.0), None);
        let id = fs::read_to_string(&noted).unwrap();
        let _ = fs::remove_file(&noted);
        let is_there = || {
            let state = fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
            !state.is_empty() && !state.contains(") Z ")
        };
        let begin = Instant::now();
        while is_there() {
            assert!(begin.elapsed() < Duration::from_secs(60), "it goes on");
            thread::yield_now();
        }
        assert_eq!(ended(Command::new("sh").args(["-c", "exit 3"]), 60.0), Some(false));
        assert_eq!(ended(Command::new("sh").args(["-c", "exit 0"]), 60.0), Some(true));
    }
}
