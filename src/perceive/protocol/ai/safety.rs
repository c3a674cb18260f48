//! What a provider itself says of how safe a question and its answer are, held against the floors of a document.
//!
//! Azure's annotations of content filters and prompt shields, in whole answers and in streams (Azure OpenAI, "Content
//! filtering", annotations), those of its responses included. What is annotated in a way that nobody knows counts as the worst. Judges nothing that the
//! provider has not annotated. Read next: `../events.rs`.

use http::HeaderMap;

use crate::model::types::limits::SCREENED_BYTES;
use crate::model::types::{SafetyFloors, Severity};
use crate::perceive::protocol::events::{self, Events};
use crate::perceive::protocol::json::{Event, Scanner, Visitor, Word};

/// Bytes of the longest word for a severity, and one more.
const SEVERITY_BYTES: usize = 8;
/// With what OpenAI's streams end.
const LAST: &[u8] = b"[DONE]";

/// What an answer may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A category reaches its floor.
    #[error("its provider rates question or answer as `{0}`, {1}")]
    Category(&'static str, Severity),
    /// A prompt shield has found an attack.
    #[error("its provider has found an attack in the question (`{0}`)")]
    Attack(&'static str),
    /// The annotations of prompt shields are not there, and have to be.
    #[error("its provider has not looked for attacks in the question")]
    Unshielded,
    /// The answer cannot be read, and so not be judged.
    #[error("it cannot be read, and so not be judged")]
    Unreadable,
    /// It is longer than what is held, and so not judged.
    #[error("it, or an event of it, has more than {} MiB, and cannot be judged", SCREENED_BYTES >> 20)]
    TooLong,
}

/// Reads the annotations of one answer.
#[derive(Debug)]
pub struct Safety {
    /// For a stream of events; a whole answer is one document.
    events: Option<Box<events::Stream>>,
    document: Document,
}

#[derive(Debug)]
struct Document {
    scanner: Scanner,
    is_broken: bool,
    /// As many bytes as tell the last event of a stream, which is none.
    beginning: Vec<u8>,
    seen: Seen,
}

#[derive(Debug)]
struct Seen {
    floors: SafetyFloors,
    /// The severity that is being read.
    severity: String,
    is_shielded: bool,
    violation: Option<Violation>,
}

impl Safety {
    /// Of an answer with these fields.
    pub fn new(floors: SafetyFloors, headers: &HeaderMap) -> Self {
        let kind = headers.get("content-type").map(|value| value.as_bytes().to_ascii_lowercase());
        let is_stream = kind.is_some_and(|kind| kind.starts_with(b"text/event-stream"));
        let seen = Seen { floors, severity: String::new(), is_shielded: false, violation: None };
        let document =
            Document { scanner: Scanner::default(), is_broken: false, beginning: Vec::new(), seen };
        Self { events: is_stream.then(Box::default), document }
    }

    /// Whether it is a stream of events.
    pub fn is_stream(&self) -> bool {
        self.events.is_some()
    }

    /// Whether the annotations have come without which nothing may go on.
    pub fn is_told(&self) -> bool {
        let seen = &self.document.seen;
        seen.is_shielded || !seen.floors.require_prompt_shields
    }

    /// Reads on: bytes as they are before any content coding. Answers what they may not have, the first that was found.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<Violation> {
        match &mut self.events {
            Some(events) => events.feed(bytes, &mut self.document),
            None => self.document.data(bytes),
        }
        self.document.seen.violation
    }

    /// The answer is over.
    pub fn finish(mut self) -> Option<Violation> {
        match &mut self.events {
            Some(events) => events.finish(&mut self.document),
            None => self.document.over(""),
        }
        let Seen { floors, is_shielded, violation, .. } = self.document.seen;
        let unshielded = floors.require_prompt_shields && !is_shielded;
        violation.or(unshielded.then_some(Violation::Unshielded))
    }
}

impl Events for Document {
    fn data(&mut self, piece: &[u8]) {
        let room = (LAST.len() + 1).saturating_sub(self.beginning.len());
        self.beginning.extend_from_slice(&piece[..piece.len().min(room)]);
        self.is_broken = self.is_broken || self.scanner.feed(piece, &mut self.seen).is_err();
    }

    fn over(&mut self, _name: &str) {
        let is_whole = !std::mem::take(&mut self.is_broken) && self.scanner.finish(&mut self.seen).is_ok();
        let is_said = !matches!(self.beginning.as_slice(), b"" | LAST);
        if is_said && !is_whole {
            self.seen.violation.get_or_insert(Violation::Unreadable);
        }
        self.beginning.clear();
        self.scanner.restart();
    }
}

impl Visitor for Seen {
    fn wants(&self, path: &[Word]) -> bool {
        annotation(path).is_some()
    }

    fn visit(&mut self, path: &[Word], event: Event<'_>) {
        let Some((what, member)) = annotation(path) else { return };
        match (member, event) {
            (Word::Severity, Event::Text(piece)) => {
                let room = SEVERITY_BYTES.saturating_sub(self.severity.len());
                self.severity.extend(piece.chars().take(room));
            }
            (Word::Severity, Event::TextEnd) => {
                let severity = severity(&std::mem::take(&mut self.severity));
                self.rate(what, severity);
            }
            (Word::Severity, Event::Number(_) | Event::Object | Event::Array) => {
                self.rate(what, Severity::High)
            }
            // What the provider has taken out is as bad as it gets, whatever its word for it.
            (Word::Filtered, Event::Flag(true)) => self.rate(what, Severity::High),
            (Word::Detected, Event::Flag(detected)) if is_attack(what) => {
                self.is_shielded = true;
                if detected && self.floors.require_prompt_shields {
                    self.violation.get_or_insert(Violation::Attack(what.spelling()));
                }
            }
            _ => {}
        }
    }
}

impl Seen {
    fn rate(&mut self, what: Word, severity: Severity) {
        let floor = match what {
            Word::Hate => self.floors.hate,
            Word::SelfHarm => self.floors.self_harm,
            Word::Sexual => self.floors.sexual,
            Word::Violence => self.floors.violence,
            _ => None,
        };
        if floor.is_some_and(|floor| severity >= floor) {
            self.violation.get_or_insert(Violation::Category(what.spelling(), severity));
        }
    }
}

/// What an annotation is of, and which member of it stands at the path: of the question, or of one of the choices.
fn annotation(path: &[Word]) -> Option<(Word, Word)> {
    use Word::*;
    // An event of responses has the response as it stands.
    let path = path.strip_prefix(&[Response]).unwrap_or(path);
    match *path {
        [
            PromptFilterResults | Choices | ContentFilters,
            Each,
            ContentFilterResults | ContentFilterResult,
            what,
            member @ (Severity | Filtered | Detected),
        ] => Some((what, member)),
        _ => None,
    }
}

fn is_attack(what: Word) -> bool {
    matches!(what, Word::Jailbreak | Word::IndirectAttack)
}

fn severity(word: &str) -> Severity {
    match word.to_ascii_lowercase().as_str() {
        "safe" => Severity::Safe,
        "low" => Severity::Low,
        "medium" => Severity::Medium,
        _ => Severity::High,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOORS: SafetyFloors = SafetyFloors {
        hate: Some(Severity::Medium),
        self_harm: None,
        sexual: Some(Severity::Low),
        violence: Some(Severity::High),
        require_prompt_shields: false,
    };
    const SHIELDED: SafetyFloors = SafetyFloors { require_prompt_shields: true, ..FLOORS };

    fn of(floors: SafetyFloors, kind: &str, body: &str) -> Option<Violation> {
        let found = |size: usize| {
            let headers = [("content-type".parse().unwrap(), kind.parse().unwrap())].into_iter().collect();
            let mut safety = Safety::new(floors, &headers);
            let mut found = None;
            for piece in body.as_bytes().chunks(size) {
                found = safety.feed(piece);
            }
            let over = safety.finish();
            assert!(found.is_none() || found == over);
            over
        };
        let whole = found(body.len());
        assert_eq!(found(3), whole, "in pieces of 3");
        whole
    }

    /// A whole answer, and a stream of which it is an event.
    fn both(floors: SafetyFloors, document: &str) -> Option<Violation> {
        let whole = of(floors, "application/json", document);
        let stream = format!("data: {{\"choices\":[]}}\n\ndata: {document}\n\ndata: [DONE]\n\n");
        assert_eq!(of(floors, "text/event-stream", &stream), whole, "{document}");
        whole
    }

    fn annotated(what: &str, value: &str) -> [String; 4] {
        let results = format!("\"content_filter_results\":{{\"{what}\":{value}}}");
        [
            format!("{{\"prompt_filter_results\":[{{\"prompt_index\":0,{results}}}]}}"),
            format!("{{\"choices\":[{{\"delta\":{{}},{results}}}]}}"),
            format!("{{\"content_filters\":[{{\"source_type\":\"prompt\",{results}}}]}}"),
            format!("{{\"response\":{{\"content_filters\":[{{{results}}}]}}}}"),
        ]
    }

    #[test]
    fn a_category_may_not_reach_its_floor_in_the_question_and_in_the_answer() {
        for (what, severity, refused) in [
            ("hate", "low", None),
            ("hate", "medium", Some(Severity::Medium)),
            ("hate", "high", Some(Severity::High)),
            ("hate", "extreme", Some(Severity::High)),
            ("sexual", "safe", None),
            ("sexual", "Low", Some(Severity::Low)),
            ("violence", "medium", None),
            ("violence", "high", Some(Severity::High)),
            ("self_harm", "high", None),
        ] {
            for document in annotated(what, &format!("{{\"filtered\":false,\"severity\":\"{severity}\"}}")) {
                let violation = both(FLOORS, &document);
                let expected = refused.map(|refused| (what, refused));
                let found = violation.map(|violation| match violation {
                    Violation::Category(what, severity) => (what, severity),
                    other => panic!("{other:?}"),
                });
                assert_eq!(found, expected, "{document}");
            }
        }
        let filtered = annotated("hate", "{\"filtered\":true}");
        assert_eq!(both(FLOORS, &filtered[0]), Some(Violation::Category("hate", Severity::High)));
    }

    #[test]
    fn prompt_shields_have_to_be_there_where_they_are_required_and_may_find_nothing() {
        for what in ["jailbreak", "indirect_attack"] {
            let [clean, ..] = annotated(what, "{\"filtered\":false,\"detected\":false}");
            assert_eq!(both(SHIELDED, &clean), None);
            let [attack, ..] = annotated(what, "{\"filtered\":false,\"detected\":true}");
            assert_eq!(both(SHIELDED, &attack), Some(Violation::Attack(what)));
            assert_eq!(both(FLOORS, &attack), None, "nobody has asked");
        }
        assert_eq!(both(SHIELDED, "{\"choices\":[]}"), Some(Violation::Unshielded));
    }

    #[test]
    fn what_a_model_says_is_no_annotation_and_what_cannot_be_read_is_not_safe() {
        let [_, annotated, ..] = annotated("hate", "{\"severity\":\"high\"}");
        let said = serde_json::json!({"choices": [{"message": {"content": annotated}}]});
        assert_eq!(both(FLOORS, &said.to_string()), None);
        assert_eq!(both(FLOORS, "{\"choices\":["), Some(Violation::Unreadable));
    }
}
