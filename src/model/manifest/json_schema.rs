//! Declarations as JSON Schema (draft 2020-12), for editors and other programs.
//!
//! A document that loads is valid against the schema of its kind. The other way round it is a promise of shape alone:
//! what a reference leads to, what two fields mean together and what stands in other documents the loader judges.

use serde_json::{Map, Value, json};

use super::schema::{AnyOf, Field, Form, Object, Presence, Shape};

/// The schema of documents of a kind; `document` declares what stands around its `spec`.
pub fn json_schema(kind: &str, document: &Object, spec: &'static Object) -> Value {
    let mut schema = object(document);
    schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("$id".into(), format!("urn:clawgress:schema:{kind}").into());
    schema.insert("title".into(), kind.into());
    schema.insert("description".into(), spec.meaning.into());
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for (name, value) in properties.into_iter().flatten() {
        match (name.as_str(), value.get("description").cloned()) {
            ("kind", Some(description)) => *value = json!({ "const": kind, "description": description }),
            ("spec", Some(description)) => {
                let mut inner = object(spec);
                inner.insert("description".into(), description);
                *value = inner.into();
            }
            _ => {}
        }
    }
    schema.into()
}

fn object(object: &Object) -> Map<String, Value> {
    let named = |wanted: fn(&Field) -> bool| -> Vec<&str> {
        object.fields.iter().filter(|field| wanted(field)).map(|field| field.name).collect()
    };
    let properties: Map<String, Value> =
        object.fields.iter().map(|one| (one.name.to_owned(), field(one).into())).collect();
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema.insert("description".into(), object.meaning.into());
    schema.insert("properties".into(), properties.into());
    schema.insert("additionalProperties".into(), false.into());
    let required = named(|field| field.presence == Presence::Required);
    if !required.is_empty() {
        schema.insert("required".into(), required.into());
    }
    let one_of_them = |any_of: &AnyOf| -> Value {
        any_of.fields.iter().map(|name| json!({ "required": [name] })).collect()
    };
    match object.any_of {
        [] => {}
        [only] => drop(schema.insert("anyOf".into(), one_of_them(only))),
        several => {
            let all: Value = several.iter().map(|any_of| json!({ "anyOf": one_of_them(any_of) })).collect();
            schema.insert("allOf".into(), all);
        }
    }
    schema
}

fn field(field: &Field) -> Map<String, Value> {
    let mut schema = match field.presence {
        // Nothing is valid here, and an editor shows why.
        Presence::NotYet | Presence::Refused { .. } => {
            Map::from_iter([("not".to_owned(), Value::Object(Map::new()))])
        }
        Presence::Required | Presence::Optional | Presence::Default(_) => shape(&field.shape),
    };
    let description = match (field.presence, &field.shape) {
        (Presence::NotYet, _) => format!("Not yet enforced: {}", field.meaning),
        (Presence::Refused { message, hint }, _) => format!("Refused: {message}; {hint}."),
        (_, Shape::Choice { not_yet: later @ [_, ..], .. }) => {
            format!("{} Not yet enforced: {}.", field.meaning, later.join(", "))
        }
        (_, Shape::False) => format!("{} Not yet enforced: true.", field.meaning),
        _ => field.meaning.to_owned(),
    };
    schema.insert("description".into(), description.into());
    if let Presence::Default(text) = field.presence {
        let value = match field.shape {
            Shape::Whole(_) => text.parse::<i64>().ok().map(Value::from),
            Shape::Bool | Shape::False => text.parse::<bool>().ok().map(Value::from),
            Shape::Share => text.parse::<f64>().ok().map(Value::from),
            _ => None,
        };
        schema.insert("default".into(), value.unwrap_or_else(|| text.into()));
    }
    schema
}

fn shape(shape: &Shape) -> Map<String, Value> {
    let list =
        |each: &Shape, least: u8| json!({ "type": "array", "items": self::shape(each), "minItems": least });
    let schema = match shape {
        Shape::Anything => json!({}),
        Shape::Text(form) => return text(form),
        Shape::Choice { words, .. } => json!({ "type": "string", "enum": words }),
        Shape::Whole(range) => json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() }),
        Shape::Size => {
            json!({ "type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]+ *([kMG]i?)?B?$" })
        }
        Shape::Amount => json!({
            "type": ["number", "string"], "exclusiveMinimum": 0,
            "pattern": r"^[0-9]+(\.[0-9]+)?( *([kMG]i?)?B)?$"
        }),
        Shape::Share => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::False => json!({ "const": false }),
        Shape::List(each) => list(each, 1),
        Shape::ListOrNone(each) => list(each, 0),
        Shape::Map { keys, values } => {
            json!({ "type": "object", "propertyNames": text(keys), "additionalProperties": text(values) })
        }
        Shape::Object(declared) => return object(declared),
    };
    match schema {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn text(form: &Form) -> Map<String, Value> {
    let mut schema = Map::from_iter([("type".to_owned(), "string".into())]);
    if !form.pattern.is_empty() {
        schema.insert("pattern".into(), form.pattern.into());
    }
    if form.longest < usize::MAX {
        schema.insert("maxLength".into(), form.longest.into());
    }
    schema
}
