use toolward_gate::*;
pub fn forge(call: Call, terms: Terms, life: Life, account: Account, tripwire: Tripwire) -> Permit {
    Permit { call, terms, life, account, tripwire }
}
