//! Reading the policies: everything that can be wrong with them is found here, and stops the start.
use std::{collections::HashMap, ops::Range, sync::Arc};

use cedar_policy::{
    Authorizer, Effect, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator,
};
use miette::Diagnostic;

use super::{
    CedarPolicy, InstalledTool, Rule,
    names::{Unknown, unknown},
    obligations::{ANNOTATIONS, Mistake, Obligations},
    schema::{ActionTypes, Unmapped},
    slices::Slices,
};
use crate::{
    Capabilities, CapabilityDefinition, CapabilityName, Digest, SourceError, SourceFile, nearest,
};

pub(super) fn load(
    files: &[SourceFile],
    capabilities: Arc<Capabilities>,
    tools: &[InstalledTool],
    environment: String,
) -> Result<CedarPolicy, Vec<SourceError>> {
    let types = ActionTypes::of(tools, &capabilities);
    let schema = types.text();
    let mut reading = Reading::default();
    files.iter().enumerate().for_each(|(number, file)| reading.file(number, file));
    reading.validate(&schema, files);
    reading.names(&types, &types.unmapped(tools), files);
    if !reading.errors.is_empty() {
        return Err(reading.errors);
    }
    let mut parts = vec![b"toolward-policy-1".to_vec(), capabilities.digest().as_bytes().to_vec()];
    parts.extend([schema.clone().into_bytes(), environment.clone().into_bytes()]);
    parts.extend(files.iter().map(|file| file.text.as_bytes().to_vec()));
    let version = Digest::of_parts(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let open = |(name, definition): (&CapabilityName, &CapabilityDefinition)| {
        (name.clone(), definition.interface.clone())
    };
    let defined = Arc::new(capabilities.0.iter().map(open).collect());
    let asks_remaining = reading.policies.policies().any(|policy| {
        // Where it only stands in a text, the ledger is read for nothing.
        policy.to_string().contains("remaining")
    });
    Ok(CedarPolicy {
        capabilities,
        defined,
        unmapped: types.unmapped(tools),
        types,
        slices: Slices::of(&reading.policies),
        asks_remaining,
        rules: reading.rules,
        environment,
        owners: Arc::default(),
        version,
        schema,
        authorizer: Authorizer::new(),
        limits: crate::SandboxLimits::default(),
    })
}

#[derive(Default)]
struct Reading {
    policies: PolicySet,
    rules: HashMap<PolicyId, Rule>,
    /// Which file a policy came from.
    origins: HashMap<PolicyId, usize>,
    errors: Vec<SourceError>,
}

impl Reading {
    fn file(&mut self, number: usize, file: &SourceFile) {
        match file.text.parse::<PolicySet>() {
            Err(error) => self.errors.push(told(file, &error, "policy")),
            Ok(set) => {
                if let Some(template) = set.templates().next() {
                    let name = template.id();
                    self.errors.push(file.error(
                        0..0,
                        format!("`{name}` is a template; policies stand for themselves here"),
                    ));
                }
                // In the order of the file: `policy2` comes before `policy10`.
                let mut policies: Vec<&Policy> = set.policies().collect();
                policies
                    .sort_by_key(|policy| (policy.id().to_string().len(), policy.id().to_string()));
                for (place, policy) in policies.into_iter().enumerate() {
                    self.policy(number, file, policy, place.saturating_add(1));
                }
            }
        }
    }

    fn policy(&mut self, number: usize, file: &SourceFile, policy: &Policy, place: usize) {
        let stem = file
            .path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        let id = policy.annotation("id").map_or_else(|| format!("{stem}#{place}"), str::to_owned);
        let policy_id = PolicyId::new(&id);
        if id.is_empty() || self.rules.contains_key(&policy_id) {
            let message = format!("the policy id `{id}` stands twice, or is empty");
            self.errors.push(
                file.error(annotation(file, "id", &id), message)
                    .with_help("each `@id` names one policy"),
            );
            return;
        }
        let obligations = self.obligations(file, policy);
        let written = policy.annotations().filter(|(name, _)| *name != "id");
        let written = written.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.rules.insert(policy_id.clone(), Rule { id, obligations, written });
        self.origins.insert(policy_id.clone(), number);
        // The id is new to the set: the rules have the same keys.
        if let Err(error) = self.policies.add(policy.new_id(policy_id)) {
            self.errors.push(file.error(0..0, error.to_string()));
        }
    }

    fn obligations(&mut self, file: &SourceFile, policy: &Policy) -> Obligations {
        let mut obligations = Obligations::default();
        for (name, value) in policy.annotations().filter(|(name, _)| *name != "id") {
            let span = annotation(file, name, value);
            if policy.effect() == Effect::Forbid && ANNOTATIONS.contains(&name) {
                let message = format!(
                    "`@{name}` stands on a `forbid`, which allows nothing that it could bind"
                );
                self.errors.push(
                    file.error(span, message)
                        .with_help("move it to the `permit` that it is meant for"),
                );
                continue;
            }
            let error = match obligations.take(name, value) {
                Ok(()) => continue,
                Err(Mistake::Value { form }) => file
                    .error(span, format!("`@{name}(\"{value}\")` cannot be read"))
                    .with_help(format!("write {form}")),
                Err(Mistake::Unknown) => {
                    let near =
                        nearest(name, ANNOTATIONS).map(|near| format!("did you mean `@{near}`?"));
                    let all = || format!("there are `@{}`", ANNOTATIONS.join("`, `@"));
                    file.error(span, format!("nobody enforces the annotation `@{name}`"))
                        .with_help(near.unwrap_or_else(all))
                }
            };
            self.errors.push(error);
        }
        obligations
    }

    fn names(&mut self, types: &ActionTypes, unmapped: &[Unmapped], files: &[SourceFile]) {
        for policy in self.policies.policies() {
            let Some(file) = self.origins.get(policy.id()).and_then(|number| files.get(*number))
            else {
                continue;
            };
            for Unknown { name, known } in unknown(policy, types) {
                let why =
                    unmapped.iter().find(|one| one.argument.rsplit('.').next() == Some(&name));
                let near = nearest(&name, known.iter().map(String::as_str));
                let help = match (why, near) {
                    (Some(one), _) => format!("no policy can speak of it: {}", one.why),
                    (None, Some(near)) => format!("did you mean `{near}`?"),
                    (None, None) => format!("there are `{}`", known.join("`, `")),
                };
                let message = format!("`has {name}` is never true: nothing of that name is there");
                self.errors.push(file.error(asked(file, &name), message).with_help(help));
            }
        }
    }

    fn validate(&mut self, schema: &str, files: &[SourceFile]) {
        let schema = match Schema::from_cedarschema_str(schema) {
            Ok((schema, _)) => schema,
            Err(error) => {
                let file = SourceFile::new("the schema made from the tools", schema);
                self.errors.push(told(&file, &error, "schema"));
                return;
            }
        };
        let result = Validator::new(schema).validate(&self.policies, ValidationMode::Strict);
        for error in result.validation_errors() {
            let file = self.origins.get(error.policy_id()).and_then(|number| files.get(*number));
            let unknown = SourceFile::new("policies", "");
            let error = told(file.unwrap_or(&unknown), error, "policy");
            self.errors.push(error);
        }
    }
}

/// What Cedar says, at the place it says it of.
fn told(file: &SourceFile, error: &(impl Diagnostic + 'static), what: &str) -> SourceError {
    // The first of several errors stands for all: the others often follow from it.
    let first = error.related().and_then(|mut related| related.next());
    let error: &dyn Diagnostic = first.unwrap_or(error);
    let span = error
        .labels()
        .and_then(|mut labels| labels.next())
        .map(|label| label.offset()..label.offset().saturating_add(label.len()));
    let made = file.error(span.unwrap_or(0..0), message(error));
    let help = error.help().map(|help| help.to_string());
    made.with_help(help.unwrap_or_else(|| format!("the {what} must fit the tools and capabilities of this host: `toolward tool list` shows them")))
}

/// The message and its causes, in one line.
fn message(error: &dyn Diagnostic) -> String {
    let text = error.to_string();
    let cause = error.source().map(ToString::to_string).filter(|cause| !text.contains(cause));
    let text = cause.map_or(text.clone(), |cause| format!("{text}: {cause}"));
    text.replace('\n', " ")
}

/// Where a name is asked for with `has`; the start of the file where it cannot be found.
fn asked(file: &SourceFile, name: &str) -> Range<usize> {
    let forms = [format!("has {name}"), format!("has \"{name}\"")];
    let found = forms.iter().find_map(|form| Some((file.text.find(form)?, form.len())));
    found.map_or(0..0, |(at, length)| at..at.saturating_add(length))
}

/// Where an annotation stands; the start of the file where it cannot be found.
fn annotation(file: &SourceFile, name: &str, value: &str) -> Range<usize> {
    let begin = format!("@{name}");
    let places = file.text.match_indices(&begin).map(|(at, _)| at);
    let says = |at: &usize| {
        let rest = file.text.get(*at..).unwrap_or_default();
        rest.split(')').next().is_some_and(|text| text.contains(&format!("\"{value}\"")))
    };
    // The last one: of two equal ids, the second is the mistake.
    let at = places.filter(says).last();
    at.map_or(0..0, |at| at..at.saturating_add(name.len()).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Caused {
        text: &'static str,
        #[source]
        cause: Option<std::fmt::Error>,
    }

    impl Diagnostic for Caused {}

    #[test]
    fn a_message_is_one_line_that_names_its_cause_once() {
        let cause = std::fmt::Error.to_string();
        let said = |text, caused: bool| {
            message(&Caused { text, cause: caused.then_some(std::fmt::Error) })
        };
        assert_eq!(said("it\nfails", false), "it fails");
        assert_eq!(said("it\nfails", true), format!("it fails: {cause}"));
        let told: &'static str = format!("it fails: {cause}").leak();
        assert_eq!(said(told, true), told);
    }
}
