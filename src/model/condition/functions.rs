//! The functions and loops of conditions, each once: the checker and `docs/conditions.md` read these tables.
//!
//! The names are those of CEL's standard library; `lowerAscii` and `upperAscii` are of its strings extension. What is not
//! here is refused at load. Read next: `check/calls.rs`.

use super::types::Type;

/// One function on one kind of value.
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// How it is written.
    pub form: Form,
    /// What it is asked of: the value before the dot, or the first argument.
    pub of: Shape,
    /// Whether it takes a text besides.
    pub takes_text: bool,
    /// The type of its answer.
    pub returns: Shape,
    /// What it answers, in a sentence without its full stop.
    pub meaning: &'static str,
    pub(super) does: Does,
}

/// How a function is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `value.name(...)`.
    Method,
    /// `name(value)`.
    Global,
    /// Either way.
    Both,
}

/// The outline of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `bool`.
    Bool,
    /// `int`.
    Int,
    /// `double`.
    Double,
    /// `string`.
    Text,
    /// A list of anything.
    List,
    /// A map to anything.
    Map,
}

impl Shape {
    /// Whether a value of this type has it.
    pub fn fits(self, of: &Type) -> bool {
        match of {
            Type::Any => true,
            Type::Bool => self == Self::Bool,
            Type::Int => self == Self::Int,
            Type::Double => self == Self::Double,
            Type::Text => self == Self::Text,
            Type::List(_) => self == Self::List,
            Type::Map(_) => self == Self::Map,
            Type::Object(_) => false,
        }
    }

    /// The type it is the outline of.
    pub fn type_of(self) -> Type {
        match self {
            Self::Bool => Type::Bool,
            Self::Int => Type::Int,
            Self::Double => Type::Double,
            Self::Text => Type::Text,
            Self::List => Type::List(Box::new(Type::Any)),
            Self::Map => Type::Map(Box::new(Type::Any)),
        }
    }

    /// As the documentation and messages write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Double => "double",
            Self::Text => "string",
            Self::List => "list",
            Self::Map => "map",
        }
    }
}

/// What evaluation does for a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    LowerAscii,
    UpperAscii,
    Size,
    ToInt,
    ToDouble,
    ToText,
}

/// One loop over a list, or over the keys of a map.
pub struct Loop {
    /// Its name.
    pub name: &'static str,
    /// How it is written.
    pub written: &'static str,
    /// What it answers, in a sentence without its full stop.
    pub meaning: &'static str,
    pub(super) quantifier: Quantifier,
}

/// What a loop makes of its rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantifier {
    Exists,
    All,
    ExistsOne,
    Filter,
    Map,
}

const fn method(
    name: &'static str,
    takes_text: bool,
    returns: Shape,
    does: Does,
    meaning: &'static str,
) -> Function {
    Function { name, form: Form::Method, of: Shape::Text, takes_text, returns, meaning, does }
}

const fn size(of: Shape, meaning: &'static str) -> Function {
    let (takes_text, returns) = (false, Shape::Int);
    Function { name: "size", form: Form::Both, of, takes_text, returns, meaning, does: Does::Size }
}

const fn to(name: &'static str, of: Shape, returns: Shape, does: Does, meaning: &'static str) -> Function {
    Function { name, form: Form::Global, of, takes_text: false, returns, meaning, does }
}

/// Every function, in the order of the documentation.
pub static FUNCTIONS: &[Function] = &[
    method("contains", true, Shape::Bool, Does::Contains, "Whether the text has the other one in it"),
    method("startsWith", true, Shape::Bool, Does::StartsWith, "Whether the text begins with the other one"),
    method("endsWith", true, Shape::Bool, Does::EndsWith, "Whether the text ends with the other one"),
    Function {
        form: Form::Both,
        ..method(
            "matches",
            true,
            Shape::Bool,
            Does::Matches,
            "Whether the pattern, in RE2 syntax, is found anywhere in the text",
        )
    },
    method("lowerAscii", false, Shape::Text, Does::LowerAscii, "The text with `A` to `Z` in lower case"),
    method("upperAscii", false, Shape::Text, Does::UpperAscii, "The text with `a` to `z` in capital letters"),
    size(Shape::Text, "How many characters the text has"),
    size(Shape::List, "How many entries the list has"),
    size(Shape::Map, "How many keys the map has"),
    to("int", Shape::Text, Shape::Int, Does::ToInt, "The number that the text spells"),
    to("int", Shape::Double, Shape::Int, Does::ToInt, "The number without its fraction"),
    to("double", Shape::Text, Shape::Double, Does::ToDouble, "The number that the text spells"),
    to("double", Shape::Int, Shape::Double, Does::ToDouble, "The same number"),
    to("string", Shape::Int, Shape::Text, Does::ToText, "The number in decimal digits"),
    to("string", Shape::Double, Shape::Text, Does::ToText, "The number in decimal digits"),
    to("string", Shape::Bool, Shape::Text, Does::ToText, "`true` or `false`"),
];

/// Every loop, in the order of the documentation.
pub static LOOPS: &[Loop] = &[
    Loop {
        name: "exists",
        written: "list.exists(x, condition)",
        meaning: "Whether the condition holds for at least one",
        quantifier: Quantifier::Exists,
    },
    Loop {
        name: "all",
        written: "list.all(x, condition)",
        meaning: "Whether it holds for all",
        quantifier: Quantifier::All,
    },
    Loop {
        name: "exists_one",
        written: "list.exists_one(x, condition)",
        meaning: "Whether it holds for exactly one",
        quantifier: Quantifier::ExistsOne,
    },
    Loop {
        name: "filter",
        written: "list.filter(x, condition)",
        meaning: "Those for which it holds",
        quantifier: Quantifier::Filter,
    },
    Loop {
        name: "map",
        written: "list.map(x, value)",
        meaning: "The value for each; `list.map(x, condition, value)` for those for which the condition holds",
        quantifier: Quantifier::Map,
    },
];
