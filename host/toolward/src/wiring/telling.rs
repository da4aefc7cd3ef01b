//! Who tells people of questions, and who takes their answers.
use std::{sync::Arc, time::Duration};

use toolward_state::State;
use toolward_vault::{Notices, PassphraseSource};

use super::{StartError, clock, egress_settings, stores};
use crate::{
    authn::Authn,
    config::Config,
    door::answers::AnswerDesk,
    telling::{Means, Tellers},
};

fn means(
    config: &Config,
    passphrases: &Arc<dyn PassphraseSource>,
    state: &State,
) -> Result<Means, StartError> {
    let stores = stores(config, passphrases)?;
    for (name, teller) in &config.approval.tellers {
        if let Some(store) = teller.store().filter(|store| !stores.contains_key(*store)) {
            let message = format!(
                "`[approval.tell.{name}]` names the store `{store}`, which is not configured; add `[secret_store.{store}]`"
            );
            return Err(config.file.error(0..0, message).into());
        }
    }
    let notices = Notices::new(egress_settings(config)?)?;
    Ok(Means { notices, stores, state: state.clone(), config: config.approval.clone() })
}

/// Whoever tells people.
pub fn tellers(
    config: &Config,
    passphrases: &Arc<dyn PassphraseSource>,
    state: &State,
) -> Result<Tellers, StartError> {
    Ok(Tellers::new(means(config, passphrases, state)?))
}

/// The same, for a program that needs its state for nothing else: it is not opened where nobody is configured.
pub async fn tellers_if_any(
    config: &Config,
    passphrases: &Arc<dyn PassphraseSource>,
) -> Result<Option<Tellers>, StartError> {
    if config.approval.tellers.is_empty() {
        return Ok(None);
    }
    let state = super::state(config).await?;
    tellers(config, passphrases, &state).map(Some)
}

/// Tells what has to be told, for a program that ends. What cannot be told now is told by the next host.
pub async fn tell_once(config: &Config, passphrases: &Arc<dyn PassphraseSource>, state: &State) {
    if config.approval.tellers.is_empty() {
        return;
    }
    let telling = async {
        match tellers(config, passphrases, state) {
            Ok(tellers) => tellers.tell().await.map(drop).map_err(|error| error.cause.to_string()),
            Err(error) => Err(error.to_string()),
        }
    };
    match tokio::time::timeout(SOON, telling).await {
        Ok(Ok(())) => {}
        Ok(Err(cause)) => tracing::warn!(%cause, "people cannot be told of questions"),
        Err(_) => tracing::warn!("people were not told of questions in time"),
    }
}

/// Whoever takes the answers; `authn` says who has a login.
pub fn answer_desk(
    config: &Config,
    passphrases: &Arc<dyn PassphraseSource>,
    state: &State,
    authn: Arc<Authn>,
) -> Result<Arc<AnswerDesk>, StartError> {
    let means = means(config, passphrases, state)?;
    Ok(Arc::new(AnswerDesk { means, authn, clock: clock() }))
}

const SOON: Duration = Duration::from_secs(15);
