#![deny(unused_must_use)]
use toolward_gate::*;
pub async fn forget(audit: &Audit, call: &Call) -> Result<(), Unavailable> {
    audit.open(call).await?;
    Ok(())
}
