//! Requests under a handle. The vault sends them; this file only carries them over.
use toolward_gate::Note;
use toolward_vault::{EgressError, Grant, Outbound, Shaped};
use wasmtime::{
    Result,
    component::{HasData, Linker, Resource},
};

use super::{
    Capability,
    handles::{Handle, Handles, Spent},
};
use crate::guest::{Guest, Over};
use bindings::toolward::tool::http::{self as wit, Header, HttpError, Request, Response};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "package toolward:host; world requests { import toolward:tool/http@0.1.0; }",
        world: "toolward:host/requests",
        imports: { default: async | trappable },
        with: {
            "toolward:tool/capabilities":
                crate::capability::handles::bindings::toolward::tool::capabilities,
        },
    });
}

pub(crate) struct Http;

impl Capability for Http {
    fn interface(&self) -> &'static str {
        "http"
    }
    fn link(&self, linker: &mut Linker<Guest>) -> Result<()> {
        wit::add_to_linker::<_, Self>(linker, |guest| Requests {
            handles: &mut guest.handles,
            grant: &guest.grant,
        })
    }
}

impl HasData for Http {
    type Data<'a> = Requests<'a>;
}

/// The handles of a call and the way out for them.
pub(crate) struct Requests<'a> {
    handles: &'a mut Handles,
    grant: &'a Grant,
}

impl wit::Host for Requests<'_> {
    async fn send(
        &mut self,
        request: Request,
        under: Resource<Handle>,
    ) -> Result<Result<Response, HttpError>> {
        let handle = self.handles.lent(&under)?;
        if let Err(spent) = handle.spend() {
            return Ok(Err(self.refuse(handle, spent)));
        }
        let sending = self.grant.egress().send(outbound(request, handle));
        let sent = match handle.expires_at {
            // The handle ends before its call, and takes the request with it.
            Some(end) => match tokio::time::timeout_at(end, sending).await {
                Ok(sent) => sent,
                Err(_) => return Ok(Err(HttpError::Refused(Spent::Time.to_string()))),
            },
            None => sending.await,
        };
        match sent {
            Ok(shaped) => Ok(Ok(response(shaped))),
            Err(error) => error_for_guest(error).map(Err),
        }
    }
}

impl Requests<'_> {
    fn refuse(&self, handle: &Handle, spent: Spent) -> HttpError {
        let code = match spent {
            Spent::Time => "handle-expired",
            Spent::Uses => "handle-spent",
        };
        let capability = handle.name.to_string();
        self.grant.call().notes.add(Note::NotSent { capability, code: code.to_owned() });
        HttpError::Refused(spent.to_string())
    }
}

fn outbound(request: Request, handle: &Handle) -> Outbound {
    Outbound {
        capability: handle.name.clone(),
        method: request.method,
        target: request.target,
        headers: request.headers.into_iter().map(|header| (header.name, header.value)).collect(),
        body: request.body,
        narrowing: handle.narrowing.clone(),
    }
}

fn response(shaped: Shaped) -> Response {
    let header =
        |(name, value): &(String, String)| Header { name: name.clone(), value: value.clone() };
    Response {
        status: shaped.status(),
        headers: shaped.headers().iter().map(header).collect(),
        body: shaped.into_body(),
    }
}

/// What a guest is told; the end of a call is not told but unwinds it.
fn error_for_guest(error: EgressError) -> Result<HttpError> {
    Ok(match error {
        EgressError::NotAllowed(why) => HttpError::NotAllowed(why),
        error @ EgressError::CredentialInRequest => HttpError::NotAllowed(error.to_string()),
        EgressError::AddressDenied => HttpError::AddressDenied,
        EgressError::ConnectionFailed => HttpError::ConnectionFailed,
        EgressError::ResponseRefused(why) => HttpError::ResponseRefused(why),
        EgressError::ResponseTooLarge(bytes) => HttpError::ResponseTooLarge(bytes),
        EgressError::Withheld => HttpError::Withheld,
        EgressError::CredentialUnavailable => HttpError::CredentialUnavailable,
        error @ (EgressError::OverBudget | EgressError::NotSetAside | EgressError::NotYours) => {
            HttpError::Refused(error.to_string())
        }
        EgressError::Over(cause) => return Err(wasmtime::Error::new(Over(cause))),
    })
}

#[cfg(test)]
mod tests {
    use toolward_gate::Cause;
    use toolward_vault::EgressError;

    use super::error_for_guest;
    use crate::guest::Over;

    #[test]
    fn the_end_of_a_call_unwinds_the_guest_and_another_error_does_not() {
        let error = error_for_guest(EgressError::Over(Cause::TimeOver)).unwrap_err();
        assert_eq!(error.downcast_ref::<Over>().unwrap().0, Cause::TimeOver);
        error_for_guest(EgressError::Withheld).unwrap();
    }
}
