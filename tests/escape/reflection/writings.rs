//! The published matrix: how servers may write a value that they show, and where.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    reason = "small numbers and ASCII, and a panic fails the test"
)]
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};

type Write = Box<dyn Fn(&str) -> Vec<u8>>;

/// One way to write a value. Some are not found, and are named so: a search for them would take any text for a
/// value, or the server would have to mean it.
pub(super) struct Writing {
    pub(super) name: String,
    pub(super) is_found: bool,
    write: Write,
}

impl Writing {
    pub(super) fn of(&self, value: &str) -> Vec<u8> {
        (self.write)(value)
    }
}

/// All of them, with those that are predicted to be missed.
pub(super) fn writings() -> Vec<Writing> {
    let mut all = Vec::new();
    let mut add = |name: &str, write: Write| {
        all.push(Writing { name: name.to_owned(), is_found: true, write });
    };
    add("as it is", text(str::to_owned));
    add("first half", text(|value| value[..value.len() / 2].to_owned()));
    add("last 16 bytes", text(|value| value[value.len() - 16..].to_owned()));
    add("reversed", text(reversed));
    add("upper case", text(str::to_uppercase));
    add("lower case", text(str::to_lowercase));
    add("rot13", text(|value| value.chars().map(rotated).collect()));
    // C-14, C-15
    for lead in 0..6 {
        let before = move |value: &str| format!("{}{value}!?", &"user:x"[..lead]);
        add(&format!("base64 after {lead}"), text(move |value| STANDARD.encode(before(value))));
        add(&format!("base64url after {lead}"), text(move |value| URL_SAFE.encode(before(value))));
        add(
            &format!("base64 after {lead}, no padding"),
            text(move |value| STANDARD_NO_PAD.encode(before(value))),
        );
        add(
            &format!("base64 of base64 after {lead}"),
            text(move |value| {
                STANDARD.encode(format!("{}{}", &"abc"[..lead / 2], STANDARD.encode(before(value))))
            }),
        );
    }
    add(
        "base64url of base64url",
        text(|value| URL_SAFE_NO_PAD.encode(URL_SAFE_NO_PAD.encode(value))),
    );
    add("base64, reversed", text(|value| reversed(&STANDARD.encode(value))));
    add("base64 of the reversed", text(|value| STANDARD.encode(reversed(value))));
    add("base64 in lines", text(|value| wrapped(&STANDARD.encode(value.repeat(3)), 76, "\r\n")));
    add("base64 in short lines", text(|value| wrapped(&STANDARD.encode(value), 8, "\n  ")));
    add("base64 in JSON lines", text(|value| wrapped(&STANDARD.encode(value), 10, "\\n")));
    add("base64 with \\/", text(|value| STANDARD.encode(value).replace('/', "\\/")));
    add(
        "base64 in PEM",
        text(|value| {
            format!(
                "-----BEGIN KEY-----\n{}\n-----END KEY-----",
                wrapped(&STANDARD.encode(value), 64, "\n")
            )
        }),
    );
    add("base64, quoted in mail", text(|value| wrapped(&STANDARD.encode(value), 12, "\n> ")));
    add("base64 of UTF-16", text(|value| STANDARD.encode(utf16le(value))));
    // C-16
    add("hex", text(|value| hex::encode(value)));
    add("HEX", text(|value| hex::encode_upper(value)));
    add(
        "hEx",
        text(|value| {
            hex::encode(value)
                .chars()
                .enumerate()
                .map(|(at, one)| if at % 3 == 0 { one.to_ascii_uppercase() } else { one })
                .collect()
        }),
    );
    for (name, before, after) in [
        ("colons", "", ":"),
        ("spaces", "", " "),
        ("\\x", "\\x", ""),
        ("0x", "0x", ", "),
        ("0x, no spaces", "0x", ","),
        ("dashes", "", "-"),
        ("percent", "%", ""),
        ("line breaks", "", "\n"),
    ] {
        add(&format!("hex with {name}"), each(move |byte| format!("{before}{byte:02x}{after}")));
    }
    add("hex of base64", text(|value| hex::encode(STANDARD.encode(value))));
    add("base64 of hex", text(|value| STANDARD.encode(hex::encode(value))));
    add("base64 of HEX", text(|value| STANDARD.encode(hex::encode_upper(value))));
    add(
        "hex dump",
        text(|value| {
            value.as_bytes().chunks(2).map(|pair| format!("{} ", hex::encode(pair))).collect()
        }),
    );
    for lead in 0..5 {
        add(
            &format!("base32 after {lead}"),
            text(move |value| base32(&format!("{}{value}", &"user:"[..lead]))),
        );
    }
    add("base32 in groups", text(|value| wrapped(&base32(value), 4, "-")));
    // C-17
    add(
        "percent, what must be",
        text(|value| {
            value
                .bytes()
                .map(|byte| {
                    if byte.is_ascii_alphanumeric() {
                        char::from(byte).to_string()
                    } else {
                        format!("%{byte:02X}")
                    }
                })
                .collect()
        }),
    );
    add("percent, all", each(|byte| format!("%{byte:02X}")));
    add("percent, lower", each(|byte| format!("%{byte:02x}")));
    add(
        "percent, every third",
        text(|value| {
            value
                .bytes()
                .enumerate()
                .map(|(at, byte)| {
                    if at % 3 == 0 { format!("%{byte:02x}") } else { char::from(byte).to_string() }
                })
                .collect()
        }),
    );
    add("percent, twice", each(|byte| format!("%25{byte:02x}")));
    add("percent, three times", each(|byte| format!("%2525{byte:02x}")));
    add("%u", each(|byte| format!("%u00{byte:02x}")));
    // C-18
    add("\\u, all", each(|byte| format!("\\u{byte:04x}")));
    add("\\u, upper", each(|byte| format!("\\u{byte:04X}")));
    add(
        "\\u, every second",
        text(|value| {
            value
                .bytes()
                .enumerate()
                .map(|(at, byte)| {
                    if at % 2 == 0 {
                        format!("\\u{byte:04x}")
                    } else {
                        char::from(byte).to_string()
                    }
                })
                .collect()
        }),
    );
    add("\\u{}", each(|byte| format!("\\u{{{byte:x}}}")));
    add("\\u, twice", each(|byte| format!("\\\\u{byte:04x}")));
    add("octal", each(|byte| format!("\\{byte:03o}")));
    add("percent of \\u", each(|byte| format!("%5Cu{byte:04x}")));
    // C-19
    add("entities", each(|byte| format!("&#{byte};")));
    add("entities, hex", each(|byte| format!("&#x{byte:x};")));
    add("entities, HEX", each(|byte| format!("&#X{byte:X};")));
    add("entities, zeros", each(|byte| format!("&#{byte:07};")));
    add("entities, no end", each(|byte| format!("&#{byte:07}")));
    add(
        "entities, names",
        text(|value| {
            value
                .replace('+', "&plus;")
                .replace('/', "&sol;")
                .replace('=', "&equals;")
                .replace('_', "&lowbar;")
        }),
    );
    add("entities, twice", each(|byte| format!("&amp;#{byte};")));
    // C-20
    add("UTF-16LE", bytes(|value| utf16le(value)));
    add("UTF-16BE", bytes(|value| value.bytes().flat_map(|byte| [0, byte]).collect()));
    add(
        "UTF-16 with a mark, at an odd place",
        bytes(|value| [b"x\xff\xfe".as_slice(), &utf16le(value)].concat()),
    );
    add("UTF-32LE", bytes(|value| value.bytes().flat_map(|byte| [byte, 0, 0, 0]).collect()));
    add("UTF-32BE", bytes(|value| value.bytes().flat_map(|byte| [0, 0, 0, byte]).collect()));
    // Besides
    add("a list of bytes", text(|value| format!("{:?}", value.as_bytes())));
    add("letter by letter", each(|byte| format!("{} ", char::from(byte))));
    add("with dots", each(|byte| format!("{}.", char::from(byte))));
    add("Basic", text(|value| format!("Basic {}", STANDARD.encode(format!("ana:{value}")))));

    let mut miss = |name: &str, write: Write| {
        all.push(Writing { name: name.to_owned(), is_found: false, write });
    };
    miss("every letter twice", each(|byte| format!("{0}{0}", char::from(byte))));
    miss("between other letters", each(|byte| format!("{}q", char::from(byte))));
    miss("XOR 0x55", bytes(|value| value.bytes().map(|byte| byte ^ 0x55).collect()));
    miss("shifted by one", bytes(|value| value.bytes().map(|byte| byte.wrapping_add(1)).collect()));
    miss(
        "base64 three times",
        text(|value| STANDARD.encode(STANDARD.encode(STANDARD.encode(value)))),
    );
    miss(
        "base64 of \\u",
        text(|value| {
            STANDARD.encode(value.bytes().map(|byte| format!("\\u{byte:04x}")).collect::<String>())
        }),
    );
    miss("ASCII85", text(ascii85));
    miss("base32hex", text(|value| base32(value).chars().map(base32hex).collect()));
    miss("binary digits", each(|byte| format!("{byte:08b} ")));
    miss("SHA-256", text(|value| hex::encode(<sha2::Sha256 as sha2::Digest>::digest(value))));
    miss(
        "eight bytes at a time",
        text(|value| {
            value
                .as_bytes()
                .chunks(8)
                .map(|part| format!("\"{}\" and then ", String::from_utf8_lossy(part)))
                .collect()
        }),
    );
    all
}

/// Where it stands, as bytes of a response.
pub(super) const PLACES: [(&str, &str, &str); 12] = [
    ("body", "", ""),
    ("JSON string", "{\"login\":\"ana\",\"you sent\":\"", "\",\"id\":7}"),
    ("JSON, pretty", "{\n  \"headers\": {\n    \"authorization\": \"Bearer ", "\"\n  }\n}"),
    (
        "HTML",
        "<html><body><h1>Server Error</h1><pre>HTTP_AUTHORIZATION = '",
        "'</pre></body></html>",
    ),
    ("header field", "x-request-id: ", "\n"),
    ("header name", "x-", ": 1\n"),
    ("challenge", "www-authenticate: Bearer error_description=\"", "\"\n"),
    ("type parameter", "content-type: application/json; charset=", "\n"),
    ("file name", "content-disposition: attachment; filename*=UTF-8''", ".json\n"),
    ("location", "location: https://api.example.com/?t=", "&next=1\n"),
    ("XML", "<?xml version=\"1.0\"?><Error><Code>Denied</Code><Given>", "</Given></Error>"),
    ("multipart", "--b\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n", "\r\n--b--\r\n"),
];

fn text(write: impl Fn(&str) -> String + 'static) -> Write {
    Box::new(move |value| write(value).into_bytes())
}

fn bytes(write: impl Fn(&str) -> Vec<u8> + 'static) -> Write {
    Box::new(write)
}

fn each(write: impl Fn(u8) -> String + 'static) -> Write {
    text(move |value| value.bytes().map(&write).collect())
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

fn wrapped(text: &str, width: usize, end: &str) -> String {
    let lines =
        text.as_bytes().chunks(width).map(|line| String::from_utf8_lossy(line).into_owned());
    lines.collect::<Vec<_>>().join(end)
}

fn utf16le(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn rotated(one: char) -> char {
    let turn = |base: u8| char::from((one as u8 - base + 13) % 26 + base);
    match one {
        'a'..='z' => turn(b'a'),
        'A'..='Z' => turn(b'A'),
        _ => one,
    }
}

/// RFC 4648 section 6.
fn base32(text: &str) -> String {
    let bits: String = text.bytes().map(|byte| format!("{byte:08b}")).collect();
    let five = |bits: &[u8]| {
        let bits = format!("{:0<5}", String::from_utf8_lossy(bits));
        char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[usize::from_str_radix(&bits, 2).unwrap()])
    };
    bits.as_bytes().chunks(5).map(five).collect()
}

fn base32hex(one: char) -> char {
    let place = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(one).unwrap();
    char::from(b"0123456789ABCDEFGHIJKLMNOPQRSTUV"[place])
}

fn ascii85(text: &str) -> String {
    let group = |four: &[u8]| {
        let mut whole = [0; 4];
        whole[..four.len()].copy_from_slice(four);
        let mut number = u32::from_be_bytes(whole);
        let mut out = [0; 5];
        for place in out.iter_mut().rev() {
            *place = b'!' + (number % 85) as u8;
            number /= 85;
        }
        String::from_utf8_lossy(&out).into_owned()
    };
    text.as_bytes().chunks(4).map(group).collect()
}
