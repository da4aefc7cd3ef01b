//! What each interface lends, granted and not granted.
#[cfg(test)]
mod clock;
#[cfg(test)]
mod key_value;
