//! Does a person mean it? Asked before everything is stopped, and before everything runs again.
use std::io::{self, BufRead, IsTerminal as _, Write};

use toolward_gate::SwitchTarget;

use super::Failure;

/// Whether there is somebody who could answer.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks where the switch is `everything` and nobody has agreed yet. Fails unless the answer is that word.
pub(super) fn before(agreed: bool, target: &SwitchTarget, what: &str) -> Result<(), Failure> {
    if agreed || *target != SwitchTarget::Everything {
        return Ok(());
    }
    if !can_ask() {
        return Err(Failure::Usage(format!(
            "this {what}, and there is no terminal to ask at: add `--yes`"
        )));
    }
    ask(what, &mut io::stdin().lock(), &mut io::stderr())
}

fn ask(what: &str, from: &mut impl BufRead, to: &mut impl Write) -> Result<(), Failure> {
    write!(to, "This {what}. Write `{WORD}` to go on: ")?;
    to.flush()?;
    let mut line = String::new();
    from.read_line(&mut line)?;
    if line.trim() == WORD {
        return Ok(());
    }
    Err(Failure::Refused("it was not confirmed; nothing was changed".to_owned()))
}

const WORD: &str = "everything";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_word_is_an_agreement() {
        let said = |text: &str| ask("stops it", &mut text.as_bytes(), &mut Vec::new());
        assert!(said("everything\n").is_ok() && said(" everything \r\n").is_ok());
        for text in
            ["", "\n", "y\n", "yes\n", "Everything\n", "everything else\n", "no\neverything\n"]
        {
            assert!(matches!(said(text), Err(Failure::Refused(_))), "{text:?}");
        }
    }
}
