//! Server-sent events as they pass (WHATWG HTML, section 9.2.6), in pieces of any size and in bounded memory.
//!
//! Lines may end with CR, LF or both, and a piece may end anywhere in them. What an event says is handed on as it comes,
//! never collected. Read next: `json/mod.rs`, which most of it is.

use memchr::memchr2;

use crate::model::types::limits::EVENT_NAME_BYTES;

/// Whoever wants to know.
pub trait Events {
    /// The next piece of what the present event says.
    fn data(&mut self, piece: &[u8]);
    /// The event is over; its name is empty where it has none of its own.
    fn over(&mut self, name: &str);
}

/// The fields that mean something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Data,
    Event,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the beginning of a line.
    Line,
    /// In the name of a field.
    Name,
    /// Behind the colon, where one space is skipped.
    Colon(Field),
    /// In the value of a field.
    Value(Field),
}

/// Bytes of the longest field name.
const FIELD_BYTES: usize = 5;
/// What may stand before the first line.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads one stream.
#[derive(Debug, Clone)]
pub struct Stream {
    state: State,
    /// The last byte was a carriage return: a line feed behind it ends no second line.
    after_return: bool,
    /// How much of a byte order mark has come, as long as nothing else has.
    mark: Option<usize>,
    field: Vec<u8>,
    name: Vec<u8>,
    /// Lines of data that the event has had.
    lines: usize,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            state: State::Line,
            after_return: false,
            mark: Some(0),
            field: Vec::new(),
            name: Vec::new(),
            lines: 0,
        }
    }
}

impl Stream {
    /// Reads on. Every sequence of bytes is a stream of events, so nothing can be wrong with it.
    pub fn feed(&mut self, bytes: &[u8], events: &mut impl Events) {
        let mut rest = bytes;
        while let Some(&byte) = rest.first() {
            if let Some(seen) = self.mark {
                if BYTE_ORDER_MARK.get(seen) == Some(&byte) {
                    self.mark = Some(seen + 1);
                    rest = &rest[1..];
                    continue;
                }
                self.mark = None;
                if (1..BYTE_ORDER_MARK.len()).contains(&seen) {
                    // The beginning of a mark alone is a name like any other.
                    self.field.extend_from_slice(&BYTE_ORDER_MARK[..seen]);
                    self.state = State::Name;
                }
            }
            if std::mem::take(&mut self.after_return) && byte == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let end = memchr2(b'\r', b'\n', rest);
            self.within_line(&rest[..end.unwrap_or(rest.len())], events);
            let Some(end) = end else { return };
            self.line_is_over(events);
            self.after_return = rest[end] == b'\r';
            rest = &rest[end + 1..];
        }
    }

    /// The stream is over. An event that no empty line ends is over, too: clients that read it are no rarer than those that
    /// drop it.
    pub fn finish(&mut self, events: &mut impl Events) {
        self.line_is_over(events);
        if self.lines > 0 {
            self.line_is_over(events);
        }
    }

    /// Some of a line, without its end.
    fn within_line(&mut self, mut piece: &[u8], events: &mut impl Events) {
        while !piece.is_empty() {
            match self.state {
                State::Line => {
                    self.field.clear();
                    self.state = State::Name;
                }
                State::Name => {
                    let end = piece.iter().position(|byte| *byte == b':');
                    let name = &piece[..end.unwrap_or(piece.len())];
                    // One byte more than any name has is enough to know that it is none of them.
                    let room = (FIELD_BYTES + 1).saturating_sub(self.field.len());
                    self.field.extend_from_slice(&name[..name.len().min(room)]);
                    let Some(end) = end else { return };
                    self.state = State::Colon(self.field());
                    piece = &piece[end + 1..];
                }
                State::Colon(field) => {
                    piece = piece.strip_prefix(b" ").unwrap_or(piece);
                    self.begin(field, events);
                }
                State::Value(field) => {
                    match field {
                        Field::Data => events.data(piece),
                        Field::Event => {
                            let room = EVENT_NAME_BYTES.saturating_sub(self.name.len());
                            self.name.extend_from_slice(&piece[..piece.len().min(room)]);
                        }
                        Field::Other => {}
                    }
                    return;
                }
            }
        }
    }

    fn field(&self) -> Field {
        match self.field.as_slice() {
            b"data" => Field::Data,
            b"event" => Field::Event,
            _ => Field::Other,
        }
    }

    /// The value of a field begins.
    fn begin(&mut self, field: Field, events: &mut impl Events) {
        match field {
            Field::Data => {
                if self.lines > 0 {
                    events.data(b"\n");
                }
                self.lines += 1;
            }
            Field::Event => self.name.clear(),
            Field::Other => {}
        }
        self.state = State::Value(field);
    }

    fn line_is_over(&mut self, events: &mut impl Events) {
        match std::mem::replace(&mut self.state, State::Line) {
            State::Line => {
                if self.lines > 0 {
                    events.over(str::from_utf8(&self.name).unwrap_or_default());
                }
                self.lines = 0;
                self.name.clear();
            }
            // A name alone is a field with an empty value.
            State::Name => self.begin(self.field(), events),
            State::Colon(field) => self.begin(field, events),
            State::Value(_) => {}
        }
        self.state = State::Line;
    }
}

#[cfg(test)]
mod tests {
    use super::{Events, Stream};

    #[derive(Debug, Default, PartialEq)]
    struct Seen {
        over: Vec<(String, String)>,
        data: Vec<u8>,
    }

    impl Events for Seen {
        fn data(&mut self, piece: &[u8]) {
            self.data.extend_from_slice(piece);
        }

        fn over(&mut self, name: &str) {
            let data = String::from_utf8(std::mem::take(&mut self.data)).unwrap();
            self.over.push((name.to_owned(), data));
        }
    }

    fn read(text: &str, size: usize) -> Vec<(String, String)> {
        let (mut stream, mut seen) = (Stream::default(), Seen::default());
        for piece in text.as_bytes().chunks(size) {
            stream.feed(piece, &mut seen);
        }
        stream.finish(&mut seen);
        seen.over
    }

    #[test]
    fn events_are_read_by_the_rules_of_the_standard_however_they_are_cut() {
        for (text, events) in [
            ("data: a\n\ndata: b\n\n", &[("", "a"), ("", "b")][..]),
            ("data: a\r\n\r\ndata: b\r\n\r\n", &[("", "a"), ("", "b")]),
            ("data: a\r\rdata: b\r\r", &[("", "a"), ("", "b")]),
            ("\u{feff}data: a\n\n", &[("", "a")]),
            ("event: x\ndata: a\ndata: b\n\n", &[("x", "a\nb")]),
            ("data:a\ndata\ndata:  b\n\n", &[("", "a\n\n b")]),
            (": ping\n\nid: 7\nretry: 1\ndata: a\n\n", &[("", "a")]),
            ("event: x\n\ndata: a\n\n", &[("", "a")]),
            ("event: x\nevent: y\ndata: a\n\n", &[("y", "a")]),
            ("Data: a\n data: b\ndatas: c\ndata : d\ndata: e\n\n", &[("", "e")]),
            ("data: a: b\n\n", &[("", "a: b")]),
            ("data\n\n", &[("", "")]),
            ("\n\n\ndata: a\n\n\n", &[("", "a")]),
            ("data: a", &[("", "a")]),
            ("data: a\n", &[("", "a")]),
        ] {
            let expected: Vec<_> =
                events.iter().map(|(name, data)| ((*name).to_owned(), (*data).to_owned())).collect();
            for size in 1..=text.len() {
                assert_eq!(read(text, size), expected, "{text:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn the_beginning_of_a_byte_order_mark_alone_is_no_blank() {
        let (mut stream, mut seen) = (Stream::default(), Seen::default());
        stream.feed(b"\xefdata: a\n\ndata: b\n\n", &mut seen);
        assert_eq!(seen.over, [(String::new(), "b".to_owned())]);
    }
}
