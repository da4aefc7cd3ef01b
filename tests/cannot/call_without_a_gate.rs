use toolward::{Call, Host, Output, Stop};
pub async fn call(host: &Host, call: Call) -> Result<Output, Stop> {
    let settled = host.host.gate.settle(call).await?;
    let permit = host.host.gate.admit(settled).await?;
    host.host.sandbox.run(host.host.vault.equip(permit)).await
}
