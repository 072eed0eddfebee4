//! Is an answer what `docs/openapi.json` says? As much of JSON Schema as that document uses; a word that is not known
//! here fails the test.

use std::sync::LazyLock;

use serde_json::Value;

use crate::common::Reply;

pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../../docs/openapi.json")).unwrap());

/// Holds an answer against the description of its operation, whose path is given back.
pub(crate) fn check(method: &str, target: &str, reply: &Reply) -> String {
    let path = target.split('?').next().unwrap();
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let (template, operations) = paths
        .iter()
        .find(|(template, _)| *template == path)
        .or_else(|| paths.iter().find(|(t, _)| fits(t, path)))
        .unwrap_or_else(|| panic!("{path} is not described"));
    let operation = &operations[method.to_lowercase()];
    assert!(operation.is_object(), "{method} {template} is not described");
    let responses = &operation["responses"];
    let mut response = &responses[reply.status.to_string()];
    if response.is_null() {
        assert!(reply.status >= 400, "{method} {template}: {} is not described: {reply:?}", reply.status);
        response = &responses["default"];
    }
    let response = resolved(response);
    let kind = reply.field("content-type").unwrap_or_default().split(';').next().unwrap();
    let content = &response["content"][kind];
    assert!(content.is_object(), "{method} {template} {}: {kind} is not described", reply.status);
    if kind.ends_with("json") {
        let place = format!("{method} {template} {}", reply.status);
        validate(&content["schema"], &reply.json(), &place);
    }
    template.clone()
}

fn fits(template: &str, path: &str) -> bool {
    let (a, b): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a == b || a.starts_with('{'))
}

fn resolved(value: &Value) -> &Value {
    match value["$ref"].as_str() {
        None => value,
        Some(reference) => {
            let found = DOCUMENT.pointer(reference.trim_start_matches('#'));
            found.unwrap_or_else(|| panic!("{reference} leads nowhere"))
        }
    }
}

pub(crate) fn validate(schema: &Value, value: &Value, place: &str) {
    if let Err(why) = fit(schema, value, place) {
        panic!("{why}");
    }
}

fn fit(schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    let schema = resolved(schema);
    for (word, told) in schema.as_object().unwrap_or_else(|| panic!("{place}: no schema")) {
        let fits = match word.as_str() {
            "description" | "title" | "example" | "required" | "additionalProperties" => true,
            "type" => {
                let kinds = told.as_array().map_or_else(|| vec![told], |kinds| kinds.iter().collect());
                kinds.iter().any(|kind| is(kind.as_str().unwrap(), value))
            }
            "enum" => told.as_array().unwrap().contains(value),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    fit(told, item, &format!("{place}[{index}]"))?;
                }
                true
            }
            "properties" => {
                fit_members(schema, value, place)?;
                true
            }
            "anyOf" => {
                let tried: Vec<_> = told.as_array().unwrap().iter().map(|schema| fit(schema, value, place)).collect();
                if !tried.iter().any(Result::is_ok) {
                    return Err(tried.into_iter().filter_map(Result::err).collect::<Vec<_>>().join("; or "));
                }
                true
            }
            other => panic!("{place}: the word {other} is not known here"),
        };
        if !fits {
            return Err(format!("{place}: {value} does not fit {word} {told}"));
        }
    }
    Ok(())
}

/// Every member is described, unless others are allowed, and those that are required are there.
fn fit_members(schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    let Some(members) = value.as_object() else { return Ok(()) };
    for name in schema["required"].as_array().into_iter().flatten() {
        if !members.contains_key(name.as_str().unwrap()) {
            return Err(format!("{place}: {name} is missing in {value}"));
        }
    }
    for (name, member) in members {
        match &schema["properties"][name] {
            Value::Null if schema["additionalProperties"] == true => {}
            Value::Null => return Err(format!("{place}: {name} is not described")),
            described => fit(described, member, &format!("{place}.{name}"))?,
        }
    }
    Ok(())
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    }
}
