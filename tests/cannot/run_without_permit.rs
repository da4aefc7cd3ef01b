use toolward_gate::*;
use toolward_sandbox::*;
pub async fn run(sandbox: &Sandbox, settled: Settled) {
    let _ = sandbox.run(settled).await;
}
