//! How far the tool is, and what it has so far, for its caller.
use toolward_gate::{Limit, Progress, ProgressSink, Said, SandboxLimits};
use wasmtime::{
    Result,
    component::{HasSelf, Linker},
};

use super::Capability;
use crate::{
    guest::{Exceeded, Guest},
    text,
};
use bindings::toolward::tool::progress as wit;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "package toolward:host; world reporting { import toolward:tool/progress@0.1.0; }",
        world: "toolward:host/reporting",
        imports: { default: async | trappable },
    });
}

pub(crate) struct Reporting;

impl Capability for Reporting {
    fn interface(&self) -> &'static str {
        "progress"
    }
    fn link(&self, linker: &mut Linker<Guest>) -> Result<()> {
        wit::add_to_linker::<_, HasSelf<Reporter>>(linker, |guest| &mut guest.progress)
    }
}

pub(crate) struct Reporter {
    sink: ProgressSink,
    output_left: usize,
}

impl Reporter {
    pub(crate) fn new(sink: ProgressSink, limits: &SandboxLimits) -> Self {
        Self { sink, output_left: limits.output_bytes }
    }

    /// How long the result may still be, in bytes.
    pub(crate) fn output_left(&self) -> usize {
        self.output_left
    }

    fn spend(&mut self, text: &str) -> Result<()> {
        let left = self.output_left.checked_sub(text.len());
        self.output_left = left.ok_or_else(|| wasmtime::Error::new(Exceeded(Limit::Output)))?;
        Ok(())
    }
}

impl wit::Host for Reporter {
    /// Waits while the reader is slow; the guest is suspended, and its time runs.
    async fn report(&mut self, done: u64, total: Option<u64>, message: String) -> Result<bool> {
        let message = text::visible(&message, false, MESSAGE);
        Ok(self.sink.say(Said::Progress(Progress { done, total, message })).await)
    }

    /// As `report`: what the reader has not taken yet is no more than a few pieces, however long the text is.
    async fn part(&mut self, text: String) -> Result<bool> {
        // What nobody gets is not output.
        if !self.sink.is_heard() {
            return Ok(false);
        }
        self.spend(&text)?;
        for piece in pieces(&text) {
            if !self.sink.say(Said::Part(piece.to_owned())).await {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The text in order, in pieces of [`PIECE`] bytes at most.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at_checked(rest.floor_char_boundary(PIECE))?;
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// The longest message, in bytes.
const MESSAGE: usize = 1 << 10;
/// What is handed over at once, in bytes.
const PIECE: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use toolward_gate::{Limit, ProgressSink, Said, SandboxLimits};

    use super::{PIECE, Reporter, pieces, wit::Host as _};
    use crate::guest::Exceeded;

    fn reporter(most: usize) -> (Reporter, mpsc::Receiver<Said>) {
        let (to, heard) = mpsc::channel(1);
        let limits = SandboxLimits { output_bytes: most, ..SandboxLimits::default() };
        (Reporter::new(ProgressSink::to(to), &limits), heard)
    }

    #[test]
    fn a_text_is_cut_into_pieces_between_its_characters() {
        let text = "ä".repeat(PIECE);
        let all: Vec<&str> = pieces(&text).collect();
        assert_eq!(all.concat(), text);
        assert!(all.iter().all(|piece| piece.len() <= PIECE));
        assert_eq!(all.len(), 2);
        assert_eq!(pieces("").count(), 0);
    }

    #[tokio::test]
    async fn a_part_waits_for_its_reader() {
        let (mut reporter, mut heard) = reporter(100);
        assert!(reporter.part("one".to_owned()).await.unwrap());
        let mut second = Box::pin(reporter.part("two".to_owned()));
        tokio::select! {
            biased;
            said = &mut second => panic!("{said:?}"),
            () = async {} => {}
        }
        assert_eq!(heard.recv().await, Some(Said::Part("one".to_owned())));
        assert!(second.await.unwrap());
    }

    #[tokio::test]
    async fn parts_that_are_more_than_a_result_may_be_end_the_call() {
        let (mut reporter, mut heard) = reporter(6);
        assert!(reporter.part("one".to_owned()).await.unwrap());
        heard.recv().await.unwrap();
        assert_eq!(reporter.output_left(), 3);
        let over = reporter.part("four".to_owned()).await.unwrap_err();
        assert_eq!(over.downcast_ref::<Exceeded>().unwrap().0, Limit::Output);
        assert!(reporter.part("two".to_owned()).await.unwrap());
    }

    #[tokio::test]
    async fn a_part_that_nobody_hears_is_gone_and_does_not_count() {
        let mut nobody = Reporter::new(ProgressSink::default(), &SandboxLimits::default());
        let all = nobody.output_left();
        assert!(!nobody.part("x".to_owned()).await.unwrap());
        let (mut reporter, heard) = reporter(1);
        drop(heard);
        assert!(!reporter.part("longer".to_owned()).await.unwrap());
        assert_eq!((nobody.output_left(), reporter.output_left()), (all, 1));
    }
}
