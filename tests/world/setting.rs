//! What a world is made of, where a test wants it otherwise than usual.
use std::{sync::Arc, time::Duration};

use toolward_gate::{Identity, Kind, Owners, Principal, SandboxLimits, Want};

use super::{Guest, PlainGuest, Upstream, World, parts};

/// The usual, and what a test changes about it.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) guests: Vec<Guest>,
    /// Components without a manifest, besides.
    pub(crate) plain: Vec<PlainGuest>,
    /// Cedar, besides [`POLICIES`].
    pub(crate) policies: String,
    /// TOML, besides [`CAPABILITIES`]. `{shop}` stands for the upstream.
    pub(crate) capabilities: String,
    /// What stands otherwise in [`CAPABILITIES`].
    pub(crate) replaced: Vec<(String, String)>,
    /// Whether the shop speaks TLS.
    pub(crate) tls: bool,
    /// Whether tools remember, in this world's state: that takes a sandbox of its own.
    pub(crate) remembers: bool,
    /// A sandbox of this world's own, for so many calls at once.
    pub(crate) places: Option<u32>,
    /// What a call uses of a processor before it goes on in the background, in a sandbox that remembers.
    pub(crate) share: Option<Duration>,
    /// What a call may take, where that is not the usual.
    pub(crate) limits: Option<SandboxLimits>,
    /// How high limits may be, in a sandbox of this world's own.
    pub(crate) ceiling: Option<SandboxLimits>,
    /// Whether the credential's value is in the store.
    pub(crate) secret: bool,
    /// The credential's value, where it is not a new one.
    pub(crate) token: Option<String>,
    /// What the operator says that guests want which say nothing of it themselves.
    pub(crate) wants: Vec<(Guest, Want)>,
    /// Whether the sandbox is one of its own, shared with those alone that say the same of the same guests.
    pub(crate) apart: bool,
    /// Whose the shop's credential is; whoever the policies allow uses it, where absent.
    pub(crate) owners: Option<Vec<&'static str>>,
    /// Whether an import that nothing opens refuses only when it is used.
    pub(crate) refusing: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            guests: vec![Guest::Probe],
            plain: vec![],
            policies: String::new(),
            capabilities: String::new(),
            replaced: Vec::new(),
            tls: false,
            remembers: false,
            places: None,
            share: None,
            limits: None,
            ceiling: None,
            secret: true,
            token: None,
            wants: Vec::new(),
            apart: false,
            owners: None,
            refusing: false,
        }
    }
}

impl Setting {
    /// One more policy.
    pub(crate) fn policy(mut self, text: &str) -> Self {
        self.policies.push_str(text);
        self
    }

    pub(crate) fn capability(mut self, text: &str) -> Self {
        self.capabilities.push_str(text);
        self
    }

    /// With other words in [`CAPABILITIES`].
    pub(crate) fn replacing(mut self, from: &str, to: &str) -> Self {
        self.replaced.push((from.to_owned(), to.to_owned()));
        self
    }

    pub(crate) fn guest(mut self, guest: Guest) -> Self {
        self.guests.push(guest);
        self
    }

    /// With a credential that is theirs.
    pub(crate) fn owned_by(mut self, owners: &[&'static str]) -> Self {
        self.owners = Some(owners.to_vec());
        self
    }

    pub(super) fn owners(&self) -> Arc<Owners> {
        let owners = self.owners.iter().map(|all| {
            ("shop".parse().unwrap(), all.iter().map(|one| one.parse().unwrap()).collect())
        });
        Arc::new(owners.collect())
    }

    /// One guest, of which the operator says what it wants.
    pub(crate) fn only(guest: Guest, required: &[&str]) -> Self {
        let want =
            |name: &&str| (guest, Want { capability: name.parse().unwrap(), required: true });
        Self {
            guests: vec![guest],
            apart: true,
            wants: required.iter().map(want).collect(),
            ..Self::default()
        }
    }

    pub(super) fn wants_of(&self, guest: Guest) -> Arc<[Want]> {
        self.wants.iter().filter(|(of, _)| *of == guest).map(|(_, want)| want.clone()).collect()
    }

    pub(crate) fn plain(mut self, guest: PlainGuest) -> Self {
        self.plain.push(guest);
        self
    }

    pub(crate) async fn world(self) -> World {
        let upstream = Upstream::start(self.tls).await;
        let directory = tempfile::tempdir().unwrap();
        let token = self.token.clone().unwrap_or_else(parts::fresh_token);
        let clock = parts::MovedClock::at_noon();
        parts::assemble(self, directory, upstream.into(), clock, token).await
    }

    /// The definitions with the stand-in's address in them.
    pub(crate) fn definitions(&self, upstream: &Upstream) -> String {
        let mut all = format!("{CAPABILITIES}\n{}", self.capabilities);
        for (from, to) in &self.replaced {
            assert!(all.contains(from), "`{from}` is not there to be replaced");
            all = all.replace(from, to);
        }
        all.replace("{shop}", &upstream.origin())
    }

    pub(crate) fn rules(&self) -> String {
        format!("{POLICIES}\n{}", self.policies)
    }
}

/// The one who calls, where a test does not say.
pub(crate) fn agent() -> Identity {
    identity("agent-7", Kind::Agent, &["assistant"])
}

pub(crate) fn person(id: &str, roles: &[&str]) -> Principal {
    Principal::authenticated(identity(id, Kind::User, roles))
}

fn identity(id: &str, kind: Kind, roles: &[&str]) -> Identity {
    Identity {
        id: id.to_owned(),
        kind,
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
        groups: [].into(),
        acts_for: Vec::new(),
        scope: None,
        ends_at: None,
    }
}

/// The secret store and the broker, as a configuration writes them.
pub(crate) const STORE: &str =
    "kind = \"file\"\npath = \"secrets.age\"\nunlock = { key_file = \"secrets.key\" }\n";
pub(crate) const BROKER: &str =
    "kind = \"static-token\"\nstore = \"local\"\nsecret = \"shop-token\"\n";

/// What the shop lends.
pub(super) const CAPABILITIES: &str = r#"
[capability."host:log:write"]
description = "Lines for the operator."
interface = "log"
risk = "low"
[capability."host:clock:read"]
description = "The time."
interface = "clock"
risk = "low"
[capability."host:random:read"]
description = "Random bytes."
interface = "random"
risk = "low"
[capability."host:progress:report"]
description = "Progress."
interface = "progress"
risk = "low"

[capability."shop:items:read"]
description = "Read items."
interface = "http"
destination = "{shop}"
allow_private = true
methods = ["GET", "POST"]
paths = ["/items/{id}", "/items/{id}/parts/{part}"]
query = ["page"]
credential = "shop"
inject = { header = "authorization", as = "bearer" }
risk = "low"
cost = "usd:0.40"
max_request_bytes = 1024
response = { content_types = ["application/json"], max_bytes = 65_536 }

[capability."shop:orders:read"]
description = "Read orders, with a key in a field of its own."
interface = "http"
destination = "{shop}"
allow_private = true
methods = ["GET"]
paths = ["/orders/{id}"]
credential = "shop"
inject = { header = "x-shop-key", as = "raw" }
risk = "low"

[capability."shop:payments:create"]
description = "Pay somebody."
interface = "http"
destination = "{shop}"
allow_private = true
methods = ["POST"]
paths = ["/payments"]
credential = "shop"
inject = { header = "authorization", as = "bearer" }
risk = "medium"

[capability."shop:notes:use"]
description = "Remember."
interface = "key-value"
quota_bytes = 1000
quota_entries = 150
risk = "low"

[capability."shop:extras:read"]
description = "Defined, and permitted to nobody."
interface = "http"
destination = "{shop}"
allow_private = true
methods = ["GET"]
paths = ["/extras"]
risk = "low"

[capability."shop:vault:open"]
description = "Defined, and permitted to nobody."
interface = "http"
destination = "{shop}"
allow_private = true
methods = ["GET"]
paths = ["/vault"]
risk = "low"
"#;

/// Who may use it.
const POLICIES: &str = r#"
@id("host-services")
permit(
    principal,
    action in [Action::"host:log:write", Action::"host:clock:read", Action::"host:random:read", Action::"host:progress:report"],
    resource
);
@id("call")
permit(principal in Role::"assistant", action == Action::"call", resource);
@id("items")
permit(principal in Role::"assistant", action in [Action::"shop:items:read", Action::"shop:orders:read", Action::"shop:notes:use"], resource in Component::"probe");
@id("payments")
@approval("one-of:payer")
permit(principal in Role::"assistant", action == Action::"shop:payments:create", resource in Component::"probe");
"#;
