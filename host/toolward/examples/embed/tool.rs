//! A small tool, written by hand so that the example needs no second compiler. Yours would be a crate: `toolward build`
//! makes a component of it.
use sha2::{Digest as _, Sha256};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Its bytes.
pub(super) fn component() -> anyhow::Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    resolve.push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit"))?;
    resolve.push_str("queue.wit", QUEUE)?;
    let package = resolve.push_str("tool.wit", TOOL)?;
    let world = resolve.select_world(&[package], Some("tool"))?;
    let mut module = wat::parse_str(CODE)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)?;
    ComponentEncoder::default().module(&module)?.validate(true).encode()
}

/// As the configuration pins it.
pub(super) fn digest() -> anyhow::Result<String> {
    Ok(format!("sha256:{}", hex::encode(Sha256::digest(component()?))))
}

/// What the program lends.
const QUEUE: &str = r#"
package acme:queue@1.0.0;

interface messages {
    use toolward:tool/capabilities@0.1.0.{capability};
    /// Puts a message into the queue; how many are there then.
    push: func(under: borrow<capability>, text: string) -> result<u64, string>;
}
"#;

const TOOL: &str = r#"
package acme:notes@1.0.0;

world tool {
    import toolward:tool/capabilities@0.1.0;
    import toolward:tool/http@0.1.0;
    import acme:queue/messages@1.0.0;
    /// Puts a note into the queue.
    export note: func(text: string) -> result<u64, string>;
    /// Asks the partner for a greeting.
    export ask: func() -> result<string, string>;
}
"#;

/// `note` hands on what `push` answers; `ask` hands on the body of the response.
const CODE: &str = r#"
(module
  (import "toolward:tool/capabilities@0.1.0" "obtain" (func $obtain (param i32 i32 i32)))
  (import "toolward:tool/http@0.1.0" "send"
    (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "acme:queue/messages@1.0.0" "push" (func $push (param i32 i32 i32 i32)))
  (memory (export "memory") 2)
  (global $free (mut i32) (i32.const 4096))
  (data (i32.const 16) "acme:queue:push")
  (data (i32.const 32) "partner:greeting:read")
  (data (i32.const 64) "GET")
  (data (i32.const 72) "/greeting")
  (data (i32.const 96) "no handle")
  (data (i32.const 112) "no answer")

  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    ;; On the next multiple of eight.
    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
    (global.set $free (i32.add (local.get $at) (local.get 3)))
    (local.get $at))

  (func $fail (param $text i32) (result i32)
    (i32.store8 (i32.const 1040) (i32.const 1))
    (i32.store (i32.const 1044) (local.get $text))
    (i32.store (i32.const 1048) (i32.const 9))
    (i32.const 1040))

  (func (export "note") (param $text i32) (param $length i32) (result i32)
    (call $obtain (i32.const 16) (i32.const 15) (i32.const 1024))
    (if (i32.load8_u (i32.const 1024))
      (then
        ;; Its payload is eight bytes on: a `u64` could stand there.
        (i32.store8 (i32.const 1056) (i32.const 1))
        (i32.store (i32.const 1064) (i32.const 96))
        (i32.store (i32.const 1068) (i32.const 9))
        (return (i32.const 1056))))
    (call $push (i32.load (i32.const 1028)) (local.get $text) (local.get $length) (i32.const 1056))
    (i32.const 1056))

  (func (export "ask") (result i32)
    (call $obtain (i32.const 32) (i32.const 21) (i32.const 1024))
    (if (i32.load8_u (i32.const 1024)) (then (return (call $fail (i32.const 96)))))
    (call $send
      (i32.const 64) (i32.const 3) (i32.const 72) (i32.const 9)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.load (i32.const 1028)) (i32.const 1080))
    (if (i32.load8_u (i32.const 1080)) (then (return (call $fail (i32.const 112)))))
    (i32.store8 (i32.const 1040) (i32.const 0))
    (i32.store (i32.const 1044) (i32.load (i32.const 1100)))
    (i32.store (i32.const 1048) (i32.load (i32.const 1104)))
    (i32.const 1040))
)
"#;
