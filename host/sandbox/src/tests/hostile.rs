//! Components that no compiler makes, written by hand. Each is named by its case in the catalogue of attacks.
use std::{fmt::Write as _, sync::Arc, time::Duration};

use serde_json::json;
use toolward_gate::{Cause, Limit, Notes, Refusal, Stop, Terms, Want};

use crate::{
    ComponentError, Output, Sandbox, SandboxSettings,
    testing::{self, Asked, terms},
};

mod lent;

/// A component whose one tool, `go`, takes and gives nothing.
#[derive(Default)]
struct Hand<'a> {
    /// Of the component.
    imports: &'a str,
    /// Core functions made of the imports, with the memory and the allocator of `$lib`.
    lowered: &'a str,
    /// As the core module has them: `(export "name" (func $name))`.
    lent: &'a str,
    /// Of the core module: what it imports from `lent`, and what else it has.
    module: &'a str,
    /// What `go` does.
    go: &'a str,
    /// What the allocator does first.
    allocating: &'a str,
    pages: u32,
}

impl Hand<'_> {
    fn bytes(&self) -> Vec<u8> {
        let Self { imports, lowered, lent, module, go, allocating, pages } = self;
        let pages = (*pages).max(2);
        let text = format!(
            r#"(component
                {imports}
                (core module $lib
                    (memory (export "memory") {pages})
                    (table (export "table") 1 funcref)
                    (type $host (func (param i32 i32)))
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                        {allocating} (i32.const 65536)))
                (core instance $lib (instantiate $lib))
                {lowered}
                (core module $main
                    (import "lib" "memory" (memory {pages}))
                    (import "lib" "table" (table $lent 1 funcref))
                    {module}
                    (func (export "go") (local $at i32) {go}))
                (core instance $main (instantiate $main
                    (with "lib" (instance $lib)) (with "host" (instance {lent}))))
                (func (export "go") (canon lift (core func $main "go"))))"#
        );
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }
}

fn sandbox() -> Sandbox {
    Sandbox::new(SandboxSettings { concurrent_calls: 1, ..SandboxSettings::default() }).unwrap()
}

/// Runs `go` with these capabilities wanted and granted.
async fn run_in(
    sandbox: &Sandbox,
    bytes: Vec<u8>,
    granted: &[(&str, &str)],
    terms: Terms,
) -> Result<Output, Stop> {
    let want =
        |(name, _): &(&str, &str)| Want { capability: name.parse().unwrap(), required: true };
    let wants: Arc<[Want]> = granted.iter().map(want).collect();
    let digest = sandbox.install_wanting(bytes, wants).await.unwrap().digest;
    let asked = Asked { digest, tool: "go", arguments: json!({}) };
    let (grant, _switches) = testing::grant_for(&asked, terms, Notes::default()).await;
    sandbox.run(grant).await
}

async fn run(bytes: Vec<u8>, granted: &[(&str, &str)]) -> Result<Output, Stop> {
    run_in(&sandbox(), bytes, granted, terms(granted)).await
}

async fn install(text: &str) -> Result<(), ComponentError> {
    let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    sandbox().install(bytes).await.map(drop)
}

fn trapped(outcome: &Result<Output, Stop>) -> bool {
    matches!(outcome, Err(Stop::Trapped { .. }))
}

/// One tool over a core module of any kind.
fn around(module: &str) -> String {
    format!(
        r#"(component
            (core module $m {module} (func (export "go")))
            (core instance $i (instantiate $m))
            (func (export "go") (canon lift (core func $i "go"))))"#
    )
}

#[tokio::test]
async fn a05_a_thousand_instances_are_refused_and_two_memories_share_one_limit() {
    let mut text = "(component (core module $m (memory 1023) (func (export \"go\")))".to_owned();
    for _ in 0..1000 {
        text.push_str("(core instance (instantiate $m))");
    }
    text.push_str(r#"(core instance $i (instantiate $m)) (func (export "go") (canon lift (core func $i "go"))))"#);
    assert!(matches!(install(&text).await, Err(ComponentError::Compile(_))));
    // 64 MiB are 1024 pages, over the sum of both.
    let two = |pages: u32| {
        let mut text = String::new();
        write!(
            text,
            r#"(component (core module $m (memory {pages}) (func (export "go")))
                (core instance $one (instantiate $m)) (core instance $i (instantiate $m))
                (func (export "go") (canon lift (core func $i "go"))))"#
        )
        .unwrap();
        wat::parse_str(&text).unwrap()
    };
    assert!(matches!(run(two(513), &[]).await, Err(Stop::Limit(Limit::Memory))));
    run(two(512), &[]).await.unwrap();
}

#[tokio::test]
async fn a06_a_table_grows_to_its_limit_and_one_that_cannot_be_is_refused() {
    let grows = |by: i64| {
        let go = format!(
            "(if (i32.eq (table.grow $own (ref.null func) (i32.const {by})) (i32.const -1)) (then unreachable))"
        );
        Hand { module: "(table $own 1 funcref)", go: &go, ..Hand::default() }.bytes()
    };
    for by in [30_000, i64::from(i32::MAX), -1] {
        let outcome = run(grows(by), &[]).await;
        assert!(matches!(outcome, Err(Stop::Limit(Limit::Tables))), "{by}: {outcome:?}");
    }
    run(grows(10_000), &[]).await.unwrap();
    install(&around("(table 4294967295 funcref)")).await.unwrap_err();
    install(&around("(table 1000 funcref)")).await.unwrap();
}

const LOG: &str = r#"(import "toolward:tool/log@0.1.0" (instance $log
    (type $l (enum "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $l)))
    (type $f (record (field "name" string) (field "value" string)))
    (export "field" (type $field (eq $f)))
    (export "emit" (func (param "level" $level) (param "message" string) (param "fields" (list $field))))))"#;

/// Calls `emit` with numbers that no compiler would pass.
fn emitting(before: &str, level: i32, pointer: i32, length: i32, pages: u32) -> Vec<u8> {
    emitting_fields(before, [level, pointer, length, 0, 0], pages)
}

/// The same, with where fields stand and how many.
fn emitting_fields(before: &str, numbers: [i32; 5], pages: u32) -> Vec<u8> {
    let numbers = numbers.map(|number| format!("(i32.const {number})")).join(" ");
    let go = format!("{before} (call $emit {numbers})");
    Hand {
        imports: LOG,
        lowered: r#"(core func $emit (canon lower (func $log "emit") (memory (core memory $lib "memory"))))"#,
        lent: r#"(export "emit" (func $emit))"#,
        module: r#"(import "host" "emit" (func $emit (param i32 i32 i32 i32 i32)))"#,
        go: &go,
        pages,
        ..Hand::default()
    }
    .bytes()
}

const LOGS: [(&str, &str); 1] = [("host:log:write", "log")];

#[tokio::test]
async fn a09_what_one_host_call_brings_in_has_a_limit() {
    let outcome = run(emitting("", 1, 0, 5 << 20, 128), &LOGS).await;
    assert!(matches!(outcome, Err(Stop::Limit(Limit::HostCall))), "{outcome:?}");
    run(emitting("", 1, 0, 3 << 20, 128), &LOGS).await.unwrap();
}

#[tokio::test]
async fn a38_pointers_lengths_cases_and_text_that_lie_end_the_tool() {
    let end = 2 << 16;
    let bad_text = "(i32.store8 (i32.const 0) (i32.const 0xff))";
    let lies = [
        ("past the end", emitting("", 1, end - 2, 4, 2)),
        ("a pointer far away", emitting("", 1, -1, 1, 2)),
        ("a length that wraps", emitting("", 1, 16, -1, 2)),
        ("a case that is not there", emitting("", 99, 0, 4, 2)),
        ("a negative case", emitting("", -1, 0, 4, 2)),
        ("no UTF-8", emitting(bad_text, 1, 0, 1, 2)),
        ("half a character", emitting("(i32.store8 (i32.const 0) (i32.const 0xc3))", 1, 0, 1, 2)),
        ("fields past the end", emitting_fields("", [1, 0, 1, end - 16, 2], 2)),
        ("fields at an odd place", emitting_fields("", [1, 0, 1, 2, 1], 2)),
        ("more fields than there is memory", emitting_fields("", [1, 0, 1, 0, -1], 2)),
        (
            "a field whose name is far away",
            emitting_fields(
                "(i32.store (i32.const 64) (i32.const -8))(i32.store (i32.const 68) (i32.const 9))",
                [1, 0, 1, 64, 1],
                2,
            ),
        ),
        ("a result at an odd place", capability("", 67, "")),
        ("a result past the end", capability("", end - 4, "")),
    ];
    for (lie, bytes) in lies {
        let outcome = run(bytes, if lie.contains("result") { &CLOCK } else { &LOGS }).await;
        assert!(trapped(&outcome), "{lie}: {outcome:?}");
    }
    run(emitting("", 1, end - 4, 4, 2), &LOGS).await.unwrap();
    run(emitting_fields("", [1, 0, 1, end - 16, 1], 2), &LOGS).await.unwrap();
    run(emitting("(i32.store16 (i32.const 0) (i32.const 0xa9c3))", 1, 0, 2, 2), &LOGS)
        .await
        .unwrap();
    run(capability("", 64, ""), &CLOCK).await.unwrap();
}

const CLOCK: [(&str, &str); 1] = [("host:clock:read", "clock")];

/// Obtains a capability with its result at `result`, and does `then` with its handle, `$at`.
fn capability(before: &str, result: i32, then: &str) -> Vec<u8> {
    let go = format!(
        "{before} (call $obtain (i32.const 16) (i32.const 15) (i32.const {result}))
         (local.set $at (i32.load (i32.add (i32.const {result}) (i32.const 4)))) {then}"
    );
    Hand {
        imports: r#"(import "toolward:tool/capabilities@0.1.0" (instance $capabilities
            (export "capability" (type $capability (sub resource)))
            (type $r (enum "not-granted" "not-narrower" "expired" "too-many"))
            (export "refusal" (type $refusal (eq $r)))
            (export "obtain" (func (param "name" string) (result (result (own $capability) (error $refusal)))))
            (export "[method]capability.expires-in-ms" (func (param "self" (borrow $capability)) (result u64)))))
            (alias export $capabilities "capability" (type $capability))"#,
        lowered: r#"
            (core func $obtain (canon lower (func $capabilities "obtain") (memory (core memory $lib "memory"))))
            (core func $left (canon lower (func $capabilities "[method]capability.expires-in-ms")))
            (core func $drop (canon resource.drop $capability))"#,
        lent: r#"(export "obtain" (func $obtain)) (export "left" (func $left)) (export "drop" (func $drop))"#,
        module: r#"
            (import "host" "obtain" (func $obtain (param i32 i32 i32)))
            (import "host" "left" (func $left (param i32) (result i64)))
            (import "host" "drop" (func $drop (param i32)))
            (data (i32.const 16) "host:clock:read")"#,
        go: &go,
        ..Hand::default()
    }
    .bytes()
}

#[tokio::test]
async fn b06_a_handle_is_used_and_dropped_once() {
    let drop = "(call $drop (local.get $at))";
    let again = format!("{drop} {drop}");
    let late = format!("{drop} (drop (call $left (local.get $at)))");
    let other = "(call $drop (i32.add (local.get $at) (i32.const 1)))".to_owned();
    let null = "(call $drop (i32.const 0))".to_owned();
    for misuse in [again, late, other, null] {
        let outcome = run(capability("", 64, &misuse), &CLOCK).await;
        assert!(trapped(&outcome), "{misuse}: {outcome:?}");
    }
    let rightly = format!("(drop (call $left (local.get $at))) {drop}");
    run(capability("", 64, &rightly), &CLOCK).await.unwrap();
}

#[tokio::test]
async fn a33_filling_all_memory_again_and_again_ends_with_its_time() {
    let fill = "(memory.fill (i32.const 0) (i32.const 7) (i32.const 0x3e00000))";
    let filling = |go: &str| Hand { go, pages: 1000, ..Hand::default() }.bytes();
    let short = Terms { time: Duration::from_millis(500), ..terms(&[]) };
    let endless = format!("(loop $again {fill} (br $again))");
    let stopped = run_in(&sandbox(), filling(&endless), &[], short).await;
    assert!(matches!(stopped, Err(Stop::Halted(Cause::TimeOver))), "{stopped:?}");
    run(filling(fill), &[]).await.unwrap();
}

const RANDOM: &str = r#"(import "toolward:tool/random@0.1.0" (instance $random
    (export "bytes" (func (param "length" u32) (result (list u8))))))"#;
const DRAWS: [(&str, &str); 1] = [("host:random:read", "random")];

fn drawing(module: &str, go: &str, allocating: &str) -> Vec<u8> {
    Hand {
        imports: RANDOM,
        lowered: r#"(core func $bytes (canon lower (func $random "bytes") (memory (core memory $lib "memory")) (realloc (core func $lib "realloc"))))"#,
        lent: r#"(export "bytes" (func $bytes))"#,
        module: &format!(r#"(import "host" "bytes" (func $bytes (param i32 i32))) {module}"#),
        go,
        allocating,
        ..Hand::default()
    }
    .bytes()
}

#[tokio::test]
async fn a37_four_gigabytes_of_random_are_four_kilobytes() {
    let draw = |length: i32, least: u32| {
        let go = format!(
            "(call $bytes (i32.const {length}) (i32.const 64))
             (if (i32.ne (i32.load (i32.const 68)) (i32.const {least})) (then unreachable))"
        );
        drawing("", &go, "")
    };
    run(draw(-1, 4096), &DRAWS).await.unwrap();
    run(draw(16, 16), &DRAWS).await.unwrap();
    assert!(trapped(&run(draw(16, 17), &DRAWS).await), "a wrong count is noticed");
}

#[tokio::test]
async fn b25_an_allocator_cannot_call_the_host() {
    // The function of the host is put into the table, where the allocator finds it.
    let lent = "(elem (table $lent) (i32.const 0) func $bytes)";
    let go = "(call $bytes (i32.const 8) (i32.const 64))";
    let again = "(call_indirect (type $host) (i32.const 8) (i32.const 64) (i32.const 0))";
    let outcome = run(drawing(lent, go, again), &DRAWS).await;
    assert!(trapped(&outcome), "{outcome:?}");
    run(drawing(lent, go, ""), &DRAWS).await.unwrap();
}

#[tokio::test]
async fn a35_what_no_tool_needs_is_refused() {
    let modules = [
        ("64-bit memory", "(memory i64 1)"),
        ("shared memory", "(memory 1 1 shared)"),
        ("garbage collection", "(type (struct (field i32)))"),
        ("exceptions", "(tag (param i32))"),
        ("tail calls", "(func $f (return_call $f))"),
        (
            "relaxed SIMD",
            "(func (param v128) (result v128) (i32x4.relaxed_trunc_f32x4_s (local.get 0)))",
        ),
        ("stack switching", "(type $f (func)) (type (cont $f))"),
    ];
    for (feature, module) in modules {
        let refused = install(&around(module)).await;
        assert!(refused.is_err(), "{feature} was taken");
    }
    let async_lift = r#"(component
        (core module $m (func (export "go") (result i32) (i32.const 0))
            (func (export "back") (param i32 i32 i32) (result i32) (i32.const 0)))
        (core instance $i (instantiate $m))
        (func (export "go") async
            (canon lift (core func $i "go") async (callback (core func $i "back")))))"#;
    install(async_lift).await.unwrap_err();
    let streams = r#"(component (type $s (stream u8)) (core func (canon stream.new $s))
        (core module $m (func (export "go"))) (core instance $i (instantiate $m))
        (func (export "go") (canon lift (core func $i "go"))))"#;
    install(streams).await.unwrap_err();
    // What is on: SIMD, several results, bulk memory.
    install(&around("(memory 1) (func (result i32 v128) (i32.const 1) (v128.const i64x2 1 2))"))
        .await
        .unwrap();
}
