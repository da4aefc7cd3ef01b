//! Which objects a bucket lists (Amazon S3 API Reference, ListObjectsV2).
use std::str;

use quick_xml::{Reader, events::Event};

pub(super) struct Listing {
    pub(super) keys: Vec<String>,
    /// Whether there are more.
    pub(super) goes_on: bool,
}

/// `None` when it is not such a list, or has anything in it that our names do not need.
pub(super) fn read(body: &[u8]) -> Option<Listing> {
    let mut reader = Reader::from_str(str::from_utf8(body).ok()?);
    let (mut at, mut text) = (Vec::<String>::new(), String::new());
    let (mut keys, mut goes_on) = (Vec::new(), false);
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) if at.len() < MAX_DEPTH => {
                at.push(tag.local_name().as_ref().to_owned());
                text.clear();
            }
            Event::Text(piece) => text.push_str(&piece),
            Event::End(_) => {
                let path: Vec<&str> = at.iter().map(String::as_str).collect();
                match path.as_slice() {
                    ["ListBucketResult", "Contents", "Key"] => keys.push(std::mem::take(&mut text)),
                    ["ListBucketResult", "IsTruncated"] => goes_on = text.trim() == "true",
                    _ => {}
                }
                let left = at.pop()?;
                if at.is_empty() {
                    return (left == "ListBucketResult").then_some(Listing { keys, goes_on });
                }
            }
            // References stand in fields that are not read, as quotes around an `ETag`.
            Event::GeneralRef(_) if at.last().is_some_and(|name| name != "Key") => {}
            Event::Decl(_) | Event::Empty(_) => {}
            Event::Start(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::PI(_)
            | Event::DocType(_)
            | Event::GeneralRef(_)
            | Event::Eof => return None,
        }
    }
}

const MAX_DEPTH: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>audit</Name><Prefix>a/</Prefix><KeyCount>2</KeyCount><IsTruncated>true</IsTruncated><Contents><Key>a/1.json</Key><ETag>&quot;x&quot;</ETag><Size>5</Size></Contents><Contents><Key>a/2.json</Key><Owner><ID>Key</ID></Owner></Contents><CommonPrefixes/></ListBucketResult>"#;

    #[test]
    fn the_keys_of_a_list_are_read_and_nothing_else_is_taken_for_one() {
        let list = read(LIST.as_bytes()).unwrap();
        assert_eq!(
            (list.keys, list.goes_on),
            (vec!["a/1.json".to_owned(), "a/2.json".to_owned()], true)
        );
        let empty =
            read(b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>").unwrap();
        assert!(empty.keys.is_empty() && !empty.goes_on);
        for wrong in [
            "",
            "<Error><Code>AccessDenied</Code></Error>",
            "<ListBucketResult><Contents><Key>a</Key>",
            "<ListBucketResult><Contents><Key>a&lt;b</Key></Contents></ListBucketResult>",
            "<!DOCTYPE a [<!ENTITY b \"c\">]><ListBucketResult></ListBucketResult>",
            "{\"keys\":[]}",
        ] {
            assert!(read(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_list_or_not(body in proptest::collection::vec(any::<u8>(), 0..300), cut in 0..500_usize) {
            drop(read(&body));
            drop(read(&LIST.as_bytes()[..cut.min(LIST.len())]));
        }
    }
}
