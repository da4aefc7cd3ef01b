//! A stored secret as a part of a recipe: told from others without being compared.
use std::hash::{Hash, Hasher};

use secrecy::{ExposeSecret as _, SecretString};
use toolward_gate::Digest;

use crate::Secret;

/// A secret, and the digest that stands for it where recipes are compared. Neither is printed.
#[derive(Clone)]
pub(crate) struct Ingredient {
    secret: SecretString,
    digest: Digest,
}

impl Ingredient {
    pub(crate) fn of(secret: &Secret) -> Self {
        Self { digest: Digest::of(secret.expose().as_bytes()), secret: secret.share() }
    }

    pub(crate) fn expose(&self) -> &str {
        self.secret.expose_secret()
    }
}

impl PartialEq for Ingredient {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Ingredient {}

impl Hash for Ingredient {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}
