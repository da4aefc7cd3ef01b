//! What does an encoded body hold? One layer of the codings that servers use unasked (RFC 9110 section 8.4.1).
//!
//! The decoders are written in Rust without unsafe code of their own that a body could reach, or with little: a
//! hostile body is what they are for. A body that goes on behind its end, or ends before it, is refused; so is one
//! that is longer than its limit, however small it was on the wire.
use std::io::Read;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status, bufread::MultiGzDecoder};
use http::{HeaderMap, header};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::TransportError;

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    /// In zlib's format or, as some servers have it, without that.
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    /// Fails when it is unknown, or one above another.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, TransportError> {
        let mut codings = Vec::new();
        for value in headers.get_all(header::CONTENT_ENCODING) {
            let value = value.to_str().map_err(|_| TransportError::Encoded)?;
            codings.extend(value.split(',').map(|coding| coding.trim().to_ascii_lowercase()));
        }
        codings.retain(|coding| coding != "identity");
        match codings.as_slice() {
            [] => Ok(Self::Identity),
            [one] => Self::named(one),
            _ => Err(TransportError::Encoded),
        }
    }

    fn named(name: &str) -> Result<Self, TransportError> {
        match name {
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "deflate" => Ok(Self::Deflate),
            "br" => Ok(Self::Brotli),
            "zstd" => Ok(Self::Zstd),
            _ => Err(TransportError::Encoded),
        }
    }

    /// Takes the coding off a whole body. At most `limit` bytes come out.
    pub(super) fn decode(self, body: Vec<u8>, limit: usize) -> Result<Vec<u8>, TransportError> {
        if body.is_empty() {
            return Ok(body);
        }
        let mut rest = body.as_slice();
        let plain = match self {
            Self::Identity => return Ok(body),
            Self::Gzip => read(MultiGzDecoder::new(&mut rest), limit)?,
            Self::Deflate => inflate(&mut rest, has_zlib_header(&body), limit)?,
            Self::Brotli => brotli(&mut rest, limit)?,
            Self::Zstd => zstd(&mut rest, limit)?,
        };
        if rest.is_empty() { Ok(plain) } else { Err(TransportError::Encoded) }
    }
}

fn read(decoder: impl Read, limit: usize) -> Result<Vec<u8>, TransportError> {
    let mut plain = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(most).read_to_end(&mut plain).map_err(|_| TransportError::Encoded)?;
    if plain.len() > limit { Err(TransportError::TooLarge(limit)) } else { Ok(plain) }
}

/// The reader of this library takes a stream without its end for a whole one.
fn inflate(rest: &mut &[u8], is_zlib: bool, limit: usize) -> Result<Vec<u8>, TransportError> {
    let (mut state, mut plain) = (Decompress::new(is_zlib), Vec::new());
    loop {
        let (unread, length) = (rest.len(), plain.len());
        plain.reserve(BLOCK.min(limit.saturating_sub(length).saturating_add(1)));
        let before = state.total_in();
        let status = state.decompress_vec(rest, &mut plain, FlushDecompress::None);
        let status = status.map_err(|_| TransportError::Encoded)?;
        let read = usize::try_from(state.total_in().saturating_sub(before)).unwrap_or(usize::MAX);
        *rest = rest.get(read..).unwrap_or_default();
        if plain.len() > limit {
            return Err(TransportError::TooLarge(limit));
        }
        if status == Status::StreamEnd {
            return Ok(plain);
        }
        if rest.len() == unread && plain.len() == length {
            return Err(TransportError::Encoded);
        }
    }
}

/// RFC 1950 section 2.2.
fn has_zlib_header(body: &[u8]) -> bool {
    match body {
        [method, flags, ..] => {
            method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
        }
        _ => false,
    }
}

/// Windows end at 16 MiB (RFC 7932 section 9.1).
fn brotli(rest: &mut &[u8], limit: usize) -> Result<Vec<u8>, TransportError> {
    let allocator = StandardAlloc::default;
    let mut state = BrotliState::new(allocator(), allocator(), allocator());
    let (mut unread, mut read, mut total) = (rest.len(), 0, 0);
    let (mut plain, mut block) = (Vec::new(), vec![0; BLOCK]);
    loop {
        let (mut room, mut written) = (block.len(), 0);
        let result = BrotliDecompressStream(
            &mut unread,
            &mut read,
            rest,
            &mut room,
            &mut written,
            &mut block,
            &mut total,
            &mut state,
        );
        plain.extend_from_slice(block.get(..written).unwrap_or_default());
        if plain.len() > limit {
            return Err(TransportError::TooLarge(limit));
        }
        match result {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultSuccess => break,
            BrotliResult::NeedsMoreInput | BrotliResult::ResultFailure => {
                return Err(TransportError::Encoded);
            }
        }
    }
    *rest = rest.get(read..).unwrap_or_default();
    Ok(plain)
}

/// One frame after the other (RFC 8878 section 3), each with its checksum, if it has one.
fn zstd(rest: &mut &[u8], limit: usize) -> Result<Vec<u8>, TransportError> {
    let mut plain = Vec::new();
    while !rest.is_empty() {
        let decoder = StreamingDecoder::new_with_max_window_size(&mut *rest, MAX_WINDOW);
        let mut decoder = decoder.map_err(|_| TransportError::Encoded)?;
        plain.extend(read(&mut decoder, limit.saturating_sub(plain.len()))?);
        let frame: FrameDecoder = decoder.into_frame_decoder();
        let written = frame.get_checksum_from_data();
        if !frame.is_finished() || written.is_some() && written != frame.get_calculated_checksum() {
            return Err(TransportError::Encoded);
        }
    }
    Ok(plain)
}

/// As much as a decoder of this coding must be able to hold, and no more (RFC 9659 section 3), in bytes.
const MAX_WINDOW: u64 = 8 << 20;
const BLOCK: usize = 64 << 10;

#[cfg(test)]
mod tests;
