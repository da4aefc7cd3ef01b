use toolward_vault::*;
pub fn release(raw: Raw) -> Scanned {
    raw
}
