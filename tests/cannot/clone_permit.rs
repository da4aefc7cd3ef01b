use toolward_gate::*;
pub fn twice(permit: &Permit) -> Permit {
    permit.clone()
}
