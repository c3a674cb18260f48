//! The types of CEL that conditions have, and the words for them.
//!
//! Types are static: there is no `dyn`, no `null` and no unsigned integer, so what fits at load fits on the road.

use std::fmt;

use super::catalogue::Object;

/// The type of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// A whole number of 64 bits with sign.
    Int,
    /// A number of IEEE 754 double precision.
    Double,
    /// Unicode text.
    Text,
    /// Values of one type, in order.
    List(Box<Self>),
    /// Values of one type, by text.
    Map(Box<Self>),
    /// One of the things that a list of the catalogue holds.
    Object(&'static Object),
    /// Fits everywhere: what an empty list holds, and what is wrong already, so that one mistake is told once.
    Any,
}

impl Type {
    /// The type that both fit into, if there is one.
    pub fn join(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Any, one) | (one, Self::Any) => Some(one.clone()),
            (Self::List(a), Self::List(b)) => a.join(b).map(|of| Self::List(Box::new(of))),
            (Self::Map(a), Self::Map(b)) => a.join(b).map(|of| Self::Map(Box::new(of))),
            (a, b) => (a == b).then(|| a.clone()),
        }
    }

    /// Whether it is the same type, or unknown.
    pub fn fits(&self, wanted: &Self) -> bool {
        self.join(wanted).is_some()
    }

    /// Whether two of them can be found equal: single values, and lists of those.
    pub fn has_equality(&self) -> bool {
        match self {
            Self::List(of) => of.has_equality(),
            Self::Map(_) | Self::Object(_) => false,
            _ => true,
        }
    }

    /// Whether one can be less than another.
    pub fn has_order(&self) -> bool {
        matches!(self, Self::Int | Self::Double | Self::Text | Self::Any)
    }
}

/// As CEL writes it; with `#` as one value of it is called, such as `an int`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            f.write_str(if *self == Self::Int { "an " } else { "a " })?;
        }
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Double => f.write_str("double"),
            Self::Text => f.write_str("string"),
            Self::List(of) => write!(f, "list<{of}>"),
            Self::Map(of) => write!(f, "map<string, {of}>"),
            Self::Object(object) => f.write_str(object.name),
            Self::Any => f.write_str("any"),
        }
    }
}
