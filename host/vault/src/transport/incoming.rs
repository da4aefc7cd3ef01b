//! A body that is still coming in, up to its limit.
use super::{TransportError, unread::Unread};

/// It may hold anything.
pub(crate) struct Incoming {
    response: reqwest::Response,
    limit: usize,
    received: usize,
    unread: Option<Unread>,
}

impl Incoming {
    /// Fails where the body is announced to be longer than the limit.
    pub(super) fn of(
        response: reqwest::Response,
        unread: Unread,
        limit: usize,
    ) -> Result<Self, TransportError> {
        let mut incoming = Self { response, limit, received: 0, unread: Some(unread) };
        if incoming.is_empty() {
            incoming.is_read();
        }
        match incoming.announced() {
            Some(length) if length > limit => Err(TransportError::TooLarge(limit)),
            _ => Ok(incoming),
        }
    }

    /// The next piece. Nothing is lost where the caller stops waiting.
    pub(crate) async fn next(
        &mut self,
    ) -> Result<Option<impl AsRef<[u8]> + use<>>, TransportError> {
        let piece = self.response.chunk().await.map_err(|_| TransportError::Failed)?;
        let Some(piece) = piece else {
            self.is_read();
            return Ok(None);
        };
        self.received = self.received.saturating_add(piece.len());
        if self.received > self.limit {
            return Err(TransportError::TooLarge(self.limit));
        }
        Ok(Some(piece))
    }

    fn is_read(&mut self) {
        self.unread.take().into_iter().for_each(Unread::forget);
    }

    /// How long it will be, in bytes, where that is known.
    pub(super) fn announced(&self) -> Option<usize> {
        self.response.content_length().and_then(|length| usize::try_from(length).ok())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.announced() == Some(0)
    }

    /// Bytes so far.
    pub(crate) fn received(&self) -> u64 {
        self.received as u64
    }
}
