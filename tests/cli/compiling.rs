//! The program as its own compiler, in a process apart, and what it keeps.
use std::{fs, path::PathBuf, time::Duration};

use toolward_sandbox::{Apart, Compile, CompileLimits, ComponentError, Sandbox, SandboxSettings};

use super::place::{Place, command, component, program};

fn kept(place: &Place) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(place.path("data/cache"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// Installs a component with the program as the compiler.
async fn install(bytes: &[u8], limits: CompileLimits) -> Result<(), ComponentError> {
    let compile = Compile::Apart(Apart { program: program().to_owned(), limits });
    let settings = SandboxSettings { compile, concurrent_calls: 1, ..SandboxSettings::default() };
    Sandbox::new(settings).unwrap().install(bytes.to_vec()).await.map(drop)
}

#[test]
fn the_second_start_compiles_nothing_and_a_changed_file_is_compiled_anew() {
    let place = Place::without_secrets(&["teller"]);
    let call = || place.run("-v call say text=hello").exits(0);
    let first = call();
    assert!(first.err.contains("compiled=1"), "{}", first.told());
    let [file] = kept(&place).try_into().unwrap();
    let good = fs::read(&file).unwrap();
    assert!(call().err.contains("compiled=0"));
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 0x40;
    fs::write(&file, bad).unwrap();
    let third = call();
    assert_eq!(third.out, first.out);
    assert!(third.err.contains("compiled=1"), "{}", third.told());
    assert!(third.err.contains("is refused, and compiled anew"), "{}", third.told());
    assert_eq!(fs::read(&file).unwrap(), good);
}

#[test]
fn a_limit_in_the_configuration_holds_and_names_itself() {
    let place = Place::without_secrets(&["teller"]);
    let configuration = place.read("toolward.toml");
    place.write("toolward.toml", &format!("{configuration}\n[sandbox.compile]\ntime_ms = 1\n"));
    let stopped = place.run("call say text=hello").exits(3);
    assert!(stopped.err.contains("more than 0.001 s"), "{}", stopped.told());
    place.write("toolward.toml", &format!("{configuration}\n[sandbox.limits]\nhandles = 9999\n"));
    let refused = place.run("call say text=hello").exits(3);
    assert!(refused.err.contains("`handles` is above its ceiling"), "{}", refused.told());
    place
        .write("toolward.toml", &format!("{configuration}\n[sandbox.compile]\ntime_ms = 60_000\n"));
    place.run("call say text=hello").exits(0);
}

#[tokio::test]
async fn the_compiler_meets_each_of_its_limits_and_says_which() {
    let usual = CompileLimits::default();
    install(component("teller"), usual).await.unwrap();
    let starved = CompileLimits { memory_bytes: 24 << 20, ..usual };
    let memory = install(component("teller"), starved).await.unwrap_err();
    assert!(
        matches!(&memory, ComponentError::CompileLimit { limit } if limit == "24 MiB of memory"),
        "{memory:?}"
    );
    let large = swollen(component("teller"));
    let brief = CompileLimits { processor: Duration::from_secs(1), ..usual };
    let processor = install(&large, brief).await.unwrap_err();
    assert!(
        matches!(&processor, ComponentError::CompileLimit { limit } if limit == "1 s of a processor"),
        "{processor:?}"
    );
    let time = CompileLimits { time: Duration::from_millis(100), ..usual };
    let time = install(&large, time).await.unwrap_err();
    assert!(
        matches!(&time, ComponentError::CompileLimit { limit } if limit == "0.1 s"),
        "{time:?}"
    );
}

#[test]
fn the_compiler_takes_orders_from_its_own_host_only() {
    let order = ["compile", "0000", "5", "1000000000"];
    let output = command(program()).args(order).env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(66));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("another one than the host"));
}

/// A component that keeps a compiler busy: one more part, with one long function.
fn swollen(component: &[u8]) -> Vec<u8> {
    let mut body = vec![0];
    for _ in 0..400_000 {
        // local.get 0, i32.const 7, i32.mul, i32.popcnt, local.set 0
        body.extend([0x20, 0, 0x41, 7, 0x6c, 0x69, 0x21, 0]);
    }
    body.push(0x0b);
    let code = [leb128(1), leb128(body.len()), body].concat();
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    // A type of one number, and one function of it.
    module.extend([1, 5, 1, 0x60, 1, 0x7f, 0, 3, 2, 1, 0]);
    section(&mut module, 10, &code);
    let (mut swollen, parts) = (component.to_vec(), parts(component));
    section(&mut swollen, 1, &module);
    // One instance of it, with no arguments.
    section(&mut swollen, 2, &[leb128(1), vec![0], leb128(parts), vec![0]].concat());
    swollen
}

/// The core modules of a component, at its top.
fn parts(component: &[u8]) -> usize {
    let (mut rest, mut parts) = (&component[8..], 0);
    while let Some((id, after)) = rest.split_first() {
        let (mut length, mut shift, mut body) = (0, 0, after);
        loop {
            let (byte, next) = body.split_first().unwrap();
            length |= usize::from(byte & 0x7f) << shift;
            (shift, body) = (shift + 7, next);
            if byte & 0x80 == 0 {
                break;
            }
        }
        parts += usize::from(*id == 1);
        rest = &body[length..];
    }
    parts
}

fn section(into: &mut Vec<u8>, id: u8, body: &[u8]) {
    into.push(id);
    into.extend(leb128(body.len()));
    into.extend(body);
}

fn leb128(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
