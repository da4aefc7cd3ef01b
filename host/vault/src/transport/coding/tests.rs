use std::io::Write as _;

use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use http::HeaderValue;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;

const LIMIT: usize = 1 << 16;
const TEXT: &[u8] = b"{\"title\":\"answ3rmark answ3rmark answ3rmark\"}";
/// `TEXT`, as Google's encoder writes it.
const TEXT_IN_BROTLI: &str =
    "1b2b0000046a72a4bf037dcb2c90a02068b52494e8b28c0cb0d4e3165082ac5977e0051e";
/// 16 MiB of one digit.
const BROTLI_BOMB: &str = "cbffff3f002460e2b14072effff8ffff078004401c1680eefddf";
/// A frame that asks for a window of 2 GiB (RFC 8878 section 3.1.1.1.2), with one empty block.
const WIDE_ZSTD: &str = "28b52ffd00a8010000";

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn raw_deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd_of(text: &[u8]) -> Vec<u8> {
    compress_to_vec(text, CompressionLevel::Fastest)
}

fn encoded() -> [(Coding, Vec<u8>); 5] {
    [
        (Coding::Gzip, gzip(TEXT)),
        (Coding::Deflate, zlib(TEXT)),
        (Coding::Deflate, raw_deflate(TEXT)),
        (Coding::Brotli, hex::decode(TEXT_IN_BROTLI).unwrap()),
        (Coding::Zstd, zstd_of(TEXT)),
    ]
}

#[test]
fn one_layer_of_every_coding_is_taken_off() {
    for (coding, body) in encoded() {
        assert_eq!(coding.decode(body, TEXT.len()).as_deref(), Ok(TEXT), "{coding:?}");
        assert_eq!(coding.decode(Vec::new(), LIMIT), Ok(Vec::new()), "{coding:?}");
    }
}

#[test]
fn a_body_that_is_cut_off_or_goes_on_is_refused() {
    for (coding, body) in encoded() {
        for length in 1..body.len() {
            let cut = body.get(..length).unwrap().to_vec();
            assert_eq!(
                coding.decode(cut, LIMIT),
                Err(TransportError::Encoded),
                "{coding:?} {length}"
            );
        }
        let longer = [body.as_slice(), b"ghp_"].concat();
        assert_eq!(coding.decode(longer, LIMIT), Err(TransportError::Encoded), "{coding:?}");
    }
}

/// [A-20] Every decoder ends at the same limit, and one that would need a large window does not begin.
#[test]
fn a_bomb_ends_at_the_limit() {
    let zeros = vec![b'0'; 1 << 24];
    let bombs = [
        (Coding::Gzip, gzip(&zeros)),
        (Coding::Deflate, zlib(&zeros)),
        (Coding::Deflate, raw_deflate(&zeros)),
        (Coding::Brotli, hex::decode(BROTLI_BOMB).unwrap()),
        (Coding::Zstd, zstd_of(&zeros)),
    ];
    for (coding, bomb) in bombs {
        assert!(bomb.len() < LIMIT, "{coding:?}: {}", bomb.len());
        assert_eq!(
            coding.decode(bomb.clone(), LIMIT),
            Err(TransportError::TooLarge(LIMIT)),
            "{coding:?}"
        );
        let whole = coding.decode(bomb, zeros.len()).map(|plain| plain.len());
        assert_eq!(whole, Ok(zeros.len()), "{coding:?}, with room");
    }
    let wide = hex::decode(WIDE_ZSTD).unwrap();
    assert_eq!(Coding::Zstd.decode(wide, LIMIT), Err(TransportError::Encoded));
    let narrow = hex::decode(WIDE_ZSTD.replace("00a8", "0058")).unwrap();
    assert_eq!(Coding::Zstd.decode(narrow, LIMIT), Ok(Vec::new()), "a window of 2 MiB");
}

/// [C-24]
#[test]
fn what_is_unknown_or_encoded_twice_is_refused() {
    let of = |values: &[&'static str]| {
        let values =
            values.iter().map(|value| (header::CONTENT_ENCODING, HeaderValue::from_static(value)));
        Coding::of(&values.collect())
    };
    assert_eq!(of(&[]), Ok(Coding::Identity));
    assert_eq!(of(&["identity"]), Ok(Coding::Identity));
    assert_eq!(of(&["GZip"]), Ok(Coding::Gzip));
    assert_eq!(of(&["identity, br"]), Ok(Coding::Brotli));
    for wrong in [
        &["compress"][..],
        &["gzip, gzip"],
        &["gzip", "br"],
        &["gzip;q=1"],
        &["dcb"],
        &["aws-chunked"],
        &[""],
        &["gzip,"],
    ] {
        assert_eq!(of(wrong), Err(TransportError::Encoded), "{wrong:?}");
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        for coding in [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd] {
            let plain = coding.decode(body.clone(), LIMIT);
            proptest::prop_assert!(plain.map_or(true, |plain| plain.len() <= LIMIT));
        }
    }
}
