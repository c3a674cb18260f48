//! An answer of a model that goes on as far as its provider's annotations let it: of a stream each event once it is whole and
//! judged, of any other answer all of it or nothing.
//!
//! An event behind one that may not go on does not go on either. Where prompt shields are required, nothing goes on before
//! their annotations have come. Bounded; what cannot be read does not go on. Read next: `safety.rs`, `boundary.rs`.

use http::{HeaderMap, header};

use super::boundary::{Boundary, EmptyLine};
use super::safety::{Safety, Violation};
use crate::model::types::SafetyFloors;
use crate::model::types::limits::SCREENED_BYTES;

/// For one answer. After an error nothing more may be fed, and nothing more goes on.
#[derive(Debug)]
pub struct Screen {
    safety: Safety,
    /// Where its events end; nothing for an answer that is one document.
    boundary: Option<Boundary>,
    /// What has come, and may not go on yet.
    held: Vec<u8>,
}

impl Screen {
    /// Makes a request have an answer that can be read: whole, and in no coding.
    pub fn prepare(request: &mut HeaderMap) {
        for field in [header::RANGE, header::IF_RANGE] {
            request.remove(field);
        }
        request.insert(header::ACCEPT_ENCODING, header::HeaderValue::from_static("identity"));
    }

    /// For the answer with these fields.
    ///
    /// # Errors
    /// A content coding hides it, or it is a part of an answer.
    pub fn new(floors: SafetyFloors, answer: &HeaderMap) -> Result<Self, Violation> {
        let is_plain = |coding: &header::HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
        let is_coded = !answer.get_all(header::CONTENT_ENCODING).iter().all(is_plain);
        if is_coded || answer.contains_key(header::CONTENT_RANGE) {
            return Err(Violation::Unreadable);
        }
        let safety = Safety::new(floors, answer);
        let boundary = safety.is_stream().then(|| Boundary::Events(EmptyLine::default()));
        Ok(Self { safety, boundary, held: Vec::new() })
    }

    /// Whether it is a stream of events, of which each goes on by itself.
    pub fn is_stream(&self) -> bool {
        self.boundary.is_some()
    }

    /// Takes the next bytes of the answer, and appends what goes on.
    ///
    /// # Errors
    /// What may not go on has come. What stands before it is appended.
    pub fn feed(&mut self, mut bytes: &[u8], on: &mut Vec<u8>) -> Result<(), Violation> {
        while let Some(boundary) = &mut self.boundary {
            let mut ahead = boundary.clone();
            let Some(end) = ahead.ends(bytes).next() else { break };
            boundary.feed(&bytes[..end]);
            self.judge(&bytes[..end])?;
            if self.safety.is_told() {
                on.append(&mut self.held);
            }
            bytes = &bytes[end..];
        }
        if let Some(boundary) = &mut self.boundary {
            boundary.feed(bytes);
        }
        self.judge(bytes)
    }

    fn judge(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        if self.held.len() + bytes.len() > SCREENED_BYTES {
            return Err(Violation::TooLong);
        }
        self.held.extend_from_slice(bytes);
        self.safety.feed(bytes).map_or(Ok(()), Err)
    }

    /// The answer is over: appends what was held.
    ///
    /// # Errors
    /// What was held may not go on.
    pub fn finish(mut self, on: &mut Vec<u8>) -> Result<(), Violation> {
        match self.safety.finish() {
            Some(violation) => Err(violation),
            None => {
                on.append(&mut self.held);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::types::Severity;

    const FLOORS: SafetyFloors = SafetyFloors {
        hate: Some(Severity::Medium),
        self_harm: None,
        sexual: None,
        violence: None,
        require_prompt_shields: false,
    };
    const SHIELDED: SafetyFloors = SafetyFloors { require_prompt_shields: true, ..FLOORS };
    const GOOD: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\n\r\n";
    const BAD: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"b\"},\"content_filter_results\":{\"hate\":{\"severity\":\"high\"}}}]}\n\n";
    const TOLD: &str = "data: {\"prompt_filter_results\":[{\"content_filter_results\":{\"jailbreak\":{\"detected\":false}}}]}\n\n";
    const HIGH: Violation = Violation::Category("hate", Severity::High);

    fn screen(floors: SafetyFloors, kind: &str) -> Screen {
        let headers = [(header::CONTENT_TYPE, kind.parse().unwrap())].into_iter().collect();
        Screen::new(floors, &headers).unwrap()
    }

    /// What goes on of it, however it is cut, and why no more does.
    fn through(floors: SafetyFloors, kind: &str, body: &str) -> (String, Result<(), Violation>) {
        let fed = |size: usize| {
            let (mut screen, mut on) = (screen(floors, kind), Vec::new());
            for piece in body.as_bytes().chunks(size) {
                if let Err(violation) = screen.feed(piece, &mut on) {
                    return (String::from_utf8(on).unwrap(), Err(violation));
                }
            }
            let over = screen.finish(&mut on);
            (String::from_utf8(on).unwrap(), over)
        };
        let whole = fed(body.len().max(1));
        assert_eq!(fed(1), whole, "byte by byte");
        whole
    }

    fn events(floors: SafetyFloors, body: &str) -> (String, Result<(), Violation>) {
        through(floors, "text/event-stream; charset=utf-8", body)
    }

    #[test]
    fn events_pass_until_one_may_not_and_no_byte_of_that_one_does() {
        let done = "data: [DONE]\n\n";
        assert_eq!(events(FLOORS, &[GOOD, GOOD, done].concat()), ([GOOD, GOOD, done].concat(), Ok(())));
        assert_eq!(events(FLOORS, &[GOOD, BAD, GOOD].concat()), (GOOD.to_owned(), Err(HIGH)));
    }

    #[test]
    fn nothing_passes_before_prompt_shields_have_told_where_they_have_to() {
        let both = [TOLD, GOOD].concat();
        assert_eq!(events(SHIELDED, &both), (both.clone(), Ok(())));
        let late = [GOOD, TOLD].concat();
        let mut screen = screen(SHIELDED, "text/event-stream");
        let mut on = Vec::new();
        screen.feed(GOOD.as_bytes(), &mut on).unwrap();
        assert!(on.is_empty(), "nobody has told yet");
        screen.feed(TOLD.as_bytes(), &mut on).unwrap();
        assert_eq!(String::from_utf8(on).unwrap(), late);
        assert_eq!(events(SHIELDED, GOOD), (String::new(), Err(Violation::Unshielded)));
    }

    #[test]
    fn a_document_passes_whole_or_not_at_all() {
        let bad = BAD.strip_prefix("data: ").unwrap().trim_end();
        assert_eq!(through(FLOORS, "application/json", bad), (String::new(), Err(HIGH)));
        let good = "{\"choices\":[]}";
        assert_eq!(through(FLOORS, "application/json", good), (good.to_owned(), Ok(())));
        assert_eq!(through(FLOORS, "text/html", "<p>"), (String::new(), Err(Violation::Unreadable)));
    }

    #[test]
    fn more_than_is_held_and_what_a_coding_hides_do_not_pass() {
        let mut screen = screen(FLOORS, "application/json");
        let mut on = Vec::new();
        assert_eq!(screen.feed(&vec![b' '; SCREENED_BYTES], &mut on), Ok(()));
        assert_eq!(screen.feed(b" ", &mut on), Err(Violation::TooLong));
        assert!(on.is_empty());
        for (field, value) in [("content-encoding", "gzip"), ("content-range", "bytes 0-1/9")] {
            let headers = [(field.parse().unwrap(), value.parse().unwrap())].into_iter().collect();
            assert_eq!(Screen::new(FLOORS, &headers).unwrap_err(), Violation::Unreadable);
        }
    }
}
