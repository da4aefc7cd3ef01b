//! Why a mutant may survive.
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::ExitCode,
};

use anyhow::{Result, ensure};
use serde::Deserialize;

use crate::catalog::Mutant;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reasons {
    #[serde(default, rename = "survivor")]
    survivors: Vec<Survivor>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Survivor {
    /// As `cargo mutants` names it, without line and column.
    mutant: String,
    reason: String,
}

impl Reasons {
    pub fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let reasons: Self = toml::from_str(&fs::read_to_string(path)?)?;
        for survivor in &reasons.survivors {
            ensure!(
                !survivor.reason.trim().is_empty(),
                "there is no reason for {:?}",
                survivor.mutant
            );
        }
        Ok(reasons)
    }

    /// Tells what came of it, file by file, and fails for a survivor without a reason.
    pub fn judge(&self, woven: &[Mutant], left: &[Mutant], whole: bool) -> ExitCode {
        by_file(woven, left);
        let known: BTreeSet<&str> = self.survivors.iter().map(|one| one.mutant.as_str()).collect();
        let names: BTreeSet<String> = left.iter().map(Mutant::name).collect();
        let without: Vec<&Mutant> =
            left.iter().filter(|one| !known.contains(one.name().as_str())).collect();
        for mutant in &without {
            println!("survived, without a reason: {}", mutant.placed());
        }
        for mutant in known.iter().filter(|name| whole && !names.contains(**name)) {
            println!("has a reason, and did not survive: {mutant}");
        }
        println!(
            "{} in the build, {} noticed, {} left with a reason, {} without",
            woven.len(),
            woven.len() - left.len(),
            left.len() - without.len(),
            without.len()
        );
        if without.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn by_file(woven: &[Mutant], left: &[Mutant]) {
    let mut files: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for mutant in woven {
        files.entry(&mutant.file).or_default().0 += 1;
    }
    for mutant in left {
        files.entry(&mutant.file).or_default().1 += 1;
    }
    for (file, (all, left)) in files {
        println!("{file}: {} of {all}", all - left);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_survivor_needs_a_reason_wherever_its_line_is_today() {
        let mutant = json!({
            "name": "src/a.rs:7:9: replace is -> bool with true", "file": "src/a.rs", "genre": "FnValue",
            "replacement": "true", "span": { "start": { "line": 7, "column": 9 }, "end": { "line": 7, "column": 9 } },
        });
        let mutants: Vec<Mutant> = vec![serde_json::from_value(mutant).unwrap()];
        let with: Reasons = toml::from_str(
            "[[survivor]]\nmutant = 'src/a.rs: replace is -> bool with true'\nreason = 'It is always so.'",
        )
        .unwrap();
        assert_eq!(with.judge(&mutants, &mutants, true), ExitCode::SUCCESS);
        assert_eq!(Reasons::default().judge(&mutants, &mutants, true), ExitCode::FAILURE);
        assert_eq!(Reasons::default().judge(&mutants, &[], true), ExitCode::SUCCESS);
    }
}
