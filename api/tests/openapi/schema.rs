//! JSON Schema (2020-12, as OpenAPI 3.1 has it) of wire types. Names, kinds and choices come from the shape that serde asks for;
//! what is required, refused or left out is found out by trying it on the sample.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::sources;
use crate::texts;
use crate::trace::{Shape, trace};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Says what the service accepts.
    Request,
    /// Says what the service sends. A client that is older than the service ignores fields that it does not know.
    Answer,
}

/// The named schemas so far.
pub(crate) struct Schemas {
    pub(crate) named: BTreeMap<String, Value>,
    comments: BTreeMap<String, String>,
}

impl Schemas {
    pub(crate) fn new() -> Schemas {
        Schemas { named: BTreeMap::new(), comments: sources::comments() }
    }

    /// The schema of `T`, a reference when it is a struct. `sample` has every field, and is not sent anywhere.
    pub(crate) fn of<T: Serialize + DeserializeOwned>(&mut self, direction: Direction, sample: &Value) -> Value {
        let trial = Trial::of::<T>(direction, sample);
        let named = named::<T>(trace::<T>(sample));
        self.schema(&named, "", &trial)
    }

    /// The fields of `T` as parameters of a query.
    pub(crate) fn query<T: Serialize + DeserializeOwned>(&mut self, sample: &Value) -> Vec<Value> {
        let trial = Trial::of::<T>(Direction::Request, sample);
        let Shape::Struct(name, fields) = trace::<T>(sample) else { panic!("a query is a struct") };
        assert!(trial.refuses_unknown(""), "{name}: deny_unknown_fields");
        let parameter = |(field, shape): &(&'static str, Shape)| {
            let inner = if let Shape::Optional(inner) = shape { inner } else { shape };
            let mut parameter =
                json!({ "name": field, "in": "query", "schema": self.field(name, field, inner, "", &trial) });
            parameter["required"] = trial.requires("", field).into();
            parameter["example"] = sample[field].clone();
            self.comment(&format!("{name}.{field}"), &mut parameter);
            parameter
        };
        fields.iter().map(parameter).collect()
    }

    fn schema(&mut self, shape: &Shape, pointer: &str, trial: &Trial<'_>) -> Value {
        match shape {
            Shape::Any => json!({}),
            Shape::Bool => json!({ "type": "boolean" }),
            Shape::Integer(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Shape::Text => json!({ "type": "string" }),
            Shape::Choice(name, variants) => {
                let mut schema = json!({ "type": "string", "enum": variants });
                self.comment(name, &mut schema);
                self.reference(name, schema, trial.direction)
            }
            Shape::List(inner) => {
                json!({ "type": "array", "items": self.schema(inner, &format!("{pointer}/0"), trial) })
            }
            Shape::Map(inner) => {
                json!({ "type": "object", "additionalProperties": self.schema(inner, &format!("{pointer}/*"), trial) })
            }
            Shape::Struct(name, fields) => {
                let schema = self.object(name, fields, pointer, trial);
                self.reference(name, schema, trial.direction)
            }
            Shape::Optional(inner) => nullable(self.schema(inner, pointer, trial)),
        }
    }

    fn object(&mut self, name: &str, fields: &[(&'static str, Shape)], pointer: &str, trial: &Trial<'_>) -> Value {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for (field, shape) in fields {
            let (inner, is_optional) =
                if let Shape::Optional(inner) = shape { (&**inner, true) } else { (shape, false) };
            let mut schema = self.field(name, field, inner, pointer, trial);
            if is_optional && trial.may_be_null(pointer, field) {
                schema = nullable(schema);
            }
            self.comment(&format!("{name}.{field}"), &mut schema);
            if trial.requires(pointer, field) {
                required.push(*field);
            }
            properties.insert((*field).to_owned(), schema);
        }
        let mut schema = json!({ "type": "object", "properties": properties });
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        if trial.direction == Direction::Request && trial.refuses_unknown(pointer) {
            schema["additionalProperties"] = false.into();
        }
        self.comment(name, &mut schema);
        schema
    }

    /// With what the type does not say: patterns and lengths.
    fn field(&mut self, owner: &str, field: &str, shape: &Shape, pointer: &str, trial: &Trial<'_>) -> Value {
        let mut schema = self.schema(shape, &format!("{pointer}/{field}"), trial);
        merge(&mut schema, texts::rule(owner, field, shape));
        let text = match shape {
            Shape::Text => Some(&schema),
            Shape::List(inner) if **inner == Shape::Text => Some(&schema["items"]),
            Shape::Map(inner) if **inner == Shape::Text => Some(&schema["additionalProperties"]),
            _ => None,
        };
        if let Some(text) = text.filter(|_| trial.direction == Direction::Request) {
            let is_limited = ["maxLength", "enum", "const"].iter().any(|key| text.get(key).is_some());
            assert!(is_limited, "{owner}.{field} is a text without a length: texts.rs needs a line for it");
        }
        schema
    }

    fn reference(&mut self, name: &str, schema: Value, direction: Direction) -> Value {
        let mut name = name.to_owned();
        if self.named.get(&name).is_some_and(|known| *known != schema) {
            name += if direction == Direction::Request { "Request" } else { "Answer" };
        }
        let known = self.named.entry(name.clone()).or_insert_with(|| schema.clone());
        assert_eq!(*known, schema, "two types are called {name}, or two samples of it differ");
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    fn comment(&self, item: &str, schema: &mut Value) {
        if let Some(text) = self.comments.get(item) {
            schema["description"] = text.clone().into();
        }
    }
}

/// A generic struct has the name of what it holds: `Page<DeviceInfo>` is `DeviceInfoPage`.
fn named<T>(shape: Shape) -> Shape {
    let (Shape::Struct(name, fields), Some((_, inner))) = (&shape, std::any::type_name::<T>().split_once('<')) else {
        return shape;
    };
    let inner = inner.trim_end_matches('>').rsplit("::").next().unwrap_or_default();
    Shape::Struct(Box::leak(format!("{inner}{name}").into_boxed_str()), fields.clone())
}

/// Also takes `null`.
fn nullable(mut schema: Value) -> Value {
    match schema.get("type") {
        Some(Value::String(kind)) => schema["type"] = json!([kind, "null"]),
        _ => schema = json!({ "anyOf": [schema, { "type": "null" }] }),
    }
    schema
}

fn merge(into: &mut Value, from: Value) {
    let Value::Object(from) = from else { return };
    for (key, value) in from {
        match into.get_mut(&key) {
            Some(present) if present.is_object() => merge(present, value),
            _ => into[key] = value,
        }
    }
}

/// Variations of a sample, and what the type makes of them.
struct Trial<'a> {
    direction: Direction,
    sample: &'a Value,
    /// What the type writes after it has read this; `None` when it refuses to.
    echo: fn(&Value) -> Option<Value>,
}

impl<'a> Trial<'a> {
    fn of<T: Serialize + DeserializeOwned>(direction: Direction, sample: &'a Value) -> Trial<'a> {
        let echo = |value: &Value| T::deserialize(value).ok().map(|read| serde_json::to_value(read).unwrap());
        assert!(echo(sample).is_some(), "{} refuses its sample", std::any::type_name::<T>());
        Trial { direction, sample, echo }
    }

    fn with(&self, pointer: &str, change: impl FnOnce(&mut Map<String, Value>)) -> Option<Value> {
        let mut varied = self.sample.clone();
        // A map has whatever names; the first will do.
        let place = pointer.split('/').skip(1).try_fold(&mut varied, |at, step| match at {
            Value::Object(object) => match step {
                "*" => object.values_mut().next(),
                name => object.get_mut(name),
            },
            Value::Array(list) => list.get_mut(step.parse::<usize>().ok()?),
            _ => None,
        });
        change(place.and_then(Value::as_object_mut).unwrap_or_else(|| panic!("no object at {pointer}")));
        (self.echo)(&varied)
    }

    fn refuses_unknown(&self, pointer: &str) -> bool {
        self.with(pointer, |object| drop(object.insert("no-such-field".into(), true.into()))).is_none()
    }

    /// Of a request: it is refused without. Of an answer: it is there even when it is empty.
    fn requires(&self, pointer: &str, field: &str) -> bool {
        match self.direction {
            Direction::Request => self.with(pointer, |object| drop(object.remove(field))).is_none(),
            Direction::Answer => self.emptied(pointer, field).is_none_or(|written| written.is_some()),
        }
    }

    fn may_be_null(&self, pointer: &str, field: &str) -> bool {
        match self.direction {
            Direction::Request => self.with(pointer, |object| object[field] = Value::Null).is_some(),
            Direction::Answer => self.emptied(pointer, field) == Some(Some(Value::Null)),
        }
    }

    /// What an empty field is written as, `None` when it cannot be empty.
    fn emptied(&self, pointer: &str, field: &str) -> Option<Option<Value>> {
        let present = self.sample.pointer(&format!("{pointer}/{field}"))?;
        let nothing = match present {
            Value::Array(_) => json!([]),
            Value::Object(_) => json!({}),
            Value::Bool(_) => json!(false),
            _ => Value::Null,
        };
        let written = self
            .with(pointer, |object| object[field] = Value::Null)
            .or_else(|| self.with(pointer, |object| object[field] = nothing))?;
        Some(written.pointer(&format!("{pointer}/{field}")).cloned())
    }
}
