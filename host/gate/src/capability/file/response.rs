//! How a response of a capability over `http` is written.
use std::collections::BTreeSet;

use serde::Deserialize;
use toml::Spanned;

use super::Reader;
use crate::{
    BodyShape, DeclaredFields, ResponseShape, SourceError,
    capability::{
        pointer::Pointer,
        response::{Conflict, Field, FieldKind},
    },
};

pub(super) use crate::capability::response::DEFAULT_BYTES;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenResponse {
    #[serde(default)]
    content_types: Vec<Spanned<String>>,
    max_bytes: Option<Spanned<usize>>,
    headers: Option<Vec<Spanned<String>>>,
    fields: Option<Spanned<Vec<Spanned<WrittenField>>>>,
    status_only: Option<Spanned<bool>>,
    streaming: Option<Spanned<bool>>,
}

impl WrittenResponse {
    /// Where it says that responses are streamed.
    pub(super) fn streaming(&self) -> Option<std::ops::Range<usize>> {
        self.streaming.as_ref().filter(|streaming| *streaming.get_ref()).map(Spanned::span)
    }
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a field is a JSON pointer, as in `\"/items/*/title\"`, or `{ at = \"/title\", type = \"string\", max_length = 80 }`"
)]
enum WrittenField {
    At(String),
    Typed(TypedField),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedField {
    at: String,
    #[serde(rename = "type")]
    kind: Option<FieldKind>,
    max_length: Option<usize>,
}

impl Reader<'_> {
    pub(super) fn response(
        &self,
        written: Option<WrittenResponse>,
    ) -> Result<ResponseShape, SourceError> {
        let Some(written) = written else { return Ok(ResponseShape::default()) };
        let types = written.content_types.iter().map(|written| self.media_type(written));
        let max_bytes = written.max_bytes.as_ref().map(|bytes| self.response_bytes(bytes));
        let headers = written.headers.as_ref().map(|names| self.shown(names));
        Ok(ResponseShape {
            content_types: types.collect::<Result<_, _>>()?,
            max_bytes: max_bytes.transpose()?.unwrap_or(DEFAULT_BYTES),
            headers: headers.transpose()?,
            body: self.body(&written)?,
        })
    }

    fn media_type(&self, written: &Spanned<String>) -> Result<String, SourceError> {
        let text = written.get_ref().as_str();
        let plain = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/+-.".contains(&byte)
        };
        if text.split('/').filter(|part| !part.is_empty()).count() == 2 && text.bytes().all(plain) {
            return Ok(text.to_owned());
        }
        let message = format!("`{text}` is not a media type");
        Err(self
            .file
            .error(written.span(), message)
            .with_help("write it in lower case and without parameters, as in `application/json`"))
    }

    fn response_bytes(&self, written: &Spanned<usize>) -> Result<usize, SourceError> {
        let bytes = *written.get_ref();
        if bytes <= MAX_RESPONSE_BYTES {
            return Ok(bytes);
        }
        let message = format!("a response of {bytes} bytes is more than the host takes");
        let help = format!(
            "a response is held whole while it is scanned; write at most {MAX_RESPONSE_BYTES}"
        );
        Err(self.file.error(written.span(), message).with_help(help))
    }

    /// The header fields that a tool is to see.
    fn shown(&self, written: &[Spanned<String>]) -> Result<BTreeSet<String>, SourceError> {
        let name = |written: &Spanned<String>| {
            let name = written.get_ref().to_ascii_lowercase();
            let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            let shown = !name.is_empty()
                && name.bytes().all(token)
                && !NEVER_SHOWN.contains(&name.as_str());
            if shown {
                return Ok(name);
            }
            let message = format!("the header `{name}` of a response is shown to no tool");
            Err(self.file.error(written.span(), message).with_help("take it out of `headers`"))
        };
        written.iter().map(name).collect()
    }

    fn body(&self, written: &WrittenResponse) -> Result<BodyShape, SourceError> {
        let status_only = written.status_only.as_ref().is_some_and(|only| *only.get_ref());
        if let Some(streaming) = written.streaming() {
            return self.streamed(streaming, written.fields.is_some() || status_only);
        }
        match (&written.fields, status_only) {
            (None, false) => Ok(BodyShape::Whole),
            (None, true) => Ok(BodyShape::StatusOnly),
            (Some(fields), false) => self.fields(fields).map(BodyShape::Fields),
            (Some(fields), true) => Err(self
                .file
                .error(fields.span(), "`status_only` shows nothing of a body, and so no `fields`")
                .with_help("take one of both out")),
        }
    }

    fn streamed(
        &self,
        written: std::ops::Range<usize>,
        is_part: bool,
    ) -> Result<BodyShape, SourceError> {
        if !is_part {
            return Ok(BodyShape::Streamed);
        }
        let message = "a body that is streamed passes whole, and without `fields` or `status_only`";
        Err(self.file.error(written, message).with_help("take one of both out"))
    }

    fn fields(
        &self,
        written: &Spanned<Vec<Spanned<WrittenField>>>,
    ) -> Result<DeclaredFields, SourceError> {
        let mut all = written.get_ref().iter();
        let first = all.next().ok_or_else(|| {
            self.file
                .error(written.span(), "no field of the response is shown")
                .with_help("name a field, as in `\"/id\"`, or write `status_only = true`")
        })?;
        let mut projection = DeclaredFields::of(self.field(first)?);
        for one in all {
            projection.add(self.field(one)?).map_err(|conflict| {
                let (message, help) = told(conflict);
                self.file.error(one.span(), message).with_help(help)
            })?;
        }
        Ok(projection)
    }

    fn field(&self, written: &Spanned<WrittenField>) -> Result<Field, SourceError> {
        let (at, kind, max_length) = match written.get_ref() {
            WrittenField::At(at) => (at, None, None),
            WrittenField::Typed(TypedField { at, kind, max_length }) => (at, *kind, *max_length),
        };
        let at = self.pointer(&Spanned::new(written.span(), at.clone()))?;
        let kind = kind.unwrap_or(FieldKind::Scalar);
        let lengthy = matches!(kind, FieldKind::Scalar | FieldKind::String | FieldKind::Any);
        if max_length.is_some() && !lengthy {
            let message = "only a string has a `max_length`, and `any`";
            return Err(self
                .file
                .error(written.span(), message)
                .with_help("take `max_length` out"));
        }
        Ok(Field { at, kind, max_length })
    }

    pub(super) fn pointer(&self, written: &Spanned<String>) -> Result<Pointer, SourceError> {
        let text = written.get_ref();
        text.parse::<Pointer>().map_err(|error| {
            let message = format!("`{text}` is not a JSON pointer: {error}");
            self.file.error(written.span(), message).with_help(
                "write the names on the way, as in `/user/name`, and `*` for every item of a list, as in `/items/*/title`",
            )
        })
    }
}

fn told(conflict: Conflict) -> (&'static str, &'static str) {
    match conflict {
        Conflict::Twice => ("the field is declared twice", "take one out"),
        Conflict::Within => (
            "one field is declared as a part of another one",
            "declare the whole with `type = \"any\"`, or only its parts",
        ),
        Conflict::ListAndObject => (
            "one field is in a list where another one is in an object",
            "write `*` for every item of a list in both, or in none",
        ),
    }
}

/// The ceiling of a response: it is in memory at once, for each call that waits for one.
const MAX_RESPONSE_BYTES: usize = 64 << 20;
/// Header fields that carry credentials or sessions, ask for some, or frame and route messages.
const NEVER_SHOWN: [&str; 20] = [
    "alt-svc",
    "authentication-info",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "cookie",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "set-cookie",
    "set-cookie2",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "www-authenticate",
];
