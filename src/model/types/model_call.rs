//! A call of a language model as records tell of it: what was asked of whom, and what it has cost. Reads nothing and prices
//! nothing.

use super::provider::Provider;

/// One call. The figures are the provider's own, in its own way of counting, or an estimate that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelCall {
    /// Whose model it is.
    pub provider: Provider,
    /// The model that was asked for: the path's, or else the body's.
    pub requested: Option<Box<str>>,
    /// The model that answered, in the provider's words.
    pub model: Option<Box<str>>,
    /// Tokens of input, as they were estimated from the request.
    pub token_estimate: u64,
    /// Tokens of input.
    pub input: Option<u64>,
    /// Tokens of output.
    pub output: Option<u64>,
    /// Tokens of input read from a cache.
    pub cache_read: Option<u64>,
    /// Tokens of input written to a cache.
    pub cache_write: Option<u64>,
    /// Tokens that the model thought.
    pub reasoning: Option<u64>,
    /// Tokens that are paid for, each once; none where nobody knows, because the answer was broken off.
    pub billed: Option<u64>,
    /// What it has cost, in nano-dollars; only where the price is known.
    pub cost: Option<u64>,
    /// Why the model stopped, in the provider's words.
    pub stop: Option<Box<str>>,
    /// Whether the figures are not the provider's final ones.
    pub is_estimated: bool,
    /// The tools that the model wants called, in order; bounded by [`super::limits::TOOL_NAMES`].
    pub tools: Vec<Box<str>>,
}

/// What is paid for of a call; no token is in two of these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Billed {
    /// Input that no cache had.
    pub input: u64,
    /// Input read from a cache.
    pub cache_read: u64,
    /// Input written to a cache, for as long as it is kept by default.
    pub cache_write: u64,
    /// Input written to a cache that keeps it for an hour.
    pub cache_write_hour: u64,
    /// Output, thoughts included.
    pub output: u64,
}

impl Billed {
    /// All of it.
    pub fn total(&self) -> u64 {
        [self.cache_read, self.cache_write, self.cache_write_hour, self.output]
            .into_iter()
            .fold(self.input, u64::saturating_add)
    }
}

/// What a call of a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InferenceAction {
    /// `chat`: chat completions, messages, generateContent, converse, invoke.
    Chat,
    /// `responses`: OpenAI's responses.
    Responses,
    /// `image`: pictures.
    Image,
    /// `embeddings`.
    Embeddings,
}

impl InferenceAction {
    /// Whether its answer is text, of which a request may bound the tokens.
    pub const fn answers_with_text(self) -> bool {
        matches!(self, Self::Chat | Self::Responses)
    }
}
