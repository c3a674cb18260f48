//! The scanner of JSON: what it tells does not depend on how the bytes are cut, and `serde_json` reads the same.

use std::fmt;

use clawgress::model::types::limits::JSON_NUMBER_BYTES;
use clawgress::perceive::protocol::json::{Event, Found, Malformed, Scanner, Visitor, Word};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess};

/// What is told at a path, pieces of a text joined.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Object,
    Array,
    End,
    Text(String),
    /// Its value, where it is written as a whole number; both read it by the same grammar.
    Number(Option<i128>),
    Flag(bool),
    Null,
}

type Story = Vec<(Vec<Word>, Told)>;

/// The first byte says how the rest is cut.
pub fn check(bytes: &[u8]) {
    let Some((step, bytes)) = bytes.split_first() else { return };
    let whole = scanned(bytes, bytes.len().max(1));
    for size in [1, usize::from(step % 61) + 1, usize::from(*step) + 1] {
        let cut = scanned(bytes, size);
        // Where a fault is seen first depends on the cut.
        assert_eq!(cut.1.is_ok(), whole.1.is_ok(), "in pieces of {size}: {:?} {:?}", cut.1, whole.1);
        assert_eq!(cut.0, whole.0, "in pieces of {size}");
    }
    let text = std::str::from_utf8(bytes);
    let grammar = text.is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    match whole.1 {
        Ok(()) => assert!(grammar, "the scanner takes what is not JSON"),
        // Bounds of our own.
        Err(Malformed { what, .. }) if what.contains("too ") => return,
        Err(error) => assert!(!grammar, "the scanner refuses JSON: {error:?}"),
    }
    // Half a surrogate pair, a number past all doubles and a depth of 128 are errors to this reader, and a whole number
    // that no 64 bits hold is read as another.
    let mut read = Story::new();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    if whole.1.is_ok() && (Reader { path: Vec::new(), story: &mut read }).deserialize(&mut reader).is_ok() {
        assert_eq!(whole.0, read, "both read the same");
    }
}

#[derive(Default)]
struct Teller {
    story: Story,
    /// Whether a text is not over yet.
    is_open: bool,
}

impl Visitor for Teller {
    fn visit(&mut self, path: &[Word], event: Event<'_>) {
        let told = match event {
            Event::Object => Told::Object,
            Event::Array => Told::Array,
            Event::End => Told::End,
            Event::Number(number) => {
                assert!(number.len() <= JSON_NUMBER_BYTES);
                let small = number.parse::<u64>().is_ok() || number.parse::<i64>().is_ok();
                Told::Number(number.parse().ok().filter(|_| small && number != "-0"))
            }
            Event::Flag(flag) => Told::Flag(flag),
            Event::Null => Told::Null,
            Event::Again => return,
            Event::Text(_) | Event::TextEnd => {
                if !std::mem::replace(&mut self.is_open, event != Event::TextEnd) {
                    self.story.push((path.to_vec(), Told::Text(String::new())));
                }
                if let (Some((_, Told::Text(text))), Event::Text(piece)) = (self.story.last_mut(), event) {
                    text.push_str(piece);
                }
                return;
            }
        };
        self.story.push((path.to_vec(), told));
    }
}

fn scanned(bytes: &[u8], size: usize) -> (Story, Result<(), Malformed>) {
    let (mut scanner, mut teller) = (Scanner::default(), Teller::default());
    let fed = bytes.chunks(size).try_for_each(|piece| scanner.feed(piece, &mut teller));
    let ended = fed.and_then(|()| scanner.finish(&mut teller));
    if ended.is_err() {
        // How much of a broken text was told before the fault was seen depends on the cut.
        teller.story.clear();
    }
    (teller.story, ended)
}

/// The second reader.
struct Reader<'s> {
    path: Vec<Word>,
    story: &'s mut Story,
}

impl Reader<'_> {
    fn tell<E>(self, told: Told) -> Result<(), E> {
        self.story.push((self.path, told));
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> serde::de::Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.story.push((self.path.clone(), Told::Object));
        while let Some(name) = map.next_key::<String>()? {
            let word = match Word::of(name.as_bytes()) {
                Found::Exactly(word) => word,
                Found::Loosely(_) | Found::Nothing => Word::Other,
            };
            let path = [&self.path[..], &[word]].concat();
            map.next_value_seed(Reader { path, story: self.story })?;
        }
        self.tell(Told::End)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.story.push((self.path.clone(), Told::Array));
        let path = [&self.path[..], &[Word::Each]].concat();
        while list.next_element_seed(Reader { path: path.clone(), story: self.story })?.is_some() {}
        self.tell(Told::End)
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.tell(Told::Text(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.tell(Told::Number(Some(number.into())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.tell(Told::Number(Some(number.into())))
    }

    fn visit_f64<E>(self, _number: f64) -> Result<(), E> {
        self.tell(Told::Number(None))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        self.tell(Told::Flag(flag))
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.tell(Told::Null)
    }
}
