//! Guests assembled by hand, and a gate that says yes, for the tests of this crate.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers, and a panic fails the test")]
use std::{borrow::Cow, path::Path};

use serde_json::{Value, json};
use wasm_encoder::{
    CodeSection, ComponentSection as _, ConstExpr, CustomSection, DataSection, EntityType,
    ExportKind, ExportSection, Function, FunctionSection, GlobalSection, GlobalType, HeapType,
    ImportSection, InstanceSection, Instruction, MemorySection, MemoryType, Module, ModuleArg,
    ModuleSection, RefType, Section as _, TableSection, TableType, TypeSection, ValType,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

mod gate;

pub(crate) use gate::{Asked, grant, grant_for, http, terms};

/// One import of a guest, as core WebAssembly: module, function, and how many `i32` it takes.
/// It is imported and not called, except where [`Guest::first`] says so.
#[derive(Clone, Copy)]
pub(crate) struct Imported(pub(crate) &'static str, pub(crate) &'static str, pub(crate) usize);

pub(crate) const EMIT: Imported = Imported("toolward:tool/log@0.1.0", "emit", 5);
pub(crate) const OBTAIN: Imported = Imported("toolward:tool/capabilities@0.1.0", "obtain", 3);
pub(crate) const SEND: Imported = Imported("toolward:tool/http@0.1.0", "send", 11);

/// What a guest does before it answers.
pub(crate) enum First {
    Nothing,
    Spin,
    /// Emits an empty line, and then never ends. `emit` is its first import.
    EmitAndSpin,
    Recurse,
    /// Grows its memory by so many pages of 64 KiB, and gives up when it gets none.
    Grow(i32),
    /// Grows its table by so many elements, and gives up when it gets none.
    GrowTable(i32),
    /// Calls its first import with these arguments.
    CallImport(Vec<i32>),
}

pub(crate) struct Guest {
    pub(crate) imports: Vec<Imported>,
    pub(crate) first: First,
    /// The JSON of the answer, or the code and message of a failure.
    pub(crate) answer: Result<String, (String, String)>,
    pub(crate) manifest: Value,
}

impl Guest {
    pub(crate) fn answering(answer: &str) -> Self {
        Self {
            imports: vec![],
            first: First::Nothing,
            answer: Ok(answer.to_owned()),
            manifest: manifest(&json!([])),
        }
    }

    pub(crate) fn component(&self) -> Vec<u8> {
        let mut component = self.bare_component();
        append(&mut component, &self.manifest.to_string());
        component
    }

    /// Without its manifest.
    pub(crate) fn bare_component(&self) -> Vec<u8> {
        let mut module = self.module();
        let mut resolve = Resolve::default();
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let (package, _) = resolve.push_dir(wit).unwrap();
        let world = resolve.select_world(&[package], Some("tool")).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
            .unwrap();
        let mut encoder = ComponentEncoder::default();
        encoder.module(&module).unwrap().validate(true);
        encoder.encode().unwrap()
    }

    pub(crate) fn module(&self) -> Vec<u8> {
        let imported = u32::try_from(self.imports.len()).unwrap();
        let mut types = TypeSection::new();
        types.ty().function([ValType::I32; 4], [ValType::I32]);
        let mut imports = ImportSection::new();
        for (index, Imported(module, name, takes)) in self.imports.iter().enumerate() {
            types.ty().function(vec![ValType::I32; *takes], []);
            imports.import(module, name, EntityType::Function(u32::try_from(index).unwrap() + 1));
        }
        let mut functions = FunctionSection::new();
        functions.function(0).function(0);
        let mut tables = TableSection::new();
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            minimum: 1,
            maximum: None,
            table64: false,
            shared: false,
        });
        let mut memories = MemorySection::new();
        let pages = MemoryType {
            minimum: 2,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        };
        memories.memory(pages);
        let mut globals = GlobalSection::new();
        let next = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
        globals.global(next, &ConstExpr::i32_const(65_536));
        let mut exports = ExportSection::new();
        exports.export("memory", ExportKind::Memory, 0);
        exports.export("cabi_realloc", ExportKind::Func, imported);
        exports.export("toolward:tool/calls@0.1.0#call", ExportKind::Func, imported + 1);
        let mut code = CodeSection::new();
        code.function(&realloc());
        code.function(&self.call(imported + 1));
        let mut data = DataSection::new();
        data.active(0, &ConstExpr::i32_const(0), self.data());
        let mut module = Module::new();
        module
            .section(&types)
            .section(&imports)
            .section(&functions)
            .section(&tables)
            .section(&memories);
        module.section(&globals).section(&exports).section(&code).section(&data);
        module.finish()
    }

    /// The result at [`RESULT`], as the canonical ABI lays it out, and the texts at [`TEXTS`].
    fn data(&self) -> Vec<u8> {
        let (case, texts) = match &self.answer {
            Ok(answer) => (0u32, vec![answer]),
            Err((code, message)) => (1, vec![code, message]),
        };
        let (mut words, mut text) = (vec![case], String::new());
        for one in texts {
            words.push(u32::try_from(TEXTS + text.len()).unwrap());
            words.push(u32::try_from(one.len()).unwrap());
            text.push_str(one);
        }
        assert!(text.len() < 60_000);
        let mut data = vec![0; TEXTS];
        for (index, word) in words.iter().enumerate() {
            let at = RESULT + index * 4;
            data[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        data.extend(text.bytes());
        // What guests lend to their imports as a text.
        let name = b"github:issues:write";
        data[NAME..NAME + name.len()].copy_from_slice(name);
        data
    }

    fn call(&self, own: u32) -> Function {
        let mut body = Function::new([]);
        let mut write = |instructions: &[Instruction<'_>]| {
            for one in instructions {
                body.instruction(one);
            }
        };
        match &self.first {
            First::Nothing => {}
            First::Spin => write(&[
                Instruction::Loop(wasm_encoder::BlockType::Empty),
                Instruction::Br(0),
                Instruction::End,
            ]),
            First::EmitAndSpin => write(&[
                Instruction::I32Const(1),
                Instruction::I32Const(0),
                Instruction::I32Const(0),
                Instruction::I32Const(0),
                Instruction::I32Const(0),
                Instruction::Call(0),
                Instruction::Loop(wasm_encoder::BlockType::Empty),
                Instruction::Br(0),
                Instruction::End,
            ]),
            First::Recurse => write(&[
                Instruction::LocalGet(0),
                Instruction::LocalGet(1),
                Instruction::LocalGet(2),
                Instruction::LocalGet(3),
                Instruction::Call(own),
                Instruction::Return,
            ]),
            First::Grow(pages) => write(&[
                Instruction::I32Const(*pages),
                Instruction::MemoryGrow(0),
                Instruction::I32Const(-1),
                Instruction::I32Eq,
                Instruction::If(wasm_encoder::BlockType::Empty),
                Instruction::Unreachable,
                Instruction::End,
            ]),
            First::GrowTable(elements) => write(&[
                Instruction::RefNull(HeapType::FUNC),
                Instruction::I32Const(*elements),
                Instruction::TableGrow(0),
                Instruction::I32Const(-1),
                Instruction::I32Eq,
                Instruction::If(wasm_encoder::BlockType::Empty),
                Instruction::Unreachable,
                Instruction::End,
            ]),
            First::CallImport(arguments) => {
                for argument in arguments {
                    write(&[Instruction::I32Const(*argument)]);
                }
                write(&[Instruction::Call(0)]);
            }
        }
        write(&[Instruction::I32Const(i32::try_from(RESULT).unwrap()), Instruction::End]);
        body
    }
}

/// Takes the next bytes, aligned, and never gives them back.
fn realloc() -> Function {
    let mut body = Function::new([(1, ValType::I32)]);
    for one in [
        Instruction::GlobalGet(0),
        Instruction::LocalGet(2),
        Instruction::I32Add,
        Instruction::I32Const(1),
        Instruction::I32Sub,
        Instruction::I32Const(0),
        Instruction::LocalGet(2),
        Instruction::I32Sub,
        Instruction::I32And,
        Instruction::LocalTee(4),
        Instruction::LocalGet(3),
        Instruction::I32Add,
        Instruction::GlobalSet(0),
        Instruction::LocalGet(4),
        Instruction::End,
    ] {
        body.instruction(&one);
    }
    body
}

/// Appends a manifest, as the build tool does.
pub(crate) fn append(component: &mut Vec<u8>, manifest: &str) {
    let section = CustomSection {
        name: Cow::Borrowed(crate::component::SECTION),
        data: Cow::Borrowed(manifest.as_bytes()),
    };
    section.append_to(component);
}

/// One tool, `act`, that wants these capabilities and answers with an object.
pub(crate) fn manifest(capabilities: &Value) -> Value {
    json!({ "version": 1, "tools": [{
        "name": "act",
        "description": "Acts.",
        "input": { "type": "object" },
        "output": { "type": "object", "properties": { "sum": { "type": "integer" } } },
        "capabilities": capabilities,
    }]})
}

const RESULT: usize = 16;
pub(crate) const NAME: usize = 64;
const TEXTS: usize = 1024;

/// A component with so many memories more, each in a part of its own.
pub(crate) fn with_memories(mut component: Vec<u8>, count: u32) -> Vec<u8> {
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut module = Module::new();
    module.section(&memories);
    let mut instances = InstanceSection::new();
    for _ in 0..count {
        // A guest without imports is one module.
        instances.instantiate(1, std::iter::empty::<(&str, ModuleArg)>());
    }
    ModuleSection(&module).append_to_component(&mut component);
    instances.append_to_component(&mut component);
    component
}
