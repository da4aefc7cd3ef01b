//! What is true of every call of a tool, and when the policies allow it.
use std::collections::BTreeSet;

use cedar_policy::{Effect, Policy};
use serde_json::Value;

use super::{
    super::{
        CALL, CedarPolicy, InstalledTool, Rule,
        request::risk,
        schema::{ActionTypes, Attribute, Type, record},
    },
    expression::{
        about, all, any, at_most, attribute, consists, context, entity, equal, has, named, not,
        satisfied, text, truth, variable, whole, within,
    },
};
use crate::{CapabilityDefinition, CapabilityName, CredentialGrant, CredentialName, Party, Risk};

/// The calls of one tool under one set of policies.
pub(super) struct Model<'a> {
    policy: &'a CedarPolicy,
    pub(super) tool: &'a InstalledTool,
    /// Of credentials that have owners; absent, every grant is supposed.
    pub(super) grants: Option<&'a [CredentialGrant]>,
    /// What a call has to be allowed: itself, each required capability, and the one in question.
    actions: Vec<&'a str>,
}

impl<'a> Model<'a> {
    pub(super) fn of(
        policy: &'a CedarPolicy,
        tool: &'a InstalledTool,
        target: Option<&'a CapabilityName>,
        grants: Option<&'a [CredentialGrant]>,
    ) -> Self {
        let required = tool.wants.iter().filter(|want| want.required).map(|want| &want.capability);
        let mut actions = vec![CALL];
        for name in required.chain(target).map(CapabilityName::as_str) {
            if !actions.contains(&name) {
                actions.push(name);
            }
        }
        Self { policy, tool, grants, actions }
    }

    /// Its arguments are typed as this one tool takes them.
    pub(super) fn schema(&self) -> String {
        ActionTypes::of(std::slice::from_ref(self.tool), &self.policy.capabilities).text()
    }

    /// The policies allow everything that the call has to be allowed.
    pub(super) fn allowed(&self) -> Value {
        all(self.actions.iter().map(|action| self.allowed_to(action)))
    }

    fn allowed_to(&self, action: &str) -> Value {
        let definition = self.definition(action);
        if action != CALL && definition.is_none() {
            return truth(false);
        }
        let may_use = definition.map_or_else(|| truth(true), |one| self.may_use(one));
        let when = |effect: Effect| {
            let policies =
                self.policy.slices.about(action).filter(move |one| one.effect() == effect);
            any(policies.map(|one| self.satisfied(one, action, effect == Effect::Permit)))
        };
        all([when(Effect::Permit), not(when(Effect::Forbid)), may_use])
    }

    /// One of those that allow asks a person, or a definition does.
    pub(super) fn asks(&self) -> Value {
        any(self.actions.iter().map(|action| {
            if self.definition(action).is_some_and(|one| one.risk >= Risk::Medium) {
                return truth(true);
            }
            let asking = |one: &&Policy| {
                let rule = self.policy.rules.get(one.id());
                one.effect() == Effect::Permit && rule.is_some_and(Rule::asks)
            };
            let asking = self.policy.slices.about(action).filter(asking);
            any(asking.map(|one| self.satisfied(one, action, false)))
        }))
    }

    /// Nobody said yes yet.
    pub(super) fn unapproved(&self) -> Value {
        not(has(variable("context"), "approval"))
    }

    /// When a policy is satisfied; where that cannot be said, what allows more.
    fn satisfied(&self, policy: &Policy, action: &str, otherwise: bool) -> Value {
        let expression = satisfied(policy).unwrap_or_else(|| truth(otherwise));
        let credential = self.definition(action).and_then(CapabilityDefinition::credential);
        about(expression, action, action != CALL, credential.map(|name| name.as_str()))
    }

    fn definition(&self, action: &str) -> Option<&CapabilityDefinition> {
        self.policy.capabilities.find(&action.parse().ok()?)
    }

    pub(super) fn owners(&self, credential: &CredentialName) -> Option<&BTreeSet<Party>> {
        self.policy.owners.get(credential)
    }

    /// What is true of every call of this tool.
    pub(super) fn truths(&self) -> Vec<Value> {
        let tool = variable("resource");
        let mut truths = vec![
            equal(tool.clone(), entity("Tool", self.tool.name.as_str())),
            equal(attribute(tool, "digest"), text(&self.tool.digest.to_string())),
            equal(context(&["environment"]), text(&self.policy.environment)),
            between(&context(&["time", "hour"]), 0, 23),
            between(&context(&["time", "weekday"]), 1, 7),
            between(&context(&["time", "epoch_seconds"]), 0, MAX_SECONDS),
        ];
        let remaining = has(variable("context"), "remaining");
        truths.push(where_there(remaining, at_most(whole(0), context(&["remaining"]))));
        truths.extend(self.arguments());
        for definition in self.actions.iter().filter_map(|action| self.definition(action)) {
            let capability = entity("Capability", definition.name.as_str());
            let cost = i64::try_from(definition.cost.0).unwrap_or(i64::MAX);
            truths.extend([
                equal(attribute(capability.clone(), "risk"), text(risk(definition.risk))),
                equal(attribute(capability.clone(), "interface"), text(&definition.interface.0)),
                equal(attribute(capability, "cost"), whole(cost)),
            ]);
            if let Some(name) = definition.credential() {
                let owners = self.policy.owners.get(name).into_iter().flatten();
                let owners: Vec<Value> = owners.map(|one| text(&one.to_string())).collect();
                truths.push(consists(
                    attribute(entity("Credential", name.as_str()), "owners"),
                    owners,
                ));
            }
        }
        truths
    }

    /// What the tool's schema says of its plain arguments besides their types.
    fn arguments(&self) -> Vec<Value> {
        let schema = &self.tool.input_schema;
        let properties = schema.get("properties").unwrap_or(&Value::Null);
        let mut truths = Vec::new();
        for (name, Attribute { kind, required }) in record(schema) {
            let argument = context(&["arguments", &name]);
            let said = properties.get(&name).and_then(|schema| holds(&argument, &kind, schema));
            let Some(holds) = said else { continue };
            let there = has(context(&["arguments"]), &name);
            truths.push(if required { holds } else { where_there(there, holds) });
        }
        truths
    }

    /// All of these, and of each entity that they name whether the tool and its capabilities are in it.
    pub(super) fn with_memberships(&self, expressions: Vec<Value>) -> Value {
        let expression = all(expressions);
        let mut truths =
            vec![within(variable("resource"), entity("Component", self.tool.component.as_str()))];
        let names = |kind: &str| {
            let mut names = Vec::new();
            named(&expression, kind, &mut names);
            names
        };
        for name in names("Component") {
            let is = within(variable("resource"), entity("Component", &name));
            truths.push(if name == self.tool.component.as_str() { is } else { not(is) });
        }
        for definition in self.actions.iter().filter_map(|action| self.definition(action)) {
            let (credential, provider) = (definition.credential(), definition.name.provider());
            let parents = [
                ("Provider", Some(provider.as_str())),
                ("Credential", credential.map(|name| name.as_str())),
            ];
            for (kind, parent) in parents {
                for name in names(kind) {
                    let capability = entity("Capability", definition.name.as_str());
                    let is = within(capability, entity(kind, &name));
                    truths.push(if parent == Some(name.as_str()) { is } else { not(is) });
                }
            }
        }
        all(truths.into_iter().chain([expression]))
    }
}

impl Rule {
    /// Whether a person is asked where this policy allows.
    fn asks(&self) -> bool {
        self.obligations.approvers.is_some() || self.obligations.risk >= Some(Risk::Medium)
    }
}

/// What a schema says of values of this type. Where it says nothing of them, everything is thought of.
fn holds(argument: &Value, kind: &Type, schema: &Value) -> Option<Value> {
    match kind {
        Type::Text => {
            // `null` is an argument that is not there, and other values have another type.
            let texts = schema.get("enum")?.as_array()?.iter().filter_map(Value::as_str);
            Some(any(texts.map(|value| equal(argument.clone(), text(value)))))
        }
        Type::Whole => {
            let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
            let least = bound("minimum").map(|least| at_most(whole(least), argument.clone()));
            let most = bound("maximum").map(|most| at_most(argument.clone(), whole(most)));
            let bounds: Vec<Value> = least.into_iter().chain(most).collect();
            (!bounds.is_empty()).then(|| all(bounds))
        }
        Type::Truth | Type::Set(_) | Type::Record(_) | Type::Unclear => None,
    }
}

fn between(value: &Value, least: i64, most: i64) -> Value {
    all([at_most(whole(least), value.clone()), at_most(value.clone(), whole(most))])
}

/// True also where it is absent. Cedar sees only in this order that what is looked at is there.
fn where_there(there: Value, holds: Value) -> Value {
    any([all([there.clone(), holds]), not(there)])
}

/// The end of the year 9999.
const MAX_SECONDS: i64 = 253_402_300_799;
