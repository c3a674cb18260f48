//! What a body says: its messages, and why it may say nothing that can be judged.

use std::fmt;
use std::ops::Range;

use super::revision::Revision;
use crate::perceive::protocol::json;

/// Largest whole number that every reader of JSON keeps as it is (RFC 8259, section 6).
const SAFE: i64 = (1 << 53) - 1;

/// The identifier of a request, as JSON: a whole number, or a text with its quotation marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Id(Box<str>);

impl Id {
    /// From a text, without its quotation marks.
    pub(super) fn text(text: &str) -> Self {
        Self(serde_json::Value::from(text).to_string().into())
    }

    /// From a number as it is written; nothing where readers could keep another one.
    pub(super) fn number(number: &str) -> Option<Self> {
        let value: i64 = number.parse().ok()?;
        ((-SAFE..=SAFE).contains(&value) && number != "-0").then(|| Self(number.into()))
    }

    /// The JSON that it is.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a message is (JSON-RPC 2.0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Is to be answered.
    Request,
    /// Is not.
    Notification,
    /// Answers what the server has asked.
    Response,
}

/// One message of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// Of a request and of a response; absent where a response tells of an error without saying whose.
    pub id: Option<Id>,
    /// Of a request and of a notification.
    pub method: Option<Box<str>>,
    /// What is called, got or read: the tool of `tools/call`, the prompt of `prompts/get`, the URI of `resources/read`.
    pub name: Option<Box<str>>,
    /// Where in the body the arguments stand, which are a JSON object.
    pub arguments: Option<Range<usize>>,
}

impl Message {
    /// The tool that is called.
    pub fn tool(&self) -> Option<&str> {
        self.name.as_deref().filter(|_| self.method.as_deref() == Some("tools/call"))
    }

    /// Whether a list of tools is asked for.
    pub fn lists_tools(&self) -> bool {
        self.method.as_deref() == Some("tools/list")
    }
}

/// All messages of one body, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Messages {
    /// The revision that its fields name.
    pub revision: Revision,
    /// Whether they came as a list.
    pub is_batch: bool,
    /// They, in order.
    pub messages: Vec<Message>,
}

/// Who waits for an answer to a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The requests in it.
    pub ids: Vec<Id>,
    /// Whether the answer is a list.
    pub is_batch: bool,
}

impl Messages {
    /// Whoever waits for the answer.
    pub fn waiting(&self) -> Waiting {
        Waiting { ids: self.requests().map(|(id, _)| id.clone()).collect(), is_batch: self.is_batch }
    }

    /// The requests of it.
    pub(super) fn requests(&self) -> impl Iterator<Item = (&Id, &Message)> {
        let requests = self.messages.iter().filter(|message| message.kind == Kind::Request);
        requests.filter_map(|message| message.id.as_ref().map(|id| (id, message)))
    }
}

/// Why a body cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is not JSON.
    #[error("the body is not JSON: {what}, behind byte {at}")]
    Json {
        /// How many bytes stand before the place.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// It is JSON, but no message, or a list in which something is none.
    #[error("the body is not a message of JSON-RPC 2.0, which is an object with `\"jsonrpc\": \"2.0\"`")]
    NoMessage,
    /// Several messages where the revision has one.
    #[error("the body is a list of messages, which revision {0} of MCP does not have")]
    Batch(Revision),
    /// A list of none.
    #[error("the body is an empty list")]
    Empty,
    /// A list of too many.
    #[error("the body is a list of more than {0} messages")]
    TooMany(usize),
    /// Something of weight is named more than once, or in other letters.
    #[error("a message names `{0}` twice, or in letters of another case")]
    Again(&'static str),
    /// Something of weight has a type that it cannot have.
    #[error("a message has a value for `{0}` that is not of its type")]
    Type(&'static str),
    /// Something of weight is longer than the bounds.
    #[error("a message has a value for `{member}` of more than {most} bytes")]
    TooLong {
        /// What.
        member: &'static str,
        /// How long it may be.
        most: usize,
    },
    /// Something of weight is not there.
    #[error("a message lacks `{0}`")]
    Lacks(&'static str),
    /// A name with half a surrogate pair, which stands for no character, or with what readers put in its place.
    #[error("a message has a value for `{0}` with a character that readers do not agree on")]
    Character(&'static str),
    /// Neither request nor notification nor response, or several of them.
    #[error("a message has to have either `method`, or `id` with one of `result` and `error`")]
    Kind,
    /// Two requests that answers cannot tell apart.
    #[error("two requests of the body have the same `id`")]
    SameId,
    /// An answer where the revision has none.
    #[error("the body is a response, which clients of revision {0} of MCP do not send")]
    Response(Revision),
    /// A revision that is not known.
    #[error(
        "the field `MCP-Protocol-Version` names a revision that is not known; known are 2024-11-05 to 2026-07-28"
    )]
    Revision,
    /// A field stands more than once, or cannot be decoded.
    #[error("the field `{0}` stands twice, or is not encoded as MCP has it")]
    Field(&'static str),
    /// A field is not there where the revision requires it.
    #[error("the field `{field}` is missing, which revision {revision} of MCP requires")]
    FieldMissing {
        /// Which.
        field: &'static str,
        /// By which revision.
        revision: Revision,
    },
    /// A field says something else than the body.
    #[error("the field `{0}` does not say what the body says")]
    FieldDisagrees(&'static str),
}

impl From<json::Malformed> for Malformed {
    fn from(json::Malformed { at, what }: json::Malformed) -> Self {
        Self::Json { at, what }
    }
}
