//! Which policies can have a say? They are filed by their heads when they are loaded, so that a decision
//! costs the same however many others there are.
//!
//! Leaving out a policy whose head does not fit is sound: Cedar would not count it either. A policy is filed
//! under the most that its head says of action, resource and principal; a call looks under everything that
//! it is, and Cedar has the last word on what was found.
use std::collections::{BTreeSet, HashMap};

use cedar_policy::{
    ActionConstraint, EntityTypeName, EntityUid, Policy, PolicyId, PolicySet, PrincipalConstraint,
    ResourceConstraint,
};

use super::{CALL, USE, request::action_uid};

/// What a head asks of one of its three parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Any,
    Kind(EntityTypeName),
    /// This entity, or whatever is in it.
    Entity(EntityUid),
}

/// Everything that a principal and a tool are: themselves, their kind, and what they are in.
pub(super) struct Heads {
    principal: Vec<Key>,
    resource: Vec<Key>,
}

impl Heads {
    pub(super) fn new(
        principal: impl IntoIterator<Item = EntityUid>,
        resource: impl IntoIterator<Item = EntityUid>,
    ) -> Self {
        Self { principal: keys(principal), resource: keys(resource) }
    }
}

/// The kinds of all come in, though a head can only ask for that of the first: one look more finds nothing.
fn keys(entities: impl IntoIterator<Item = EntityUid>) -> Vec<Key> {
    let mut keys = vec![Key::Any];
    for (place, entity) in entities.into_iter().enumerate() {
        if place == 0 {
            keys.push(Key::Kind(entity.type_name().clone()));
        }
        keys.push(Key::Entity(entity));
    }
    keys
}

type Filed<T> = HashMap<Key, T>;

/// Every policy, filed by action, resource and principal.
#[derive(Default)]
pub(super) struct Slices {
    policies: Vec<Policy>,
    filed: Filed<Filed<Filed<Vec<usize>>>>,
}

impl Slices {
    pub(super) fn of(policies: &PolicySet) -> Self {
        let mut slices = Self::default();
        for (number, policy) in policies.policies().enumerate() {
            slices.policies.push(policy.clone());
            for action in actions(policy) {
                let resources = slices.filed.entry(action).or_default();
                let principals = resources.entry(resource(policy)).or_default();
                principals.entry(principal(policy)).or_default().push(number);
            }
        }
        slices
    }

    /// How many policies there are.
    pub(super) fn len(&self) -> usize {
        self.policies.len()
    }

    /// Every policy that can have a say about the action, for somebody.
    pub(super) fn about(&self, action: &str) -> impl Iterator<Item = &Policy> {
        let resources = looked_up(&self.filed, action_keys(action)).into_iter();
        let numbers = resources.flat_map(HashMap::values).flat_map(HashMap::values).flatten();
        self.in_order(numbers)
    }

    /// The policies whose heads can fit.
    pub(super) fn fitting(&self, action: &str, heads: &Heads) -> impl Iterator<Item = &Policy> {
        let mut numbers = Vec::new();
        for resources in looked_up(&self.filed, action_keys(action)) {
            for principals in looked_up(resources, heads.resource.iter().cloned()) {
                for found in heads.principal.iter().filter_map(|key| principals.get(key)) {
                    numbers.extend(found);
                }
            }
        }
        self.in_order(numbers)
    }

    /// The policies whose heads can fit, as a set to ask.
    pub(super) fn set(&self, action: &str, heads: &Heads) -> Option<PolicySet> {
        PolicySet::from_policies(self.fitting(action, heads).cloned()).ok()
    }

    pub(super) fn find(&self, id: &PolicyId) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.id() == id)
    }

    /// As they stand in the files, each once: `action in [a, b]` is filed twice.
    fn in_order<'a>(
        &self,
        numbers: impl IntoIterator<Item = &'a usize>,
    ) -> impl Iterator<Item = &Policy> {
        let numbers: BTreeSet<usize> = numbers.into_iter().copied().collect();
        numbers.into_iter().filter_map(|number| self.policies.get(number))
    }
}

fn looked_up<T>(filed: &Filed<T>, keys: impl IntoIterator<Item = Key>) -> Vec<&T> {
    keys.into_iter().filter_map(|key| filed.get(&key)).collect()
}

fn action_keys(action: &str) -> Vec<Key> {
    let parents = (action != CALL).then(|| Key::Entity(action_uid(USE)));
    [Key::Any, Key::Entity(action_uid(action))].into_iter().chain(parents).collect()
}

fn actions(policy: &Policy) -> Vec<Key> {
    match policy.action_constraint() {
        ActionConstraint::Any => vec![Key::Any],
        ActionConstraint::Eq(one) => vec![Key::Entity(one)],
        ActionConstraint::In(several) => several.into_iter().map(Key::Entity).collect(),
    }
}

fn principal(policy: &Policy) -> Key {
    match policy.principal_constraint() {
        PrincipalConstraint::Any => Key::Any,
        PrincipalConstraint::Is(kind) => Key::Kind(kind),
        PrincipalConstraint::Eq(one)
        | PrincipalConstraint::In(one)
        | PrincipalConstraint::IsIn(_, one) => Key::Entity(one),
    }
}

fn resource(policy: &Policy) -> Key {
    match policy.resource_constraint() {
        ResourceConstraint::Any => Key::Any,
        ResourceConstraint::Is(kind) => Key::Kind(kind),
        ResourceConstraint::Eq(one)
        | ResourceConstraint::In(one)
        | ResourceConstraint::IsIn(_, one) => Key::Entity(one),
    }
}
