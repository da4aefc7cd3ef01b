//! How the place of a credential in a request is written.
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::{Reader, template};
use crate::{
    AwsSigV4, HeaderScheme, HmacHash, HmacTemplate, KeyForm, SignaturePlace, Slot, SourceError,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenSlot {
    header: Option<String>,
    #[serde(rename = "as")]
    scheme: Option<Scheme>,
    query: Option<String>,
    cookie: Option<String>,
    aws_sigv4: Option<Place>,
    service: Option<String>,
    region: Option<String>,
    valid_seconds: Option<u64>,
    hmac: Option<Hash>,
    key: Option<Form>,
    sign: Option<String>,
    write: Option<String>,
    timestamp_header: Option<String>,
    tls: Option<Tls>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Scheme {
    Bearer,
    Basic,
    Raw,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Place {
    Headers,
    Query,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Form {
    #[default]
    Text,
    Hex,
    Base64,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Tls {
    ClientCertificate,
}

type Fault = String;

impl Reader<'_> {
    pub(super) fn slot(&self, written: &Spanned<WrittenSlot>) -> Result<Slot, SourceError> {
        let slot = written.get_ref().read();
        slot.map_err(|why| self.file.error(written.span(), why).with_help(written.get_ref().form()))
    }
}

impl WrittenSlot {
    /// The first of these keys says which kind of slot it is, and with it which other keys there are.
    fn read(&self) -> Result<Slot, Fault> {
        if let Some(place) = self.aws_sigv4 {
            self.only("aws_sigv4", &["service", "region", "valid_seconds"])?;
            return self.aws(place).map(Slot::AwsSigV4);
        }
        if let Some(hash) = self.hmac {
            self.only("hmac", &["key", "sign", "header", "write", "timestamp_header"])?;
            return self.template(hash).map(Slot::Hmac);
        }
        if let Some(Tls::ClientCertificate) = self.tls {
            self.only("tls", &[])?;
            return Ok(Slot::ClientCertificate);
        }
        if let Some(name) = &self.cookie {
            self.only("cookie", &[])?;
            let why = "a cookie's name has letters, digits and `-_.` only";
            return Ok(Slot::Cookie { name: plain(name).ok_or(why)? });
        }
        if let Some(name) = &self.query {
            self.only("query", &[])?;
            let why = "a query key has letters, digits and `-_.` only";
            return Ok(Slot::Query { name: plain(name).ok_or(why)? });
        }
        self.only("header", &["as"])?;
        let scheme = match self.scheme {
            Some(Scheme::Bearer) => HeaderScheme::Bearer,
            Some(Scheme::Basic) => HeaderScheme::Basic,
            Some(Scheme::Raw) => HeaderScheme::Raw,
            None => return Err("a header is written `as` something".to_owned()),
        };
        Ok(Slot::Header { name: header(self.header.as_deref())?, scheme })
    }

    fn form(&self) -> &'static str {
        if self.aws_sigv4.is_some() {
            "write `{ aws_sigv4 = \"headers\", service = \"s3\", region = \"eu-central-1\" }`"
        } else if self.hmac.is_some() {
            "write `{ hmac = \"sha256\", sign = \"{body}\", header = \"x-signature\", write = \"sha256={hex}\" }`"
        } else if self.cookie.is_some() {
            "write `{ cookie = \"session\" }`"
        } else {
            "write `{ header = \"authorization\", as = \"bearer\" }` or `{ query = \"key\" }`"
        }
    }

    fn only(&self, kind: &str, others: &[&str]) -> Result<(), Fault> {
        let keys = [
            ("header", self.header.is_some()),
            ("as", self.scheme.is_some()),
            ("query", self.query.is_some()),
            ("cookie", self.cookie.is_some()),
            ("aws_sigv4", self.aws_sigv4.is_some()),
            ("service", self.service.is_some()),
            ("region", self.region.is_some()),
            ("valid_seconds", self.valid_seconds.is_some()),
            ("hmac", self.hmac.is_some()),
            ("key", self.key.is_some()),
            ("sign", self.sign.is_some()),
            ("write", self.write.is_some()),
            ("timestamp_header", self.timestamp_header.is_some()),
            ("tls", self.tls.is_some()),
        ];
        let stray = |(key, there): &&(&str, bool)| *there && *key != kind && !others.contains(key);
        match keys.iter().find(stray) {
            Some((key, _)) => Err(format!("`{key}` does not go together with `{kind}`")),
            None => Ok(()),
        }
    }

    fn aws(&self, place: Place) -> Result<AwsSigV4, Fault> {
        let named = |text: &Option<String>, key: &str| {
            let part =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            let fits = |text: &&String| (1..=64).contains(&text.len()) && text.bytes().all(part);
            let why =
                || format!("`{key}` is an AWS name in lower case, as in `s3` or `eu-central-1`");
            text.as_ref().filter(fits).cloned().ok_or_else(why)
        };
        let place = match (place, self.valid_seconds) {
            (Place::Headers, None) => SignaturePlace::Headers,
            (Place::Headers, Some(_)) => {
                return Err("`valid_seconds` goes with a signature in the query".to_owned());
            }
            (Place::Query, seconds) => {
                let seconds = seconds.unwrap_or(VALID_SECONDS);
                if !(1..=MAX_VALID_SECONDS).contains(&seconds) {
                    return Err(format!("`valid_seconds` is from 1 to {MAX_VALID_SECONDS}"));
                }
                SignaturePlace::Query(Duration::from_secs(seconds))
            }
        };
        let (service, region) = (named(&self.service, "service")?, named(&self.region, "region")?);
        Ok(AwsSigV4 { service, region, place })
    }

    fn template(&self, hash: Hash) -> Result<HmacTemplate, Fault> {
        let timestamp_header = self.timestamp_header.as_deref();
        let template = HmacTemplate {
            hash: match hash {
                Hash::Sha256 => HmacHash::Sha256,
                Hash::Sha384 => HmacHash::Sha384,
                Hash::Sha512 => HmacHash::Sha512,
            },
            key: match self.key.unwrap_or_default() {
                Form::Text => KeyForm::Text,
                Form::Hex => KeyForm::Hex,
                Form::Base64 => KeyForm::Base64,
            },
            signed: template::signed(self.sign.as_deref().unwrap_or_default())?,
            header: header(self.header.as_deref())?,
            written: template::written(self.write.as_deref().unwrap_or_default())?,
            timestamp_header: timestamp_header.map(|name| header(Some(name))).transpose()?,
        };
        template::check(&template)?;
        Ok(template)
    }
}

fn header(name: Option<&str>) -> Result<String, Fault> {
    let name = name.unwrap_or_default().to_ascii_lowercase();
    let token =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !token || NEVER_A_SLOT.contains(&name.as_str()) {
        return Err("a credential cannot go into this header".to_owned());
    }
    Ok(name)
}

fn plain(name: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (!name.is_empty() && name.bytes().all(plain)).then(|| name.to_owned())
}

/// How long a presigned query holds: it is sent at once, and clocks differ.
const VALID_SECONDS: u64 = 60;
/// As long as a minted credential.
const MAX_VALID_SECONDS: u64 = 15 * 60;
/// Headers that route, frame or decode a message.
pub(super) const NEVER_A_SLOT: [&str; 12] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "accept-encoding",
    "range",
    "forwarded",
];
