//! What was found in what a request carries, and what an agent has used up: the facts behind `ai`, `mcp`, `dlp` and
//! `usage`.
//!
//! Whoever reads bodies and counts supplies them; nothing here does. What nobody looked for is told apart from what is
//! not there: the first leaves a condition without an answer, the second says that it is about something else. Read
//! next: `facts.rs`.

use crate::model::types::{FindingClass, InferenceAction};

/// What was found in one request. By default nobody has looked for anything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Content {
    /// `ai`: the call of a language model.
    pub ai: Sought<AiCall>,
    /// `mcp`: the call of a tool; of a batch the first.
    pub mcp: Sought<McpCall>,
    /// All messages of a batch (JSON-RPC 2.0, section 6), the first among them; empty where there is no more than one.
    pub mcp_calls: Vec<McpCall>,
    /// `dlp.matches`; none where nobody has looked.
    pub findings: Option<Vec<Finding>>,
}

/// What became of looking for something that some requests have and others have not.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Sought<T> {
    /// Nobody has looked, or nobody could tell.
    #[default]
    Unknown,
    /// It is not there.
    Absent,
    /// It is this.
    Found(T),
}

impl<T> Sought<T> {
    /// What was found.
    pub fn found(&self) -> Option<&T> {
        match self {
            Self::Found(found) => Some(found),
            Self::Unknown | Self::Absent => None,
        }
    }
}

/// The call of a language model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AiCall {
    /// Whose model it is.
    pub provider: Option<Box<str>>,
    /// The model that is asked for.
    pub model: Option<Box<str>>,
    /// What for; none where that is something else than policies name, or cannot be told.
    pub action: Option<InferenceAction>,
    /// Whether the answer is to come in pieces.
    pub stream: bool,
    /// Tokens that the answer may have at most, where the request bounds it.
    pub max_output_tokens: Option<u64>,
    /// Tokens of the question, as estimated.
    pub estimated_tokens: u64,
    /// The names of the tools that the model may call.
    pub tools: Vec<Box<str>>,
}

/// The call of a tool (Model Context Protocol).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct McpCall {
    /// The McpServer that a document declares, or else the host; policy fills it in.
    pub server: Option<Box<str>>,
    /// The JSON-RPC method.
    pub method: Option<Box<str>>,
    /// The tool, where one is called.
    pub tool: Option<Box<str>>,
}

/// The method of a message that calls a tool (MCP, "Tools").
const CALL: &str = "tools/call";

impl McpCall {
    /// Whether it does nothing but call a tool.
    pub fn is_call(&self) -> bool {
        self.method.as_deref() == Some(CALL)
    }

    /// The tool that it calls; a call that names none calls one without a name, which nothing allows but a star.
    pub fn called(&self) -> Option<&str> {
        (self.is_call() || self.tool.is_some()).then(|| self.tool.as_deref().unwrap_or_default())
    }
}

/// One thing that inspection found. It never holds the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What kind of thing it is.
    pub class: FindingClass,
    /// What found it.
    pub detector: Box<str>,
    /// How sure that is, from 0.0 to 1.0.
    pub confidence: f64,
}

impl Content {
    /// Every message to a tool server that was found.
    pub fn messages(&self) -> &[McpCall] {
        match (&self.mcp, &*self.mcp_calls) {
            (Sought::Found(one), []) => std::slice::from_ref(one),
            (_, all) => all,
        }
    }

    /// The tools that they call, one for each call.
    pub fn tools_called(&self) -> impl Iterator<Item = &str> {
        self.messages().iter().filter_map(McpCall::called)
    }

    /// The same with one message of a batch alone.
    #[must_use]
    pub fn with_message(&self, message: McpCall) -> Self {
        Self { mcp: Sought::Found(message), mcp_calls: Vec::new(), ..self.clone() }
    }
}

/// What an agent has used up since midnight, UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Requests.
    pub requests_today: u64,
    /// Tokens, of questions and answers.
    pub tokens_today: u64,
    /// Bytes, sent and got.
    pub bytes_today: u64,
    /// US dollars.
    pub cost_usd_today: f64,
}
