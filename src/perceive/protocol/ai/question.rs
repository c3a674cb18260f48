//! The body of a request: which model, what it may generate, which tools it is offered, how long it is.
//!
//! Strict where it matters: a body that is no JSON, that names something of weight twice or in other letters, or with
//! another type than the provider documents, would be understood differently by the provider than here. Read next:
//! `matter.rs`, `tokens.rs`.

use super::endpoint::{Endpoint, Operation};
use super::matter::{Matter, Matters};
use super::tokens::{Estimate, Tokenizer};
use crate::model::types::limits::{MODEL_NAME_BYTES, TOOL_NAME_BYTES, TOOL_NAMES};
use crate::perceive::protocol::json::{self, Event, Scanner, Visitor, Word};

/// Tokens around each message: its role and what marks its ends (OpenAI Cookbook, "How to count tokens").
const MESSAGE_TOKENS: u64 = 4;
/// Tokens before the answer (the same).
const ANSWER_TOKENS: u64 = 3;
/// Tokens of a member of a tool's description, beside its text: a name and what separates it.
const MEMBER_TOKENS: u64 = 2;
/// Tokens that Anthropic and Bedrock put in front of tools (Anthropic, "Tool use", pricing).
const TOOLS_TOKENS: u64 = 346;
/// Most answers that one request may ask for; providers take 128.
const CHOICES: u64 = 1 << 20;

/// Why a request cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is not JSON, from this byte on.
    #[error("the body is not JSON: {what}, behind byte {at}")]
    Json {
        /// How many bytes stand before the place.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// It is JSON, but no object.
    #[error("the body is not a JSON object")]
    NoObject,
    /// Something of weight is named more than once, or in other letters.
    #[error("the body names `{0}` twice, or in letters of another case")]
    Again(&'static str),
    /// Something of weight has a type that it cannot have.
    #[error("the body has a value for `{0}` that is not of its type")]
    Type(&'static str),
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The model, from the path or else from the body.
    pub model: Option<Box<str>>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether a stream is to end with figures, where that has to be asked for (OpenAI's `include_usage`).
    pub wants_usage: bool,
    /// The most tokens that one choice may generate, where the request bounds it.
    pub max_output: Option<u64>,
    /// How many choices are generated.
    pub choices: u64,
    /// The tools that the model is offered by name; at most [`TOOL_NAMES`].
    pub tools: Vec<Box<str>>,
    /// How many there are.
    pub tools_offered: u64,
    /// Estimated tokens of input.
    pub input_estimate: u64,
    /// Whether a cache is to keep some of the input, which costs more.
    pub caching: Caching,
}

/// How long caches are to keep input, where the request says so (Anthropic, Bedrock).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Caching {
    /// Not at all, or as the provider likes.
    #[default]
    Unsaid,
    /// For as long as it does by default.
    Short,
    /// For a time that the request names.
    Named,
}

/// Reads one body as it comes.
#[derive(Debug)]
pub struct QuestionReader {
    endpoint: Endpoint,
    scanner: Scanner,
    seen: Seen,
}

#[derive(Debug)]
struct Seen {
    matters: Matters,
    is_object: bool,
    malformed: Option<Malformed>,
    model: Option<String>,
    stream: Option<bool>,
    wants_usage: bool,
    max_output: Option<u64>,
    choices: Option<u64>,
    tools: Vec<Box<str>>,
    tools_offered: u64,
    /// The name that is being read, as far as there is room for it.
    name: Vec<u8>,
    estimate: Estimate,
    caching: Caching,
}

impl QuestionReader {
    /// For a request to this endpoint. Feed it JSON alone: what [`Operation::Other`] takes may be anything.
    pub fn new(endpoint: &Endpoint) -> Self {
        Self::estimating(endpoint, Estimate::default())
    }

    /// The same, where a rough estimate of the input will do: it needs no vocabulary (`warm`) and keeps no text.
    pub fn rough(endpoint: &Endpoint) -> Self {
        Self::estimating(endpoint, Estimate::rough())
    }

    fn estimating(endpoint: &Endpoint, estimate: Estimate) -> Self {
        let seen = Seen {
            matters: Matters::of(endpoint),
            is_object: false,
            malformed: None,
            model: None,
            stream: None,
            wants_usage: false,
            max_output: None,
            choices: None,
            tools: Vec::new(),
            tools_offered: 0,
            name: Vec::new(),
            estimate,
            caching: Caching::Unsaid,
        };
        Self { endpoint: endpoint.clone(), scanner: Scanner::default(), seen }
    }

    /// Reads on. After an error nothing more may be fed.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        self.scanner.feed(bytes, &mut self.seen)?;
        self.seen.malformed.map_or(Ok(()), Err)
    }

    /// The body is over.
    pub fn finish(mut self) -> Result<Question, Malformed> {
        self.scanner.finish(&mut self.seen)?;
        let seen = self.seen;
        if let Some(malformed) = seen.malformed {
            return Err(malformed);
        }
        if !seen.is_object {
            return Err(Malformed::NoObject);
        }
        let Endpoint { provider, operation, model, streams } = self.endpoint;
        let model = model.or(seen.model.map(String::into_boxed_str));
        let tokenizer = Tokenizer::of(provider, model.as_deref().unwrap_or_default());
        // Ollama alone streams unless it is told not to.
        let stream = seen.stream.unwrap_or(operation == Operation::Ollama);
        let has_preamble =
            matches!(operation, Operation::Messages | Operation::Converse) && seen.tools_offered > 0;
        let around = if has_preamble { ANSWER_TOKENS + TOOLS_TOKENS } else { ANSWER_TOKENS };
        Ok(Question {
            model,
            stream: streams.unwrap_or(false) || stream,
            wants_usage: seen.wants_usage,
            max_output: seen.max_output,
            choices: seen.choices.unwrap_or(1),
            tools: seen.tools,
            tools_offered: seen.tools_offered,
            input_estimate: seen.estimate.total(tokenizer).saturating_add(around),
            caching: seen.caching,
        })
    }
}

impl From<json::Malformed> for Malformed {
    fn from(json::Malformed { at, what }: json::Malformed) -> Self {
        Self::Json { at, what }
    }
}

impl Visitor for Seen {
    fn visit(&mut self, path: &[Word], event: Event<'_>) {
        if path.is_empty() {
            return match event {
                Event::Object => self.is_object = true,
                Event::End => {}
                // A list, or a value alone, asks for nothing.
                _ => self.refuse(Malformed::NoObject),
            };
        }
        let matter = self.matters.at(path);
        match event {
            Event::Again if self.matters.is_doubtful(path) => self.refuse(Malformed::Again(name(path))),
            Event::Again | Event::Null | Event::End => {}
            Event::Object | Event::Array => self.begin(path, matter),
            Event::Text(piece) => self.text(piece, matter),
            Event::TextEnd => self.text_end(path, matter),
            Event::Number(number) => self.number(path, number, matter),
            Event::Flag(flag) => self.flag(path, flag, matter),
        }
        if matches!(path, [Word::Tools | Word::ToolConfig, ..])
            && !matches!(event, Event::Text(_) | Event::End)
        {
            self.estimate.add(MEMBER_TOKENS);
        }
    }
}

impl Seen {
    fn refuse(&mut self, malformed: Malformed) {
        self.malformed.get_or_insert(malformed);
    }

    /// Whether a value of the wrong type is a reason to refuse: what is not known is not held to any.
    fn is_strict(&self) -> bool {
        self.matters.operation() != Operation::Other
    }

    fn wrong(&mut self, path: &[Word]) {
        if self.is_strict() {
            self.refuse(Malformed::Type(name(path)));
        }
    }

    fn begin(&mut self, path: &[Word], matter: Option<Matter>) {
        match matter {
            Some(Matter::Message) => self.estimate.add(MESSAGE_TOKENS),
            Some(Matter::Caches) => self.caching = self.caching.max(Caching::Short),
            Some(Matter::Model | Matter::Stream | Matter::Limit | Matter::Choices | Matter::Usage) => {
                self.wrong(path);
            }
            _ => {}
        }
    }

    fn text(&mut self, piece: &str, matter: Option<Matter>) {
        match matter {
            Some(Matter::Model) => keep(&mut self.name, piece, MODEL_NAME_BYTES + 1),
            Some(Matter::Tool) => {
                keep(&mut self.name, piece, TOOL_NAME_BYTES);
                self.estimate.piece(piece);
            }
            Some(Matter::Nothing | Matter::CachesFor) => {}
            _ => self.estimate.piece(piece),
        }
    }

    fn text_end(&mut self, path: &[Word], matter: Option<Matter>) {
        let name = std::mem::take(&mut self.name);
        let name = String::from_utf8_lossy(&name);
        match matter {
            Some(Matter::Model) if name.len() > MODEL_NAME_BYTES => self.wrong(path),
            Some(Matter::Model) => self.model = Some(name.into()),
            Some(Matter::Tool) => {
                self.estimate.over();
                self.tools_offered += 1;
                if self.tools.len() < TOOL_NAMES {
                    self.tools.push(name.into());
                }
            }
            Some(Matter::Nothing) => {}
            Some(Matter::CachesFor) => self.caching = Caching::Named,
            Some(Matter::Stream | Matter::Limit | Matter::Choices | Matter::Usage) => self.wrong(path),
            Some(Matter::Message | Matter::Caches) | None => self.estimate.over(),
        }
    }

    fn number(&mut self, path: &[Word], number: &str, matter: Option<Matter>) {
        let count = json::count(number);
        match (matter, count) {
            // A request that bounds its output in two ways may get the larger.
            (Some(Matter::Limit), Some(count)) => self.max_output = self.max_output.max(Some(count)),
            // Ollama's -1 and -2 are no bound.
            (Some(Matter::Limit), None) if self.matters.operation() == Operation::Ollama => {}
            (Some(Matter::Choices), Some(count @ 0..=CHOICES)) => {
                self.choices = self.choices.max(Some(count))
            }
            (Some(Matter::Model | Matter::Stream | Matter::Limit | Matter::Choices | Matter::Usage), _) => {
                self.wrong(path);
            }
            _ => {}
        }
    }

    fn flag(&mut self, path: &[Word], flag: bool, matter: Option<Matter>) {
        match matter {
            Some(Matter::Stream) => self.stream = Some(flag),
            Some(Matter::Usage) => self.wants_usage = flag,
            Some(Matter::Model | Matter::Limit | Matter::Choices) => self.wrong(path),
            _ => {}
        }
    }
}

/// Appends as much as there is room for.
fn keep(name: &mut Vec<u8>, piece: &str, most: usize) {
    let room = most.saturating_sub(name.len()).min(piece.len());
    name.extend_from_slice(&piece.as_bytes()[..room]);
}

/// How the last step of a path is spelled.
fn name(path: &[Word]) -> &'static str {
    path.last().map_or("", |word| word.spelling())
}
