//! Until when is a credential good, as its owner knows?
use jiff::Timestamp;
use toml::Table;

/// Takes `expires` out. Fails with what to write.
pub(super) fn expires(table: &mut Table) -> Result<Option<Timestamp>, String> {
    let Some(written) = table.remove("expires") else { return Ok(None) };
    let text = written.as_str().map_or_else(|| written.to_string(), str::to_owned);
    let wrong = |_| {
        format!(
            "`expires` is a moment with its offset, as in `2027-01-31T00:00:00Z`, and not `{text}`"
        )
    };
    text.parse().map(Some).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_with_its_offset_and_with_or_without_quotes() {
        let read = |text: &str| expires(&mut toml::from_str(text).unwrap());
        let end = "2027-01-31T00:00:00Z".parse().unwrap();
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("expires = 2027-01-31T00:00:00Z"), Ok(Some(end)));
        assert_eq!(read("expires = \"2027-01-31T01:00:00+01:00\""), Ok(Some(end)));
        for wrong in ["2027-01-31", "2027-01-31T00:00:00", "\"soon\"", "17", "true"] {
            let error = read(&format!("expires = {wrong}")).unwrap_err();
            assert!(error.contains("2027-01-31T00:00:00Z"), "{error}");
        }
    }
}
