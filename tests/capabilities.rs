//! What each interface lends, granted and not granted.
#[cfg(test)]
mod clock;
#[cfg(test)]
mod handles;
#[cfg(test)]
mod http;
#[cfg(test)]
mod key_value;
#[cfg(test)]
mod log;
#[cfg(test)]
mod progress;
#[cfg(test)]
mod random;
#[cfg(test)]
mod tools;
