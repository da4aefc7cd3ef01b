use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn field(at: &str, kind: FieldKind, max_length: Option<usize>) -> Field {
    Field { at: at.parse().unwrap(), kind, max_length }
}

fn projection(fields: impl IntoIterator<Item = Field>) -> Result<DeclaredFields, Conflict> {
    let mut fields = fields.into_iter();
    let mut projection = DeclaredFields::of(fields.next().unwrap());
    fields.try_for_each(|field| projection.add(field)).map(|()| projection)
}

fn scalars(at: &[&str]) -> Result<DeclaredFields, Conflict> {
    projection(at.iter().map(|at| field(at, FieldKind::Scalar, None)))
}

#[test]
fn a_body_of_which_the_file_says_nothing_has_room_for_a_mebibyte() {
    assert_eq!(ResponseShape::default().max_bytes, 1_048_576);
}

#[test]
fn only_declared_fields_pass() {
    let document = json!({
        "id": 7, "secret": "x", "user": { "name": "ana", "mail": "ana@example.com" },
        "items": [{ "title": "a", "body": "b" }, { "body": "c" }, "d", null],
    });
    let fields = scalars(&["/id", "/items/*/title", "/user/name", "/absent", "/id2/x"]).unwrap();
    let shown =
        json!({ "id": 7, "items": [{ "title": "a" }, {}, null, null], "user": { "name": "ana" } });
    assert_eq!(fields.project(document), Ok(shown));
}

#[test]
fn what_passes_is_told_field_by_field() {
    let fields = projection([
        field("/user/name", FieldKind::String, Some(40)),
        field("/items/*/id", FieldKind::Integer, None),
        field("/raw", FieldKind::Any, Some(900)),
    ]);
    assert_eq!(
        fields.unwrap().described(),
        [
            "/items/*/id (a whole number)",
            "/raw (a value of at most 900 bytes)",
            "/user/name (a string of at most 40 characters)",
        ]
    );
    let lone = scalars(&["/*"]).unwrap();
    assert_eq!(lone.described(), ["/* (a string, a number or a boolean)"]);
}

#[test]
fn a_list_at_the_top_or_the_whole_document_can_be_declared() {
    let list = scalars(&["/*/id"]).unwrap();
    assert_eq!(list.project(json!([{ "id": 1, "x": 2 }])), Ok(json!([{ "id": 1 }])));
    assert_eq!(list.project(json!({ "id": 1 })), Err(Misfit::Top("a list")));
    let whole = projection([field("", FieldKind::Any, None)]).unwrap();
    assert_eq!(whole.project(json!({ "a": [1] })), Ok(json!({ "a": [1] })));
    assert_eq!(scalars(&["/a"]).unwrap().project(json!("a")), Err(Misfit::Top("an object")));
}

#[test]
fn a_field_of_another_type_or_length_keeps_the_response_back() {
    let cases = [
        (FieldKind::Scalar, None, json!("x"), json!({ "x": 1 })),
        (FieldKind::Scalar, Some(2), json!("xy"), json!("xyz")),
        (FieldKind::String, None, json!("x"), json!(1)),
        (FieldKind::String, Some(2), json!("äö"), json!("äöü")),
        (FieldKind::Integer, None, json!(-3), json!(1.5)),
        (FieldKind::Number, None, json!(1.5), json!("1.5")),
        (FieldKind::Boolean, None, json!(true), json!("true")),
        (FieldKind::Any, Some(5), json!([1, 2]), json!([1, 2, 3])),
    ];
    for (kind, most, right, wrong) in cases {
        let fields = projection([field("/a", kind, most)]).unwrap();
        assert_eq!(fields.project(json!({ "a": right })), Ok(json!({ "a": right })));
        assert_eq!(fields.project(json!({ "a": null })), Ok(json!({ "a": null })));
        let refused = fields.project(json!({ "a": wrong }));
        assert!(matches!(&refused, Err(Misfit::Field { at, .. }) if at == "/a"), "{refused:?}");
    }
}

#[test]
fn a_misfit_repeats_nothing_that_the_server_wrote() {
    let fields = projection([field("/a", FieldKind::String, Some(80))]).unwrap();
    let error = fields.project(json!({ "a": { "m4rk": "m4rk" } })).unwrap_err();
    assert_eq!(error.to_string(), "the field `/a` is not a string of at most 80 characters");
}

#[test]
fn fields_that_contradict_each_other_are_told() {
    assert_eq!(scalars(&["/a", "/a"]), Err(Conflict::Twice));
    assert_eq!(scalars(&["/a", "/a/b"]), Err(Conflict::Within));
    assert_eq!(scalars(&["/a/b", "/a"]), Err(Conflict::Within));
    assert_eq!(scalars(&["/a/*", "/a/b"]), Err(Conflict::ListAndObject));
    assert_eq!(scalars(&["/a/b", "/a/*"]), Err(Conflict::ListAndObject));
    assert!(scalars(&["/a/*/b", "/a/*/c", "/b"]).is_ok());
}

/// Every place of a document that holds no object or list, with the names and numbers that lead to it.
fn leaves(value: &Value, at: &mut Vec<String>, found: &mut Vec<(Vec<String>, Value)>) {
    let mut below = |name: String, value: &Value| {
        at.push(name);
        leaves(value, at, found);
        at.pop();
    };
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| below(name.clone(), value));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(number, value)| below(format!("#{number}"), value));
        }
        leaf @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            found.push((at.clone(), leaf.clone()));
        }
    }
}

/// The declaration that a place answers to, in this test's own words.
fn declared(at: &[String]) -> String {
    at.iter()
        .map(|name| if name.starts_with('#') { "/*".into() } else { format!("/{name}") })
        .collect()
}

fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<u32>().prop_map(Value::from),
        "[a-z]{0,6}".prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[abc]", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_shown_was_declared_and_stood_there(
        document in documents(),
        fields in prop::collection::vec("(/[abc*]){1,3}", 1..5),
    ) {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let Ok(projection) = scalars(&fields) else { return Ok(()) };
        let Ok(shown) = projection.project(document.clone()) else { return Ok(()) };
        let (mut before, mut after) = (Vec::new(), Vec::new());
        leaves(&document, &mut Vec::new(), &mut before);
        leaves(&shown, &mut Vec::new(), &mut after);
        for (at, value) in after {
            // `null` keeps the place of an item that has no such field.
            let placeholder = value.is_null() && at.last().is_some_and(|name| name.starts_with('#'));
            prop_assert!(placeholder || fields.contains(&declared(&at).as_str()), "{at:?}");
            prop_assert!(placeholder || before.contains(&(at, value)));
        }
    }

    #[test]
    fn what_was_declared_and_stands_there_is_shown(document in documents()) {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        leaves(&document, &mut Vec::new(), &mut before);
        let mut fields: Vec<String> = before.iter().map(|(at, _)| declared(at)).collect();
        fields.sort();
        fields.dedup();
        prop_assume!(!fields.is_empty());
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        // A list may hold a value and an object beside each other, which nobody can declare.
        let Ok(projection) = scalars(&fields) else { return Ok(()) };
        let Ok(shown) = projection.project(document) else { return Ok(()) };
        leaves(&shown, &mut Vec::new(), &mut after);
        for leaf in before {
            prop_assert!(after.contains(&leaf), "{leaf:?}");
        }
    }
}
