//! What does the end of a run mean to the caller?
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use toolward_gate::{Limit, Stop, ToolFailure, Unavailable};
use wasmtime::{Trap, component::ResourceTableError};

use crate::{
    guest::{Exceeded, Guest, Over},
    limits, text,
};

/// The reason why a run broke off.
pub(crate) fn of_error(error: &wasmtime::Error, guest: &Guest) -> Stop {
    if let Some(Over(cause)) = error.downcast_ref::<Over>() {
        return Stop::Halted(cause.clone());
    }
    if let Some(unavailable) = error.downcast_ref::<Unavailable>() {
        return unavailable.clone().into();
    }
    match limit(error, guest) {
        Some(limit) => Stop::Limit(limit),
        None => Stop::Trapped { cause: text::visible(&format!("{error:?}"), true, CAUSE).into() },
    }
}

fn limit(error: &wasmtime::Error, guest: &Guest) -> Option<Limit> {
    if let Some(Exceeded(limit)) = error.downcast_ref::<Exceeded>() {
        return Some(*limit);
    }
    if error.downcast_ref::<Trap>() == Some(&Trap::StackOverflow) {
        return Some(Limit::Stack);
    }
    if matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full)) {
        return Some(Limit::Handles);
    }
    let told = error.chain().find_map(|cause| limits::told(&cause.to_string()));
    told.or_else(|| guest.quota.refused())
}

/// What the tool itself reported, in a form that can be shown.
pub(crate) fn of_failure(code: &str, message: &str) -> Stop {
    let code = text::visible(code, false, FAILURE_CODE);
    let message = text::visible(message, true, FAILURE_MESSAGE);
    Stop::Failed(ToolFailure { code, message })
}

/// Runs `work`; a panic in it ends this call only.
pub(crate) async fn guarded<T>(work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    let mut work = pin!(work);
    std::future::poll_fn(move |context| {
        // After a panic the future is dropped and never polled again, and nothing else shares its store.
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        polled.unwrap_or_else(|_| {
            // The payload stays out: it is not known what it says.
            Poll::Ready(Err(Stop::Trapped { cause: "the host's part of the call panicked".into() }))
        })
    })
    .await
}

/// Of the text for the operator's log, in bytes.
const CAUSE: usize = 4 << 10;
const FAILURE_CODE: usize = 64;
const FAILURE_MESSAGE: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use toolward_gate::Stop;

    use super::{guarded, of_failure};

    #[tokio::test]
    async fn a_panic_in_the_host_ends_one_call_and_not_the_process() {
        let panicking = async { if true { panic!("with a secret") } else { Ok(()) } };
        match guarded(panicking).await {
            Err(Stop::Trapped { cause }) => assert!(!cause.contains("secret")),
            other => panic!("{other:?}"),
        }
        guarded(async { Ok(()) }).await.unwrap();
    }

    #[test]
    fn a_failure_is_cut_and_made_visible() {
        let Stop::Failed(failure) = of_failure(&"x".repeat(100), "a\u{1b}[31m\nb") else {
            panic!()
        };
        assert_eq!(failure.code.chars().count(), 65);
        assert_eq!(failure.message, "a\\u{1b}[31m\nb");
    }
}
