//! How does another program have a host within it?
use std::{
    collections::BTreeMap,
    future::pending,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;
use toolward_gate::{
    Call, CredentialName, Principal, ProgressSink, SourceError, Stop, Unavailable,
};
use toolward_sandbox::{Output, OwnInterface};
use toolward_vault::{Broker, BrokerConfig, NoPassphrase, PassphraseSource};

use crate::{
    config::Config,
    host,
    reload::Reload,
    tools::{ReadError, Tool, Tools},
    wiring::{self, Brought, StartError},
};

/// A host within another program.
///
/// It takes calls from whoever the program says is speaking, and carries each of them as every door does: recorded,
/// decided by the policies, within its time and budget, under the kill switches, in a sandbox of its own. There is no
/// way past that: what a call passes on its way is not to be had from here.
///
/// Clones are the same host. It ends with [`Self::stop`]; dropped without it, the last checkpoint of its audit
/// trail is not written.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use serde_json::json;
/// use toolward::{Host, Identity, Kind, Principal};
///
/// let host = Host::builder().config_file("toolward.toml").start().await?;
/// // Whoever embeds the host is its door, and has checked who is speaking.
/// let agent = Principal::authenticated(Identity {
///     id: "agent-7".to_owned(),
///     kind: Kind::Agent,
///     roles: ["triage".to_owned()].into(),
///     groups: [].into(),
///     acts_for: Vec::new(),
///     scope: None,
///     ends_at: None,
/// });
/// let issue = json!({ "owner": "acme", "repo": "site", "title": "Broken link" });
/// let output = host.call(&agent, "open_issue", &issue).await?;
/// println!("{}", output.value);
/// host.stop().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Host {
    host: Arc<host::Host>,
    reload: Arc<Following>,
}

/// Follows the policies for as long as somebody has the host.
#[derive(Debug)]
struct Following(tokio::task::JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why there is no output.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It is no call: there is no such tool, or the arguments do not fit it. Nothing ran, and nothing was recorded.
    #[error(transparent)]
    Unread(#[from] ReadError),
    /// The call ended early. [`Stop::code`] is stable; [`Stop::Held`] waits for a person, and the same call made
    /// again after their yes goes through.
    #[error(transparent)]
    Stopped(#[from] Stop),
}

/// What a [`Host`] is to be made of.
#[must_use]
pub struct HostBuilder {
    source: Source,
    brought: Brought,
    passphrases: Arc<dyn PassphraseSource>,
    compiler: Option<PathBuf>,
    /// Said twice, or what is not to be said.
    wrong: Vec<String>,
}

enum Source {
    Nowhere,
    File(PathBuf),
    Text { base: PathBuf, text: String },
}

impl std::fmt::Debug for HostBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostBuilder").finish_non_exhaustive()
    }
}

impl Host {
    /// Begins with nothing: a configuration has to be named.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use serde_json::json;
    /// use toolward::{CallError, Host, Identity, Kind, Principal};
    ///
    /// assert!(Host::builder().start().await.is_err(), "nothing says what it is to be made of");
    ///
    /// let folder = tempfile::tempdir()?;
    /// let policies = folder.path().join("policies");
    /// std::fs::create_dir(&policies)?;
    /// std::fs::write(policies.join("capabilities.toml"), "")?;
    /// let configuration = "environment = \"development\"";
    /// let host = Host::builder().config(folder.path(), configuration).start().await?;
    /// assert_eq!(host.tools().count(), 0, "no component is configured");
    /// let agent = Principal::authenticated(Identity {
    ///     id: "agent-7".to_owned(),
    ///     kind: Kind::Agent,
    ///     roles: [].into(),
    ///     groups: [].into(),
    ///     acts_for: Vec::new(),
    ///     scope: None,
    ///     ends_at: None,
    /// });
    /// let called = host.call(&agent, "open_issue", &json!({})).await;
    /// assert!(matches!(called, Err(CallError::Unread(_))), "there is no such tool");
    /// host.stop().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> HostBuilder {
        HostBuilder {
            source: Source::Nowhere,
            brought: Brought::default(),
            passphrases: Arc::new(NoPassphrase),
            compiler: None,
            wrong: Vec::new(),
        }
    }

    /// Every tool that is as it was accepted, by name.
    pub fn tools(&self) -> impl Iterator<Item = &Tool> {
        self.host.tools.serving()
    }

    /// Calls a tool, and waits for as long as its policy allows, which is 30 seconds where it says nothing, and for
    /// a person as long as the policy has the caller wait. The call goes on when the future is dropped: what was
    /// begun is recorded.
    ///
    /// # Errors
    ///
    /// When it is no call, or ends early, in any of the ways of [`Stop`].
    pub async fn call(
        &self,
        principal: &Principal,
        tool: &str,
        arguments: &Value,
    ) -> Result<Output, CallError> {
        let call = self.read(principal, tool, arguments, ProgressSink::default())?;
        Ok(self.perform_unless(call, pending()).await?)
    }

    /// Reads what is asked into a call, that [`Self::perform_unless`] carries. What the tool says on its way goes to
    /// `progress`.
    ///
    /// # Errors
    ///
    /// When there is no such tool, or the arguments do not fit its schema.
    pub fn read(
        &self,
        principal: &Principal,
        tool: &str,
        arguments: &Value,
        progress: ProgressSink,
    ) -> Result<Call, ReadError> {
        self.host.tools.read(principal, DOOR, tool, &arguments.to_string(), progress)
    }

    /// Carries a call, and stops it when `cancelled` is ready.
    ///
    /// # Errors
    ///
    /// When it ends early.
    pub async fn perform_unless(
        &self,
        call: Call,
        cancelled: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Output, Stop> {
        self.host.perform_unless(call, cancelled).await
    }

    /// The tools as doors of the program's own list them.
    pub fn index(&self) -> &Tools {
        &self.host.tools
    }

    /// Ends in order: policies are not followed any more, and the audit trail has its last checkpoint.
    ///
    /// # Errors
    ///
    /// When that cannot be written.
    pub async fn stop(self) -> Result<(), Unavailable> {
        self.reload.0.abort();
        self.host.audit.stop().await
    }
}

impl HostBuilder {
    /// The configuration, as the command line reads it: paths in it are relative to its folder.
    pub fn config_file(self, path: impl AsRef<Path>) -> Self {
        Self { source: Source::File(path.as_ref().to_owned()), ..self }
    }

    /// A configuration in the program itself, in the form of `toolward.toml`. Relative paths in it, as those of the
    /// policies and of components, are relative to `base`.
    pub fn config(self, base: impl AsRef<Path>, text: impl Into<String>) -> Self {
        Self { source: Source::Text { base: base.as_ref().to_owned(), text: text.into() }, ..self }
    }

    /// Lends an interface of the program's own. A capability opens it by naming it, `interface =
    /// "acme:queue/messages@1.0.0"`, and is granted by the policies as every other.
    pub fn interface(mut self, interface: impl OwnInterface + 'static) -> Self {
        let name = interface.name();
        if name.starts_with("toolward:") || name.starts_with("wasi:") || !name.contains(':') {
            self.wrong.push(format!("`{name}` is no name for an interface of a program"));
        }
        if self.brought.interfaces.iter().any(|one| one.name() == name) {
            self.wrong.push(format!("the interface `{name}` is lent twice"));
        }
        self.brought.interfaces.push(Arc::new(interface));
        self
    }

    /// Mints the values of one credential, that the configuration lists with `kind = "own"`.
    pub fn broker(mut self, credential: CredentialName, broker: impl Broker + 'static) -> Self {
        let name = credential.clone();
        if self.brought.brokers.insert(credential, Arc::new(broker)).is_some() {
            self.wrong.push(format!("the credential `{name}` has two brokers"));
        }
        self
    }

    /// Asks for passphrases of secret files; without it, those are opened by their key files only.
    pub fn passphrases(self, passphrases: impl PassphraseSource + 'static) -> Self {
        Self { passphrases: Arc::new(passphrases), ..self }
    }

    /// A `toolward` program, which compiles components in a process with limits of its own. Without one they are
    /// compiled in this process, which a component can keep busy for minutes: only for components that are trusted
    /// to compile.
    pub fn compiler(self, program: impl Into<PathBuf>) -> Self {
        Self { compiler: Some(program.into()), ..self }
    }

    /// Starts the host: everything is right, or there is none. It needs a Tokio runtime with several threads.
    ///
    /// # Errors
    ///
    /// With everything that is wrong with the configuration, each with its place and what to change, or with what
    /// cannot be opened.
    pub async fn start(self) -> Result<Host, StartError> {
        let Self { source, brought, passphrases, compiler, wrong } = self;
        let mut config = source.read()?;
        config.own_interfaces = brought.interfaces.iter().map(|one| one.name()).collect();
        let mut errors: Vec<SourceError> =
            wrong.into_iter().map(|why| config.file.error(0..0, why)).collect();
        errors.extend(unlisted(&config, &brought.brokers));
        if !errors.is_empty() {
            return Err(errors.into());
        }
        // Before they are read: what changes after this is noticed.
        let before = wiring::policies_digest(&config.policies);
        let (host, policies) = wiring::host_with(&config, &passphrases, compiler, &brought).await?;
        let host = Arc::new(host);
        let reload = Reload::new(config, host.clone(), policies, before);
        let reload = Arc::new(Following(tokio::spawn(reload.follow())));
        Ok(Host { host, reload })
    }
}

impl Source {
    fn read(self) -> Result<Config, StartError> {
        let read = match self {
            Self::Nowhere => Config::read(Path::new("."), ""),
            Self::File(path) => Config::load(&path),
            Self::Text { base, text } => Config::read(&base, &text),
        };
        Ok(read?)
    }
}

/// A broker for which the operator listed no credential would mint for nobody.
fn unlisted(
    config: &Config,
    brokers: &BTreeMap<CredentialName, Arc<dyn Broker>>,
) -> Vec<SourceError> {
    let listed = |name: &CredentialName| {
        let found = config.credentials.get(name);
        found.is_some_and(|credential| matches!(credential.broker, BrokerConfig::Own(_)))
    };
    let wrong = brokers.keys().filter(|name| !listed(name)).map(|name| {
        let message = format!("the program has a broker for `{name}`, and nobody may use it");
        let help = format!("add `[credential.{name}]` with `kind = \"own\"` and its `owner`");
        config.file.error(0..0, message).with_help(help)
    });
    wrong.collect()
}

/// How such a call comes in; policies see it.
const DOOR: &str = "embedded";
