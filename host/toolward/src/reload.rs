//! How does a running host learn that its policies changed?
//!
//! It looks at the files once a second, and at once on SIGHUP. What is new is taken when it reads as one whole:
//! all policies and capabilities, or none of them. A set with a mistake in it leaves the one before in force,
//! and the log and the audit trail say so.
use std::{sync::Arc, time::Duration};

use toolward_gate::{Change, Digest, Exchange};

use crate::{
    config::Config,
    host::Host,
    telemetry::Telemetry,
    wiring::{self, StartError},
};

/// Follows the policies of one host.
#[derive(Debug)]
pub struct Reload {
    config: Config,
    host: Arc<Host>,
    policies: Arc<Exchange>,
    /// What the files said when they were last tried.
    tried: Digest,
    /// What they said a moment ago, where that was something new: a file may be half written.
    new: Option<Digest>,
    telemetry: Option<Arc<Telemetry>>,
}

/// What became of an attempt.
#[derive(Debug)]
pub enum Reloaded {
    /// They say what they said.
    Unchanged,
    /// They are in force, under this version.
    Taken(Digest),
    /// The ones before stay in force.
    Refused(StartError),
}

impl Reload {
    /// `tried` is what the files said before the host read them.
    pub fn new(config: Config, host: Arc<Host>, policies: Arc<Exchange>, tried: Digest) -> Self {
        Self { config, host, policies, tried, new: None, telemetry: None }
    }

    /// Who measures this host learns the names of new capabilities.
    #[must_use]
    pub fn telling(self, telemetry: Option<Arc<Telemetry>>) -> Self {
        Self { telemetry, ..self }
    }

    /// Looks for ever.
    pub async fn follow(mut self) {
        let mut hangup = Hangup::new();
        loop {
            let asked = tokio::select! {
                () = hangup.heard() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            if asked {
                self.attempt().await;
            } else {
                self.look().await;
            }
        }
    }

    /// Tries what is new, once it has said the same twice.
    pub async fn look(&mut self) -> Reloaded {
        let says = wiring::policies_digest(&self.config.policies);
        if says == self.tried {
            self.new = None;
        } else if self.new == Some(says) {
            return self.attempt().await;
        } else {
            self.new = Some(says);
        }
        Reloaded::Unchanged
    }

    /// Reads the files and puts what they say in force, if all of it is right.
    pub async fn attempt(&mut self) -> Reloaded {
        self.tried = wiring::policies_digest(&self.config.policies);
        self.new = None;
        match wiring::policies(&self.config, &self.host.tools) {
            Ok(policy) if policy.version() == self.policies.now().version() => Reloaded::Unchanged,
            Ok(policy) => {
                let (old, new) = (self.policies.now().version(), policy.version());
                // What cannot be recorded does not happen.
                let recorded =
                    self.record("policy-reload", new, format!("in place of {old}")).await;
                if let Err(error) = recorded {
                    return Reloaded::Refused(error);
                }
                if let Some(telemetry) = &self.telemetry {
                    wiring::know(telemetry, &self.config, &self.host.tools, &policy);
                }
                self.policies.put(policy);
                self.host.tools.service().announce();
                tracing::warn!(version = %new, "the policies were exchanged");
                Reloaded::Taken(new)
            }
            Err(error) => {
                tracing::error!(
                    "the policies cannot be exchanged, those before stay in force: {error}"
                );
                let first = error.to_string().lines().next().unwrap_or_default().to_owned();
                let recorded = self.record("policy-reload-refused", self.tried, first).await;
                Reloaded::Refused(recorded.err().unwrap_or(error))
            }
        }
    }

    async fn record(
        &self,
        action: &str,
        subject: Digest,
        reason: String,
    ) -> Result<(), StartError> {
        let (by, action) = ("host".to_owned(), action.to_owned());
        let change = Change { by, action, subject: subject.to_string(), reason };
        let done = self.host.audit.change(change).await;
        Ok(done.inspect_err(
            |error| tracing::error!(cause = %error.cause, "a reload cannot be recorded"),
        )?)
    }
}

/// Hears SIGHUP, where there is one.
struct Hangup(#[cfg(unix)] Option<tokio::signal::unix::Signal>);

#[cfg(unix)]
impl Hangup {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self(signal(SignalKind::hangup()).ok())
    }

    async fn heard(&mut self) {
        let heard = match &mut self.0 {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if heard.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(not(unix))]
impl Hangup {
    fn new() -> Self {
        Self()
    }

    async fn heard(&mut self) {
        std::future::pending::<()>().await;
    }
}

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);
