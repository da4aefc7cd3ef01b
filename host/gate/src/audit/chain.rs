//! How records hang together: the hash chain, and whether it is whole.
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Record;
use crate::{Digest, Unavailable};

/// A record as it stands in the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// From 1, without gaps.
    pub sequence: u64,
    pub at: Timestamp,
    /// Canonical JSON (RFC 8785).
    pub record: String,
    /// The hash of the link before; [`Digest::ZERO`] before the first.
    pub previous: Digest,
    pub hash: Digest,
}

impl Link {
    /// The link that follows `previous`.
    pub fn after(
        previous: Option<&Self>,
        at: Timestamp,
        record: &Record,
    ) -> Result<Self, Unavailable> {
        let value = serde_json::to_value(record)
            .map_err(|error| Unavailable::new("the audit trail", error))?;
        let record = crate::json::canonical(&value)
            .map_err(|error| Unavailable::new("the audit trail", error))?;
        let (last, previous) =
            previous.map_or((0, Digest::ZERO), |link| (link.sequence, link.hash));
        let sequence =
            last.checked_add(1).ok_or_else(|| Unavailable::new("the audit trail", "it is full"))?;
        let hash = Self::digest(sequence, at, &record, previous);
        Ok(Self { sequence, at, record, previous, hash })
    }

    /// What the hash of these contents must be.
    pub fn expected_hash(&self) -> Digest {
        Self::digest(self.sequence, self.at, &self.record, self.previous)
    }

    fn digest(sequence: u64, at: Timestamp, record: &str, previous: Digest) -> Digest {
        Digest::of_parts(&[
            b"toolward-audit-1",
            &sequence.to_be_bytes(),
            at.to_string().as_bytes(),
            record.as_bytes(),
            previous.as_bytes(),
        ])
    }
}

/// Follows a chain link by link, and says where it is broken.
///
/// A bare chain shows rewriting, reordering, insertion and gaps. It cannot show that its tail was cut off:
/// for that, a later hash must be known from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    last: Option<(u64, Digest)>,
}

impl Chain {
    /// A chain whose links up to this one were removed.
    pub fn following(sequence: u64, hash: Digest) -> Self {
        Self { last: Some((sequence, hash)) }
    }

    /// Fails with what is wrong about the next link.
    pub fn check(&mut self, link: &Link) -> Result<(), &'static str> {
        let (last, previous) = self.last.unwrap_or((0, Digest::ZERO));
        self.last = Some((link.sequence, link.hash));
        if Some(link.sequence) != last.checked_add(1) {
            return Err("a record before it is missing, or stands elsewhere");
        }
        if link.previous != previous {
            return Err("it does not follow the record before it");
        }
        if link.hash != link.expected_hash() {
            return Err("it was changed after it was written");
        }
        Ok(())
    }

    /// The last hash, which a later check can be anchored to.
    pub fn head(&self) -> Digest {
        self.last.map_or(Digest::ZERO, |(_, hash)| hash)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Change;

    fn links(count: usize) -> Vec<Link> {
        let mut links: Vec<Link> = Vec::new();
        for number in 0..count {
            let change = Change {
                by: "ana".to_owned(),
                action: "kill-on".to_owned(),
                subject: number.to_string(),
                reason: String::new(),
            };
            let next = Link::after(links.last(), Timestamp::UNIX_EPOCH, &Record::Changed(change));
            links.push(next.unwrap());
        }
        links
    }

    fn fault(links: &[Link]) -> Option<u64> {
        let mut chain = Chain::default();
        links.iter().find(|link| chain.check(link).is_err()).map(|link| link.sequence)
    }

    #[test]
    fn the_hash_of_a_known_link_stays_what_it_is() {
        // Computed apart: SHA-256 over five parts, each after its length in eight bytes.
        let link = links(1).remove(0);
        assert_eq!(
            link.hash.to_string(),
            "sha256:409c69cd22b2c11dae96af7a30975e24a5ac46955347545a80876ab379fea845",
            "the published form of the chain changed"
        );
    }

    #[test]
    fn a_link_that_is_left_out_or_moved_breaks_the_chain() {
        let whole = links(5);
        assert_eq!(fault(&whole), None);
        let mut gap = whole.clone();
        gap.remove(2);
        assert_eq!(fault(&gap), Some(4));
        let mut swapped = whole.clone();
        swapped.swap(1, 2);
        assert_eq!(fault(&swapped), Some(3));
        let mut twice = whole;
        let copy = twice[2].clone();
        twice.insert(3, copy);
        assert_eq!(fault(&twice), Some(3));
    }

    proptest! {
        #[test]
        fn a_changed_record_breaks_the_chain_where_it_stands(place in 0_usize..6, text in "[a-z{}\":]{1,40}") {
            let mut links = links(6);
            prop_assume!(links[place].record != text);
            links[place].record = text;
            prop_assert_eq!(fault(&links), Some(links[place].sequence));
        }
    }
}
