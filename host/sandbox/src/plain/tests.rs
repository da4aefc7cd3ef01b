use std::sync::{Arc, LazyLock};

use arbitrary::Unstructured;
use proptest::prelude::*;
use serde_json::{Value, json};
use toolward_gate::{Limit, Notes, Stop, ToolName, parse_json_within};
use wasmtime::{
    Config, Engine,
    component::{Component, Val, types::ComponentItem},
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{ManglingAndAbi, PackageMetadata, Resolve};

use super::{PlainError, Signature, ValueError, answer, any::any_value, arguments, read, to_json};
use crate::{Manifest, Sandbox, SandboxSettings, Schema, inspect, testing};

/// Every type there is, as a parameter and as a result.
const EVERYTHING: &str = r#"
package acme:text@1.0.0;
interface words {
    /// A place on a map.
    record place { name: string, height: s16, population: option<u64>, note: option<option<string>> }
    enum colour { red, green, dark-blue }
    flags rights { read, write }
    variant shape { point, circle(f64), named(place), pair(tuple<u8, char>) }
    /// Gives back what it gets.
    move-to: func(it: place) -> place;
    numbers: func(a: u8, b: s8, c: u16, d: s16, e: u32, f: s32, g: u64, h: s64, i: f32, j: f64) -> tuple<u8, s8, u16, s16, u32, s32, u64, s64, f32, f64>;
    texts: func(a: string, b: char, c: bool) -> tuple<string, char, bool>;
    lists: func(bytes: list<u8>, places: list<place>, nested: list<list<string>>) -> tuple<list<u8>, list<place>, list<list<string>>>;
    cases: func(colour: colour, rights: rights, shape: shape) -> tuple<colour, rights, shape>;
    maybe: func(a: option<u32>, b: option<option<bool>>, c: result<string, u8>, d: result<_, string>, e: result) -> tuple<option<u32>, option<option<bool>>, result<string, u8>, result<_, string>, result>;
    fails: func() -> result<u32, shape>;
    nothing: func();
}
world tools {
    export words;
    export add: func(left: u32, right: u32) -> u32;
    export init: func();
}
"#;

/// A component with the types of the WIT text, whose functions do nothing.
fn component(wit: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("test.wit", wit).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = wit_component::dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}

fn tools(wit: &str) -> Result<Manifest, PlainError> {
    read(&component(wit), &Arc::default()).map(|(manifest, _)| manifest)
}

#[test]
fn exported_functions_are_tools_with_their_words_and_types() {
    let manifest = &*TOOLS;
    let names: Vec<&str> = manifest.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert!(names.contains(&"add") && names.contains(&"words_move-to"), "{names:?}");
    assert!(!names.contains(&"init"), "what a toolchain leaves behind is no tool");
    insta::assert_json_snapshot!(
        manifest
            .tools
            .iter()
            .map(|tool| (
                tool.name.as_str(),
                json!({ "says": tool.description, "takes": tool.input_schema, "answers": tool.output_schema })
            ))
            .collect::<std::collections::BTreeMap<_, _>>()
    );
}

#[test]
fn doc_comments_become_descriptions_where_the_component_kept_them() {
    let wit = "package root:component; world root { /// Adds two numbers.\n export add: func(left: u32, right: u32) -> u32; }";
    let mut bytes = component(wit);
    let told = |bytes: &[u8]| {
        let (manifest, _) = read(bytes, &Arc::default()).unwrap();
        manifest.tools[0].description.clone()
    };
    assert_eq!(told(&bytes), "The function `add`.");
    let mut resolve = Resolve::default();
    let package = resolve.push_str("test.wit", wit).unwrap();
    let docs = PackageMetadata::extract(&resolve, package).encode().unwrap();
    let section = wasm_encoder::CustomSection {
        name: PackageMetadata::SECTION_NAME.into(),
        data: docs.into(),
    };
    wasm_encoder::Section::append_to(&section, &mut bytes);
    assert_eq!(told(&bytes), "Adds two numbers.");
}

#[test]
fn a_function_that_takes_or_gives_a_handle_is_refused_by_name() {
    for wit in [
        "package a:b; interface i { resource file; read: func(it: borrow<file>) -> string; } world w { export i; }",
        "package a:b; interface i { resource file; open: func() -> file; } world w { export i; }",
        "package a:b; interface i { resource file { read: func() -> string; } } world w { export i; }",
    ] {
        let refused = tools(wit).unwrap_err();
        assert!(matches!(refused, PlainError::Kind { kind: "a resource", .. }), "{refused}");
        assert!(refused.to_string().contains("a:b/i#"), "{refused}");
    }
}

#[test]
fn two_functions_with_the_name_of_one_tool_are_refused() {
    let wit = "package a:b; interface i { f: func(); } interface other { f: func(); } world w { export i; export other; export i-f: func(); }";
    assert_eq!(tools(wit).unwrap().tools.len(), 3);
    let versions = "package a:one { interface i { f: func(); } } package a:two { interface i { f: func(); } } \
                    package a:b { world w { export a:one/i; export a:two/i; } }";
    let refused = tools_nested(versions).unwrap_err();
    assert!(matches!(refused, PlainError::Twice { .. }), "{refused}");
}

fn tools_nested(wit: &str) -> Result<Manifest, PlainError> {
    let mut resolve = Resolve::default();
    let wit = format!("package root:root;\n{wit}");
    let _ = resolve.push_str("test.wit", &wit).unwrap();
    let world = resolve.worlds.iter().next().unwrap().0;
    let mut module = wit_component::dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    let bytes = ComponentEncoder::default().module(&module).unwrap().encode().unwrap();
    read(&bytes, &Arc::default()).map(|(manifest, _)| manifest)
}

#[test]
fn a_small_type_that_stands_for_an_enormous_one_is_refused() {
    let mut wit = "package a:b; interface i { type t0 = tuple<u8, u8>;".to_owned();
    for level in 1..14 {
        wit.push_str(&format!("type t{level} = tuple<t{}, t{}>;", level - 1, level - 1));
    }
    wit.push_str("f: func(it: list<t9>); g: func(it: list<t13>); } world w { export i; }");
    let refused = tools(&wit).unwrap_err();
    assert_eq!(refused, PlainError::TooLarge { function: "a:b/i#g".to_owned() });
    tools(&wit.replace("g: func(it: list<t13>);", "")).unwrap();
}

#[test]
fn an_initialiser_is_no_tool_whatever_it_takes_and_a_function_with_an_answer_is_one() {
    let named = |export: &str| -> Vec<String> {
        let wit = format!("package a:b; world tools {{ export other: func(); export {export} }}");
        tools(&wit).unwrap().tools.iter().map(|tool| tool.name.to_string()).collect()
    };
    assert_eq!(named("init: func(shim: string, script: string) -> result<_, string>;"), ["other"]);
    assert_eq!(
        named("exports: interface { init: func(name: string) -> result<_, string>; }"),
        ["other"]
    );
    assert_eq!(named("init: func() -> result<u8, string>;").len(), 2);
    assert_eq!(named("other-exports: interface { init: func(); }").len(), 2);
}

#[test]
fn a_component_without_functions_has_no_tools() {
    let refused = inspect(&component("package a:b; world w { }")).unwrap_err();
    assert!(refused.to_string().contains("exports no functions"), "{refused}");
    inspect(&component("package a:b; world w { export f: func(); }")).unwrap();
}

/// The signature of each function of [`EVERYTHING`].
static SIGNATURES: LazyLock<Vec<(String, Signature)>> = LazyLock::new(|| signatures(EVERYTHING));
static TOOLS: LazyLock<Manifest> = LazyLock::new(|| tools(EVERYTHING).unwrap());

/// The signatures of a component's functions, as it is compiled.
fn signatures(wit: &str) -> Vec<(String, Signature)> {
    let engine = Engine::new(Config::new().concurrency_support(false)).unwrap();
    let component = Component::from_binary(&engine, &component(wit)).unwrap();
    let mut found = Vec::new();
    for (_, item) in component.component_type().exports(&engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        for (function, item) in instance.exports(&engine) {
            let ComponentItem::ComponentFunc(types) = item.ty else { continue };
            let parameters = types.params().map(|(name, ty)| (name.to_owned(), ty)).collect();
            let signature = Signature { parameters, result: types.results().next() };
            found.push((format!("words_{function}"), signature));
        }
    }
    found
}

/// Values of the parameters of any function.
fn any_call() -> impl Strategy<Value = (String, Signature, Vec<Val>)> {
    let each = (0..SIGNATURES.len()).prop_map(|which| SIGNATURES[which].clone());
    let bytes = proptest::collection::vec(any::<u8>(), 0..400);
    (each, bytes).prop_map(|((name, signature), bytes)| {
        let mut data = Unstructured::new(&bytes);
        let types = signature.parameters.iter().map(|(_, ty)| ty);
        let values = types.map(|ty| any_value(ty, &mut data).unwrap()).collect();
        (name, signature, values)
    })
}

/// The arguments that stand for values, as a caller writes them.
fn written(signature: &Signature, values: &[Val]) -> Value {
    let each = signature.parameters.iter().zip(values);
    each.map(|((name, ty), value)| (name.clone(), to_json::json(value, ty))).collect()
}

/// NaN is the same as itself here.
fn same(one: &[Val], other: &[Val]) -> bool {
    format!("{one:?}") == format!("{other:?}")
}

proptest! {
    #[test]
    fn a_value_is_the_same_after_it_was_json_and_its_json_fits_the_schema((name, signature, values) in any_call()) {
        let json = written(&signature, &values);
        let tool: ToolName = name.parse().unwrap();
        let schema = Schema::compile(&TOOLS.tool(&tool).unwrap().input_schema).unwrap();
        prop_assert_eq!(schema.check(&json), Ok(()), "{}", json);
        let back = arguments(&signature, &json, usize::MAX).unwrap();
        prop_assert!(same(&back, &values), "{values:?} became {back:?} by {json}");
        // Each with its name, and all of them in an object.
        let counted = values.iter().map(to_json::count).fold(values.len(), usize::saturating_add);
        let counted = counted.saturating_add(1);
        prop_assert!(parse_json_within(&json.to_string(), counted).is_ok(), "{counted}: {json}");
    }

    #[test]
    fn no_json_breaks_the_reader(text in "\\PC{0,40}", number in any::<i64>()) {
        for value in [json!(text), json!({ "it": text }), json!([number]), json!({ "ok": [number, text] }), json!(null)] {
            for (_, signature) in SIGNATURES.iter() {
                let object: Value = signature.parameters.iter().map(|(name, _)| (name.clone(), value.clone())).collect();
                drop(arguments(signature, &object, usize::MAX));
                drop(arguments(signature, &value, usize::MAX));
            }
        }
    }
}

fn signature(name: &str) -> Signature {
    SIGNATURES.iter().find(|(one, _)| one == name).unwrap().1.clone()
}

#[test]
fn what_is_not_of_its_type_is_told_with_its_place() {
    let wrong = |name: &str, value: Value| {
        arguments(&signature(name), &value, 100).unwrap_err().to_string()
    };
    assert_eq!(
        wrong("words_move-to", json!({ "it": { "name": "A", "height": 40_000 } })),
        "`/it/height` is not a whole number in the range of its type"
    );
    assert_eq!(
        wrong("words_texts", json!({ "a": "x", "b": "xy", "c": true })),
        "`/b` is not one character"
    );
    assert_eq!(wrong("words_texts", json!({ "a": "x", "b": "x" })), "`/c` is not there");
    assert_eq!(
        wrong("words_nothing", json!({ "extra": 1 })),
        "`/extra` is not a parameter of the function"
    );
    let cases = json!({ "colour": "pink", "rights": [], "shape": "point" });
    assert_eq!(wrong("words_cases", cases), "`/colour` is not one of the names of its type");
    let lists = json!({ "bytes": "not base64!", "places": [], "nested": [] });
    assert_eq!(wrong("words_lists", lists), "`/bytes` is not bytes in base64");
}

/// [A-19] The other direction: what a caller writes in a few bytes.
#[test]
fn arguments_that_stand_for_more_values_than_a_call_may_have_are_not_made() {
    let fields = (0..500).map(|field| format!("field{field}: option<u8>,")).collect::<String>();
    let wit = format!(
        "package a:b; interface words {{ record wide {{ {fields} }} f: func(all: list<wide>); g: func(bytes: list<u8>); }} world w {{ export words; }}"
    );
    let found = signatures(&wit);
    let of = |name: &str| &found.iter().find(|(one, _)| one == name).unwrap().1;
    // A list, and in it records of 500 fields, each with its name.
    let records = |count: usize| json!({ "all": vec![json!({}); count] });
    assert_eq!(arguments(of("words_f"), &records(100), 100_101).unwrap().len(), 1);
    assert_eq!(arguments(of("words_f"), &records(100), 100_100), Err(ValueError::TooMany));
    assert_eq!(arguments(of("words_f"), &records(100_000), 100_101), Err(ValueError::TooMany));
    let bytes = json!({ "bytes": "AAAA" });
    assert_eq!(arguments(of("words_g"), &bytes, 4).unwrap().len(), 1);
    assert_eq!(arguments(of("words_g"), &bytes, 3), Err(ValueError::TooMany));
}

#[test]
fn an_error_is_a_failure_whose_code_is_its_case() {
    let ty = signature("words_fails").result.unwrap();
    let failed = |error: Val| match answer(Some((&Val::Result(Err(Some(Box::new(error)))), &ty))) {
        Err(Stop::Failed(failure)) => (failure.code, failure.message),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        failed(Val::Variant("point".to_owned(), None)),
        ("point".to_owned(), "point".to_owned())
    );
    let circle = Val::Variant("circle".to_owned(), Some(Box::new(Val::Float64(1.5))));
    assert_eq!(failed(circle), ("circle".to_owned(), "1.5".to_owned()));
    let ok = Val::Result(Ok(Some(Box::new(Val::U32(7)))));
    assert_eq!(answer(Some((&ok, &ty))).unwrap(), json!({ "result": 7 }));
    assert_eq!(answer(None).unwrap(), json!({}));
}

#[tokio::test]
async fn a_plain_component_is_called_with_its_own_types() {
    let sandbox =
        Sandbox::new(SandboxSettings { concurrent_calls: 2, ..SandboxSettings::default() })
            .unwrap();
    let inspection = sandbox.install(adder()).await.unwrap();
    assert!(!inspection.has_manifest());
    let call = |left: u32, right: u32| testing::Asked {
        digest: inspection.digest,
        tool: "add",
        arguments: json!({ "left": left, "right": right }),
    };
    let (grant, _switches) =
        testing::grant_for(&call(40, 2), testing::terms(&[]), Notes::default()).await;
    assert_eq!(sandbox.run(grant).await.unwrap().value, json!({ "result": 42 }));
    let (grant, _switches) =
        testing::grant_for(&call(1, u32::MAX), testing::terms(&[]), Notes::default()).await;
    assert_eq!(sandbox.run(grant).await.unwrap().value, json!({ "result": 0 }));
    // The arguments are two values, and the result is one.
    for (values, fits) in [(2, true), (1, false)] {
        let mut terms = testing::terms(&[]);
        terms.sandbox.limits.values = values;
        let (grant, _switches) = testing::grant_for(&call(40, 2), terms, Notes::default()).await;
        match sandbox.run(grant).await {
            Ok(_) => assert!(fits),
            Err(stop) => assert!(!fits && matches!(stop, Stop::Limit(Limit::Values)), "{stop:?}"),
        }
    }
}

/// `add` in core WebAssembly, made a component.
fn adder() -> Vec<u8> {
    use wasm_encoder::{
        CodeSection, ExportKind, ExportSection, Function, FunctionSection, Module, TypeSection,
        ValType,
    };
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32; 2], [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut exports = ExportSection::new();
    exports.export("add", ExportKind::Func, 0);
    let mut code = CodeSection::new();
    let mut body = Function::new([]);
    body.instructions().local_get(0).local_get(1).i32_add().end();
    code.function(&body);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&exports).section(&code);
    let mut module = module.finish();
    let mut resolve = Resolve::default();
    let wit = "package a:b; world w { export add: func(left: u32, right: u32) -> u32; }";
    let package = resolve.push_str("test.wit", wit).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}
