//! A call in Cedar's words.
use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression,
};
use jiff::{Timestamp, tz::TimeZone};

use super::{CedarPolicy, USE, slices::Heads};
use crate::{
    Call, CapabilityDefinition, ComponentName, Cost, CredentialName, Digest, Exceptions, Facts,
    Kind, Principal, Risk, ToolName,
};

/// What is known besides the call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances<'a> {
    pub(super) now: Timestamp,
    /// Who said yes.
    pub(super) approved_by: Option<&'a BTreeSet<String>>,
    pub(super) remaining: Option<Cost>,
    pub(super) exceptions: Option<&'a Exceptions>,
    /// The credentials that the caller may not use.
    pub(super) not_yours: &'a BTreeSet<CredentialName>,
}

impl Circumstances<'_> {
    /// Whether the credential of a capability is the caller's, is granted to it or is open, or there is none.
    pub(super) fn may_use(&self, definition: &CapabilityDefinition) -> bool {
        definition.credential().is_none_or(|credential| !self.not_yours.contains(credential))
    }
}

impl<'a> From<&'a Facts> for Circumstances<'a> {
    fn from(Facts { now, approval, remaining, exceptions, not_yours }: &'a Facts) -> Self {
        let (approved_by, exceptions) = (approval.as_ref().map(|one| one.by()), Some(exceptions));
        Self { now: *now, approved_by, remaining: *remaining, exceptions, not_yours }
    }
}

impl CedarPolicy {
    /// The question whether this call may do `action`, and everything the policies may look at.
    pub(super) fn request(
        &self,
        call: &Call,
        known: Circumstances<'_>,
        action: &str,
    ) -> Result<(Request, Entities), String> {
        let named = action.parse().ok();
        let capability = named.and_then(|name| self.capabilities.find(&name));
        let context = self.context(call, known, action, capability)?;
        let (principal, tool) = (principal_uid(&call.principal), tool_uid(&call.tool.name));
        let request = Request::new(principal, action_uid(action), tool, context, None);
        let mut all = callers(&call.principal);
        all.extend(called(&call.tool.name, &call.tool.component, call.tool.digest)?);
        if let Some(capability) = capability {
            all.extend(self.used(capability)?);
        }
        let entities = Entities::from_entities(all, None).map_err(|error| error.to_string())?;
        Ok((request.map_err(|error| error.to_string())?, entities))
    }

    fn context(
        &self,
        call: &Call,
        known: Circumstances<'_>,
        action: &str,
        capability: Option<&CapabilityDefinition>,
    ) -> Result<Context, String> {
        let arguments = self.types.arguments(action, call.arguments.value());
        let mut pairs = vec![
            (
                "arguments".to_owned(),
                arguments.ok_or("the arguments do not fit the types that policies know")?,
            ),
            ("time".to_owned(), time(known.now)?),
            ("environment".to_owned(), RestrictedExpression::new_string(self.environment.clone())),
            ("door".to_owned(), RestrictedExpression::new_string(call.door.to_owned())),
            ("acts_for".to_owned(), texts(call.principal.acts_for())),
        ];
        if let Some(by) = known.approved_by {
            let by = RestrictedExpression::new_record([("by".to_owned(), texts(by))]);
            pairs.push(("approval".to_owned(), by.map_err(|error| error.to_string())?));
        }
        if let Some(remaining) = known.remaining {
            pairs.push(("remaining".to_owned(), RestrictedExpression::new_long(whole(remaining))));
        }
        if let Some(capability) = capability {
            let entity = RestrictedExpression::new_entity_uid(capability_uid(capability));
            pairs.push(("capability".to_owned(), entity));
            if let Some(credential) = capability.credential() {
                let entity = RestrictedExpression::new_entity_uid(credential_uid(credential));
                pairs.push(("credential".to_owned(), entity));
            }
        }
        Context::from_pairs(pairs).map_err(|error| error.to_string())
    }
}

fn texts<'a>(texts: impl IntoIterator<Item = &'a String>) -> RestrictedExpression {
    RestrictedExpression::new_set(texts.into_iter().cloned().map(RestrictedExpression::new_string))
}

/// In micro-dollars.
fn whole(cost: Cost) -> i64 {
    i64::try_from(cost.0).unwrap_or(i64::MAX)
}

fn time(now: Timestamp) -> Result<RestrictedExpression, String> {
    let utc = now.to_zoned(TimeZone::UTC);
    let fields = [
        ("hour", i64::from(utc.hour())),
        ("weekday", i64::from(utc.weekday().to_monday_one_offset())),
        ("epoch_seconds", now.as_second()),
    ];
    let fields = fields.map(|(name, value)| (name, RestrictedExpression::new_long(value)));
    // Cedar reads milliseconds, three digits of them.
    let instant =
        RestrictedExpression::new_datetime(utc.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string());
    let fields = fields.into_iter().chain([("now", instant)]);
    RestrictedExpression::new_record(fields.map(|(name, value)| (name.to_owned(), value)))
        .map_err(|error| error.to_string())
}

/// The principal, and what it is in.
fn callers(principal: &Principal) -> Vec<Entity> {
    let parents: HashSet<EntityUid> = parents(principal).collect();
    let mut all: Vec<Entity> = parents.iter().cloned().map(Entity::with_uid).collect();
    all.push(Entity::new_no_attrs(principal_uid(principal), parents));
    all
}

pub(super) fn parents(principal: &Principal) -> impl Iterator<Item = EntityUid> {
    let groups = principal.groups().iter().map(|group| uid("Group", group));
    principal.roles().iter().map(|role| uid("Role", role)).chain(groups)
}

/// The tool, and the component it is in.
fn called(
    tool: &ToolName,
    component: &ComponentName,
    digest: Digest,
) -> Result<[Entity; 2], String> {
    let component = uid("Component", component.as_str());
    let digest = RestrictedExpression::new_string(digest.to_string());
    let attributes = HashMap::from([("digest".to_owned(), digest)]);
    let tool = Entity::new(tool_uid(tool), attributes, HashSet::from([component.clone()]));
    Ok([Entity::with_uid(component), tool.map_err(|error| error.to_string())?])
}

impl CedarPolicy {
    /// The capability, what it uses, and the action that stands for using it.
    fn used(&self, capability: &CapabilityDefinition) -> Result<Vec<Entity>, String> {
        let provider = uid("Provider", capability.name.provider().as_str());
        let mut parents = HashSet::from([provider.clone()]);
        let mut all = vec![Entity::with_uid(provider.clone())];
        if let Some(name) = capability.credential() {
            let owners = self.owners.get(name).into_iter().flatten().map(ToString::to_string);
            let owners =
                RestrictedExpression::new_set(owners.map(RestrictedExpression::new_string));
            let attributes = HashMap::from([("owners".to_owned(), owners)]);
            let uid = credential_uid(name);
            let entity = Entity::new(uid.clone(), attributes, HashSet::from([provider]));
            all.push(entity.map_err(|error| error.to_string())?);
            parents.insert(uid);
        }
        let attributes = HashMap::from([
            ("risk".to_owned(), RestrictedExpression::new_string(risk(capability.risk).to_owned())),
            (
                "interface".to_owned(),
                RestrictedExpression::new_string(capability.interface.0.clone()),
            ),
            ("cost".to_owned(), RestrictedExpression::new_long(whole(capability.cost))),
        ]);
        let entity = Entity::new(capability_uid(capability), attributes, parents);
        all.push(entity.map_err(|error| error.to_string())?);
        let action = action_uid(capability.name.as_str());
        all.push(Entity::with_uid(action_uid(USE)));
        all.push(Entity::new_no_attrs(action, HashSet::from([action_uid(USE)])));
        Ok(all)
    }
}

/// What the heads of policies are compared with.
pub(super) fn heads(principal: &Principal, tool: &ToolName, component: &ComponentName) -> Heads {
    let tool = [tool_uid(tool), uid("Component", component.as_str())];
    Heads::new([principal_uid(principal)].into_iter().chain(parents(principal)), tool)
}

pub(super) fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Low => "low",
        Risk::Medium => "medium",
        Risk::High => "high",
    }
}

pub(super) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Agent => "Agent",
        Kind::User => "User",
        Kind::Service => "Service",
    }
}

pub(super) fn principal_uid(principal: &Principal) -> EntityUid {
    uid(kind_name(principal.kind()), principal.id())
}

pub(super) fn tool_uid(tool: &ToolName) -> EntityUid {
    uid("Tool", tool.as_str())
}

pub(super) fn capability_uid(capability: &CapabilityDefinition) -> EntityUid {
    uid("Capability", capability.name.as_str())
}

pub(super) fn credential_uid(credential: &CredentialName) -> EntityUid {
    uid("Credential", credential.as_str())
}

pub(super) fn action_uid(action: &str) -> EntityUid {
    uid("Action", action)
}

#[expect(clippy::expect_used, reason = "the kinds are words of this crate")]
pub(super) fn uid(kind: &str, id: &str) -> EntityUid {
    let kind: EntityTypeName = kind.parse().expect("a type name");
    EntityUid::from_type_name_and_id(kind, EntityId::new(id))
}
