//! What is not lent, what is lent on, and what is left behind.
use super::*;

#[tokio::test]
async fn b02_what_the_machine_has_is_not_lent_without_a_capability() {
    let importing = |interface: &str, function: &str| {
        let text = format!(
            r#"(component (import "{interface}" (instance {function}))
                (core module $m (func (export "go"))) (core instance $i (instantiate $m))
                (func (export "go") (canon lift (core func $i "go"))))"#
        );
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    };
    let wanted = [
        ("wasi:clocks/monotonic-clock@0.2.6", r#"(export "now" (func (result u64)))"#),
        ("wasi:random/random@0.2.6", r#"(export "get-random-u64" (func (result u64)))"#),
        (
            "wasi:random/insecure-seed@0.2.6",
            r#"(export "insecure-seed" (func (result (tuple u64 u64))))"#,
        ),
        ("acme:other/things@1.0.0", r#"(export "take" (func))"#),
        ("toolward:tool/clock@9.0.0", r#"(export "now-ms" (func (result u64)))"#),
    ];
    for (interface, function) in wanted {
        let outcome = run(importing(interface, function), &CLOCK).await;
        let refused = matches!(&outcome, Err(Stop::Refused(Refusal::NotLinked { interface: one, .. })) if one == interface);
        assert!(refused, "{interface}: {outcome:?}");
    }
    let clock = importing("toolward:tool/clock@0.1.0", r#"(export "now-ms" (func (result u64)))"#);
    run(clock, &CLOCK).await.unwrap();
}

#[tokio::test]
async fn an_import_of_types_alone_brings_nothing_in_and_a_lone_function_does() {
    let importing = |import: &str| {
        let text = format!(
            r#"(component {import}
                (core module $m (func (export "go"))) (core instance $i (instantiate $m))
                (func (export "go") (canon lift (core func $i "go"))))"#
        );
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    };
    let types = r#"(import "acme:text/types@1.0.0" (instance
        (type $r (record (field "a" u8))) (export "place" (type (eq $r)))))"#;
    run(importing(types), &[]).await.unwrap();
    let thing = importing(
        r#"(import "acme:text/things@1.0.0" (instance (export "thing" (type (sub resource)))))"#,
    );
    let outcome = run(thing, &[]).await;
    assert!(matches!(outcome, Err(Stop::Refused(Refusal::NotLinked { .. }))), "{outcome:?}");
    let function = importing(r#"(import "take" (func))"#);
    assert!(matches!(sandbox().install(function).await, Err(ComponentError::Misfit(_))));
}

#[tokio::test]
async fn b04_an_inner_component_gets_what_the_outer_was_lent_and_no_more() {
    let clock = r#"(import "toolward:tool/clock@0.1.0" (instance $clock (export "elapsed-ms" (func (result u64)))))"#;
    let inner = format!(
        r#"(component $inner {clock}
            (core func $elapsed (canon lower (func $clock "elapsed-ms")))
            (core module $m (import "host" "elapsed" (func $e (result i64))) (func (export "go") (drop (call $e))))
            (core instance $i (instantiate $m (with "host" (instance (export "elapsed" (func $elapsed))))))
            (func (export "go") (canon lift (core func $i "go"))))"#
    );
    let text = format!(
        r#"(component {clock} {inner}
            (instance $in (instantiate $inner (with "toolward:tool/clock@0.1.0" (instance $clock))))
            (func (export "go") (alias export $in "go")))"#
    );
    let text = text.replace(
        r#"(func (export "go") (alias export $in "go")))"#,
        r#"(alias export $in "go" (func $go)) (export "go" (func $go)))"#,
    );
    let bytes = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let refused = run(bytes.clone(), &[]).await;
    assert!(matches!(refused, Err(Stop::Refused(Refusal::NotLinked { .. }))), "{refused:?}");
    run(bytes, &CLOCK).await.unwrap();
}

/// Traps where one of 31 MiB is not zero, or one of a thousand entries of the table is there.
const LOOK: &str = "
    (local.set $at (i32.const 65536))
    (loop $next
        (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then unreachable))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br_if $next (i32.lt_u (local.get $at) (i32.const 0x1f00000))))
    (local.set $at (i32.const 0))
    (loop $next
        (if (i32.eqz (ref.is_null (table.get $own (local.get $at)))) (then unreachable))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $at) (i32.const 1000))))";
const STAIN_MEMORY: &str = "(memory.fill (i32.const 65536) (i32.const 0xaa) (i32.const 0x1ef0000))";
const STAIN_TABLE: &str = "(table.fill $own (i32.const 0) (ref.func $some) (i32.const 1000))";

#[tokio::test]
async fn b21_the_next_call_in_the_same_place_finds_nothing() {
    let hand = |go: &str| {
        let module = "(table $own 1000 funcref) (func $some) (elem declare func $some)";
        Hand { module, go, pages: 500, ..Hand::default() }.bytes()
    };
    // There is one place, so that each of these runs where the one before did.
    let sandbox = sandbox();
    let stained = hand(&format!("{STAIN_MEMORY} {STAIN_TABLE}"));
    let crashed = hand(&format!("{STAIN_MEMORY} {STAIN_TABLE} unreachable"));
    for _ in 0..3 {
        run_in(&sandbox, stained.clone(), &[], terms(&[])).await.unwrap();
        run_in(&sandbox, hand(LOOK), &[], terms(&[])).await.unwrap();
        assert!(trapped(&run_in(&sandbox, crashed.clone(), &[], terms(&[])).await));
        run_in(&sandbox, hand(LOOK), &[], terms(&[])).await.unwrap();
    }
    for stain in [STAIN_MEMORY, STAIN_TABLE] {
        let seen = run_in(&sandbox, hand(&format!("{stain} {LOOK}")), &[], terms(&[])).await;
        assert!(trapped(&seen), "what is there is seen: {stain}");
    }
}

#[tokio::test]
async fn b20_a_tool_finds_nothing_of_its_own_last_call() {
    let once = "
        (if (i32.or (global.get $count) (i32.load (i32.const 0))) (then unreachable))
        (global.set $count (i32.const 1)) (i32.store (i32.const 0) (i32.const 1))";
    let hand = |go: &str| {
        Hand { module: "(global $count (mut i32) (i32.const 0))", go, ..Hand::default() }.bytes()
    };
    let sandbox = sandbox();
    for _ in 0..3 {
        run_in(&sandbox, hand(once), &[], terms(&[])).await.unwrap();
    }
    let twice = run_in(&sandbox, hand(&format!("{once} {once}")), &[], terms(&[])).await;
    assert!(trapped(&twice), "what a call keeps is there while it lasts: {twice:?}");
}
