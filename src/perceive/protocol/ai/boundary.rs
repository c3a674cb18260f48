//! Where a running answer may be ended: between two of its events, and not within one.
//!
//! Knows no more of an event than where it is over, and keeps none. Wrong bytes lead to no place, and so to no ending. Read
//! next: `ending.rs`.

/// How an answer divides into events.
#[derive(Debug, Clone)]
pub enum Boundary {
    /// Server-sent events: behind an empty line (WHATWG HTML, section 9.2.6).
    Events(EmptyLine),
    /// A document in each line.
    Lines {
        /// Whether a line has begun.
        within: bool,
    },
    /// Messages of AWS, each with its length in front.
    Messages(Message),
    /// The items of one list of JSON.
    List(List),
}

/// Looks for the end of an event among lines.
#[derive(Debug, Clone, Copy, Default)]
pub struct EmptyLine {
    /// Whether the present line has bytes.
    in_line: bool,
    /// Whether the present event has lines.
    in_event: bool,
    /// The last byte was a carriage return, with which a line feed is one end.
    after_return: bool,
}

/// Counts one message of an AWS event stream.
#[derive(Debug, Clone, Copy, Default)]
pub struct Message {
    /// Bytes of the length that have come, and it so far.
    length: (u8, u32),
    /// Bytes of the message that are still to come.
    left: u32,
}

/// Follows a list of JSON by its brackets.
#[derive(Debug, Clone, Copy, Default)]
pub struct List {
    depth: u32,
    in_text: bool,
    escaped: bool,
    /// An item stands before the present place, with no comma behind it.
    after_item: bool,
    /// The list's own bracket is closed, or it is none.
    over: bool,
}

impl Boundary {
    /// Shows it the next bytes; answers how many of them, from the first, belong to events that are over with them. Nothing where
    /// no event ends within them.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        self.ends(bytes).last()
    }

    /// The places behind each event that ends within the next bytes.
    pub fn ends<'b>(&'b mut self, bytes: &'b [u8]) -> impl Iterator<Item = usize> + 'b {
        let steps = bytes.iter().enumerate();
        steps.filter_map(|(at, byte)| self.step(*byte).then_some(at + 1))
    }

    /// Whether the last byte that was shown was the end of an event, or none was shown.
    pub fn is_between(&self) -> bool {
        match self {
            Self::Events(lines) => !lines.in_line && !lines.in_event,
            Self::Lines { within } => !within,
            Self::Messages(message) => message.left == 0 && message.length.0 == 0,
            Self::List(list) => list.depth <= 1 && !list.in_text && !list.over,
        }
    }

    fn step(&mut self, byte: u8) -> bool {
        match self {
            Self::Events(lines) => lines.step(byte),
            Self::Lines { within } => {
                let was_within = std::mem::replace(within, byte != b'\n');
                byte == b'\n' && was_within
            }
            Self::Messages(message) => message.step(byte),
            Self::List(list) => list.step(byte),
        }
    }
}

impl EmptyLine {
    fn step(&mut self, byte: u8) -> bool {
        let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
        match byte {
            // The same end of a line; where that ended an event, the event has grown by it.
            b'\n' if after_return => !self.in_event,
            b'\r' | b'\n' => {
                let was_empty = !std::mem::take(&mut self.in_line);
                let ends = was_empty && std::mem::take(&mut self.in_event);
                self.in_event |= !was_empty;
                ends
            }
            _ => {
                self.in_line = true;
                false
            }
        }
    }
}

impl Message {
    fn step(&mut self, byte: u8) -> bool {
        if self.left == 0 {
            let (seen, length) = self.length;
            self.length = (seen + 1, length << 8 | u32::from(byte));
            if seen == 3 {
                // A length that no message has leads nowhere: no end is found behind it.
                self.left = self.length.1.checked_sub(4).filter(|left| *left > 0).unwrap_or(u32::MAX);
            }
            return false;
        }
        self.left -= 1;
        if self.left == 0 {
            self.length = (0, 0);
        }
        self.left == 0
    }
}

impl List {
    fn step(&mut self, byte: u8) -> bool {
        if self.in_text {
            let escaped = self.escaped;
            self.escaped = !escaped && byte == b'\\';
            self.in_text = escaped || byte != b'"';
            return false;
        }
        match byte {
            b'"' => self.in_text = true,
            b'[' | b'{' => {
                // One document alone is no list, and has no place to be ended.
                self.over |= self.depth == 0 && byte == b'{';
                self.depth += 1;
            }
            b']' | b'}' => {
                self.depth = self.depth.saturating_sub(1);
                self.over |= self.depth == 0;
                self.after_item |= self.depth == 1;
                return self.depth == 1 && !self.over;
            }
            b',' if self.depth == 1 => self.after_item = false,
            _ => {}
        }
        false
    }

    /// What has to stand between what came and a further item.
    pub(super) fn joint(&self) -> &'static str {
        match (self.depth, self.after_item) {
            (0, _) => "[",
            (_, true) => ",",
            (_, false) => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places at which events end, however the bytes are cut.
    fn ends(boundary: &Boundary, bytes: &[u8]) -> Vec<usize> {
        let whole: Vec<usize> = boundary.clone().ends(bytes).collect();
        for size in 1..bytes.len() {
            let (mut boundary, mut cut) = (boundary.clone(), Vec::new());
            for (number, piece) in bytes.chunks(size).enumerate() {
                cut.extend(boundary.ends(piece).map(|end| number * size + end));
            }
            assert_eq!(cut, whole, "in pieces of {size}");
        }
        whole
    }

    #[test]
    fn an_event_is_over_behind_its_empty_line_whichever_ends_lines_have() {
        let events = Boundary::Events(EmptyLine::default());
        assert_eq!(ends(&events, b"data: a\n\ndata: b\n\ndata"), [9, 18]);
        assert_eq!(ends(&events, b"data: a\r\rdata: b\r\r"), [9, 18]);
        // Behind the carriage return it is over already, and the line feed belongs to it.
        assert_eq!(ends(&events, b"data: a\r\n\r\nx: b\r\n\r\n"), [10, 11, 18, 19]);
        assert_eq!(ends(&events, b": ping\n\n\n\ndata: a\n"), [8]);
        let mut events = events;
        assert!(events.is_between());
        assert_eq!(events.feed(b"data: a\n\ndata"), Some(9));
        assert!(!events.is_between());
        assert_eq!(events.feed(b": b"), None);
    }

    #[test]
    fn a_line_is_a_document_and_an_empty_one_is_none() {
        assert_eq!(ends(&Boundary::Lines { within: false }, b"{}\n\n{\"a\":1}\n{"), [3, 12]);
    }

    #[test]
    fn a_message_is_over_where_its_length_says() {
        let mut bytes = Vec::new();
        for length in [16_u8, 20] {
            bytes.extend([0, 0, 0, length]);
            bytes.extend(vec![7; usize::from(length) - 4]);
        }
        assert_eq!(ends(&Boundary::Messages(Message::default()), &bytes), [16, 36]);
        assert!(ends(&Boundary::Messages(Message::default()), &[0; 64]).is_empty(), "nothing has no length");
    }

    #[test]
    fn an_item_of_a_list_is_over_with_its_bracket_and_texts_have_none() {
        let list = Boundary::List(List::default());
        let text = br#"[{"a":"}]\"{"},
{"b":[{"c":1}]}
]"#;
        assert_eq!(ends(&list, text), [14, 31]);
        let mut document = list.clone();
        assert_eq!((document.feed(b"{\"error\":{}"), document.is_between()), (None, false));
        for (before, joint) in [("", "["), ("[", ""), ("[{}", ","), ("[{},", ""), ("[{}\n,\n", "")] {
            let mut list = List::default();
            for byte in before.bytes() {
                list.step(byte);
            }
            assert_eq!(list.joint(), joint, "{before:?}");
        }
    }
}
