//! A run that ends badly leaves nothing: who comes next into its place finds everything as new.
use std::time::Duration;

use serde_json::json;
use toolward_gate::{
    Cause, Clock as _, Limit, Notes, Stop, Switch, SwitchTarget, SystemClock, Terms, Want,
};

use crate::{
    Output, Sandbox, SandboxSettings,
    testing::{self, Asked, terms},
};

/// One place for calls, which has two memories and four tables.
fn one_place() -> Sandbox {
    let settings = SandboxSettings { concurrent_calls: 1, ..SandboxSettings::default() };
    Sandbox::new(settings).unwrap()
}

/// All that a call may have: more than the pool keeps resident, which is reset in another way.
const PAGES: u32 = 256;
const ELEMENTS: u32 = 10_000;

/// One memory, two tables and a global of every kind, all of which begin as nought. Its tools make a mess of all
/// of it and end in one way each; `look` crashes where one byte, one entry or one global is not as at first.
fn component(name: &str) -> Vec<u8> {
    let tools = ["look", "crash", "spin", "more", "recurse", "soil-and-look"];
    let lifted = tools
        .map(|tool| format!(r#"(func (export "{tool}") (canon lift (core func $main "{tool}")))"#));
    let text = format!(
        r#"(component
        (import "toolward:tool/log@0.1.0" (instance $log
            (type $l (enum "debug" "info" "warn" "error"))
            (export "level" (type $level (eq $l)))
            (type $f (record (field "name" string) (field "value" string)))
            (export "field" (type $field (eq $f)))
            (type $fields (list $field))
            (export "emit" (func
                (param "level" $level) (param "message" string) (param "fields" $fields)))))
        (core module (func (export "{name}")))
        (core module $lib (memory (export "memory") 2) (table (export "table") 1 funcref))
        (core instance $lib (instantiate $lib))
        (core func $emit (canon lower (func $log "emit") (memory (core memory $lib "memory"))))
        (core module $main
            (import "lib" "memory" (memory 2))
            (import "lib" "table" (table $lent 1 funcref))
            (import "host" "emit" (func $emit (param i32 i32 i32 i32 i32)))
            (table $own 10 funcref)
            (global $i (mut i32) (i32.const 0)) (global $l (mut i64) (i64.const 0))
            (global $f (mut f32) (f32.const 0)) (global $d (mut f64) (f64.const 0))
            (global $v (mut v128) (v128.const i64x2 0 0)) (global $r (mut funcref) (ref.null func))
            (func $some) (elem declare func $some)
            (func $take
                (drop (memory.grow (i32.sub (i32.const {PAGES}) (memory.size))))
                (drop (table.grow $own (ref.null func) (i32.const {more}))))
            (func $soil
                (call $take)
                (memory.fill (i32.const 0) (i32.const 0xaa) (i32.mul (memory.size) (i32.const 65536)))
                (table.fill $own (i32.const 0) (ref.func $some) (table.size $own))
                (table.set $lent (i32.const 0) (ref.func $some))
                (global.set $i (i32.const 1)) (global.set $l (i64.const 1))
                (global.set $f (f32.const 1)) (global.set $d (f64.const 1))
                (global.set $v (v128.const i64x2 1 1)) (global.set $r (ref.func $some)))
            (func $look (local $at i32)
                (if (global.get $i) (then unreachable))
                (if (i64.ne (global.get $l) (i64.const 0)) (then unreachable))
                (if (f32.ne (global.get $f) (f32.const 0)) (then unreachable))
                (if (f64.ne (global.get $d) (f64.const 0)) (then unreachable))
                (if (v128.any_true (global.get $v)) (then unreachable))
                (if (i32.eqz (ref.is_null (global.get $r))) (then unreachable))
                (if (i32.eqz (ref.is_null (table.get $lent (i32.const 0)))) (then unreachable))
                (if (i32.ne (memory.size) (i32.const {PAGES})) (then unreachable))
                (loop $next
                    (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then unreachable))
                    (local.set $at (i32.add (local.get $at) (i32.const 8)))
                    (br_if $next (i32.lt_u (local.get $at) (i32.mul (memory.size) (i32.const 65536)))))
                (local.set $at (i32.const 0))
                (loop $next
                    (if (i32.eqz (ref.is_null (table.get $own (local.get $at)))) (then unreachable))
                    (local.set $at (i32.add (local.get $at) (i32.const 1)))
                    (br_if $next (i32.lt_u (local.get $at) (table.size $own)))))
            (func $down (param i64) (result i64)
                (i64.add (call $down (i64.add (local.get 0) (i64.const 1))) (local.get 0)))
            (func (export "look") (call $take) (call $look))
            (func (export "crash") (call $soil) unreachable)
            (func (export "spin")
                (call $soil)
                ;; An empty line of the log says that the mess is made.
                (call $emit
                    (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
                (loop $for_ever (br $for_ever)))
            (func (export "more") (call $soil)
                (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable)))
            (func (export "recurse") (call $soil) (drop (call $down (i64.const 0))))
            (func (export "soil-and-look") (call $soil) (call $look)))
        (core instance $main (instantiate $main
            (with "lib" (instance $lib)) (with "host" (instance (export "emit" (func $emit))))))
        {lifted})"#,
        more = ELEMENTS - 10,
        lifted = lifted.concat(),
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Itself,
    Time,
    Kill,
    /// Nobody waits for it any more.
    Dropped,
}

async fn call(
    sandbox: &Sandbox,
    component: &str,
    tool: &'static str,
    end: End,
) -> Result<Output, Stop> {
    let wants = [Want { capability: "host:log:write".parse().unwrap(), required: true }].into();
    let bytes = self::component(component);
    let digest = sandbox.install_wanting(bytes, wants).await.unwrap().digest;
    let time = if end == End::Time { Duration::from_millis(300) } else { Duration::from_secs(60) };
    let mut granted = Terms { time, ..terms(&[("host:log:write", "log")]) };
    granted.sandbox.limits.memory_bytes = (PAGES as usize).saturating_mul(65_536);
    granted.sandbox.limits.table_elements = (ELEMENTS as usize).saturating_add(1);
    let notes = Notes::default();
    let asked = Asked { digest, tool, arguments: json!({}) };
    let (grant, switches) = testing::grant_for(&asked, granted, notes.clone()).await;
    let soiled = async {
        while notes.read().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let run = sandbox.run(grant);
    match end {
        End::Itself => run.await,
        End::Time => {
            let stopped = run.await;
            assert!(!notes.read().is_empty(), "the mess was made in time");
            stopped
        }
        End::Kill => {
            let kill = async {
                soiled.await;
                switches.board().throw(switch()).await.unwrap();
            };
            tokio::join!(run, kill).0
        }
        End::Dropped => tokio::select! {
            outcome = run => outcome,
            () = soiled => Err(Stop::Cancelled),
        },
    }
}

fn switch() -> Switch {
    Switch {
        target: SwitchTarget::Everything,
        reason: String::new(),
        by: "ana".to_owned(),
        since: SystemClock.now(),
        expires_at: None,
    }
}

fn fits(tool: &str, end: End, stopped: &Result<Output, Stop>) -> bool {
    matches!(
        (tool, end, stopped),
        ("crash", End::Itself, Err(Stop::Trapped { .. }))
            | ("more", End::Itself, Err(Stop::Limit(Limit::Memory)))
            | ("recurse", End::Itself, Err(Stop::Limit(Limit::Stack)))
            | ("spin", End::Time, Err(Stop::Halted(Cause::TimeOver)))
            | ("spin", End::Kill, Err(Stop::Halted(Cause::SwitchThrown(_))))
            | ("spin", End::Dropped, Err(Stop::Cancelled))
    )
}

#[tokio::test]
async fn a_guest_finds_its_own_traces() {
    let sandbox = one_place();
    call(&sandbox, "one", "look", End::Itself).await.unwrap();
    let found = call(&sandbox, "one", "soil-and-look", End::Itself).await;
    assert!(matches!(found, Err(Stop::Trapped { .. })), "{found:?}");
}

/// [B-21]
#[tokio::test]
async fn the_next_call_finds_all_of_its_place_clean_after_every_bad_end() {
    let ends = [
        ("crash", End::Itself),
        ("more", End::Itself),
        ("recurse", End::Itself),
        ("spin", End::Time),
        ("spin", End::Kill),
        ("spin", End::Dropped),
    ];
    for (tool, end) in ends {
        let sandbox = one_place();
        // Two components fill the place, so that the third must take what was used; and the first comes back to
        // its own.
        for soiling in ["one", "two"] {
            let stopped = call(&sandbox, soiling, tool, end).await;
            assert!(fits(tool, end, &stopped), "{tool}, {end:?}: {stopped:?}");
        }
        for clean in ["one", "two", "three", "one"] {
            let found = call(&sandbox, clean, "look", End::Itself).await;
            assert!(found.is_ok(), "{clean} after {tool}, {end:?}: {found:?}");
        }
    }
}
