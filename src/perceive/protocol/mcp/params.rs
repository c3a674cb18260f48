//! Fields that repeat arguments of a call: `Mcp-Param-*` (specification 2026-07-28, "Custom Headers").
//!
//! Which argument a field repeats stands in the tool's schema, which is not known here. So each has to be what some argument
//! says, as clients write that: whatever stands between here and the server goes by no value that the call does not have.
//! Keeps the values of the fields, and of a text no more than the longest of them has. Read next: `reading.rs`.

use http::HeaderMap;

use super::fields::decoded;
use super::message::Malformed;
use crate::perceive::protocol::json::{Event, Word};

const PREFIX: &str = "mcp-param-";
const PARAM: &str = "Mcp-Param-*";

/// See the module.
#[derive(Debug, Default)]
pub struct Params {
    fields: Vec<Field>,
    malformed: Option<Malformed>,
    /// The text that is being read, as far as it can be one of them.
    text: Vec<u8>,
    /// Bytes of the longest of them.
    longest: usize,
}

#[derive(Debug)]
struct Field {
    value: Vec<u8>,
    /// Whether some argument has it.
    is_said: bool,
}

impl Params {
    /// Those of a request with these fields.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut params = Self::default();
        for name in headers.keys().filter(|name| name.as_str().starts_with(PREFIX)) {
            let mut values = headers.get_all(name).iter();
            let value = values.next().map(|value| decoded(value.as_bytes(), PARAM));
            match (value, values.next()) {
                (Some(Ok(value)), None) => {
                    params.longest = params.longest.max(value.len());
                    params.fields.push(Field { value: value.into_owned(), is_said: false });
                }
                _ => params.malformed = Some(Malformed::Field(PARAM)),
            }
        }
        params
    }

    /// Whether this path within a message is one of an argument that a field may repeat: items of lists are none.
    pub fn asks_for(&self, path: &[Word]) -> bool {
        let [Word::Params, Word::Arguments, rest @ ..] = path else { return false };
        !self.fields.is_empty() && !rest.is_empty() && !rest.contains(&Word::Each)
    }

    /// What an argument says.
    pub fn argument(&mut self, event: Event<'_>) {
        match event {
            Event::Text(piece) => {
                // One byte more tells a longer text from the field.
                let room = (self.longest + 1).saturating_sub(self.text.len()).min(piece.len());
                self.text.extend_from_slice(&piece.as_bytes()[..room]);
            }
            Event::TextEnd => {
                let text = std::mem::take(&mut self.text);
                self.says(|value| value == text);
                self.text = text;
                self.text.clear();
            }
            Event::Number(number) => self.says(|value| same_number(value, number.as_bytes())),
            Event::Flag(flag) => self.says(|value| value == flag.to_string().as_bytes()),
            Event::Null | Event::Object | Event::Array | Event::End | Event::Again => {}
        }
    }

    fn says(&mut self, says: impl Fn(&[u8]) -> bool) {
        for field in self.fields.iter_mut().filter(|field| !field.is_said) {
            field.is_said = says(&field.value);
        }
    }

    /// Holds them against what was read of one message, or of a list of several, which they cannot repeat.
    ///
    /// # Errors
    /// One of them stands twice, cannot be decoded, or says what no argument says.
    pub fn agree(&self, is_batch: bool) -> Result<(), Malformed> {
        match self.malformed {
            Some(malformed) => Err(malformed),
            None if self.fields.iter().any(|field| is_batch || !field.is_said) => {
                Err(Malformed::FieldDisagrees(PARAM))
            }
            None => Ok(()),
        }
    }
}

/// Whether two numbers are written alike, or are the same whole one: clients write `42.0` as either.
fn same_number(one: &[u8], other: &[u8]) -> bool {
    one == other || whole(one).is_some_and(|digits| Some(digits) == whole(other))
}

/// The digits of a whole number, with its sign.
fn whole(number: &[u8]) -> Option<&[u8]> {
    let (digits, zeros) = match number.iter().position(|byte| *byte == b'.') {
        Some(point) => (&number[..point], &number[point + 1..]),
        None => (number, &b"0"[..]),
    };
    let is_number = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let unsigned = digits.strip_prefix(b"-").unwrap_or(digits);
    (is_number(unsigned) && is_number(zeros) && zeros.iter().all(|byte| *byte == b'0')).then_some(digits)
}
