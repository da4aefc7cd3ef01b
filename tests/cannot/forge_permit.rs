use toolward_gate::*;
pub fn forge(call: Call, terms: Terms, life: Life) -> Permit {
    Permit { call, terms, life }
}
