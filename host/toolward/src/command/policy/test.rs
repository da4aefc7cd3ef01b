//! `toolward policy test`: do the policies decide as their cases say?
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use serde_json::{Value, json};
use toolward_gate::{Explanation, Owners, Ownership};

use super::{
    super::{Context, Exit, Failure},
    cases::{self, Case},
    supposed::GrantArgs,
};
use crate::wiring::{self, Plan, StartError};

#[derive(Args)]
pub(in crate::command) struct Test {
    /// Files of cases; `cases/*.toml` beside the policies, where absent.
    files: Vec<PathBuf>,
    /// Another folder with `capabilities.toml` and `*.cedar`.
    #[arg(long, value_name = "FOLDER")]
    policies: Option<PathBuf>,
    #[command(flatten)]
    grants: GrantArgs,
}

impl Test {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (config, plan) = super::plan(context, self.policies)?;
        let held = Held {
            owners: wiring::owners(&config),
            granted: self.grants.ownership(&config).await?,
        };
        let folder = config.policies.join("cases");
        let files = if self.files.is_empty() { cases::files(&folder) } else { self.files };
        let mut done = Vec::new();
        for file in &files {
            let cases = cases::read(file).map_err(StartError::from)?;
            for case in cases {
                done.push(Done::of(file, &case, &plan, &held).await);
            }
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

/// Whose the credentials are, and who was granted them where that is looked at.
struct Held {
    owners: Arc<Owners>,
    granted: Option<Ownership>,
}

impl Held {
    /// What a case says of grants goes before what the command line says.
    async fn explained(&self, case: &Case, plan: &Plan) -> Result<Explanation, String> {
        let told = |failure: Failure| failure.to_string();
        let mut supposed = case.supposed()?;
        if let Some(not_yours) = case.not_yours(&self.owners, plan).await? {
            supposed.when.not_yours = not_yours;
        } else if let Some(ownership) = &self.granted {
            supposed = supposed.owning(ownership, plan).await.map_err(told)?;
        }
        supposed.explained(plan).map_err(told)
    }
}

impl Done {
    async fn of(file: &Path, case: &Case, plan: &Plan, held: &Held) -> Self {
        let wrong = match held.explained(case, plan).await {
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
