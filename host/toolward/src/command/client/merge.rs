//! One host in a client's configuration, and everything else as it was.
use serde_json::{Map, Value};
use toolward_gate::parse_json;

/// JSON with the entry at `outer.name`. Keys keep their order, also those that nobody here knows.
pub(super) fn json(before: &str, outer: &str, name: &str, entry: &Value) -> Result<String, String> {
    let mut whole = match before.trim() {
        "" => Value::Object(Map::new()),
        text => parse_json(text)
            .map_err(|error| format!("it is not plain JSON, as where it has comments: {error}"))?,
    };
    let Some(members) = whole.as_object_mut() else {
        return Err("it is not a JSON object".to_owned());
    };
    let servers = members.entry(outer).or_insert_with(|| Value::Object(Map::new()));
    let Some(servers) = servers.as_object_mut() else {
        return Err(format!("its `{outer}` is not an object"));
    };
    if servers.get(name) == Some(entry) {
        return Ok(before.to_owned());
    }
    servers.insert(name.to_owned(), entry.clone());
    let mut text = serde_json::to_string_pretty(&whole).map_err(|error| error.to_string())?;
    text.push('\n');
    Ok(text)
}

/// TOML with the entry as the table `[outer.name]`, at the end or where it was. All else keeps its bytes.
pub(super) fn toml(before: &str, outer: &str, name: &str, entry: &Value) -> Result<String, String> {
    let read = |text: &str| text.parse::<toml::Table>().map_err(|error| error.message().to_owned());
    let old = read(before).map_err(|error| format!("it is not TOML: {error}"))?;
    let wanted = toml::Value::try_from(entry).map_err(|error| error.to_string())?;
    if old.get(outer).and_then(|servers| servers.get(name)) == Some(&wanted) {
        return Ok(before.to_owned());
    }
    let header = format!("{outer}.{name}");
    let table = table(&header, &wanted)?;
    let after = match lines_of(before, &header) {
        Some((start, end)) => {
            let (head, rest) = before.split_at_checked(start).unwrap_or((before, ""));
            let tail =
                rest.split_at_checked(end.saturating_sub(start)).map_or("", |(_, tail)| tail);
            format!("{head}{table}{}{tail}", if tail.is_empty() { "" } else { "\n" })
        }
        None => format!("{before}{}{table}", gap(before)),
    };
    // What was meant is what a reader finds: the entry, and nothing else that is different.
    let mut expected = old;
    let servers = expected.entry(outer).or_insert_with(|| toml::Table::new().into());
    let servers = servers.as_table_mut().ok_or_else(|| format!("its `{outer}` is not a table"))?;
    servers.insert(name.to_owned(), wanted);
    if read(&after).as_ref() != Ok(&expected) {
        return Err(format!("`{header}` is written in a way that cannot be replaced; remove it"));
    }
    Ok(after)
}

/// The entry's own lines, and a table for each of its members that is one.
fn table(header: &str, entry: &toml::Value) -> Result<String, String> {
    let members = entry.as_table().ok_or("the entry is no table")?;
    let (tables, own): (toml::Table, toml::Table) =
        members.clone().into_iter().partition(|(_, value)| value.is_table());
    let mut text = format!("[{header}]\n{own}");
    for (name, value) in &tables {
        text.push_str(&format!(
            "\n[{header}.{name}]\n{}",
            value.as_table().cloned().unwrap_or_default()
        ));
    }
    Ok(text)
}

/// From the header of a table to the next of another one, in bytes. What stands in between is the table's own.
fn lines_of(text: &str, header: &str) -> Option<(usize, usize)> {
    let (own, inner) = (format!("[{header}]"), format!("[{header}."));
    let (mut start, mut place) = (None, 0_usize);
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        match start {
            None if trimmed == own => start = Some(place),
            Some(start) if trimmed.starts_with('[') && !trimmed.starts_with(&inner) => {
                return Some((start, place));
            }
            _ => {}
        }
        place = place.saturating_add(line.len());
    }
    start.map(|start| (start, place))
}

fn gap(before: &str) -> &'static str {
    match before {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    }
}

#[cfg(test)]
mod tests;
