//! All mutants in one source, each behind a question.
mod found;
mod woven;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::Range,
    path::Path,
};

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::{catalog::Mutant, copy::Copy};
use woven::Woven;

/// What asks whether a mutant is on, and notes in a file which ones a test came by.
const QUESTION: &str = r#"
#[doc(hidden)]
#[allow(warnings, clippy::all, clippy::pedantic, clippy::restriction)]
pub fn mutant(number: usize) -> bool {
    use std::{io::Write, sync::{OnceLock, atomic::{AtomicBool, Ordering}}};
    static ON: OnceLock<usize> = OnceLock::new();
    static NOTES: OnceLock<Option<std::fs::File>> = OnceLock::new();
    static MET: [AtomicBool; 8192] = [const { AtomicBool::new(false) }; 8192];
    let notes = NOTES.get_or_init(|| {
        let path = std::env::var_os("MUTANTS_MET")?;
        std::fs::OpenOptions::new().create(true).append(true).open(path).ok()
    });
    if let Some(mut notes) = notes.as_ref() {
        if !MET[number].swap(true, Ordering::Relaxed) {
            let _ = notes.write_all(format!("{number}\n").as_bytes());
        }
    }
    let on = *ON.get_or_init(|| std::env::var("MUTANT").ok().and_then(|word| word.parse().ok()).unwrap_or(0));
    on == number
}
"#;

/// Weaves, asks the compiler, takes out what it refuses, and so on until it refuses nothing. Gives back what is in.
pub fn until_it_compiles(
    copy: &Copy,
    folder: &Path,
    mut mutants: Vec<Mutant>,
) -> Result<Vec<Mutant>> {
    let (all, sources) = (mutants.len(), sources(copy, &mutants)?);
    let library = folder.join("src/lib.rs");
    loop {
        let mut woven = BTreeMap::new();
        for (file, source) in &sources {
            let these: Vec<&Mutant> = mutants.iter().filter(|one| one.file == *file).collect();
            let text = Woven::of(source, &these)?;
            fs::write(copy.root.join(file), &text.text)?;
            woven.insert(file.as_str(), text);
        }
        ask_from(&library)?;
        let mut refused: BTreeSet<usize> =
            woven.values().flat_map(|text| text.lost.clone()).collect();
        let complaints = complaints(copy, folder)?;
        for complaint in &complaints {
            let blamed =
                woven.get(complaint.file.as_str()).map(|text| text.blamed(&complaint.bytes));
            refused.extend(blamed.into_iter().flatten());
        }
        if complaints.is_empty() && refused.is_empty() {
            println!("{} of {all} are in the build", mutants.len());
            return Ok(mutants);
        }
        ensure!(!refused.is_empty(), "the compiler refuses what is no mutant's: {complaints:?}");
        mutants.retain(|one| !refused.contains(&one.number));
    }
}

fn sources(copy: &Copy, mutants: &[Mutant]) -> Result<BTreeMap<String, String>> {
    let files: BTreeSet<&String> = mutants.iter().map(|one| &one.file).collect();
    files
        .into_iter()
        .map(|file| Ok((file.clone(), fs::read_to_string(copy.root.join(file))?)))
        .collect()
}

fn ask_from(library: &Path) -> Result<()> {
    let text = fs::read_to_string(library)?;
    if !text.contains("pub fn mutant(") {
        fs::write(library, text + QUESTION)?;
    }
    Ok(())
}

#[derive(Debug)]
#[expect(dead_code, reason = "what is said is shown where nobody is to blame")]
struct Complaint {
    file: String,
    bytes: Range<usize>,
    message: String,
}

/// What the compiler says of the library.
fn complaints(copy: &Copy, folder: &Path) -> Result<Vec<Complaint>> {
    let words = [
        "check",
        "--locked",
        "--lib",
        "--all-features",
        "--message-format=json",
        "--manifest-path",
    ];
    let output = copy.cargo().args(words).arg(folder.join("Cargo.toml")).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let mut complaints = Vec::new();
    for line in said.lines() {
        let message = &serde_json::from_str::<Value>(line)?["message"];
        if message["level"] == "error" {
            let spans = message["spans"].as_array().into_iter().flatten();
            complaints.extend(
                spans
                    .filter(|span| span["is_primary"] == true)
                    .map(|span| complaint(message, span)),
            );
        }
    }
    ensure!(
        output.status.success() || !complaints.is_empty(),
        String::from_utf8_lossy(&output.stderr).into_owned()
    );
    Ok(complaints)
}

fn complaint(message: &Value, span: &Value) -> Complaint {
    let byte = |name: &str| {
        span[name].as_u64().and_then(|byte| usize::try_from(byte).ok()).unwrap_or_default()
    };
    Complaint {
        file: span["file_name"].as_str().unwrap_or_default().to_owned(),
        bytes: byte("byte_start")..byte("byte_end"),
        message: message["message"].as_str().unwrap_or_default().to_owned(),
    }
}
