//! What a call has cost, in the provider's own figures.
//!
//! Providers count differently: what was read from a cache is part of the input at OpenAI and Google and stands beside it at
//! Anthropic and Bedrock; what a model thought is part of the output at OpenAI and Anthropic and stands beside it at Google.
//! [`Usage`] has the figures as they were sent, [`Usage::billed`] what is paid for, each token once. Read next: `facts.rs`.

use crate::model::types::Billed;
use crate::perceive::protocol::json::Word;

/// The figures of one call. Absent is what the provider did not send.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of input.
    pub input: Option<u64>,
    /// Tokens of output.
    pub output: Option<u64>,
    /// Tokens of input read from a cache.
    pub cache_read: Option<u64>,
    /// Tokens of input written to a cache.
    pub cache_write: Option<u64>,
    /// Those of them that the cache keeps for an hour (Anthropic).
    pub cache_write_hour: Option<u64>,
    /// Tokens that the model thought.
    pub reasoning: Option<u64>,
    /// Whether input or output are not the provider's final figures.
    pub estimated: bool,
    beside: Beside,
}

/// What stands beside the figures rather than in them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Beside {
    cache_read: bool,
    cache_write: bool,
    reasoning: bool,
    /// What tools of the provider put into the prompt (Gemini).
    tools: u64,
    /// Everything, where the figures are those of the last of several rounds (Anthropic's compaction).
    rounds: Option<Billed>,
}

impl Usage {
    /// Where nothing was sent.
    pub fn estimate(input: u64, output: u64) -> Self {
        Self { input: Some(input), output: Some(output), estimated: true, ..Self::default() }
    }

    /// What is paid for.
    pub fn billed(&self) -> Billed {
        if let Some(rounds) = self.beside.rounds {
            // What is kept for an hour is part of what was written, whichever comes first.
            let hour = rounds.cache_write_hour.min(rounds.cache_write);
            return Billed { cache_write: rounds.cache_write - hour, cache_write_hour: hour, ..rounds };
        }
        let (input, output) = (self.input.unwrap_or(0), self.output.unwrap_or(0));
        let (cache_read, cache_write) = (self.cache_read.unwrap_or(0), self.cache_write.unwrap_or(0));
        let within = |figure: u64, beside: bool| if beside { 0 } else { figure };
        let cached = within(cache_read, self.beside.cache_read)
            .saturating_add(within(cache_write, self.beside.cache_write));
        let thoughts = if self.beside.reasoning { self.reasoning.unwrap_or(0) } else { 0 };
        let cache_write_hour = self.cache_write_hour.unwrap_or(0).min(cache_write);
        Billed {
            input: input.saturating_sub(cached).saturating_add(self.beside.tools),
            cache_read,
            cache_write: cache_write - cache_write_hour,
            cache_write_hour,
            output: output.saturating_add(thoughts),
        }
    }
}

/// The figures of an answer while they come. The last one counts: streams send them cumulated.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    usage: Usage,
    total: Option<u64>,
    /// What counts where nothing else is said: what Cohere bills, and what Bedrock says in the head.
    otherwise: (Option<u64>, Option<u64>),
    /// Whether the output is the one that an Anthropic stream begins with.
    preliminary: bool,
}

impl Figures {
    /// A figure at a path that may be one.
    pub fn figure(&mut self, path: &[Word], value: u64) {
        use Word::*;
        match *path {
            [Usage, Iterations, Each, word] => self.round(word, value),
            [Usage, Iterations, Each, CacheCreation, word] => self.round(word, value),
            [Usage, CacheCreation, Ephemeral1hInputTokens] => self.usage.cache_write_hour = Some(value),
            [Usage | Meta, Tokens, word] => self.count(word, value),
            [Usage | Meta, BilledUnits, InputTokens] => self.otherwise.0 = Some(value),
            [Usage | Meta, BilledUnits, OutputTokens] => self.otherwise.1 = Some(value),
            [Usage, PromptTokensDetails | InputTokensDetails, CachedTokens] => {
                self.usage.cache_read = Some(value);
            }
            [Usage, PromptTokensDetails | InputTokensDetails, CacheWriteTokens] => {
                self.usage.cache_write = Some(value);
            }
            [Usage, CompletionTokensDetails | OutputTokensDetails, ReasoningTokens | ThinkingTokens] => {
                self.usage.reasoning = Some(value);
            }
            [Usage | UsageMetadata | InvocationMetrics, word] => self.count(word, value),
            [word @ (PromptEvalCount | EvalCount | PromptTokenCountSnake | GenerationTokenCount)] => {
                self.count(word, value);
            }
            [word @ (InputTextTokenCount | TotalOutputTextTokenCount)] => self.count(word, value),
            [Results, Each, TokenCountCamel] => add(&mut self.usage.output, value),
            [Predictions, Each, Embeddings, Statistics, TokenCount] => add(&mut self.usage.input, value),
            _ => {}
        }
    }

    /// The same within the message that an Anthropic stream begins with: its output is not final.
    pub fn first_figure(&mut self, path: &[Word], value: u64) {
        self.figure(path, value);
        self.preliminary |= path == [Word::Usage, Word::OutputTokens];
    }

    /// Rounds are listed anew.
    pub fn rounds(&mut self) {
        self.usage.beside.rounds = Some(Billed::default());
    }

    fn round(&mut self, word: Word, value: u64) {
        let rounds = self.usage.beside.rounds.get_or_insert_default();
        let sum = match word {
            Word::InputTokens => &mut rounds.input,
            Word::OutputTokens => &mut rounds.output,
            Word::CacheReadInputTokens => &mut rounds.cache_read,
            Word::CacheCreationInputTokens => &mut rounds.cache_write,
            Word::Ephemeral1hInputTokens => &mut rounds.cache_write_hour,
            _ => return,
        };
        *sum = sum.saturating_add(value);
    }

    fn count(&mut self, word: Word, value: u64) {
        use Word::*;
        let usage = &mut self.usage;
        match word {
            // Nothing has no input: some gateways end an Anthropic stream so, whose begin had the figure.
            InputTokens if value == 0 && usage.input.is_some() => {}
            PromptTokens
            | InputTokens
            | InputTokensCamel
            | PromptTokenCount
            | PromptTokenCountSnake
            | PromptEvalCount
            | InputTextTokenCount
            | InputTokenCount => usage.input = Some(value),
            CompletionTokens
            | OutputTokens
            | OutputTokensCamel
            | CandidatesTokenCount
            | GenerationTokenCount
            | EvalCount
            | TotalOutputTextTokenCount
            | OutputTokenCount => {
                usage.output = Some(value);
                self.preliminary = false;
            }
            CachedTokens | NumCachedTokens | PromptCacheHitTokens | CachedContentTokenCount => {
                usage.cache_read = Some(value);
            }
            CacheReadInputTokens | CacheReadInputTokensCamel | CacheReadInputTokenCount => {
                usage.cache_read = Some(value);
                usage.beside.cache_read = true;
            }
            CacheCreationInputTokens | CacheWriteInputTokensCamel | CacheWriteInputTokenCount => {
                usage.cache_write = Some(value);
                usage.beside.cache_write = true;
            }
            ThoughtsTokenCount => {
                usage.reasoning = Some(value);
                usage.beside.reasoning = true;
            }
            ToolUsePromptTokenCount => usage.beside.tools = value,
            TotalTokens | TotalTokensCamel | TotalTokenCount => self.total = Some(value),
            _ => {}
        }
    }

    /// Some of what the figures were read from was damaged.
    pub fn doubt(&mut self) {
        self.usage.estimated = true;
    }

    /// What Bedrock says in the head of an answer, where the body says nothing.
    pub fn take_head(&mut self, input: Option<u64>, output: Option<u64>) {
        self.otherwise = (input, output);
    }

    /// The figures as far as they have come; nothing where there were none. `said` is what the text so far is estimated at.
    pub fn usage(&self, said: u64) -> Option<Usage> {
        let mut usage = self.usage;
        usage.input = usage.input.or(self.otherwise.0);
        usage.output = usage.output.or(self.otherwise.1);
        if let (Some(input), Some(output), Some(thoughts)) = (usage.input, usage.output, usage.reasoning)
            && let Some(total) = self.total
        {
            // xAI counts thoughts beside the output, and only the sum tells.
            usage.beside.reasoning |=
                thoughts > 0 && total == input.saturating_add(output).saturating_add(thoughts);
        }
        if usage.input.is_none() && usage.output.is_none() {
            // A sum without its parts is the one of an embedding.
            usage.input = Some(self.total?);
            usage.estimated = true;
        }
        if self.preliminary || usage.output.is_none() && said > 0 {
            usage.output = usage.output.max(Some(said));
            usage.estimated = true;
        }
        Some(usage)
    }
}

fn add(sum: &mut Option<u64>, value: u64) {
    *sum = Some(sum.unwrap_or(0).saturating_add(value));
}
