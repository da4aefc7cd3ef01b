//! The types of arguments and results, as JSON Schemas that are written while the tool is compiled.
use std::collections::{BTreeMap, HashMap};

/// A type that has a JSON Schema. Derive it.
pub trait ToolType {
    /// The type's schema.
    const SCHEMA: &'static Schema;
}

/// A JSON Schema, as far as tool types need one.
#[derive(Debug)]
pub enum Schema {
    /// A string.
    Text,
    /// `true` or `false`.
    Truth,
    /// A whole number within bounds. JSON readers agree on no more than 53 bits (RFC 8785 section 3.2.2.3).
    Whole {
        /// The smallest value.
        least: i64,
        /// The largest value.
        most: i64,
    },
    /// Any number.
    Number,
    /// A list.
    List(&'static Schema),
    /// An object with any keys.
    Map(&'static Schema),
    /// A value or `null`; as a field of an object, it may be absent.
    Optional(&'static Schema),
    /// One of several words.
    Words(&'static [&'static str]),
    /// An object with these fields and no others.
    Object(&'static [Field]),
    /// Any JSON value.
    Any,
}

/// One field of an object.
#[derive(Debug)]
pub struct Field {
    /// As it stands in JSON.
    pub name: &'static str,
    /// The field's doc comment; may be empty.
    pub description: &'static str,
    /// The type of its value.
    pub schema: &'static Schema,
    /// Whether it may be absent, besides what its type says.
    pub has_default: bool,
}

impl Field {
    const fn required(&self) -> bool {
        !self.has_default && !matches!(self.schema, Schema::Optional(_))
    }
}

macro_rules! tool_types {
    ($($type:ty => $schema:expr),* $(,)?) => { $(impl ToolType for $type { const SCHEMA: &'static Schema = &$schema; })* };
}

const SAFE: i64 = (1 << 53) - 1;
tool_types! {
    String => Schema::Text,
    char => Schema::Text,
    bool => Schema::Truth,
    f32 => Schema::Number,
    f64 => Schema::Number,
    i8 => Schema::Whole { least: i8::MIN as i64, most: i8::MAX as i64 },
    i16 => Schema::Whole { least: i16::MIN as i64, most: i16::MAX as i64 },
    i32 => Schema::Whole { least: i32::MIN as i64, most: i32::MAX as i64 },
    i64 => Schema::Whole { least: -SAFE, most: SAFE },
    u8 => Schema::Whole { least: 0, most: u8::MAX as i64 },
    u16 => Schema::Whole { least: 0, most: u16::MAX as i64 },
    u32 => Schema::Whole { least: 0, most: u32::MAX as i64 },
    u64 => Schema::Whole { least: 0, most: SAFE },
    usize => Schema::Whole { least: 0, most: u32::MAX as i64 },
    () => Schema::Object(&[]),
    serde_json::Value => Schema::Any,
}

impl<T: ToolType> ToolType for Option<T> {
    const SCHEMA: &'static Schema = &Schema::Optional(T::SCHEMA);
}
impl<T: ToolType> ToolType for Vec<T> {
    const SCHEMA: &'static Schema = &Schema::List(T::SCHEMA);
}
impl<T: ToolType> ToolType for Box<T> {
    const SCHEMA: &'static Schema = T::SCHEMA;
}
impl<T: ToolType, S> ToolType for HashMap<String, T, S> {
    const SCHEMA: &'static Schema = &Schema::Map(T::SCHEMA);
}
impl<T: ToolType> ToolType for BTreeMap<String, T> {
    const SCHEMA: &'static Schema = &Schema::Map(T::SCHEMA);
}

/// Writes JSON while the tool is compiled. With `N = 0` it only counts; with that count it writes.
#[doc(hidden)]
#[derive(Debug)]
pub struct Writer<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

/// What the manifest says of one tool.
#[doc(hidden)]
#[derive(Debug)]
pub struct Outline {
    pub name: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    pub input: &'static Schema,
    pub output: &'static Schema,
    pub read_only: bool,
    pub destructive: bool,
    pub idempotent: bool,
    pub open_world: bool,
    /// Capabilities, and whether each is required.
    pub wants: &'static [(&'static str, bool)],
}

impl Outline {
    /// The length of the tool's line in the manifest.
    pub const fn length(&self) -> usize {
        let mut writer = Writer::<0> { bytes: [], length: 0 };
        writer.outline(self);
        writer.length
    }

    /// The tool's line in the manifest: JSON and a line break. `N` is its length.
    pub const fn line<const N: usize>(&self) -> [u8; N] {
        let mut writer = Writer::<N> { bytes: [0; N], length: 0 };
        writer.outline(self);
        writer.bytes
    }
}

impl<const N: usize> Writer<N> {
    const fn outline(&mut self, outline: &Outline) {
        self.text("{\"name\":");
        self.string(outline.name);
        if !outline.title.is_empty() {
            self.text(",\"title\":");
            self.string(outline.title);
        }
        self.text(",\"description\":");
        self.string(outline.description);
        self.text(",\"input\":{");
        self.schema(outline.input);
        self.text("},\"output\":{");
        self.schema(outline.output);
        self.text("},\"annotations\":{\"readOnly\":");
        self.truth(outline.read_only);
        self.text(",\"destructive\":");
        self.truth(outline.destructive);
        self.text(",\"idempotent\":");
        self.truth(outline.idempotent);
        self.text(",\"openWorld\":");
        self.truth(outline.open_world);
        self.text("},\"capabilities\":[");
        let mut at = 0;
        while at < outline.wants.len() {
            let (name, required) = outline.wants[at];
            self.text(if at == 0 { "{\"name\":" } else { ",{\"name\":" });
            self.string(name);
            self.text(",\"required\":");
            self.truth(required);
            self.text("}");
            at += 1;
        }
        self.text("]}\n");
    }

    /// The members of a schema, without the braces: a description may stand before them.
    const fn schema(&mut self, schema: &Schema) {
        match schema {
            Schema::Text => self.text("\"type\":\"string\""),
            Schema::Truth => self.text("\"type\":\"boolean\""),
            Schema::Number => self.text("\"type\":\"number\""),
            Schema::Whole { least, most } => {
                self.text("\"type\":\"integer\",\"minimum\":");
                self.whole(*least);
                self.text(",\"maximum\":");
                self.whole(*most);
            }
            Schema::List(item) => {
                self.text("\"type\":\"array\",\"items\":{");
                self.schema(item);
                self.text("}");
            }
            Schema::Map(value) => {
                self.text("\"type\":\"object\",\"additionalProperties\":{");
                self.schema(value);
                self.text("}");
            }
            Schema::Optional(Schema::Text) => self.text("\"type\":[\"string\",\"null\"]"),
            Schema::Optional(Schema::Truth) => self.text("\"type\":[\"boolean\",\"null\"]"),
            Schema::Optional(Schema::Number) => self.text("\"type\":[\"number\",\"null\"]"),
            Schema::Optional(Schema::Whole { least, most }) => {
                self.text("\"type\":[\"integer\",\"null\"],\"minimum\":");
                self.whole(*least);
                self.text(",\"maximum\":");
                self.whole(*most);
            }
            Schema::Optional(inner) => {
                self.text("\"anyOf\":[{");
                self.schema(inner);
                self.text("},{\"type\":\"null\"}]");
            }
            Schema::Words(words) => {
                self.text("\"type\":\"string\",\"enum\":[");
                let mut at = 0;
                while at < words.len() {
                    self.text(if at == 0 { "" } else { "," });
                    self.string(words[at]);
                    at += 1;
                }
                self.text("]");
            }
            Schema::Object(fields) => self.object(fields),
            Schema::Any => {}
        }
    }

    const fn object(&mut self, fields: &[Field]) {
        self.text("\"type\":\"object\",\"properties\":{");
        let mut at = 0;
        while at < fields.len() {
            self.text(if at == 0 { "" } else { "," });
            self.string(fields[at].name);
            self.text(":{");
            if !fields[at].description.is_empty() {
                self.text("\"description\":");
                self.string(fields[at].description);
                self.text(if matches!(fields[at].schema, Schema::Any) { "" } else { "," });
            }
            self.schema(fields[at].schema);
            self.text("}");
            at += 1;
        }
        self.text("},\"required\":[");
        let (mut at, mut first) = (0, true);
        while at < fields.len() {
            if fields[at].required() {
                self.text(if first { "" } else { "," });
                self.string(fields[at].name);
                first = false;
            }
            at += 1;
        }
        self.text("],\"additionalProperties\":false");
    }

    /// A JSON string (RFC 8259 section 7).
    const fn string(&mut self, text: &str) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let bytes = text.as_bytes();
        self.byte(b'"');
        let mut at = 0;
        while at < bytes.len() {
            match bytes[at] {
                b'"' => self.text("\\\""),
                b'\\' => self.text("\\\\"),
                b'\n' => self.text("\\n"),
                control if control < 0x20 => {
                    self.text("\\u00");
                    self.byte(DIGITS[(control >> 4) as usize]);
                    self.byte(DIGITS[(control & 15) as usize]);
                }
                plain => self.byte(plain),
            }
            at += 1;
        }
        self.byte(b'"');
    }

    const fn whole(&mut self, value: i64) {
        if value < 0 {
            self.byte(b'-');
        }
        let mut scale = 1_u64;
        while value.unsigned_abs() / scale >= 10 {
            scale *= 10;
        }
        while scale > 0 {
            self.byte(b'0' + (value.unsigned_abs() / scale % 10) as u8);
            scale /= 10;
        }
    }

    const fn truth(&mut self, value: bool) {
        self.text(if value { "true" } else { "false" });
    }

    const fn text(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            self.byte(bytes[at]);
            at += 1;
        }
    }

    const fn byte(&mut self, byte: u8) {
        if N > 0 {
            self.bytes[self.length] = byte;
        }
        self.length += 1;
    }
}
