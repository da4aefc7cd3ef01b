//! Where a test can make things fail, or a process end. Outside of tests there is nothing here.
#[cfg(not(test))]
use toolward_gate::Unavailable;

#[cfg(test)]
pub(crate) use crate::tests::faults::at;

/// A step that can fail, by its name.
#[cfg(not(test))]
#[expect(clippy::unused_async, reason = "tests wait here")]
#[inline]
pub(crate) async fn at(_step: &'static str) -> Result<(), Unavailable> {
    Ok(())
}
