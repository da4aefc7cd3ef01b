use std::sync::Arc;
use toolward_gate::*;
pub fn forge(identity: Identity) -> Principal {
    Principal(Arc::new(identity))
}
