//! Requests under a capability.
use toolward_vault::{EgressError, Outbound, Scanned};
use wasmtime::component::{HasSelf, Linker, Resource};

use super::{Capability, Handle};
use crate::{
    bindings::toolward::tool::http::{self, Header, HttpError, Request, Response},
    guest::{Guest, Over},
};

pub(super) struct Http;

impl Capability for Http {
    fn name(&self) -> &'static str {
        "http"
    }
    fn link(&self, linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
        http::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)
    }
}

impl http::Host for Guest {
    async fn send(
        &mut self,
        request: Request,
        under: Resource<Handle>,
    ) -> wasmtime::Result<Result<Response, HttpError>> {
        let handle = self.table.get(&under)?;
        if let Err(over) = handle.count_use() {
            return Ok(Err(HttpError::Refused(over.to_owned())));
        }
        let outbound = Outbound {
            capability: handle.capability().clone(),
            method: request.method,
            target: request.target,
            headers: request
                .headers
                .into_iter()
                .map(|Header { name, value }| (name, value))
                .collect(),
            body: request.body,
            narrowing: handle.narrowing().clone(),
        };
        match self.grant.egress().send(outbound).await {
            Ok(scanned) => Ok(Ok(response(scanned))),
            Err(EgressError::Over(cause)) => Err(wasmtime::Error::new(Over(cause))),
            Err(error) => Ok(Err(refused(error))),
        }
    }
}

fn response(scanned: Scanned) -> Response {
    let header =
        |(name, value): &(String, String)| Header { name: name.clone(), value: value.clone() };
    Response {
        status: scanned.status(),
        headers: scanned.headers().iter().map(header).collect(),
        body: scanned.into_body(),
    }
}

fn refused(error: EgressError) -> HttpError {
    match error {
        EgressError::NotAllowed(why) => HttpError::NotAllowed(why),
        EgressError::AddressDenied => HttpError::AddressDenied,
        EgressError::ConnectionFailed => HttpError::ConnectionFailed,
        EgressError::ResponseRefused(why) => HttpError::ResponseRefused(why),
        EgressError::ResponseTooLarge(limit) => HttpError::ResponseTooLarge(limit),
        EgressError::Withheld => HttpError::Withheld,
        EgressError::CredentialUnavailable => HttpError::CredentialUnavailable,
        EgressError::Over(cause) => HttpError::Refused(cause.to_string()),
    }
}
