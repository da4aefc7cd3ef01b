//! Whose tokens are accepted, and what their claims mean here.
use std::{collections::BTreeMap, ops::Range, path::Path, path::PathBuf, time::Duration};

use jsonwebtoken::Algorithm;
use serde::Deserialize;
use toml::Spanned;
use toolward_gate::{PrivateRanges, SourceError, SourceFile};

/// One issuer of tokens.
#[derive(Clone, Debug)]
pub struct IssuerConfig {
    pub keys: KeysConfig,
    /// Networks besides the public one that its keys may be fetched from.
    pub allow_private: PrivateRanges,
    /// One of these is among `aud`.
    pub audiences: Vec<String>,
    pub algorithms: Vec<Algorithm>,
    /// What `typ` may be, in lower case.
    pub types: Vec<String>,
    /// Between `iat` and `exp`.
    pub max_lifetime: Duration,
    pub roles: MappedClaim,
    pub groups: MappedClaim,
    pub scopes: MappedClaim,
    /// Where it stands in the file.
    pub span: Range<usize>,
}

impl IssuerConfig {
    /// An issuer of whom nothing else is written.
    pub fn usual(keys: KeysConfig, audiences: Vec<String>) -> Self {
        Self {
            keys,
            allow_private: PrivateRanges::default(),
            audiences,
            algorithms: USUAL.to_vec(),
            types: vec![ACCESS_TOKEN.to_owned()],
            max_lifetime: MAX_LIFETIME,
            roles: MappedClaim::of("/roles"),
            groups: MappedClaim::of("/groups"),
            scopes: MappedClaim::of("/scope"),
            span: 0..0,
        }
    }
}

/// Where a JSON Web Key Set is (RFC 7517 section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeysConfig {
    File(PathBuf),
    /// As it stands in the configuration.
    Inline(String),
    /// An `https` URL.
    Url(String),
}

/// A claim whose words become others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedClaim {
    /// A JSON pointer (RFC 6901).
    pub claim: String,
    /// What each word stands for. Without a map, each stands for itself.
    pub map: Option<BTreeMap<String, Vec<String>>>,
}

impl MappedClaim {
    fn of(claim: &str) -> Self {
        Self { claim: claim.to_owned(), map: None }
    }

    /// What the words of a token stand for. A word that the map does not know stands for nothing.
    pub fn mapped(&self, words: Vec<String>) -> impl Iterator<Item = String> {
        words.into_iter().flat_map(|word| match &self.map {
            None => vec![word],
            Some(map) => map.get(&word).cloned().unwrap_or_default(),
        })
    }
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Issuer {
    jwks: Spanned<Jwks>,
    #[serde(default)]
    allow_private: PrivateRanges,
    audience: Spanned<OneOrSeveral>,
    algorithms: Option<Vec<Spanned<String>>>,
    types: Option<Vec<String>>,
    max_lifetime_seconds: Option<u64>,
    roles: Option<Spanned<Claim>>,
    groups: Option<Spanned<Claim>>,
    scopes: Option<Spanned<Claim>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Jwks {
    Place(String),
    Inline(toml::Table),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrSeveral {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    claim: String,
    map: Option<BTreeMap<String, Vec<String>>>,
}

impl Issuer {
    pub(super) fn read(
        self,
        file: &SourceFile,
        base: &Path,
        span: Range<usize>,
    ) -> Result<IssuerConfig, SourceError> {
        let reader = Reader { file, base };
        let audiences = reader.audiences(self.audience)?;
        let mut issuer = IssuerConfig::usual(reader.keys(self.jwks)?, audiences);
        issuer.span = span;
        issuer.allow_private = self.allow_private;
        if let Some(names) = self.algorithms {
            issuer.algorithms =
                names.iter().map(|name| reader.algorithm(name)).collect::<Result<_, _>>()?;
        }
        if let Some(types) = self.types {
            issuer.types = types.iter().map(|one| one.to_ascii_lowercase()).collect();
        }
        if let Some(seconds) = self.max_lifetime_seconds {
            issuer.max_lifetime = Duration::from_secs(seconds);
        }
        if let Some(roles) = self.roles {
            issuer.roles = reader.claim(roles)?;
        }
        if let Some(groups) = self.groups {
            issuer.groups = reader.claim(groups)?;
        }
        if let Some(scopes) = self.scopes {
            issuer.scopes = reader.claim(scopes)?;
        }
        Ok(issuer)
    }
}

struct Reader<'a> {
    file: &'a SourceFile,
    base: &'a Path,
}

impl Reader<'_> {
    fn keys(&self, written: Spanned<Jwks>) -> Result<KeysConfig, SourceError> {
        let span = written.span();
        match written.into_inner() {
            Jwks::Inline(table) => serde_json::to_string(&table)
                .map(KeysConfig::Inline)
                .map_err(|error| self.file.error(span, error.to_string())),
            Jwks::Place(url) if url.starts_with("https://") => Ok(KeysConfig::Url(url)),
            Jwks::Place(url) if url.contains("://") => {
                let message = format!("keys are not fetched from `{url}`");
                Err(self
                    .file
                    .error(span, message)
                    .with_help("write a URL with `https`, a path, or the key set itself"))
            }
            Jwks::Place(path) => Ok(KeysConfig::File(self.base.join(path))),
        }
    }

    fn audiences(&self, written: Spanned<OneOrSeveral>) -> Result<Vec<String>, SourceError> {
        let span = written.span();
        let audiences = match written.into_inner() {
            OneOrSeveral::One(one) => vec![one],
            OneOrSeveral::Several(several) => several,
        };
        if audiences.is_empty() || audiences.iter().any(String::is_empty) {
            let error = self.file.error(span, "a token for nobody is a token for everybody");
            return Err(error.with_help("write the name that the issuer puts into `aud`"));
        }
        Ok(audiences)
    }

    fn algorithm(&self, name: &Spanned<String>) -> Result<Algorithm, SourceError> {
        let known = ALGORITHMS.iter().find(|(known, _)| *known == name.get_ref().as_str());
        known.map(|(_, algorithm)| *algorithm).ok_or_else(|| {
            let names: Vec<&str> = ALGORITHMS.iter().map(|(name, _)| *name).collect();
            let message = format!("`{}` is not an algorithm for tokens", name.get_ref());
            self.file.error(name.span(), message).with_help(format!(
                "there are `{}`; shared keys are not among them",
                names.join("`, `")
            ))
        })
    }

    fn claim(&self, written: Spanned<Claim>) -> Result<MappedClaim, SourceError> {
        let span = written.span();
        let Claim { claim, map } = written.into_inner();
        if !claim.starts_with('/') {
            let message = format!("`{claim}` is not a JSON pointer");
            let help = format!("write `/{claim}`; a claim inside another one is `/outer/inner`");
            return Err(self.file.error(span, message).with_help(help));
        }
        Ok(MappedClaim { claim, map })
    }
}

/// Signatures with a public key (RFC 7518 section 3.1, RFC 8037 section 3.1).
const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("EdDSA", Algorithm::EdDSA),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
];
/// Where the configuration names none.
const USUAL: [Algorithm; 5] =
    [Algorithm::EdDSA, Algorithm::ES256, Algorithm::ES384, Algorithm::PS256, Algorithm::RS256];
/// RFC 9068 section 2.1.
const ACCESS_TOKEN: &str = "at+jwt";
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
