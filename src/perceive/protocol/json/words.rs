//! The names that mean something somewhere: the members of providers' and tools' messages that are read.
//!
//! A document names the same few members over and over, so a name is looked up in one step: in a table that the
//! compiler fills.

/// Declares the words and how they are spelled.
macro_rules! words {
    ($($word:ident = $spelling:literal,)+) => {
        /// One step of a path through a document.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "each is the name it spells")]
        #[repr(u8)]
        pub enum Word {
            $($word,)+
            /// A name that is none of these.
            Other,
            /// An item of an array, whichever.
            Each,
        }

        const SPELLINGS: &[&str] = &[$($spelling,)+];
        const WORDS: &[Word] = &[$(Word::$word,)+];
    };
}

words! {
    Args = "args",
    Arguments = "arguments",
    BestOf = "best_of",
    BilledUnits = "billed_units",
    Bytes = "bytes",
    CacheControl = "cache_control",
    CacheCreation = "cache_creation",
    CacheCreationInputTokens = "cache_creation_input_tokens",
    CachePoint = "cachePoint",
    CacheReadInputTokenCount = "cacheReadInputTokenCount",
    CacheReadInputTokens = "cache_read_input_tokens",
    CacheReadInputTokensCamel = "cacheReadInputTokens",
    CacheWriteInputTokenCount = "cacheWriteInputTokenCount",
    CacheWriteInputTokensCamel = "cacheWriteInputTokens",
    CacheWriteTokens = "cache_write_tokens",
    CachedContentTokenCount = "cachedContentTokenCount",
    CachedTokens = "cached_tokens",
    CallId = "call_id",
    CandidateCount = "candidateCount",
    CandidateCountSnake = "candidate_count",
    Candidates = "candidates",
    CandidatesTokenCount = "candidatesTokenCount",
    Choices = "choices",
    Completion = "completion",
    CompletionReason = "completionReason",
    CompletionTokens = "completion_tokens",
    CompletionTokensDetails = "completion_tokens_details",
    Content = "content",
    ContentFilterResult = "content_filter_result",
    ContentFilterResults = "content_filter_results",
    ContentFilters = "content_filters",
    ContentBlock = "content_block",
    ContentBlockDelta = "contentBlockDelta",
    ContentBlockStart = "contentBlockStart",
    Contents = "contents",
    Delta = "delta",
    Detected = "detected",
    DoneReason = "done_reason",
    Embeddings = "embeddings",
    EncryptedContent = "encrypted_content",
    Error = "error",
    Ephemeral1hInputTokens = "ephemeral_1h_input_tokens",
    EvalCount = "eval_count",
    Filtered = "filtered",
    FinishReason = "finish_reason",
    FinishReasonCamel = "finishReason",
    Function = "function",
    FunctionCall = "functionCall",
    FunctionCallSnake = "function_call",
    FunctionDeclarations = "functionDeclarations",
    FunctionDeclarationsSnake = "function_declarations",
    Functions = "functions",
    Generation = "generation",
    GenerationConfig = "generationConfig",
    GenerationConfigSnake = "generation_config",
    GenerationTokenCount = "generation_token_count",
    Hate = "hate",
    Id = "id",
    IncludeUsage = "include_usage",
    IncompleteDetails = "incomplete_details",
    IndirectAttack = "indirect_attack",
    InferenceConfig = "inferenceConfig",
    Input = "input",
    InputTextTokenCount = "inputTextTokenCount",
    InputTokenCount = "inputTokenCount",
    InputTokens = "input_tokens",
    InputTokensCamel = "inputTokens",
    InputTokensDetails = "input_tokens_details",
    InvocationMetrics = "amazon-bedrock-invocationMetrics",
    Item = "item",
    Iterations = "iterations",
    JsonRpc = "jsonrpc",
    Jailbreak = "jailbreak",
    MaxCompletionTokens = "max_completion_tokens",
    MaxGenLen = "max_gen_len",
    MaxNewTokens = "max_new_tokens",
    MaxNewTokensCamel = "maxNewTokens",
    MaxOutputTokens = "max_output_tokens",
    MaxOutputTokensCamel = "maxOutputTokens",
    MaxTokenCount = "maxTokenCount",
    MaxTokens = "max_tokens",
    MaxTokensCamel = "maxTokens",
    MaxTokensToSample = "max_tokens_to_sample",
    Message = "message",
    MessageStop = "messageStop",
    Messages = "messages",
    Meta = "meta",
    Metadata = "metadata",
    MetaOfProtocol = "_meta",
    Method = "method",
    Model = "model",
    ModelVersion = "modelVersion",
    N = "n",
    Name = "name",
    NumCachedTokens = "num_cached_tokens",
    NumPredict = "num_predict",
    Options = "options",
    Output = "output",
    OutputText = "outputText",
    OutputTokenCount = "outputTokenCount",
    OutputTokens = "output_tokens",
    OutputTokensCamel = "outputTokens",
    OutputTokensDetails = "output_tokens_details",
    Parameters = "parameters",
    Params = "params",
    PartialJson = "partial_json",
    Parts = "parts",
    Predictions = "predictions",
    PromptCacheHitTokens = "prompt_cache_hit_tokens",
    PromptEvalCount = "prompt_eval_count",
    PromptFilterResults = "prompt_filter_results",
    PromptTokenCount = "promptTokenCount",
    PromptTokenCountSnake = "prompt_token_count",
    PromptTokens = "prompt_tokens",
    PromptTokensDetails = "prompt_tokens_details",
    ProtocolVersion = "io.modelcontextprotocol/protocolVersion",
    Reason = "reason",
    Reasoning = "reasoning",
    ReasoningContent = "reasoning_content",
    ReasoningTokens = "reasoning_tokens",
    Refusal = "refusal",
    Response = "response",
    Result = "result",
    Results = "results",
    Role = "role",
    SelfHarm = "self_harm",
    Severity = "severity",
    Sexual = "sexual",
    Signature = "signature",
    Start = "start",
    Statistics = "statistics",
    Status = "status",
    StopReason = "stop_reason",
    StopReasonCamel = "stopReason",
    Stream = "stream",
    StreamOptions = "stream_options",
    TaskId = "taskId",
    Text = "text",
    TextGenerationConfig = "textGenerationConfig",
    Thinking = "thinking",
    ThinkingTokens = "thinking_tokens",
    ThoughtSignature = "thoughtSignature",
    ThoughtsTokenCount = "thoughtsTokenCount",
    TokenCount = "token_count",
    TokenCountCamel = "tokenCount",
    Tokens = "tokens",
    ToolCallId = "tool_call_id",
    ToolCalls = "tool_calls",
    ToolConfig = "toolConfig",
    ToolSpec = "toolSpec",
    ToolUse = "toolUse",
    ToolUseId = "tool_use_id",
    ToolUseIdCamel = "toolUseId",
    ToolUsePromptTokenCount = "toolUsePromptTokenCount",
    Tools = "tools",
    TotalOutputTextTokenCount = "totalOutputTextTokenCount",
    TotalTokenCount = "totalTokenCount",
    TotalTokens = "total_tokens",
    TotalTokensCamel = "totalTokens",
    Ttl = "ttl",
    Type = "type",
    Uri = "uri",
    Usage = "usage",
    UsageMetadata = "usageMetadata",
    Violence = "violence",
    XGroq = "x_groq",
}

/// Bytes of the longest word.
pub const LONGEST: usize = {
    let mut longest = 0;
    let mut at = 0;
    while at < SPELLINGS.len() {
        if SPELLINGS[at].len() > longest {
            longest = SPELLINGS[at].len();
        }
        at += 1;
    }
    longest
};

/// Places in the table; a power of two, several times the number of words.
const PLACES: usize = 1024;

/// The place of each word: one more than its position, 0 where there is none.
const TABLE: [u8; PLACES] = {
    assert!(SPELLINGS.len() < u8::MAX as usize, "a position fits into a byte");
    let mut table = [0; PLACES];
    let mut at = 0;
    while at < SPELLINGS.len() {
        let mut place = place(SPELLINGS[at].as_bytes());
        while table[place] != 0 {
            place = (place + 1) % PLACES;
        }
        table[place] = at as u8 + 1;
        at += 1;
    }
    table
};

/// Where a name is looked for first, in whichever case its letters are.
const fn place(name: &[u8]) -> usize {
    let length = name.len();
    if length == 0 {
        return 0;
    }
    let (first, middle, last) = (name[0] | 0x20, name[length / 2] | 0x20, name[length - 1] | 0x20);
    (length * 131 + first as usize * 37 + middle as usize * 11 + last as usize * 71) % PLACES
}

/// What a name is among the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// This word, letter by letter.
    Exactly(Word),
    /// This word but for the case of some letters: some readers take it for the word, others for none.
    Loosely(Word),
    /// None of them.
    Nothing,
}

impl Word {
    /// The name that it is; empty where it is none of them.
    pub fn spelling(self) -> &'static str {
        SPELLINGS.get(self as usize).copied().unwrap_or_default()
    }

    /// Looks a name up.
    pub fn of(name: &[u8]) -> Found {
        let mut place = place(name);
        while let Some(at) = usize::from(TABLE[place]).checked_sub(1) {
            let spelling = SPELLINGS[at].as_bytes();
            if spelling == name {
                return Found::Exactly(WORDS[at]);
            }
            if spelling.eq_ignore_ascii_case(name) {
                return Found::Loosely(WORDS[at]);
            }
            place = (place + 1) % PLACES;
        }
        Found::Nothing
    }
}

/// The words that one object has named.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen([u128; 2]);

impl Seen {
    /// Whether the word was there already; it is from now on.
    pub fn again(&mut self, word: Word) -> bool {
        let (half, bit) = (&mut self.0[usize::from(word as u8 >> 7)], 1 << (word as u8 & 127));
        let again = *half & bit != 0;
        *half |= bit;
        again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_by_its_spelling_and_nothing_else_is() {
        let mut seen = Seen::default();
        for (spelling, word) in SPELLINGS.iter().zip(WORDS) {
            assert_eq!(Word::of(spelling.as_bytes()), Found::Exactly(*word));
            assert_eq!(word.spelling(), *spelling);
            assert_eq!(Word::of(format!("{spelling}s!").as_bytes()), Found::Nothing);
            let shouted = spelling.to_ascii_uppercase();
            assert_eq!(
                Word::of(shouted.as_bytes()),
                Found::Loosely(*word),
                "letters count, and are not overlooked"
            );
            assert!(!seen.again(*word), "a place of its own: {word:?}");
            assert!(seen.again(*word));
        }
        assert_eq!(Word::of(b""), Found::Nothing);
    }

    #[test]
    fn no_two_words_differ_in_the_case_of_letters_alone() {
        let mut folded: Vec<String> =
            SPELLINGS.iter().map(|spelling| spelling.to_ascii_lowercase()).collect();
        folded.sort();
        folded.dedup();
        assert_eq!(folded.len(), SPELLINGS.len());
    }
}
