use toolward_vault::*;
pub fn without_a_credential(checked: Checked) -> Signed {
    Signed { checked, injection: panic!() }
}
