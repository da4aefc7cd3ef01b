//! Where a test can make things fail, or a process end. Outside of tests there is nothing here.
#[cfg(not(test))]
use toolward_gate::Unavailable;

#[cfg(test)]
pub(crate) use crate::tests::faults::at;

/// A step that can fail, by its name.
#[cfg(not(test))]
#[inline]
pub(crate) fn at(_step: &'static str) -> Result<(), Unavailable> {
    Ok(())
}

/// As [`at`], among failures of the system.
pub(crate) fn io(step: &'static str) -> std::io::Result<()> {
    at(step).map_err(|error| std::io::Error::other(error.cause.to_string()))
}
