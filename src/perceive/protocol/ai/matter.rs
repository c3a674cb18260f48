//! Which members of a request say what matters: model, stream, the most that may be generated, tools.
//!
//! Each operation has its own, and only those count: a bound that the provider does not heed bounds nothing. Read next:
//! `question.rs`.

use super::endpoint::{Endpoint, Operation};
use crate::perceive::protocol::json::Word;

/// What the value at a path decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matter {
    /// The name of the model.
    Model,
    /// Whether the answer is streamed.
    Stream,
    /// The most tokens of output, for each choice.
    Limit,
    /// How many answers are generated.
    Choices,
    /// Whether a stream ends with the figures.
    Usage,
    /// The name of a tool.
    Tool,
    /// A message begins there.
    Message,
    /// That a cache is to keep what stands before it.
    Caches,
    /// For how long.
    CachesFor,
    /// Something that none of the others is, nor any text for the model: a role, a type.
    Nothing,
}

/// Whose body a Bedrock model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vendor {
    Anthropic,
    Nova,
    Titan,
    Meta,
    Other,
    Unknown,
}

/// Which paths matter in the request to one endpoint.
#[derive(Debug, Clone)]
pub struct Matters {
    operation: Operation,
    /// Whether the body names the model, and the path does not.
    model: bool,
    vendor: Vendor,
}

impl Matters {
    /// Of a request to this endpoint.
    pub fn of(endpoint: &Endpoint) -> Self {
        let vendor = endpoint.model.as_deref().map_or(Vendor::Unknown, vendor);
        Self { operation: endpoint.operation, model: endpoint.model.is_none(), vendor }
    }

    /// What is asked for.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// What this path decides, if anything.
    pub fn at(&self, path: &[Word]) -> Option<Matter> {
        use Word::*;
        Some(match path {
            [Model] if self.model => Matter::Model,
            [Stream] => Matter::Stream,
            [StreamOptions, IncludeUsage] => Matter::Usage,
            [.., Type | Role | Id | CallId | ToolCallId | ToolUseId | ToolUseIdCamel] => Matter::Nothing,
            [.., EncryptedContent | Signature | ThoughtSignature] => Matter::Nothing,
            [Messages | Input | Contents, Each] => Matter::Message,
            [.., CacheControl | CachePoint] => Matter::Caches,
            [.., CacheControl | CachePoint, Ttl] => Matter::CachesFor,
            [Tools, Each, Name]
            | [Tools, Each, Function | ToolSpec, Name]
            | [Functions, Each, Name]
            | [ToolConfig, Tools, Each, ToolSpec, Name]
            | [Tools, Each, FunctionDeclarations | FunctionDeclarationsSnake, Each, Name] => Matter::Tool,
            _ if self.is_limit(path) => Matter::Limit,
            _ if self.is_choices(path) => Matter::Choices,
            _ => return None,
        })
    }

    fn is_limit(&self, path: &[Word]) -> bool {
        use Word::*;
        match self.operation {
            Operation::Chat => matches!(path, [MaxTokens | MaxCompletionTokens]),
            Operation::Completions => matches!(path, [MaxTokens | MaxTokensToSample]),
            Operation::Responses => matches!(path, [MaxOutputTokens]),
            Operation::Messages => matches!(path, [MaxTokens]),
            Operation::Generate => matches!(
                path,
                [GenerationConfig | GenerationConfigSnake, MaxOutputTokens | MaxOutputTokensCamel]
            ),
            Operation::Predict => matches!(path, [Parameters, MaxOutputTokensCamel]),
            Operation::Converse => matches!(path, [InferenceConfig, MaxTokensCamel]),
            Operation::Ollama => matches!(path, [Options, NumPredict]),
            Operation::Invoke => match self.vendor {
                Vendor::Anthropic => matches!(path, [MaxTokens | MaxTokensToSample]),
                Vendor::Nova => {
                    matches!(path, [InferenceConfig, MaxTokensCamel | MaxNewTokens | MaxNewTokensCamel])
                }
                Vendor::Titan => matches!(path, [TextGenerationConfig, MaxTokenCount]),
                Vendor::Meta => matches!(path, [MaxGenLen]),
                Vendor::Other => matches!(path, [MaxTokens | MaxCompletionTokens]),
                Vendor::Unknown => false,
            },
            Operation::Embeddings | Operation::Embed | Operation::CountTokens | Operation::Other => false,
        }
    }

    fn is_choices(&self, path: &[Word]) -> bool {
        use Word::*;
        match self.operation {
            Operation::Chat => matches!(path, [N]),
            Operation::Completions => matches!(path, [N | BestOf]),
            Operation::Generate => {
                matches!(
                    path,
                    [GenerationConfig | GenerationConfigSnake, CandidateCount | CandidateCountSnake]
                )
            }
            _ => false,
        }
    }

    /// Whether a name that comes twice at this path, or in other letters, leaves doubt about what is asked.
    pub fn is_doubtful(&self, path: &[Word]) -> bool {
        let told = !matches!(self.operation, Operation::Other);
        match self.at(path) {
            Some(Matter::Model) => true,
            Some(Matter::Nothing | Matter::Message | Matter::Tool) => false,
            Some(_) => told,
            None => told && path.len() == 1,
        }
    }
}

/// By the ID of a Bedrock model: `us.anthropic.claude-...`, or the same at the end of an ARN.
fn vendor(model: &str) -> Vendor {
    let id = model.rsplit_once('/').map_or(model, |(_, id)| id);
    let has = |vendor: &str| id.split('.').any(|part| part == vendor);
    if has("anthropic") {
        Vendor::Anthropic
    } else if has("meta") {
        Vendor::Meta
    } else if has("amazon") && id.contains("nova") {
        Vendor::Nova
    } else if has("amazon") {
        Vendor::Titan
    } else if id.contains('.') {
        Vendor::Other
    } else {
        // A profile of somebody's own, which may stand for any model.
        Vendor::Unknown
    }
}
