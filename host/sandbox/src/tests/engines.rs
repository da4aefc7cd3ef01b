//! Two engines, one way to compile, and code that is kept.
use std::{fs, path::Path};

use toolward_gate::Notes;
use wasmtime::{Config, Engine, Strategy};

use super::limits::called;
use crate::{
    ComponentError, Sandbox, SandboxSettings,
    code::Fingerprint,
    engine::{self, Engines, Profile, compiling},
    testing::{self, Guest, terms, with_memories},
};

fn settings() -> SandboxSettings {
    SandboxSettings { concurrent_calls: 2, large_calls: 1, ..SandboxSettings::default() }
}

fn keeping(data: &Path) -> Sandbox {
    Sandbox::new(SandboxSettings { data: Some(data.to_owned()), ..settings() }).unwrap()
}

#[test]
fn what_one_engine_compiles_the_others_run() {
    let engines = Engines::start(settings().into()).unwrap();
    let of = |engine: &Engine| Fingerprint::of(engine).to_string();
    let compiler = of(&engine::compiler().unwrap());
    assert_eq!(of(&engines.usual), compiler);
    assert_eq!(of(&engines.engine(Profile::Large).unwrap()), compiler);
    assert_ne!(of(&Engine::default()), compiler);
}

#[tokio::test]
async fn a_large_component_has_an_engine_of_its_own_which_is_made_when_it_comes() {
    let sandbox = Sandbox::new(settings()).unwrap();
    called(&sandbox, &Guest::answering("{}"), terms(&[])).await.unwrap();
    assert!(!sandbox.has_large_engine());
    let large = with_memories(Guest::answering("{}").component(), 3);
    let digest = sandbox.install(large).await.unwrap().digest;
    assert!(sandbox.has_large_engine());
    for _ in 0..2 {
        let (grant, _switches) = testing::grant(digest, terms(&[]), Notes::default()).await;
        sandbox.run(grant).await.unwrap();
    }
    let too_large = with_memories(Guest::answering("{}").component(), 4);
    let refused = sandbox.install(too_large).await.unwrap_err();
    assert!(matches!(&refused, ComponentError::Compile(why) if why.contains("maximum of 4")));
}

#[tokio::test]
async fn a_second_call_compiles_and_links_nothing() {
    let sandbox = Sandbox::new(settings()).unwrap();
    for _ in 0..3 {
        called(&sandbox, &Guest::answering("{}"), terms(&[])).await.unwrap();
        assert_eq!((sandbox.compiled(), sandbox.linked_components()), (1, 1));
    }
    called(&sandbox, &Guest::answering("[]"), terms(&[])).await.unwrap_err();
    assert_eq!((sandbox.compiled(), sandbox.linked_components()), (2, 2));
}

#[tokio::test]
async fn the_next_start_runs_what_was_kept_and_compiles_what_was_changed() {
    let data = tempfile::tempdir().unwrap();
    let guest = Guest::answering("{}");
    let started = async || {
        let sandbox = keeping(data.path());
        called(&sandbox, &guest, terms(&[])).await.unwrap();
        sandbox.compiled()
    };
    assert_eq!(started().await, 1);
    assert_eq!(started().await, 0);
    let kept = fs::read_dir(data.path().join("cache")).unwrap().next().unwrap().unwrap().path();
    let good = fs::read(&kept).unwrap();
    let mut tampered = good.clone();
    tampered[good.len() / 2] ^= 1;
    for bad in [&tampered[..], &good[..good.len() / 2], b""] {
        fs::write(&kept, bad).unwrap();
        assert_eq!(started().await, 1);
        assert_eq!(fs::read(&kept).unwrap(), good);
    }
    assert_eq!(started().await, 0);
    // Another host's key.
    fs::remove_file(data.path().join("cache.key")).unwrap();
    assert_eq!(started().await, 1);
    assert_eq!(started().await, 0);
}

/// [B-26] Whoever changes how code is compiled changes this file, and is seen doing so.
#[test]
fn how_code_is_compiled_is_written_down_and_no_change_of_it_goes_unseen() {
    let ours = format!("{:#?}", compiling());
    insta::assert_snapshot!(ours);
    let changes: [fn(&mut Config); 6] = [
        |config| _ = config.strategy(Strategy::Winch),
        |config| _ = config.signals_based_traps(false),
        |config| _ = config.memory_guard_size(0),
        |config| _ = config.guard_before_linear_memory(false),
        |config| _ = config.wasm_tail_call(true),
        |config| _ = config.epoch_interruption(false),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut changed = compiling();
        change(&mut changed);
        assert_ne!(format!("{changed:#?}"), ours, "change {at} is not seen");
    }
}
