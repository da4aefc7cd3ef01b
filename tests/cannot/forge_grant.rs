use toolward_gate::*;
use toolward_vault::*;
pub fn forge(permit: Permit, egress: Egress) -> Grant {
    Grant { permit, egress }
}
