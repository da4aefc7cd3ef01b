use toolward_gate::*;
pub fn store(permit: &Permit) -> String {
    serde_json::to_string(permit).unwrap()
}
