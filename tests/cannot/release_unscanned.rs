use toolward_vault::*;
pub fn release(raw: Raw) -> Scanned {
    raw
}
pub fn show(scanned: Scanned) -> Shaped {
    scanned
}
pub async fn skip(egress: &Egress, outbound: Outbound) -> Result<Scanned, EgressError> {
    egress.send(outbound).await
}
