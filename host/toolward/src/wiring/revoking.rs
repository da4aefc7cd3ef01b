//! Who has minted credentials revoked when a switch withdraws them, and where is that on record?
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use toolward_gate::{Audit, Change, CredentialName, SwitchTarget, Switchboard};
use toolward_vault::{Revocation, Vault};

/// From now on every switch that is thrown has the vault withdraw what it names. Each value is revoked once, without
/// anybody waiting for it, and the trail says whether its provider took it back.
pub(super) fn revoke(switches: &Switchboard, vault: &Vault, audit: &Audit) {
    let (withdrawing, audit) = (vault.withdrawing(), audit.clone());
    switches.on_thrown(move |thrown| {
        let withdrawn = withdrawing(thrown);
        if !withdrawn.is_empty() {
            let owed = audit.owe();
            let all: Vec<BoxFuture<'static, ()>> = withdrawn
                .into_iter()
                .map(|(name, revocation)| told(audit.clone(), thrown, name, revocation).boxed())
                .collect();
            tokio::spawn(async move {
                stream::iter(all).buffer_unordered(AT_ONCE).collect::<()>().await;
                drop(owed);
            });
        }
    });
}

fn told(
    audit: Audit,
    thrown: &SwitchTarget,
    credential: CredentialName,
    revocation: Revocation,
) -> impl Future<Output = ()> + Send + use<> {
    let because = format!("the kill switch `{thrown}` is on");
    async move {
        let (action, reason) = match revocation.await {
            Ok(()) => ("credential-revoked", because),
            Err(error) => {
                tracing::error!(credential.name = %credential, %error, "a credential was not revoked");
                ("credential-not-revoked", format!("{because}; {error}"))
            }
        };
        let change = Change {
            by: HOST.to_owned(),
            action: action.to_owned(),
            subject: format!("credential {credential}"),
            reason,
        };
        if let Err(error) = audit.change(change).await {
            tracing::error!(cause = %error.cause, "what became of a credential cannot be recorded");
        }
    }
}

/// Values that are revoked at once, so that a provider is not flooded.
const AT_ONCE: usize = 8;
/// Who revokes when nobody did.
const HOST: &str = "toolward";
