//! A multipart message that passes in pieces: each part is read by what it says of itself, as it comes.
//!
//! A part in base64 is read in both ways, as it is and decoded, because nobody knows which of them its destination does; what is
//! found in it names the letters that were sent. Heads are looked into whole. Holds a head and what may be the beginning of a
//! boundary, beside what each part's own window holds; what was split over two parts is not joined. Read next: `window.rs`,
//! `unhide/parts.rs`, which takes a whole message apart.

use std::ops::Range;

use memchr::memmem;

use super::form::Form;
use super::inspect::{Findings, Inspector, Location, Match};
use super::messages::first_boundary;
use super::trail::shown;
use super::transfer::Coded;
use super::unhide::{Transfer, says};
use super::window::{Step, Window};
use crate::model::types::limits::{DLP_DEPTH, DLP_PART_HEAD_BYTES, DLP_VIEW_BYTES};

/// What reads a message, or a part of one, that passes in pieces.
#[derive(Debug)]
pub enum Reader {
    /// As one text.
    Window(Box<Window>),
    /// Part by part.
    Parts(Box<Parted>),
}

impl Reader {
    /// For a message of this content type that begins like this.
    pub fn new(inspector: &Inspector, kind: Option<&str>, beginning: &[u8]) -> Self {
        Self::within(inspector, kind, beginning, 0)
    }

    /// The same of a part, within so many others.
    fn within(inspector: &Inspector, kind: Option<&str>, beginning: &[u8], depth: usize) -> Self {
        let form = Form::of_content_type(kind, beginning);
        let boundary = match form {
            Form::Multipart(boundary) => Some(boundary),
            _ => first_boundary(beginning),
        };
        match boundary.filter(|_| depth < DLP_DEPTH) {
            Some(boundary) => Self::Parts(Box::new(Parted::new(inspector, boundary, depth))),
            None => Self::Window(Box::new(Window::new(inspector.clone(), form))),
        }
    }

    /// The same of a text in quoted-printable.
    fn quoted(self) -> Self {
        match self {
            Self::Window(window) => Self::Window(Box::new(window.quoted())),
            parts => parts,
        }
    }

    /// As [`Window::feed`].
    pub fn feed(&mut self, piece: &[u8]) -> Step {
        match self {
            Self::Window(window) => window.feed(piece),
            Self::Parts(parts) => parts.feed(piece),
        }
    }

    /// As [`Window::finish`].
    pub fn finish(self) -> Findings {
        match self {
            Self::Window(window) => window.finish(),
            Self::Parts(parts) => parts.finish(),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Parted {
    inspector: Inspector,
    delimiter: Vec<u8>,
    depth: usize,
    /// What has come and may be the beginning of a boundary, and where in the message that begins.
    tail: Vec<u8>,
    at: usize,
    is_line_start: bool,
    /// Bytes that may go, and those of which that was said.
    may: usize,
    said: usize,
    part: Part,
    /// Parts that have begun.
    count: usize,
}

/// A part that has begun.
#[derive(Debug)]
enum Part {
    /// Its head, which is not whole, and where that begins.
    Head(Vec<u8>, usize),
    Content(Box<Content>),
}

impl Parted {
    fn new(inspector: &Inspector, boundary: &[u8], depth: usize) -> Self {
        let before = Content::new(0, Reader::within(inspector, None, b"", DLP_DEPTH), "body".to_owned());
        Self {
            inspector: inspector.clone(),
            delimiter: [b"--", boundary].concat(),
            depth,
            tail: Vec::new(),
            at: 0,
            is_line_start: true,
            may: 0,
            said: 0,
            part: Part::Content(Box::new(before)),
            count: 0,
        }
    }

    fn feed(&mut self, piece: &[u8]) -> Step {
        self.tail.extend_from_slice(piece);
        let mut step = Step::default();
        while let Some(at) = self.boundary() {
            self.give(at, &mut step);
            self.end_part(&mut step);
            self.skip(self.delimiter.len());
            (self.is_line_start, self.count) = (false, self.count + 1);
            self.part = Part::Head(Vec::new(), self.at);
            self.may = self.at;
        }
        self.give(self.safe(), &mut step);
        step.may_go = self.may - self.said;
        self.said = self.may;
        step
    }

    fn finish(mut self) -> Findings {
        let mut step = Step::default();
        self.give(self.tail.len(), &mut step);
        self.end_part(&mut step);
        Findings { matches: step.matches, unreadable: step.unreadable }
    }

    /// Where the next boundary begins: at the beginning of a line.
    fn boundary(&self) -> Option<usize> {
        let is_first = |at: &usize| match at.checked_sub(1) {
            Some(before) => self.tail[before] == b'\n',
            None => self.is_line_start,
        };
        memmem::find_iter(&self.tail, &self.delimiter).find(is_first)
    }

    /// How much of what has come is no beginning of a boundary.
    fn safe(&self) -> usize {
        let least = self.tail.len().saturating_sub(self.delimiter.len());
        let begins = |at: &usize| {
            let is_first = if *at == 0 { self.is_line_start } else { self.tail[at - 1] == b'\n' };
            is_first && self.delimiter.starts_with(&self.tail[*at..])
        };
        (least..self.tail.len()).find(begins).unwrap_or(self.tail.len())
    }

    fn skip(&mut self, count: usize) {
        self.tail.drain(..count);
        self.at += count;
    }

    /// Gives so many bytes to the part that they are of.
    fn give(&mut self, count: usize, step: &mut Step) {
        if count == 0 {
            return;
        }
        let bytes = self.tail[..count].to_vec();
        self.is_line_start = bytes.ends_with(b"\n");
        self.skip(count);
        if let Part::Head(head, start) = &mut self.part {
            head.extend(bytes);
            let (head, start) = (std::mem::take(head), *start);
            return self.head(head, start, step);
        }
        self.content(&bytes, step);
    }

    fn content(&mut self, bytes: &[u8], step: &mut Step) {
        if let Part::Content(content) = &mut self.part {
            self.may = content.base + content.feed(bytes, step);
        }
    }

    /// A head has gone on: once it is whole, content begins behind it.
    fn head(&mut self, head: Vec<u8>, start: usize, step: &mut Step) {
        let is_last = head.starts_with(b"--");
        let end = if is_last { Some(0) } else { end_of_head(&head) };
        let Some(end) = end.or((head.len() > DLP_PART_HEAD_BYTES).then_some(0)) else {
            self.part = Part::Head(head, start);
            return;
        };
        let found = self.inspector.inspect(&head[..end], Form::Text).matches;
        let hidden: Vec<Range<usize>> = found.iter().map(|one| one.range.clone()).collect();
        let (name, kind, transfer) = says(&head[..end]);
        let name =
            match name.and_then(|name| memmem::find(&head[..end], name.as_bytes()).zip(Some(name.len()))) {
                Some((at, len)) => format!("body/{}", shown(&head, at..at + len, &hidden)),
                None if end == 0 => "body".to_owned(),
                None => format!("body/{}", self.count - 1),
            };
        let rest = &head[end..];
        let reader = Reader::within(&self.inspector, kind, rest, self.depth + 1);
        let reader = if transfer == Transfer::Quoted { reader.quoted() } else { reader };
        let mut content = Content::new(start + end, reader, name);
        content.coded = (transfer == Transfer::Base64).then(|| Coded::new(&self.inspector, kind));
        step.matches.extend(found.into_iter().map(|one| moved(one, start)));
        self.part = Part::Content(Box::new(content));
        self.may = start + end;
        self.content(rest, step);
    }

    /// A part is over.
    fn end_part(&mut self, step: &mut Step) {
        let over = std::mem::replace(&mut self.part, Part::Head(Vec::new(), self.at));
        match over {
            // It has no head, and is all content.
            Part::Head(head, start) => {
                let found = self.inspector.inspect(&head, Form::Text);
                step.unreadable = step.unreadable.max(found.unreadable);
                step.matches.extend(found.matches.into_iter().map(|one| moved(one, start)));
            }
            Part::Content(content) => content.finish(step),
        }
        self.may = self.at;
    }
}

/// Bytes of the fields of a part and the empty line behind them; the first line is that of its boundary.
fn end_of_head(head: &[u8]) -> Option<usize> {
    let long = memmem::find(head, b"\n\r\n").map(|at| at + 3);
    let short = memmem::find(head, b"\n\n").map(|at| at + 2);
    long.into_iter().chain(short).min()
}

fn moved(found: Match, by: usize) -> Match {
    Match { range: found.range.start + by..found.range.end + by, ..found }
}

/// The content of one part.
#[derive(Debug)]
struct Content {
    /// Where in the message it begins.
    base: usize,
    /// Its place.
    name: String,
    /// As it is; nothing once it is over.
    plain: Option<Reader>,
    coded: Option<Coded>,
    /// Bytes that have come, and those that may go as they are.
    length: usize,
    may: usize,
    /// What was told of the bytes in view: what both readings show is one.
    told: Vec<Match>,
}

impl Content {
    fn new(base: usize, plain: Reader, name: String) -> Self {
        Self { base, name, plain: Some(plain), coded: None, length: 0, may: 0, told: Vec::new() }
    }

    /// The next bytes. Answers with how many of all may go.
    fn feed(&mut self, bytes: &[u8], step: &mut Step) -> usize {
        let plain = self.plain.as_mut().map(|plain| plain.feed(bytes)).unwrap_or_default();
        self.may += plain.may_go;
        self.tell(Findings { matches: plain.matches, unreadable: plain.unreadable }, step);
        let mut may = self.may;
        if let Some(mut coded) = self.coded.take() {
            self.tell(coded.feed(bytes, self.length), step);
            may = may.min(coded.open().unwrap_or(self.length + bytes.len()));
            self.coded = Some(coded);
        }
        self.length += bytes.len();
        let least = (self.base + may).saturating_sub(2 * DLP_VIEW_BYTES);
        self.told.retain(|one| one.range.end > least);
        may
    }

    fn finish(mut self, step: &mut Step) {
        let plain = self.plain.take().map(Reader::finish);
        let coded = self.coded.take().map(Coded::finish);
        plain.into_iter().chain(coded).for_each(|found| self.tell(found, step));
    }

    fn tell(&mut self, found: Findings, step: &mut Step) {
        step.unreadable = step.unreadable.max(found.unreadable);
        for mut one in found.matches {
            one = moved(one, self.base);
            let meets = |told: &Match| {
                told.class == one.class
                    && told.hash == one.hash
                    && told.range.start < one.range.end
                    && one.range.start < told.range.end
            };
            if self.told.iter().any(meets) {
                continue;
            }
            let inner = one.location.as_str().strip_prefix("body").unwrap_or_default();
            one.location = Location::from(format!("{}{inner}", self.name));
            self.told.push(one.clone());
            step.matches.push(one);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::inspector;
    use super::*;

    const NEEDLE: &str = "swordfish-and-chips-0815";

    /// What is told of a message that comes in pieces of this size: the bytes sent for each, and their places. None may go before
    /// it is told.
    fn told(message: &[u8], kind: &str, size: usize) -> Vec<(String, String)> {
        let inspector = inspector();
        let mut reader = Reader::new(&inspector, Some(kind), &message[..size.min(message.len())]);
        let (mut gone, mut all) = (0, Vec::new());
        let mut tell = |matches: Vec<Match>, gone: usize| {
            for one in matches {
                assert!(one.range.start >= gone, "{one:?} has gone in part, as far as {gone}");
                let sent = String::from_utf8_lossy(&message[one.range.clone()]).into_owned();
                all.push((sent, one.location.to_string()));
            }
        };
        for piece in message.chunks(size) {
            let step = reader.feed(piece);
            tell(step.matches, gone);
            gone += step.may_go;
            assert!(gone <= message.len());
        }
        tell(reader.finish().matches, gone);
        all
    }

    fn wrapped(text: &str, line: usize) -> String {
        let coded = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, text);
        coded
            .as_bytes()
            .chunks(line)
            .fold(String::new(), |all, line| all + std::str::from_utf8(line).unwrap() + "\r\n")
    }

    fn part(fields: &str, content: &str) -> String {
        format!("--b\r\nContent-Disposition: form-data; name=\"key\"\r\n{fields}\r\n{content}\r\n")
    }

    #[test]
    fn each_part_is_read_as_it_says_however_the_message_comes() {
        let filler = "nothing to see on this line\r\n".repeat(100);
        let long = wrapped(&format!("{filler}{NEEDLE}{filler}"), 61).replacen("\r\n", "\r\n!! ", 7);
        for (what, message, places) in [
            ("plain", part("", NEEDLE), vec!["body/key"]),
            ("behind another", part("", &filler) + &part("", NEEDLE), vec!["body/key"]),
            (
                "of json",
                part("Content-Type: application/json\r\n", &format!("{{\"a\":[1,\"{NEEDLE}\"]}}")),
                vec!["body/key/a/1"],
            ),
            ("in base64 with junk", part("Content-Transfer-Encoding: base64\r\n", &long), vec!["body/key"]),
            ("said to be base64", part("Content-Transfer-Encoding: base64\r\n", NEEDLE), vec!["body/key"]),
            ("in a head", part(&format!("X-Note: {NEEDLE}\r\n"), "x"), vec!["body"]),
            ("without a head", format!("--b\r\n{NEEDLE}\r\n"), vec!["body"]),
            ("in front", format!("{NEEDLE}\r\n{}", part("", "x")), vec!["body"]),
            ("twice", part("", NEEDLE) + &part("", NEEDLE), vec!["body/key", "body/key"]),
            (
                "in a part of a part",
                part(
                    "Content-Type: multipart/mixed; boundary=i\r\n",
                    &part("Content-Transfer-Encoding: base64\r\n", &wrapped(NEEDLE, 10))
                        .replace("--b", "--i"),
                ),
                vec!["body/key/key"],
            ),
        ] {
            let whole = format!("{message}--b--\r\nbehind it all\r\n");
            for size in [1, 7, 100, whole.len()] {
                let told = told(whole.as_bytes(), "multipart/form-data; boundary=b", size);
                let at: Vec<&str> = told.iter().map(|(_, place)| &**place).collect();
                assert_eq!(at, places, "{what} in pieces of {size}: {told:?}");
            }
        }
        let behind = format!("{}--b--\r\n{NEEDLE}", part("", "x"));
        assert_eq!(told(behind.as_bytes(), "multipart/form-data; boundary=b", 9).len(), 1, "behind the last");
        assert_eq!(told(part("", NEEDLE).as_bytes(), "text/plain", 1000).len(), 1, "without a label");
    }

    #[test]
    fn a_word_goes_on_over_the_soft_ends_of_lines() {
        let cut: String = NEEDLE.chars().map(|letter| format!("{letter}=\r\n")).collect();
        let message = part("Content-Transfer-Encoding: quoted-printable\r\n", &cut) + "--b--";
        for size in [1, 5, message.len()] {
            assert_eq!(told(message.as_bytes(), "multipart/form-data; boundary=b", size).len(), 1, "{size}");
        }
    }

    #[test]
    fn nothing_is_held_that_a_boundary_cannot_begin_with_and_a_head_is_bounded() {
        let mut reader = Reader::new(&inspector(), Some("multipart/form-data; boundary=b"), b"");
        let message = part("", "some words here ");
        let open = message.len() - "\r\n".len();
        assert_eq!(reader.feed(&message.as_bytes()[..open]).may_go, open);
        assert_eq!(reader.feed(b"\r\n--").may_go, 2, "this may be a boundary");
        assert_eq!(reader.feed(b"x y ").may_go, 6);
        let mut reader = Reader::new(&inspector(), Some("multipart/form-data; boundary=b"), b"");
        let endless = format!("--b\r\n{}", "X: y\r\n".repeat(DLP_PART_HEAD_BYTES));
        let step = reader.feed(endless.as_bytes());
        assert!(step.may_go + 100 > endless.len(), "{}", step.may_go);
    }
}
