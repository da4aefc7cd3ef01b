//! May secrets be in the memory of this machine?
use std::{io, path::Path};

use toolward_gate::SourceError;
use toolward_vault::swapped_to;

use crate::config::{Config, Swap};

/// Before a secret store opens.
pub(super) fn check(config: &Config) -> Result<(), SourceError> {
    if config.memory.swap == Swap::Refuse {
        kept(config, swapped_to(Path::new("/")))
    } else {
        Ok(())
    }
}

/// Once, when a host starts.
pub(super) fn warn(config: &Config) {
    if config.memory.swap == Swap::Warn
        && let Err(error) = kept(config, swapped_to(Path::new("/")))
    {
        tracing::warn!("{}", error.message());
    }
}

fn kept(config: &Config, told: io::Result<Vec<String>>) -> Result<(), SourceError> {
    let why = match told {
        Ok(disks) if disks.is_empty() => return Ok(()),
        Ok(disks) => {
            format!("secrets could be written to `{}`: this machine swaps", disks.join("`, `"))
        }
        Err(error) => format!(
            "secrets could be written to a disk: whether this machine swaps cannot be told: {error}"
        ),
    };
    let help = "let this service swap nothing (systemd: `MemorySwapMax=0`), or turn swap off; where it is encrypted, write `swap = \"allow\"` under `[memory]`";
    Err(config.file.error(config.memory.span.clone(), why).with_help(help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_it_swaps_or_does_not_say_so_no_secret_is_kept() {
        let text = "environment = \"production\"\n[memory]\nswap = \"refuse\"\n";
        let config = Config::read(Path::new("."), text).unwrap();
        kept(&config, Ok(Vec::new())).unwrap();
        let error =
            kept(&config, Ok(vec!["/swap.img".to_owned(), "/dev/sda2".to_owned()])).unwrap_err();
        assert!(error.message().contains("`/swap.img`, `/dev/sda2`"), "{}", error.message());
        let error = kept(&config, Err(io::ErrorKind::Unsupported.into())).unwrap_err();
        assert!(error.message().contains("cannot be told"), "{}", error.message());
    }
}
