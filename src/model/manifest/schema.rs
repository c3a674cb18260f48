//! What a kind has: its fields, their types, whether they must be there, and what each means, declared once.
//!
//! Every reader stands beside its declaration. The strict reader (`fields.rs`) takes from it which fields there are,
//! which must be there and which are not enforced yet; `clawgress schema` and `docs/reference.md` are printed from it.
//! What cannot be said here, such as what a reference leads to, the readers check and no schema promises.

use std::ops::RangeInclusive;

/// A mapping with known fields. Declared as a `static`, so that it is one thing wherever it is named.
#[derive(Debug)]
pub struct Object {
    /// What it is for, in a sentence or two.
    pub meaning: &'static str,
    /// Its fields, in the order in which they are shown.
    pub fields: &'static [Field],
    /// Sets of fields, one at least of each of which must be there.
    pub any_of: &'static [AnyOf],
}

/// Fields of which one at least must be there.
#[derive(Debug)]
pub struct AnyOf {
    /// Their names.
    pub fields: &'static [&'static str],
    /// What is said where none is there.
    pub lacking: &'static str,
    /// How to mend it.
    pub hint: &'static str,
}

/// One field of a mapping.
#[derive(Debug)]
pub struct Field {
    /// Its name, as it is written.
    pub name: &'static str,
    /// What it holds.
    pub shape: Shape,
    /// Whether it must, may or must not be there.
    pub presence: Presence,
    /// What it means, in a sentence.
    pub meaning: &'static str,
}

/// Whether a field must, may or must not be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It must.
    Required,
    /// It may.
    Optional,
    /// It may, and means this where it is absent.
    Default(&'static str),
    /// A reference has it and no engine enforces it yet: refused.
    NotYet,
    /// A reference has it and it has no place here: refused, with what to do instead.
    Refused {
        /// What is said.
        message: &'static str,
        /// How to mend it.
        hint: &'static str,
    },
}

/// What a value is.
#[derive(Debug)]
pub enum Shape {
    /// Anything: it is not read.
    Anything,
    /// A text of a form.
    Text(&'static Form),
    /// One of a few words.
    Choice {
        /// The words.
        words: &'static [&'static str],
        /// Words of a reference that no engine enforces yet: refused.
        not_yet: &'static [&'static str],
    },
    /// A whole number inside a range.
    Whole(RangeInclusive<i64>),
    /// A number of bytes: a whole number, or a text such as `256MiB`.
    Size,
    /// An amount of what a field beside it names: a whole number, dollars such as `25.00`, or bytes such as `1GiB`.
    Amount,
    /// A number from 0 to 1.
    Share,
    /// `true` or `false`.
    Bool,
    /// `false`: what `true` asks for is not enforced yet.
    False,
    /// A list of at least one.
    List(&'static Shape),
    /// A list that may be empty.
    ListOrNone(&'static Shape),
    /// A mapping whose keys the writer chooses, to texts.
    Map {
        /// The form of keys.
        keys: &'static Form,
        /// The form of values.
        values: &'static Form,
    },
    /// A mapping with known fields.
    Object(&'static Object),
}

/// How a text is written. Its reader, which stands beside it, may ask for more than the pattern says, never for less.
#[derive(Debug)]
pub struct Form {
    /// What people call it.
    pub words: &'static str,
    /// A regular expression (ECMA-262, the part that every engine has) that each such text matches; empty where any
    /// does.
    pub pattern: &'static str,
    /// Most bytes.
    pub longest: usize,
}

/// A port, 1 to 65535.
pub const PORT: Shape = Shape::Whole(1..=65_535);

impl Shape {
    /// The words it can be, where it is one of a few.
    pub fn words(&self) -> &'static [&'static str] {
        match self {
            Self::Choice { words, .. } => words,
            _ => &[],
        }
    }

    /// One of the words of a reader's table, every one of which is enforced.
    pub const fn choice(words: &'static [&'static str]) -> Self {
        Self::Choice { words, not_yet: &[] }
    }
}

/// The words of a reader's table.
pub const fn words<T: Copy, const N: usize>(table: &[(&'static str, T); N]) -> [&'static str; N] {
    let mut words = [""; N];
    let mut index = 0;
    while index < N {
        words[index] = table[index].0;
        index += 1;
    }
    words
}

impl Object {
    /// A mapping with these fields.
    pub const fn new(meaning: &'static str, fields: &'static [Field]) -> Self {
        Self { meaning, fields, any_of: &[] }
    }

    /// The same, one at least of some fields being there.
    pub const fn with_any_of(mut self, any_of: &'static [AnyOf]) -> Self {
        self.any_of = any_of;
        self
    }

    /// A field by its name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Field {
    /// A field that must be there.
    pub const fn required(name: &'static str, shape: Shape, meaning: &'static str) -> Self {
        Self { name, shape, presence: Presence::Required, meaning }
    }

    /// A field that may be there.
    pub const fn optional(name: &'static str, shape: Shape, meaning: &'static str) -> Self {
        Self { name, shape, presence: Presence::Optional, meaning }
    }

    /// The same, with what it means where it is absent.
    pub const fn by_default(mut self, value: &'static str) -> Self {
        self.presence = Presence::Default(value);
        self
    }

    /// A field of a reference that no engine enforces yet.
    pub const fn not_yet(name: &'static str, meaning: &'static str) -> Self {
        Self { name, shape: Shape::Anything, presence: Presence::NotYet, meaning }
    }

    /// A field of a reference that has no place here.
    pub const fn refused(name: &'static str, message: &'static str, hint: &'static str) -> Self {
        let presence = Presence::Refused { message, hint };
        Self { name, shape: Shape::Anything, presence, meaning: message }
    }

    /// Whether a document may have it.
    pub fn is_accepted(&self) -> bool {
        !matches!(self.presence, Presence::NotYet | Presence::Refused { .. })
    }
}
