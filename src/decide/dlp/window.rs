//! Inspects what passes in pieces: says of each piece what is found, and how much may go on its way.
//!
//! What may go is all but an open end: a word that is not over, groups of digits, a string that has only begun, a private key
//! without its last line. Where nothing is open, everything goes at once, so events of a stream are not held back. The
//! open end is bounded by the longest thing that is looked for, and what went last is kept in view, so a finding over the seam
//! of two pieces is found like any other. What was split over more than that is not joined here. Read next: `inspect.rs`.

use std::ops::Range;

use super::form::Form;
use super::inspect::{Findings, Inspector, Match};
use super::trail::Trail;
use super::unhide::Unreadable;
use crate::model::types::limits::{DLP_OPEN_STRING_BYTES, DLP_VIEW_BYTES};

/// What inspects a message that passes in pieces.
#[derive(Debug)]
pub struct Window {
    inspector: Inspector,
    form: Form<'static>,
    /// What is in view.
    bytes: Vec<u8>,
    /// Where in the message that begins.
    base: usize,
    /// Bytes in view that have gone.
    gone: usize,
    /// Where in view the open end begins.
    open: usize,
    /// What was told of those in view.
    told: Vec<Match>,
    unreadable: Option<Unreadable>,
    /// The way through what is no longer in view.
    trail: Trail,
    /// Whether lines may go on behind an equals sign.
    is_quoted: bool,
    /// Whether it is part of a message in which text stands between other bytes.
    is_message: bool,
}

/// What a piece brought.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    /// Bytes that may go, of those that have not: they are part of no finding that is still to be told.
    pub may_go: usize,
    /// What was found, in the bytes of the whole message; each is told before its bytes may go.
    pub matches: Vec<Match>,
    /// What of it could not be read, so far.
    pub unreadable: Option<Unreadable>,
}

impl Window {
    /// For a message of this form.
    pub fn new(inspector: Inspector, form: Form<'_>) -> Self {
        let is_message = form == Form::Grpc;
        let form = match form {
            Form::Json => Form::Json,
            Form::JsonLines => Form::JsonLines,
            Form::Events => Form::Events,
            Form::UrlEncoded => Form::UrlEncoded,
            Form::Xml => Form::Xml,
            // What frames or separates their parts is not in view.
            _ => Form::Text,
        };
        Self {
            inspector,
            form,
            bytes: Vec::new(),
            base: 0,
            gone: 0,
            open: 0,
            told: Vec::new(),
            unreadable: None,
            trail: Trail::of(form),
            is_quoted: false,
            is_message,
        }
    }

    /// The same of a text in quoted-printable.
    pub fn quoted(self) -> Self {
        Self { is_quoted: true, ..self }
    }

    /// Takes the next piece.
    pub fn feed(&mut self, piece: &[u8]) -> Step {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(piece);
        // A word that was open stays open until something ends it.
        if piece.iter().any(|byte| self.is_gap(*byte)) || start == self.open {
            self.open = self.open_end();
        }
        let most = 2 * self.inspector.longest().max(DLP_VIEW_BYTES);
        if self.bytes.len() - self.open > most {
            self.open = self.bytes.len() - most / 2;
        }
        if self.open <= self.gone {
            return Step::default();
        }
        let matches = self.look(self.open);
        let may_go = self.open - self.gone;
        self.gone = self.open;
        self.forget();
        Step { may_go, matches, unreadable: self.unreadable }
    }

    /// Ends the message: all of it may go, but for what is found in its end.
    pub fn finish(mut self) -> Findings {
        let matches = self.look(usize::MAX);
        Findings { matches, unreadable: self.unreadable }
    }

    /// What is found that begins in front of this place in view, and was not told.
    fn look(&mut self, end: usize) -> Vec<Match> {
        let findings = self.inspector.inspect_from(&self.bytes, self.form, &self.trail);
        // Only the beginning says what a message is.
        let what = findings.unreadable.filter(|what| self.base == 0 || *what == Unreadable::TooDeep);
        let what = what.filter(|what| !self.is_message || *what != Unreadable::Binary);
        self.unreadable = self.unreadable.max(what);
        let mut fresh = Vec::new();
        for mut found in findings.matches {
            let is_new = found.range.end > self.gone && found.range.start < end;
            found.range = found.range.start + self.base..found.range.end + self.base;
            if is_new && !self.told.iter().any(|told| is_told(told, &found)) {
                fresh.push(found);
            }
        }
        self.told.extend(fresh.iter().cloned());
        fresh
    }

    /// Takes out of view what is far enough behind.
    fn forget(&mut self) {
        let Some(least) = self.gone.checked_sub(DLP_VIEW_BYTES).filter(|least| *least >= DLP_VIEW_BYTES)
        else {
            return;
        };
        // A word is kept whole, as far as it goes, and so is an escape.
        let gap = self.bytes[least..self.gone].iter().position(|byte| self.is_gap(*byte));
        let cut = gap.map_or(least, |gap| least + gap + 1);
        let slashes = self.bytes[..cut].iter().rev().take_while(|byte| **byte == b'\\').count();
        let cut = (cut + slashes % 2).min(self.gone);
        let behind = |at: usize| at.saturating_sub(self.base);
        let mut found: Vec<Range<usize>> =
            self.told.iter().map(|told| behind(told.range.start)..behind(told.range.end)).collect();
        found.sort_by_key(|range| range.start);
        self.trail.pass(&self.bytes, 0..cut, &found);
        self.bytes.drain(..cut);
        self.base += cut;
        self.gone -= cut;
        self.open -= cut;
        let base = self.base;
        self.told.retain(|told| told.range.end > base);
    }

    /// Whether no finding goes on over this byte, but for those that `open_end` knows.
    fn is_gap(&self, byte: u8) -> bool {
        byte.is_ascii_whitespace() || byte == b'"' || matches!(byte, b'<' | b'>') && self.form == Form::Xml
    }

    /// Where the open end begins.
    fn open_end(&self) -> usize {
        let held = &self.bytes[self.gone..];
        let word = held.iter().rposition(|byte| self.is_gap(*byte)).map_or(0, |gap| gap + 1);
        let soft = if self.is_quoted { open_breaks(held, word) } else { word };
        let open = [soft, open_groups(held, word), open_string(held), open_lines(held, word), open_key(held)];
        let known = self.inspector.known.as_ref().map_or(held.len(), |known| known.open(held));
        self.gone + open.into_iter().fold(word.min(known), usize::min)
    }
}

/// Whether a finding is one that was told, or what is left of it in view. One that goes on further is another: behind what was
/// told and goes, an encoding may have what does not go.
fn is_told(told: &Match, found: &Match) -> bool {
    let overlaps = told.range.start < found.range.end && found.range.start < told.range.end;
    let is_within = told.range.start <= found.range.start && found.range.end <= told.range.end;
    let is_alike = told.hash == found.hash || told.detector == found.detector;
    overlaps && is_within && is_alike && told.class == found.class
}

/// Where groups begin that a number may be made of, as cards, account numbers and lists of bytes are, at the end of a text
/// whose last word begins there.
fn open_groups(text: &[u8], word: usize) -> usize {
    let is_group = |group: &[u8]| {
        group.len() <= GROUP_BYTES && (group.iter().any(u8::is_ascii_digit) || has_wide_digit(group))
            || group.len() == 2 && group.iter().all(u8::is_ascii_hexdigit)
    };
    if word < text.len() && !is_group(&text[word..]) && text.len() - word > 2 {
        return word;
    }
    let mut start = word;
    while start > 0 && text[start - 1] == b' ' {
        let before = text[..start - 1].iter().rposition(|byte| byte.is_ascii_whitespace() || *byte == b'"');
        let group = before.map_or(0, |gap| gap + 1);
        if !is_group(&text[group..start - 1]) {
            break;
        }
        start = group;
    }
    start
}

/// Bytes of the longest group of such a number, with signs.
const GROUP_BYTES: usize = 24;

/// Whether a full-width digit stands in a group: U+FF10 to U+FF19.
fn has_wide_digit(group: &[u8]) -> bool {
    group.windows(3).any(|letter| matches!(letter, [0xef, 0xbc, 0x90..=0x99]))
}

/// Where a string begins that has only begun: its value may have spaces.
fn open_string(text: &[u8]) -> usize {
    let least = text.len().saturating_sub(DLP_OPEN_STRING_BYTES);
    let Some(quote) = memchr::memrchr(b'"', &text[least..]).map(|at| least + at) else { return text.len() };
    match text[quote + 1..].trim_ascii_start().first() {
        // It has ended, or something else has begun.
        Some(b',' | b':' | b'}' | b']') => text.len(),
        _ if quote + 1 == text.len() && quote > 0 && is_closing(&text[..quote]) => text.len(),
        _ => quote + 1,
    }
}

/// Whether a quote behind this text ends a string rather than begins one.
fn is_closing(before: &[u8]) -> bool {
    !matches!(before.trim_ascii_end().last(), Some(b':' | b',' | b'[' | b'{' | b'=' | b'('))
}

/// Where lines begin that go on with one another, as wrapped base64 does, at the end of a text whose last word begins there.
fn open_lines(text: &[u8], word: usize) -> usize {
    let mut start = word;
    // The end of a line may have come in part.
    while start > 0 && matches!(text[start - 1], b'\n' | b'\r') {
        let line = text[..start].trim_ascii_end();
        let before = line.iter().rposition(|byte| byte.is_ascii_whitespace() || *byte == b'"');
        let begin = before.map_or(0, |gap| gap + 1);
        if line.len() - begin < LINE_BYTES || start - line.len() > 2 {
            break;
        }
        start = begin;
    }
    start
}

/// Where a word begins that goes on over soft ends of lines (RFC 2045, section 6.7), the last of which may not be whole.
fn open_breaks(text: &[u8], word: usize) -> usize {
    let mut start = word;
    loop {
        let before = &text[..start];
        let soft = [&b"=\r\n"[..], b"=\n", b"=\r"].into_iter().find(|soft| before.ends_with(soft));
        let Some(soft) = soft else { return start };
        let line = &before[..before.len() - soft.len()];
        start = line.iter().rposition(u8::is_ascii_whitespace).map_or(0, |gap| gap + 1);
    }
}

/// Bytes of the shortest line that goes on.
const LINE_BYTES: usize = 32;

/// Where a private key begins whose end is not there.
fn open_key(text: &[u8]) -> usize {
    match memchr::memmem::rfind(text, b"-----BEGIN ") {
        Some(begin) if memchr::memmem::find(&text[begin..], b"-----END ").is_none() => begin,
        _ => text.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_of(text: &str) -> &str {
        let window = Window {
            bytes: text.as_bytes().to_vec(),
            ..Window::new(super::super::tests::inspector(), Form::Events)
        };
        &text[window.open_end()..]
    }

    #[test]
    fn what_could_go_on_is_held_and_nothing_else() {
        for (text, open) in [
            ("data: {\"text\": \"some words\"}\n\n", ""),
            ("data: {\"text\": \"some words\"", ""),
            ("these are words ", ""),
            ("these are wor", "wor"),
            ("the card 4929 1111 2", "4929 1111 2"),
            ("the card 4929 1111 ", "4929 1111 "),
            ("\"password\": \"correct hor", "correct hor"),
            ("\"password\": \"", ""),
            ("x -----BEGIN PRIVATE KEY-----\nabc\n", "-----BEGIN PRIVATE KEY-----\nabc\n"),
            ("-----BEGIN A-----\nabc\n-----END A-----\n", ""),
            ("c3dvcmRmaXNoIGFuZCBjaGlwcyBhbmQgcGVh\ncw", "c3dvcmRmaXNoIGFuZCBjaGlwcyBhbmQgcGVh\ncw"),
        ] {
            assert_eq!(open_of(text), open, "{text}");
        }
    }

    #[test]
    fn a_whole_event_goes_at_once_and_a_value_over_a_seam_is_told_before_it_goes() {
        let mut window = Window::new(super::super::tests::inspector(), Form::Events);
        let event = b"data: {\"text\": \"it is a word\"}\n\n";
        assert_eq!(window.feed(event), Step { may_go: event.len(), ..Step::default() });
        let step = window.feed(b"data: {\"text\": \"swordfish-and-");
        assert_eq!(step.may_go, 16, "all but the open string");
        let step = window.feed(b"chips-0815\"}\n\n");
        assert_eq!(step.matches.len(), 1);
        let start = event.len() + 16;
        assert_eq!(step.matches[0].range, start..start + 24);
        assert_eq!(window.finish(), Findings::default());
    }

    #[test]
    fn a_long_message_of_a_call_is_read_for_what_text_is_in_it() {
        let mut message = vec![0x0a, 0xff, 0xff, 0x3f, 0x12, 0x05];
        message.extend(b"\x01\x02\x03some words\x12\x18".repeat(300));
        message.extend(b"swordfish-and-chips-0815\x1a\x02ok");
        for size in [7, 1000, message.len()] {
            let mut window = Window::new(super::super::tests::inspector(), Form::Grpc);
            let steps: Vec<Step> = message.chunks(size).map(|piece| window.feed(piece)).collect();
            let last = window.finish();
            assert!(
                steps.iter().all(|step| step.unreadable.is_none()) && last.unreadable.is_none(),
                "{size}"
            );
            let told = steps.iter().map(|step| step.matches.len()).sum::<usize>() + last.matches.len();
            assert_eq!(told, 1, "in pieces of {size}");
        }
    }

    /// What is told and goes on must not speak for what comes behind it in the same encoding.
    #[test]
    fn everything_in_an_encoding_that_is_longer_than_what_is_in_view_is_told() {
        let mut window = Window::new(super::super::tests::inspector(), Form::Text);
        let (mut plain, mut places) = (String::new(), Vec::new());
        for nth in 0..40 {
            plain.push_str(&"nothing here ".repeat(90 + 7 * nth));
            places.push(plain.len());
            plain.push_str(["swordfish-and-chips-0815", "4929 1111 2222 3333"][nth % 2]);
        }
        let hidden = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &plain);
        let mut told: Vec<Match> =
            hidden.as_bytes().chunks(700).flat_map(|piece| window.feed(piece).matches).collect();
        told.extend(window.finish().matches);
        for place in places {
            let sent = place * 4 / 3;
            assert!(told.iter().any(|one| one.range.contains(&(sent + 8))), "{place}: {told:?}");
        }
    }

    #[test]
    fn the_place_of_a_finding_is_known_long_after_the_beginning_has_gone() {
        let mut window = Window::new(super::super::tests::inspector(), Form::Json);
        let filler = "{\"role\": \"user\", \"content\": \"nothing to see here\"}, ".repeat(200);
        let text = format!("{{\"messages\": [{filler}{{\"content\": \"swordfish-and-chips-0815\"}}]}}");
        let told: Vec<Match> =
            text.as_bytes().chunks(100).flat_map(|piece| window.feed(piece).matches).collect();
        assert!(window.base > 0);
        assert_eq!(told[0].location.as_str(), "body/messages/200/content");
    }

    #[test]
    fn a_long_word_is_held_to_a_bound_and_memory_with_it() {
        let mut window = Window::new(super::super::tests::inspector(), Form::Text);
        let (mut sent, mut may_go, mut most) = (0, 0, 0);
        for _ in 0..2000 {
            sent += 100;
            may_go += window.feed(&[b'x'; 100]).may_go;
            most = most.max(window.bytes.len());
        }
        let bound = 2 * window.inspector.longest().max(DLP_VIEW_BYTES) + 100;
        assert!(sent - may_go <= bound && most <= bound + 2 * DLP_VIEW_BYTES, "{sent} {may_go} {most}");
    }
}
