//! One JSON text of a server, in which lists of tools are made shorter: an answer, an event, or a list of answers.
//!
//! An item of `result.tools` that may not be seen is cut out with the comma before it; every other byte stays. What readers
//! could understand differently, where a list may be in it, is an error: then nothing of it may go on.

use std::ops::Range;

use super::message::Id;
use crate::model::types::ToolSieve;
use crate::model::types::limits::{MCP_ID_BYTES, MCP_NAME_BYTES};
use crate::perceive::protocol::json::{Event, Malformed, Scanner, Visitor, Word};

/// Why an answer may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It is not JSON, or not JSON that everybody reads the same way.
    #[error("an answer that may list tools is not JSON: {what}, behind byte {at}")]
    Json {
        /// How many bytes stand before the place.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// Something of weight is named more than once, or in other letters.
    #[error("an answer that may list tools names `{0}` twice, or in letters of another case")]
    Again(&'static str),
    /// An item of a list of tools is no object.
    #[error("a list of tools has an item that is no object")]
    Item,
    /// It is longer than what is held.
    #[error("an answer that may list tools, or an event of it, has more than {0} bytes")]
    TooLong(usize),
    /// Its content coding is not known, or cannot be undone.
    #[error("an answer that may list tools has a content coding that cannot be undone")]
    Coding,
    /// It is a part of an answer.
    #[error("an answer that may list tools is a part of one")]
    Partial,
}

impl From<Malformed> for Broken {
    fn from(Malformed { at, what }: Malformed) -> Self {
        Self::Json { at, what }
    }
}

/// Which lists are made shorter, and how.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// What may be seen.
    pub tools: &'a ToolSieve,
    /// Requests that asked for something else: their answers stay as they are.
    pub others: &'a [Id],
}

/// The text with what may be seen, where that is not all of it.
///
/// # Errors
/// It may hold a list that clients read and this reader does not.
pub fn sifted(text: &[u8], terms: Terms<'_>) -> Result<Option<Vec<u8>>, Broken> {
    if !may_be_json(text) {
        return Ok(None);
    }
    let mut finder = Finder::new(terms);
    let mut scanner = Scanner::default();
    scanner.feed(text, &mut finder)?;
    scanner.finish(&mut finder)?;
    if let Some(broken) = finder.broken {
        return Err(broken);
    }
    if finder.cuts.is_empty() {
        return Ok(None);
    }
    let mut left = Vec::with_capacity(text.len());
    let mut at = 0;
    for cut in finder.cuts {
        left.extend_from_slice(&text[at..cut.start]);
        at = cut.end;
    }
    left.extend_from_slice(&text[at..]);
    Ok(Some(left))
}

/// Whether any reader could take it for an object or an array. Behind a byte order mark some do.
fn may_be_json(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    matches!(text.first(), Some(b'{' | b'[' | 0xef))
}

/// An item of a list of tools.
#[derive(Debug)]
struct Item {
    place: Range<usize>,
    is_seen: bool,
}

#[derive(Debug)]
struct Finder<'a> {
    terms: Terms<'a>,
    /// Of the message that is being read.
    id: Option<Id>,
    items: Vec<Item>,
    /// The text that is being read: an identifier or a name; nothing once it is longer than any that could be meant.
    text: Option<String>,
    /// The name of the item that is being read.
    name: Option<String>,
    bracket: usize,
    cuts: Vec<Range<usize>>,
    broken: Option<Broken>,
}

impl<'a> Finder<'a> {
    fn new(terms: Terms<'a>) -> Self {
        Self {
            terms,
            id: None,
            items: Vec::new(),
            text: Some(String::new()),
            name: None,
            bracket: 0,
            cuts: Vec::new(),
            broken: None,
        }
    }

    fn refuse(&mut self, broken: Broken) {
        self.broken.get_or_insert(broken);
    }

    /// An item, or its begin or end.
    fn item(&mut self, event: Event<'_>) {
        match event {
            Event::Object => {
                self.name = None;
                self.items.push(Item { place: self.bracket..self.bracket, is_seen: false });
            }
            Event::End => {
                let name = self.name.take();
                let Some(item) = self.items.last_mut() else { return };
                item.place.end = self.bracket + 1;
                // What has no name cannot be called.
                item.is_seen = name.is_some_and(|name| self.terms.tools.allows(&name));
            }
            _ => self.refuse(Broken::Item),
        }
    }

    /// A piece of an identifier or a name.
    fn piece(&mut self, piece: &str, most: usize) {
        self.text = self.text.take().filter(|text| text.len() + piece.len() <= most).map(|text| text + piece);
    }

    /// The identifier or the name is over.
    fn text_end(&mut self) -> Option<String> {
        self.text.replace(String::new())
    }

    /// The message is over: where it is a list that was asked for, or may be one, it is cut.
    fn over(&mut self) {
        let items = std::mem::take(&mut self.items);
        if self.id.take().is_some_and(|id| self.terms.others.contains(&id)) {
            return;
        }
        let mut is_any_seen = false;
        for (at, item) in items.iter().enumerate() {
            is_any_seen |= item.is_seen;
            if !item.is_seen {
                // The comma before it goes with it, and before the first that stays, the comma behind it.
                self.cuts.push(match items.get(at + 1) {
                    _ if is_any_seen => items[at - 1].place.end..item.place.end,
                    Some(next) => item.place.start..next.place.start,
                    None => item.place.clone(),
                });
            }
        }
    }
}

impl Visitor for Finder<'_> {
    fn bracket_at(&mut self, at: u64) {
        self.bracket = usize::try_from(at).unwrap_or(usize::MAX);
    }

    fn wants(&self, path: &[Word]) -> bool {
        matches!(
            within(path),
            [Word::Id]
                | [Word::Result, Word::Tools, Word::Each]
                | [Word::Result, Word::Tools, Word::Each, Word::Name]
        )
    }

    fn visit(&mut self, path: &[Word], event: Event<'_>) {
        match (within(path), event) {
            ([], Event::Object) => {
                self.id = None;
                self.items.clear();
            }
            ([], Event::End) => self.over(),
            (
                [Word::Id | Word::Result]
                | [Word::Result, Word::Tools]
                | [Word::Result, Word::Tools, Word::Each, Word::Name],
                Event::Again,
            ) => self.refuse(Broken::Again(path.last().map_or("", |word| word.spelling()))),
            ([Word::Id], Event::Text(piece)) => self.piece(piece, MCP_ID_BYTES),
            ([Word::Id], Event::TextEnd) => self.id = self.text_end().map(|text| Id::text(&text)),
            ([Word::Id], Event::Number(number)) => self.id = Id::number(number),
            ([Word::Result, Word::Tools, Word::Each], event) => self.item(event),
            ([Word::Result, Word::Tools, Word::Each, Word::Name], Event::Text(piece)) => {
                self.piece(piece, MCP_NAME_BYTES);
            }
            ([Word::Result, Word::Tools, Word::Each, Word::Name], Event::TextEnd) => {
                self.name = self.text_end();
            }
            _ => {}
        }
    }
}

/// The path within a message: those of a list stand below each of its items.
fn within(path: &[Word]) -> &[Word] {
    match path {
        [Word::Each, rest @ ..] => rest,
        _ => path,
    }
}
