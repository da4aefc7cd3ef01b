use std::sync::Arc;
use toolward_gate::*;
use toolward_vault::*;
pub fn forge(permit: Permit, egress: Arc<Egress>) -> Grant {
    Grant { permit, egress }
}
