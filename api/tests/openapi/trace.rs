//! The shape of a type as its `Deserialize` sees it: a deserializer that reads a sample and writes down what it was asked for.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// Any JSON.
    Any,
    Bool,
    /// The smallest and the largest.
    Integer(i64, u64),
    Text,
    /// Name and spellings.
    Choice(&'static str, &'static [&'static str]),
    List(Box<Shape>),
    /// Any names, values of one shape.
    Map(Box<Shape>),
    Struct(&'static str, Vec<(&'static str, Shape)>),
    Optional(Box<Shape>),
}

/// Panics unless `sample` has every field, at every depth, and no empty list: only what is there can be seen.
pub(crate) fn trace<T: DeserializeOwned>(sample: &Value) -> Shape {
    let kind = std::any::type_name::<T>();
    let slot = Slot::default();
    T::deserialize(Tracer { value: sample, slot: &slot }).unwrap_or_else(|e| panic!("the sample of {kind}: {e}"));
    slot.into_inner().unwrap_or_else(|| panic!("{kind} asked for nothing"))
}

type Slot = RefCell<Option<Shape>>;

/// Reads one value and leaves its shape in the slot.
struct Tracer<'a> {
    value: &'a Value,
    slot: &'a Slot,
}

#[derive(Debug)]
struct Wrong(String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(message: T) -> Wrong {
        Wrong(message.to_string())
    }
}

impl<'a> Tracer<'a> {
    fn saw(&self, shape: Shape) {
        self.slot.replace(Some(shape));
    }

    fn wants(&self, what: &str) -> Wrong {
        Wrong(format!("{what} is wanted where it has {}", self.value))
    }

    fn text(&self) -> Result<&'a str, Wrong> {
        self.value.as_str().ok_or_else(|| self.wants("a text"))
    }

    fn object(&self) -> Result<&'a Map<String, Value>, Wrong> {
        self.value.as_object().ok_or_else(|| self.wants("an object"))
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            self.saw(Shape::Integer(i64::try_from(<$type>::MIN).unwrap(), u64::try_from(<$type>::MAX).unwrap()));
            let number = self.value.to_string().parse::<$type>().map_err(|_| self.wants(stringify!($type)))?;
            visitor.$visit(number)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Tracer<'_> {
    type Error = Wrong;

    integers! {
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
    }

    /// For values that are JSON themselves.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.saw(Shape::Any);
        self.value.clone().deserialize_any(visitor).map_err(|e| Wrong(e.to_string()))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.saw(Shape::Bool);
        visitor.visit_bool(self.value.as_bool().ok_or_else(|| self.wants("true or false"))?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.saw(Shape::Text);
        visitor.visit_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self.value.is_null() {
            return Err(self.wants("a value"));
        }
        let inner = Slot::default();
        let value = visitor.visit_some(Tracer { value: self.value, slot: &inner })?;
        self.saw(Shape::Optional(Box::new(inner.into_inner().unwrap_or(Shape::Any))));
        Ok(value)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let list =
            self.value.as_array().filter(|l| !l.is_empty()).ok_or_else(|| self.wants("a list with something"))?;
        let slot = Slot::default();
        let value = visitor.visit_seq(Elements { rest: list.iter(), slot: &slot })?;
        self.saw(Shape::List(Box::new(slot.into_inner().unwrap_or(Shape::Any))));
        Ok(value)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let object = self.object()?;
        let slots: Vec<Slot> = object.iter().map(|_| Slot::default()).collect();
        let entries = object.iter().zip(&slots);
        let values = MapDeserializer::new(entries.map(|((k, value), slot)| (k.as_str(), Tracer { value, slot })));
        let value = visitor.visit_map(values)?;
        let mut shapes = slots.into_iter().filter_map(Slot::into_inner);
        let first = shapes.next().ok_or_else(|| self.wants("an object with something"))?;
        if shapes.any(|other| other != first) {
            return Err(self.wants("an object whose values are alike"));
        }
        self.saw(Shape::Map(Box::new(first)));
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let object = self.object()?;
        if let Some(extra) = object.keys().find(|key| !fields.contains(&key.as_str())) {
            return Err(Wrong(format!("{name} has no field {extra}")));
        }
        let slots: Vec<Slot> = fields.iter().map(|_| Slot::default()).collect();
        let rest = fields.iter().zip(&slots);
        let value = visitor.visit_map(Fields { name, object, rest: Box::new(rest), next: None })?;
        let shapes = fields.iter().copied().zip(slots.into_iter().filter_map(Slot::into_inner)).collect();
        self.saw(Shape::Struct(name, shapes));
        Ok(value)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.saw(Shape::Choice(name, variants));
        visitor.visit_enum(IntoDeserializer::<Wrong>::into_deserializer(self.text()?))
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Wrong> for Tracer<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

struct Elements<'a> {
    rest: std::slice::Iter<'a, Value>,
    slot: &'a Slot,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        self.rest.next().map(|value| seed.deserialize(Tracer { value, slot: self.slot })).transpose()
    }
}

struct Fields<'a> {
    name: &'static str,
    object: &'a Map<String, Value>,
    rest: Box<dyn Iterator<Item = (&'a &'static str, &'a Slot)> + 'a>,
    next: Option<Tracer<'a>>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        let Some((field, slot)) = self.rest.next() else { return Ok(None) };
        let value = self.object.get(*field).ok_or_else(|| Wrong(format!("{} lacks {field}", self.name)))?;
        self.next = Some(Tracer { value, slot });
        seed.deserialize(StrDeserializer::<Wrong>::new(field)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let tracer = self.next.take().ok_or_else(|| Wrong("a value before its name".to_owned()))?;
        seed.deserialize(tracer)
    }
}
