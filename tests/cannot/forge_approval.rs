use std::collections::BTreeSet;
use toolward_gate::*;
pub fn forge(id: ApprovalId, by: BTreeSet<String>) -> Approval {
    Approval { id, by }
}
