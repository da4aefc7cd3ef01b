//! Where does a credential stand in a request?
use std::time::Duration;

/// How the credential is written into its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderScheme {
    /// `Bearer ` and the value (RFC 6750 section 2.1).
    Bearer,
    /// `Basic ` and base64 of the value, which is `user:password` (RFC 7617 section 2).
    Basic,
    /// The value alone.
    Raw,
}

/// Where the credential goes. The guest can neither name, move nor write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    Header {
        name: String,
        scheme: HeaderScheme,
    },
    Query {
        name: String,
    },
    /// The one pair of the field `cookie` (RFC 6265 section 4.2.1).
    Cookie {
        name: String,
    },
    AwsSigV4(AwsSigV4),
    Hmac(HmacTemplate),
    /// Shown when the connection is made, and no part of the request (RFC 8446 section 4.4.2).
    ClientCertificate,
}

/// AWS Signature Version 4: what is signed with the keys, besides the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsSigV4 {
    /// As in the credential scope: `s3`, `dynamodb`, `execute-api`, …
    pub service: String,
    pub region: String,
    pub place: SignaturePlace,
}

/// Where an AWS signature stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignaturePlace {
    /// In `authorization` and its `x-amz-` neighbours.
    Headers,
    /// In the query, as in a presigned URL that holds for this long.
    Query(Duration),
}

/// A signature over parts of the request, with the credential as the key (RFC 2104).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HmacTemplate {
    pub hash: HmacHash,
    /// How the key is written where it is stored.
    pub key: KeyForm,
    pub signed: Vec<SignedPart>,
    /// Lower case.
    pub header: String,
    pub written: Vec<WrittenPart>,
    /// Where the seconds since 1970 go by themselves. Lower case.
    pub timestamp_header: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HmacHash {
    Sha256,
    Sha384,
    Sha512,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// The stored text is the key.
    Text,
    Hex,
    /// With padding or without it (RFC 4648 section 4).
    Base64,
}

/// A part of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedPart {
    Text(String),
    /// Seconds since 1970.
    Timestamp,
    Method,
    /// Scheme, host and port are not in it.
    Path,
    /// Path, and query if there is one.
    Target,
    Body,
    /// Of the body, in hexadecimal digits of lower case.
    BodySha256,
}

/// A part of what the signature's header holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrittenPart {
    Text(String),
    /// Seconds since 1970.
    Timestamp,
    /// The signature, in hexadecimal digits of lower case.
    Hex,
    Base64,
}

impl Slot {
    /// Whether the host writes this header field. `-` and `_` are one: servers behind CGI-like gateways read
    /// them alike.
    pub fn writes_header(&self, name: &str) -> bool {
        let folded = |name: &str| name.to_ascii_lowercase().replace('_', "-");
        let asked = folded(name);
        self.headers().iter().any(|own| folded(own) == asked)
    }

    /// Whether the host writes this key of the query, in upper or lower case.
    pub fn writes_query_key(&self, key: &str) -> bool {
        match self {
            Self::Query { name } => name.eq_ignore_ascii_case(key),
            Self::AwsSigV4(_) => key.to_ascii_lowercase().starts_with("x-amz-"),
            Self::Header { .. } | Self::Cookie { .. } | Self::Hmac(_) | Self::ClientCertificate => {
                false
            }
        }
    }

    fn headers(&self) -> Vec<&str> {
        match self {
            Self::Header { name, .. } => vec![name],
            Self::Cookie { .. } => vec!["cookie"],
            Self::AwsSigV4(_) => AWS_HEADERS.to_vec(),
            Self::Hmac(template) => [Some(&template.header), template.timestamp_header.as_ref()]
                .into_iter()
                .flatten()
                .map(String::as_str)
                .collect(),
            Self::Query { .. } | Self::ClientCertificate => Vec::new(),
        }
    }
}

/// What AWS reads as a part of a signature, in a header or in place of one.
const AWS_HEADERS: [&str; 9] = [
    "authorization",
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];
