//! `toolward policy test`: do the policies decide as their cases say?
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::{
    super::{Context, Exit, Failure},
    cases::{self, Case},
};
use crate::wiring::{Plan, StartError};

#[derive(Args)]
pub(in crate::command) struct Test {
    /// Files of cases; `cases/*.toml` beside the policies, where absent.
    files: Vec<PathBuf>,
    /// Another folder with `capabilities.toml` and `*.cedar`.
    #[arg(long, value_name = "FOLDER")]
    policies: Option<PathBuf>,
}

impl Test {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let (config, plan) = super::plan(context, self.policies)?;
        let folder = config.policies.join("cases");
        let files = if self.files.is_empty() { cases::files(&folder) } else { self.files };
        let mut done = Vec::new();
        for file in &files {
            let cases = cases::read(file).map_err(StartError::from)?;
            done.extend(cases.into_iter().map(|case| Done::of(file, &case, &plan)));
        }
        if done.is_empty() {
            let place = folder.display();
            return Err(Failure::NotFound(format!(
                "there are no cases in `{place}`; write `[[case]]` into a file there"
            )));
        }
        let failed = done.iter().filter(|one| !one.wrong.is_empty()).count();
        let data = json!({ "cases": done.len(), "failed": failed, "results": done.iter().map(Done::data).collect::<Vec<_>>() });
        context.terminal.show(&data, || {
            let lines: String = done.iter().map(Done::told).collect();
            format!("{lines}{} cases, {failed} failed\n", done.len())
        })?;
        if failed == 0 { Ok(()) } else { Err(Failure::Silent(Exit::Failure)) }
    }
}

/// One case, and what is wrong about what came of it.
struct Done {
    file: String,
    name: String,
    wrong: Vec<String>,
}

impl Done {
    fn of(file: &Path, case: &Case, plan: &Plan) -> Self {
        let explained = case
            .supposed()
            .and_then(|supposed| supposed.explained(plan).map_err(|failure| failure.to_string()));
        let wrong = match explained {
            Ok(explanation) => case.differences(&explanation),
            Err(error) => vec![error],
        };
        let file = file.file_name().map(|name| name.to_string_lossy().into_owned());
        Self { file: file.unwrap_or_default(), name: case.name.clone(), wrong }
    }

    fn data(&self) -> Value {
        json!({ "file": self.file, "name": self.name, "passed": self.wrong.is_empty(), "wrong": self.wrong })
    }

    fn told(&self) -> String {
        let word = if self.wrong.is_empty() { "ok" } else { "FAILED" };
        let mut text = format!("{word} {}: {}\n", self.file, self.name);
        self.wrong.iter().for_each(|wrong| text += &format!("  {wrong}\n"));
        text
    }
}
