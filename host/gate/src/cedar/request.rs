//! A call in Cedar's words.
use std::collections::{HashMap, HashSet};

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression,
};
use jiff::{Timestamp, tz::TimeZone};

use super::{CALL, CedarPolicy, USE};
use crate::{Call, ComponentName, Digest, Facts, Kind, Principal, ToolName};

impl CedarPolicy {
    /// The question whether this call may do `action`, and everything the policies may look at.
    pub(super) fn request(
        &self,
        call: &Call,
        facts: &Facts,
        action: &str,
    ) -> Result<(Request, Entities), String> {
        let context = self.context(call, facts, action)?;
        let (principal, tool) = (principal_uid(&call.principal), tool_uid(&call.tool.name));
        let request = Request::new(principal, action_uid(action), tool, context, None);
        let entities = entities(
            &call.principal,
            &call.tool.name,
            &call.tool.component,
            call.tool.digest,
            action,
        )?;
        Ok((request.map_err(|error| error.to_string())?, entities))
    }

    fn context(&self, call: &Call, facts: &Facts, action: &str) -> Result<Context, String> {
        let arguments = self.types.arguments(action, call.arguments.value());
        let mut pairs = vec![
            (
                "arguments".to_owned(),
                arguments.ok_or("the arguments do not fit the types that policies know")?,
            ),
            ("time".to_owned(), time(facts.now)?),
            ("environment".to_owned(), RestrictedExpression::new_string(self.environment.clone())),
            ("door".to_owned(), RestrictedExpression::new_string(call.door.to_owned())),
            ("acts_for".to_owned(), texts(call.principal.acts_for())),
        ];
        if let Some(approval) = &facts.approval {
            let by = RestrictedExpression::new_record([("by".to_owned(), texts(approval.by()))]);
            pairs.push(("approval".to_owned(), by.map_err(|error| error.to_string())?));
        }
        Context::from_pairs(pairs).map_err(|error| error.to_string())
    }
}

fn texts<'a>(texts: impl IntoIterator<Item = &'a String>) -> RestrictedExpression {
    RestrictedExpression::new_set(texts.into_iter().cloned().map(RestrictedExpression::new_string))
}

fn time(now: Timestamp) -> Result<RestrictedExpression, String> {
    let utc = now.to_zoned(TimeZone::UTC);
    let fields = [
        ("hour", i64::from(utc.hour())),
        ("weekday", i64::from(utc.weekday().to_monday_one_offset())),
        ("epoch_seconds", now.as_second()),
    ];
    let fields =
        fields.map(|(name, value)| (name.to_owned(), RestrictedExpression::new_long(value)));
    RestrictedExpression::new_record(fields).map_err(|error| error.to_string())
}

fn entities(
    principal: &Principal,
    tool: &ToolName,
    component: &ComponentName,
    digest: Digest,
    action: &str,
) -> Result<Entities, String> {
    let roles: HashSet<EntityUid> =
        principal.roles().iter().map(|role| uid("Role", role)).collect();
    let component = uid("Component", component.as_str());
    let mut all: Vec<Entity> = roles.iter().cloned().map(Entity::with_uid).collect();
    all.push(Entity::new_no_attrs(principal_uid(principal), roles));
    let digest = HashMap::from([(
        "digest".to_owned(),
        RestrictedExpression::new_string(digest.to_string()),
    )]);
    let parents = HashSet::from([component.clone()]);
    all.push(Entity::with_uid(component));
    all.push(Entity::new(tool_uid(tool), digest, parents).map_err(|error| error.to_string())?);
    if action != CALL {
        all.push(Entity::with_uid(action_uid(USE)));
        all.push(Entity::new_no_attrs(action_uid(action), HashSet::from([action_uid(USE)])));
    }
    Entities::from_entities(all, None).map_err(|error| error.to_string())
}

pub(super) fn principal_uid(principal: &Principal) -> EntityUid {
    let kind = match principal.kind() {
        Kind::Agent => "Agent",
        Kind::User => "User",
        Kind::Service => "Service",
    };
    uid(kind, principal.id())
}

pub(super) fn tool_uid(tool: &ToolName) -> EntityUid {
    uid("Tool", tool.as_str())
}

pub(super) fn action_uid(action: &str) -> EntityUid {
    uid("Action", action)
}

#[expect(clippy::expect_used, reason = "the kinds are the seven words of this file")]
pub(super) fn uid(kind: &str, id: &str) -> EntityUid {
    let kind: EntityTypeName = kind.parse().expect("a type name");
    EntityUid::from_type_name_and_id(kind, EntityId::new(id))
}
