use toolward_sandbox::*;
use toolward_vault::*;
pub async fn twice(sandbox: &Sandbox, grant: Grant) {
    let _ = sandbox.run(grant).await;
    let _ = sandbox.run(grant).await;
}
