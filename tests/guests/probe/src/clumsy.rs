//! Tools that end badly without meaning to.
use serde::{Deserialize, Serialize, Serializer};
use toolward_sdk::{Capability, ToolError, ToolType, tool};

use crate::Text;

/// Reports that it cannot do it.
#[tool]
fn fail() -> Result<Text, ToolError> {
    Err(ToolError::new("out-of-stock", "there is nothing left"))
}

/// Breaks off in the middle.
#[tool]
fn panic() -> Result<Text, ToolError> {
    toolward_sdk::log::info("about to break off");
    panic!("a part is missing")
}

#[derive(ToolType)]
#[allow(dead_code, reason = "only its schema counts")]
struct Promise {
    number: u64,
}

impl Serialize for Promise {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::json!({ "number": "seven" }).serialize(serializer)
    }
}

/// Promises a number and answers with a word.
#[tool]
fn answer_otherwise() -> Result<Promise, ToolError> {
    Ok(Promise { number: 7 })
}

/// A text by its schema; lists within lists by what it writes.
struct Nested {
    depth: u64,
}

impl ToolType for Nested {
    const SCHEMA: &'static toolward_sdk::Schema = <String as ToolType>::SCHEMA;
}

impl Serialize for Nested {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.depth.checked_sub(1) {
            Some(depth) => [Self { depth }].serialize(serializer),
            None => "inside".serialize(serializer),
        }
    }
}

#[derive(Serialize, ToolType)]
struct Nest {
    text: Nested,
}

#[derive(Deserialize, ToolType)]
struct Shape {
    /// Of what it is made.
    of: String,
    count: u64,
}

/// A text by its schema; by what it writes, so many zeros, keys or characters that need escapes.
struct Wide(Shape);

impl ToolType for Wide {
    const SCHEMA: &'static toolward_sdk::Schema = <String as ToolType>::SCHEMA;
}

impl Serialize for Wide {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Shape { of, count } = &self.0;
        match of.as_str() {
            "zeros" => serializer.collect_seq((0..*count).map(|_| 0)),
            "keys" => serializer.collect_map((0..*count).map(|key| (format!("{key:x}"), 0))),
            _ => serializer.collect_str(&"\0".repeat(usize::try_from(*count).unwrap_or_default())),
        }
    }
}

#[derive(Serialize, ToolType)]
struct Width {
    text: Wide,
}

/// Answers with very many small things.
#[tool]
fn widen(shape: Shape) -> Result<Width, ToolError> {
    Ok(Width { text: Wide(shape) })
}

/// Answers with lists within lists.
#[tool]
fn nest(of: Depth) -> Result<Nest, ToolError> {
    Ok(Nest { text: Nested { depth: of.depth } })
}

/// Says that it begins, and never ends.
#[tool(capabilities("host:progress:report"))]
fn spin() -> Result<Text, ToolError> {
    toolward_sdk::progress::report(0, None, "beginning");
    loop {
        core::hint::black_box(());
    }
}

#[derive(Deserialize, ToolType)]
struct Size {
    bytes: u64,
}

/// Answers at length.
#[tool]
fn talk(of: Size) -> Result<Text, ToolError> {
    Ok(Text::new("a".repeat(usize::try_from(of.bytes).unwrap_or_default())))
}

/// Fills memory, page by page.
#[tool]
fn fill_memory(of: Size) -> Result<Text, ToolError> {
    let mut pages: Vec<Vec<u8>> = Vec::new();
    for _ in 0..of.bytes / 65_536 {
        pages.push(core::hint::black_box(vec![1; 65_536]));
    }
    Ok(Text::new(format!("{} pages", pages.len())))
}

#[derive(Deserialize, ToolType)]
struct Depth {
    depth: u64,
}

/// Calls itself.
#[tool]
fn recurse(of: Depth) -> Result<Text, ToolError> {
    Ok(Text::new(down(of.depth).to_string()))
}

/// Not associative, so that it does not become a loop.
#[inline(never)]
fn down(left: u64) -> u64 {
    if left == 0 { 7 } else { down(left - 1).rotate_left(3).wrapping_mul(left | 1) }
}

#[derive(Deserialize, ToolType)]
struct Count {
    count: u64,
}

/// Holds as many handles as it is given.
#[tool]
fn hoard(of: Count) -> Result<Text, ToolError> {
    let mut held = Vec::new();
    for _ in 0..of.count {
        match Capability::obtain("host:log:write") {
            Ok(handle) => held.push(handle),
            Err(refusal) => return Ok(Text::new(format!("{} and then {refusal:?}", held.len()))),
        }
    }
    Ok(Text::new(format!("{} held", held.len())))
}

/// Logs lines with fields.
#[tool]
fn annotate(of: Count) -> Result<Text, ToolError> {
    use toolward_sdk::log;
    let Count { count } = of;
    log::info!(
        "packed {count} parcels",
        parcels = count,
        to = format_args!("{}\n{}", "acme", "\u{202e}")
    );
    log::warn!("no fields");
    log::write(log::Level::Error, "names of all kinds", &[("a b", &1), ("", &2), ("a b", &3)]);
    Ok(Text::new("said"))
}

/// Logs line after line.
#[tool]
fn chatter(of: Count) -> Result<Text, ToolError> {
    (0..of.count).for_each(|line| toolward_sdk::log::info(format!("line {line}")));
    Ok(Text::new("said"))
}
