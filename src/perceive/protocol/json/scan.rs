//! From bytes to events at paths: the grammar of RFC 8259, one state for every place in it.
//!
//! Names, texts and numbers that stand whole in the piece at hand, nearly all of them, are read in one step; what a cut
//! or an escape divides goes the long way, by `text.rs` and `number.rs`.

use super::event::{Event, Malformed, Visitor};
use super::number::{Number, is_number, run};
use super::text::{Step, Text, plain};
use super::words::{Found, LONGEST, Seen, Word};
use crate::model::types::limits::{JSON_DEPTH, JSON_NUMBER_BYTES};

const TOO_LONG: &str = "a number that is too long";

/// What is wrong with the next byte, or how many bytes were read.
type Taken = Result<usize, &'static str>;

/// The place in the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Value,
    FirstItem,
    FirstName,
    Name,
    Colon,
    Comma,
    TextOfName,
    TextOfValue,
    Number,
    Literal(&'static str, usize),
    Done,
}

#[derive(Debug, Clone, Copy)]
enum Open {
    /// With the words it has named.
    Object(Seen),
    Array,
}

/// Reads one document.
#[derive(Debug, Clone)]
pub struct Scanner {
    state: State,
    open: Vec<Open>,
    /// One step for each that is open.
    path: Vec<Word>,
    /// The parts of what a cut or an escape divides.
    text: Text,
    number: Number,
    name: [u8; LONGEST],
    /// May be more than there is room for: then the name is no word.
    name_length: usize,
    /// Whether anybody wants the text that is being read.
    wanted: bool,
    at: u64,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            state: State::Value,
            open: Vec::new(),
            path: Vec::new(),
            text: Text::default(),
            number: Number::new(),
            name: [0; LONGEST],
            name_length: 0,
            wanted: false,
            at: 0,
        }
    }
}

impl Scanner {
    /// Forgets the document, and is ready for another; keeps its memory.
    pub fn restart(&mut self) {
        self.state = State::Value;
        self.open.clear();
        self.path.clear();
        self.text = Text::default();
        self.number.clear();
        self.at = 0;
    }

    /// Reads on. After an error nothing more may be fed.
    pub fn feed(&mut self, bytes: &[u8], visitor: &mut impl Visitor) -> Result<(), Malformed> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = match self.state {
                State::TextOfName => self.cut_name(rest, visitor),
                State::TextOfValue => self.cut_text(rest, visitor),
                State::Number => self.cut_number(rest, visitor),
                State::Literal(spelling, matched) => self.literal(rest[0], spelling, matched, visitor),
                _ => self.structure(rest, visitor),
            };
            match taken {
                Ok(taken) => {
                    self.at += taken as u64;
                    rest = &rest[taken..];
                }
                Err(what) => return Err(Malformed { at: self.at, what }),
            }
        }
        Ok(())
    }

    /// The document is over.
    pub fn finish(&mut self, visitor: &mut impl Visitor) -> Result<(), Malformed> {
        let ended = match self.state {
            State::Number if self.open.is_empty() => self.cut_number(b" ", visitor).map(|_| ()),
            State::Done => Ok(()),
            _ => Err("the end of the text within a value"),
        };
        ended.map_err(|what| Malformed { at: self.at, what })
    }

    /// From a byte that is not inside a string, a number or a literal.
    #[inline]
    fn structure(&mut self, rest: &[u8], visitor: &mut impl Visitor) -> Taken {
        match (self.state, rest[0]) {
            (_, b' ' | b'\n' | b'\r' | b'\t') => {}
            (State::FirstName | State::Name, b'"') => return Ok(self.name(rest, visitor)),
            (State::Colon, b':') => self.state = State::Value,
            (State::Comma, b',') => self.state = self.behind_comma(),
            (State::Comma, byte @ (b']' | b'}')) => {
                if matches!(self.open.last(), Some(Open::Array)) != (byte == b']') {
                    return Err("a bracket that closes nothing");
                }
                return Ok(self.close(rest, visitor));
            }
            (State::FirstItem, b']') | (State::FirstName, b'}') => return Ok(self.close(rest, visitor)),
            (State::Value | State::FirstItem, _) => return self.value(rest, visitor),
            (State::Done, _) => return Err("something behind the end of the document"),
            _ => return Err("a character that JSON does not have here"),
        }
        Ok(1)
    }

    /// From the first byte of a value.
    #[inline]
    fn value(&mut self, rest: &[u8], visitor: &mut impl Visitor) -> Taken {
        self.state = match rest[0] {
            b'"' => return self.text(rest, visitor),
            b'-' | b'0'..=b'9' => return self.number(rest, visitor),
            b'{' => {
                self.begin(Open::Object(Seen::default()), visitor)?;
                State::FirstName
            }
            b'[' => {
                self.begin(Open::Array, visitor)?;
                self.path.push(Word::Each);
                State::FirstItem
            }
            b't' => return self.literal_from(rest, "true", visitor),
            b'f' => return self.literal_from(rest, "false", visitor),
            b'n' => return self.literal_from(rest, "null", visitor),
            _ => return Err("no value where one has to be"),
        };
        Ok(1)
    }

    fn begin(&mut self, open: Open, visitor: &mut impl Visitor) -> Result<(), &'static str> {
        if self.open.len() == JSON_DEPTH {
            return Err("values nested too deeply");
        }
        let event = if let Open::Array = open { Event::Array } else { Event::Object };
        visitor.bracket_at(self.at);
        visitor.visit(&self.path, event);
        self.open.push(open);
        Ok(())
    }

    /// Behind the bracket that closes what is open.
    #[inline]
    fn close(&mut self, rest: &[u8], visitor: &mut impl Visitor) -> usize {
        if let Some(Open::Array) = self.open.pop() {
            self.path.pop();
        }
        visitor.bracket_at(self.at);
        visitor.visit(&self.path, Event::End);
        self.value_ends(rest, 1)
    }

    /// What stands behind a comma.
    #[inline]
    fn behind_comma(&self) -> State {
        if matches!(self.open.last(), Some(Open::Array)) { State::Value } else { State::Name }
    }

    /// A value ends before this byte; so many are read, the comma with it where it follows at once.
    #[inline]
    fn value_ends(&mut self, rest: &[u8], end: usize) -> usize {
        self.value_is_over();
        if self.state == State::Comma && rest.get(end) == Some(&b',') {
            self.state = self.behind_comma();
            return end + 1;
        }
        end
    }

    #[inline]
    fn value_is_over(&mut self) {
        self.state = State::Comma;
        match self.open.last() {
            Some(Open::Object(_)) => drop(self.path.pop()),
            Some(Open::Array) => {}
            None => self.state = State::Done,
        }
    }

    /// From the quotation mark before a name.
    #[inline]
    fn name(&mut self, rest: &[u8], visitor: &mut impl Visitor) -> usize {
        let end = 1 + plain(&rest[1..]);
        if rest.get(end) != Some(&b'"') {
            self.name_length = 0;
            self.state = State::TextOfName;
            return 1;
        }
        self.named(Word::of(&rest[1..end]), visitor);
        if rest.get(end + 1) == Some(&b':') {
            self.state = State::Value;
            return end + 2;
        }
        end + 1
    }

    /// A name is complete.
    #[inline]
    fn named(&mut self, found: Found, visitor: &mut impl Visitor) {
        self.state = State::Colon;
        let Found::Exactly(word) = found else {
            if let Found::Loosely(word) = found {
                self.path.push(word);
                visitor.visit(&self.path, Event::Again);
                self.path.pop();
            }
            self.path.push(Word::Other);
            return;
        };
        self.path.push(word);
        if let Some(Open::Object(seen)) = self.open.last_mut()
            && seen.again(word)
        {
            visitor.visit(&self.path, Event::Again);
        }
    }

    /// A name in which there is a cut, an escape, or more than ASCII.
    fn cut_name(&mut self, rest: &[u8], visitor: &mut impl Visitor) -> Taken {
        let Self { text, name, name_length, .. } = self;
        let step = text.take(rest, |piece| {
            if let Some(room) = name.get_mut(*name_length..*name_length + piece.len()) {
                room.copy_from_slice(piece.as_bytes());
            }
            *name_length += piece.len();
        })?;
        if let Step::Ended(taken) = step {
            self.named(self.name.get(..self.name_length).map_or(Found::Nothing, Word::of), visitor);
            return Ok(taken);
        }
        Ok(step.taken())
    }

    /// From the quotation mark before a text.
    #[inline]
    fn text(&mut self, rest: &[u8], visitor: &mut impl Visitor) -> Taken {
        let wanted = visitor.wants(&self.path);
        let end = 1 + plain(&rest[1..]);
        if rest.get(end) != Some(&b'"') {
            self.wanted = wanted;
            self.state = State::TextOfValue;
            return Ok(1);
        }
        if wanted {
            if let (true, Ok(text)) = (end > 1, str::from_utf8(&rest[1..end])) {
                visitor.visit(&self.path, Event::Text(text));
            }
            visitor.visit(&self.path, Event::TextEnd);
        }
        Ok(self.value_ends(rest, end + 1))
    }

    /// A text in which there is a cut, an escape, or more than ASCII.
    fn cut_text(&mut self, rest: &[u8], visitor: &mut impl Visitor) -> Taken {
        let Self { text, path, wanted, .. } = self;
        let step = text.take(rest, |piece| {
            if *wanted {
                visitor.visit(path, Event::Text(piece));
            }
        })?;
        if let Step::Ended(_) = step {
            if self.wanted {
                visitor.visit(&self.path, Event::TextEnd);
            }
            self.value_is_over();
        }
        Ok(step.taken())
    }

    /// From the first character of a number.
    #[inline]
    fn number(&mut self, rest: &[u8], visitor: &mut impl Visitor) -> Taken {
        let end = run(rest);
        if end == rest.len() {
            self.number.clear();
            self.state = State::Number;
            return Ok(0);
        }
        self.number_is(&rest[..end], visitor)?;
        Ok(self.value_ends(rest, end))
    }

    /// A number in which there is a cut.
    fn cut_number(&mut self, rest: &[u8], visitor: &mut impl Visitor) -> Taken {
        let end = run(rest);
        if !self.number.keep(&rest[..end]) {
            return Err(TOO_LONG);
        }
        if end < rest.len() {
            let number = self.number.clone();
            self.number_is(number.kept(), visitor)?;
            self.value_is_over();
        }
        Ok(end)
    }

    fn number_is(&mut self, number: &[u8], visitor: &mut impl Visitor) -> Result<(), &'static str> {
        if number.len() > JSON_NUMBER_BYTES {
            return Err(TOO_LONG);
        }
        if !is_number(number) {
            return Err("a number that JSON does not have");
        }
        if visitor.wants(&self.path)
            && let Ok(number) = str::from_utf8(number)
        {
            visitor.visit(&self.path, Event::Number(number));
        }
        Ok(())
    }

    /// From the first character of a literal.
    #[inline]
    fn literal_from(&mut self, rest: &[u8], spelling: &'static str, visitor: &mut impl Visitor) -> Taken {
        if rest.starts_with(spelling.as_bytes()) {
            self.literal_is(spelling, visitor);
            return Ok(self.value_ends(rest, spelling.len()));
        }
        self.state = State::Literal(spelling, 1);
        Ok(1)
    }

    fn literal_is(&self, spelling: &str, visitor: &mut impl Visitor) {
        let event = if spelling == "null" { Event::Null } else { Event::Flag(spelling == "true") };
        visitor.visit(&self.path, event);
    }

    /// A literal in which there is a cut, or a fault.
    fn literal(
        &mut self,
        byte: u8,
        spelling: &'static str,
        matched: usize,
        visitor: &mut impl Visitor,
    ) -> Taken {
        if spelling.as_bytes()[matched] != byte {
            return Err("a word that JSON does not have");
        }
        self.state = State::Literal(spelling, matched + 1);
        if matched + 1 == spelling.len() {
            self.literal_is(spelling, visitor);
            self.value_is_over();
        }
        Ok(1)
    }
}
