//! Which libraries are heard in the log?
use toolward_vault::UNHEARD;
use tracing_subscriber::filter::{LevelFilter, Targets};

/// Every level of every crate, but for those that repeat what servers say. Whatever else a filter lets through
/// passes this one, too.
pub(crate) fn heard() -> Targets {
    let unheard = UNHEARD.map(|target| (target, LevelFilter::OFF));
    Targets::new().with_default(LevelFilter::TRACE).with_targets(unheard)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_library_that_repeats_servers_is_heard_at_no_level() {
        let heard = heard();
        for level in [Level::ERROR, Level::INFO, Level::DEBUG, Level::TRACE] {
            assert!(!heard.would_enable("h2::codec::framed_read", &level), "{level}");
            assert!(heard.would_enable("hyper_util::client", &level), "{level}");
            assert!(heard.would_enable("toolward_vault::egress", &level), "{level}");
        }
    }
}
