//! A credential whose broker comes with the program that embeds the host.
use serde::Deserialize;

/// `kind = "own"`: the program registers the broker under the credential's name. What it mints is a token, for a
/// header, a query, a cookie or an HMAC.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnConfig {}

impl OwnConfig {
    pub(super) fn origin(self) -> String {
        "a broker of the program".to_owned()
    }
}
