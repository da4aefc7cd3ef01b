//! Which servers does a capability believe?
use std::collections::BTreeSet;

/// Whose certificate a server must show. Every condition that is set must hold; with none of them, the
/// authorities of this machine decide.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Trust {
    /// The only authorities that are believed, as certificates in DER form, for the name of the destination.
    pub authorities: Option<Vec<Vec<u8>>>,
    /// SHA-256 of the server's public key as it stands in its certificate (`SubjectPublicKeyInfo`, RFC 7469
    /// section 2.4); one of them. Without `authorities` the key alone is believed, whoever signed its
    /// certificate: who has it is the server.
    pub public_keys: BTreeSet<[u8; 32]>,
}
