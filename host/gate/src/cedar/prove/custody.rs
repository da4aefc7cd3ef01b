//! Who may use a credential that is somebody's, in the solver's words.
use serde_json::Value;

use super::{
    super::request::kind_name,
    expression::{any, entity, equal, truth, variable, within},
    model::Model,
};
use crate::{CapabilityDefinition, Kind, Party};

impl Model<'_> {
    /// Whether the caller is an owner of the capability's credential, or holds a grant. True where every grant is
    /// supposed, where nobody owns it, and where there is none.
    pub(super) fn may_use(&self, definition: &CapabilityDefinition) -> Value {
        let owned = definition.credential().and_then(|name| Some((name, self.owners(name)?)));
        let (Some(grants), Some((credential, owners))) = (self.grants, owned) else {
            return truth(true);
        };
        let lent = grants.iter().filter(|grant| {
            grant.credential == *credential
                && grant.tool.as_ref().is_none_or(|only| *only == self.tool.name)
        });
        any(owners.iter().chain(lent.map(|grant| &grant.to)).map(|one| self.is(one)))
    }

    fn is(&self, party: &Party) -> Value {
        let who = || variable("principal");
        match party {
            Party::Principal(id) => any([Kind::Agent, Kind::User, Kind::Service]
                .map(|kind| equal(who(), entity(kind_name(kind), id)))),
            Party::Role(name) => within(who(), entity("Role", name)),
            Party::Group(name) => within(who(), entity("Group", name)),
            Party::Tool(name) => truth(*name == self.tool.name),
        }
    }
}
