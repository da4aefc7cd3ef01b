//! How does HTTP learn that a call was refused for what its token leaves out?
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rmcp::{RoleServer, service::RequestContext};
use toolward_gate::{Refusal, Stop};
use toolward_sandbox::Output;

/// Goes with one request, and is set when its call is refused because a capability was not granted.
#[derive(Clone, Debug, Default)]
pub(in crate::door) struct NotGranted(Arc<AtomicBool>);

impl NotGranted {
    pub(in crate::door) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Tells whoever put a [`NotGranted`] beside the request.
pub(super) fn tell(context: &RequestContext<RoleServer>, outcome: &Result<Output, Stop>) {
    let request = context.extensions.get::<http::request::Parts>();
    let noting = request.and_then(|request| request.extensions.get::<NotGranted>());
    if let (Some(NotGranted(set)), Err(Stop::Refused(Refusal::NotGranted { .. }))) =
        (noting, outcome)
    {
        set.store(true, Ordering::Release);
    }
}
