//! From the body of a POST to its messages.
//!
//! What weighs are the members that say what is asked: `jsonrpc`, `id`, `method`, and in `params` what is called by which
//! name. Each may stand once, in its own letters, and has to be of its type. Read next: `fields.rs`.

use std::ops::Range;

use http::HeaderMap;

use super::fields::{Fields, Repeated};
use super::message::{Id, Kind, Malformed, Message, Messages};
use super::params::Params;
use crate::model::types::limits::{MCP_BATCH, MCP_ID_BYTES, MCP_METHOD_BYTES, MCP_NAME_BYTES, MCP_URI_BYTES};
use crate::perceive::protocol::json::{Event, Scanner, Visitor, Word};

/// Reads a body that is there whole, and holds the fields of its request against it.
///
/// # Errors
/// It says nothing that can be judged, or the fields say something else.
pub fn read(body: &[u8], headers: &HeaderMap) -> Result<Messages, Malformed> {
    let mut reading = Reading::of(headers);
    reading.feed(body)?;
    reading.finish(headers)
}

/// Reads a body that comes in pieces.
#[derive(Debug)]
pub(super) struct Reading {
    scanner: Scanner,
    reader: Reader,
}

impl Reading {
    /// Of a request with these fields.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let reader = Reader { params: Params::of(headers), ..Reader::default() };
        Self { scanner: Scanner::default(), reader }
    }

    /// Reads on. After an error nothing more may be fed.
    ///
    /// # Errors
    /// It is not JSON.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        Ok(self.scanner.feed(bytes, &mut self.reader)?)
    }

    /// Whether anything in what was read claims to be a message. What does not is none to any server.
    pub(super) fn claims(&self) -> bool {
        self.reader.claims
    }

    /// The body is over, as JSON.
    ///
    /// # Errors
    /// It is not JSON.
    pub(super) fn end(&mut self) -> Result<(), Malformed> {
        Ok(self.scanner.finish(&mut self.reader)?)
    }

    /// The body is over: holds the fields against it.
    ///
    /// # Errors
    /// It says nothing that can be judged, or the fields say something else.
    pub(super) fn finish(mut self, headers: &HeaderMap) -> Result<Messages, Malformed> {
        let fields = Fields::read(headers)?;
        self.end()?;
        match self.reader.malformed {
            Some(malformed) => Err(malformed),
            None => together(self.reader, &fields),
        }
    }
}

/// What all messages say together.
fn together(reader: Reader, fields: &Fields<'_>) -> Result<Messages, Malformed> {
    let revision = fields.revision();
    if reader.is_batch && !revision.has_batches() {
        return Err(Malformed::Batch(revision));
    }
    match &reader.read[..] {
        [] => return Err(Malformed::Empty),
        [(message, repeated)] if !reader.is_batch => fields.agree(Some((message, repeated)))?,
        _ => fields.agree(None)?,
    }
    reader.read.iter().try_for_each(|(_, repeated)| fields.agree_on_revision(repeated))?;
    reader.params.agree(reader.is_batch)?;
    let messages: Vec<Message> = reader.read.into_iter().map(|(message, _)| message).collect();
    if revision.repeats_itself() && messages.iter().any(|message| message.kind == Kind::Response) {
        return Err(Malformed::Response(revision));
    }
    let messages = Messages { revision, is_batch: reader.is_batch, messages };
    let ids: Vec<&Id> = messages.requests().map(|(id, _)| id).collect();
    if ids.iter().enumerate().any(|(at, id)| ids[..at].contains(id)) {
        return Err(Malformed::SameId);
    }
    Ok(messages)
}

/// The members whose values are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    JsonRpc,
    Id,
    Method,
    Params,
    Result,
    Error,
    Name,
    Uri,
    TaskId,
    Arguments,
    Meta,
    Revision,
}

const MEMBERS: usize = Member::Revision as usize + 1;

impl Member {
    /// The one at this path within a message.
    fn at(path: &[Word]) -> Option<Self> {
        Some(match path {
            [Word::JsonRpc] => Self::JsonRpc,
            [Word::Id] => Self::Id,
            [Word::Method] => Self::Method,
            [Word::Params] => Self::Params,
            [Word::Result] => Self::Result,
            [Word::Error] => Self::Error,
            [Word::Params, Word::Name] => Self::Name,
            [Word::Params, Word::Uri] => Self::Uri,
            [Word::Params, Word::TaskId] => Self::TaskId,
            [Word::Params, Word::Arguments] => Self::Arguments,
            [Word::Params, Word::MetaOfProtocol] => Self::Meta,
            [Word::Params, Word::MetaOfProtocol, Word::ProtocolVersion] => Self::Revision,
            _ => return None,
        })
    }

    fn spelling(self) -> &'static str {
        match self {
            Self::JsonRpc => "jsonrpc",
            Self::Id => "id",
            Self::Method => "method",
            Self::Params => "params",
            Self::Result => "result",
            Self::Error => "error",
            Self::Name => "params.name",
            Self::Uri => "params.uri",
            Self::TaskId => "params.taskId",
            Self::Arguments => "params.arguments",
            Self::Meta => "params._meta",
            Self::Revision => "params._meta.io.modelcontextprotocol/protocolVersion",
        }
    }

    /// Bytes that its text may have.
    fn most(self) -> usize {
        match self {
            Self::Id => MCP_ID_BYTES,
            Self::Uri => MCP_URI_BYTES,
            Self::Name | Self::TaskId => MCP_NAME_BYTES,
            _ => MCP_METHOD_BYTES,
        }
    }
}

/// What stands for a member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Value {
    /// Nothing, or `null`, which servers take for nothing.
    #[default]
    Absent,
    Text(String),
    TooLong,
    Number(Box<str>),
    Object(Range<usize>),
    List,
    Other,
}

#[derive(Debug, Default)]
struct Reader {
    is_batch: bool,
    /// Whether a message has begun and not ended.
    is_open: bool,
    /// What it says so far.
    values: [Value; MEMBERS],
    read: Vec<(Message, Repeated)>,
    malformed: Option<Malformed>,
    bracket: usize,
    /// Whether the present one names `jsonrpc`.
    is_rpc: bool,
    /// Whether one of them names it, or a method that only MCP has.
    claims: bool,
    params: Params,
}

/// What methods of MCP begin with that name something.
const METHODS: [&str; 3] = ["tools/", "prompts/", "resources/"];

/// Whether a message has a method that only MCP has.
fn is_of_mcp(values: &[Value; MEMBERS]) -> bool {
    let method = &values[Member::Method as usize];
    matches!(method, Value::Text(method) if METHODS.iter().any(|begin| method.starts_with(begin)))
}

/// Whether it is a request of another protocol over JSON-RPC: MCP has no method whose parameters are a list.
fn is_of_another(values: &[Value; MEMBERS]) -> bool {
    let [method, params] = [Member::Method, Member::Params].map(|member| &values[member as usize]);
    matches!((method, params), (Value::Text(_), Value::List))
}

/// The path within a message: those of a list stand below each of its items.
fn within(path: &[Word]) -> &[Word] {
    match path {
        [Word::Each, rest @ ..] => rest,
        _ => path,
    }
}

impl Visitor for Reader {
    fn bracket_at(&mut self, at: u64) {
        self.bracket = usize::try_from(at).unwrap_or(usize::MAX);
    }

    fn wants(&self, path: &[Word]) -> bool {
        let path = within(path);
        path.is_empty() || Member::at(path).is_some() || self.params.asks_for(path)
    }

    fn visit(&mut self, path: &[Word], event: Event<'_>) {
        let inner = within(path);
        if inner.is_empty() {
            return self.edge(path.is_empty(), event);
        }
        let Some(member) = Member::at(inner) else {
            if self.params.asks_for(inner) {
                self.params.argument(event);
            }
            return;
        };
        // In other letters as well: some readers would take it for theirs.
        self.is_rpc |= member == Member::JsonRpc;
        let value = &mut self.values[member as usize];
        match event {
            Event::Again => self.refuse(Malformed::Again(member.spelling())),
            Event::Text(piece) => {
                let text = if let Value::Text(text) = value { std::mem::take(text) } else { String::new() };
                let is_too_long =
                    *value == Value::TooLong || text.len().saturating_add(piece.len()) > member.most();
                *value = if is_too_long { Value::TooLong } else { Value::Text(text + piece) };
            }
            Event::TextEnd if *value == Value::Absent => *value = Value::Text(String::new()),
            // A request whose answer nobody could tell from another one's.
            Event::Null if member == Member::Id => *value = Value::Other,
            Event::TextEnd | Event::Null => {}
            Event::Number(number) => *value = Value::Number(number.into()),
            Event::Object => *value = Value::Object(self.bracket..self.bracket),
            Event::End => {
                if let Value::Object(range) = value {
                    range.end = self.bracket + 1;
                }
            }
            Event::Array => *value = Value::List,
            Event::Flag(_) => *value = Value::Other,
        }
    }
}

impl Reader {
    fn refuse(&mut self, malformed: Malformed) {
        self.malformed.get_or_insert(malformed);
    }

    /// The begin or the end of a message, or of the list of all; or something that is neither.
    fn edge(&mut self, is_outermost: bool, event: Event<'_>) {
        match event {
            Event::Object => {
                self.is_open = true;
                self.values = Default::default();
                if self.read.len() == MCP_BATCH {
                    self.refuse(Malformed::TooMany(MCP_BATCH));
                }
            }
            Event::Array if is_outermost => self.is_batch = true,
            Event::End if std::mem::take(&mut self.is_open) => {
                let is_rpc = std::mem::take(&mut self.is_rpc);
                self.claims |= is_of_mcp(&self.values) || is_rpc && !is_of_another(&self.values);
                if self.malformed.is_some() {
                    return;
                }
                match message(&self.values) {
                    Ok(read) => self.read.push(read),
                    Err(malformed) => self.refuse(malformed),
                }
            }
            Event::End => {}
            _ => self.refuse(Malformed::NoMessage),
        }
    }
}

/// What the members say together.
fn message(values: &[Value; MEMBERS]) -> Result<(Message, Repeated), Malformed> {
    let value = |member: Member| &values[member as usize];
    let has = |member: Member| *value(member) != Value::Absent;
    if !matches!(value(Member::JsonRpc), Value::Text(version) if version == "2.0") {
        return Err(Malformed::NoMessage);
    }
    for member in [Member::Params, Member::Meta] {
        if !matches!(value(member), Value::Absent | Value::Object(_)) {
            return Err(Malformed::Type(member.spelling()));
        }
    }
    let id = match value(Member::Id) {
        Value::Absent => None,
        Value::Number(number) => Some(Id::number(number).ok_or(Malformed::Type("id"))?),
        _ => text(values, Member::Id)?.map(|text| Id::text(&text)),
    };
    let method = text(values, Member::Method)?;
    let answers = has(Member::Result) || has(Member::Error);
    let kind = match (&method, &id) {
        (Some(_), _) if answers => return Err(Malformed::Kind),
        (Some(_), Some(_)) => Kind::Request,
        (Some(_), None) => Kind::Notification,
        (None, _) if has(Member::Result) && has(Member::Error) => return Err(Malformed::Kind),
        (None, Some(_)) if answers => Kind::Response,
        (None, None) if has(Member::Error) => Kind::Response,
        (None, _) => return Err(Malformed::Kind),
    };
    let (named_by, takes_arguments) = match method.as_deref() {
        Some("tools/call" | "prompts/get") => (Some(Member::Name), true),
        Some("resources/read") => (Some(Member::Uri), false),
        _ => (None, false),
    };
    let name = named_by.map(|member| name(values, member)).transpose()?;
    let arguments = match value(Member::Arguments) {
        Value::Object(range) if takes_arguments => Some(range.clone()),
        Value::Absent => None,
        _ if takes_arguments => return Err(Malformed::Type(Member::Arguments.spelling())),
        _ => None,
    };
    let repeated = Repeated {
        revision: text(values, Member::Revision)?,
        // Of other methods these may be anything.
        names: [Member::Name, Member::Uri, Member::TaskId].map(|member| text(values, member).ok().flatten()),
    };
    Ok((Message { kind, id, method, name, arguments }, repeated))
}

/// A text that has to be one where it is there.
fn text(values: &[Value; MEMBERS], member: Member) -> Result<Option<Box<str>>, Malformed> {
    match &values[member as usize] {
        Value::Absent => Ok(None),
        Value::Text(text) => Ok(Some(text.as_str().into())),
        Value::TooLong => Err(Malformed::TooLong { member: member.spelling(), most: member.most() }),
        _ => Err(Malformed::Type(member.spelling())),
    }
}

/// The name of what is asked for, which has to be there.
fn name(values: &[Value; MEMBERS], member: Member) -> Result<Box<str>, Malformed> {
    let name = text(values, member)?.ok_or(Malformed::Lacks(member.spelling()))?;
    if name.contains(char::REPLACEMENT_CHARACTER) {
        return Err(Malformed::Character(member.spelling()));
    }
    Ok(name)
}
