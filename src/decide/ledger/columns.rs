//! The columns by which records are looked for, read back from a record's canonical bytes.
//!
//! Those bytes are one object whose keys are ours and need no escaping and in which nothing is deeper than a list of
//! strings or of flat objects, so they are walked once and nothing but a wanted value is looked at. What is not such an object has no
//! columns. Pure; never allocates but for an escaped value. A record's whole truth stays in its bytes.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use crate::model::types::{RequestId, Timestamp};

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub struct Columns<'a> {
    pub at: Timestamp,
    pub request_id: RequestId,
    pub phase: &'a str,
    pub kind: &'a str,
    pub agent_id: Option<Cow<'a, str>>,
    pub source_address: Option<&'a str>,
    pub decision: Option<&'a str>,
    pub reason: Option<&'a str>,
    pub destination_host: Option<Cow<'a, str>>,
    pub execution_id: Option<RequestId>,
    /// A list of strings, as it stands there.
    pub charges: Option<&'a str>,
    pub charged_at: Option<Timestamp>,
}

impl<'a> Columns<'a> {
    /// Reads a record.
    pub fn read(record: &'a str) -> Option<Self> {
        let (mut at, mut request_id, mut phase, mut kind) = (None, None, None, None);
        let (mut agent_id, mut decision, mut reason, mut destination_host) = (None, None, None, None);
        let (mut source_address, mut execution_id, mut charges, mut charged_at) = (None, None, None, None);
        let mut rest = record.strip_prefix('{')?;
        loop {
            let (name, value, behind) = field(rest)?;
            match name {
                "timestamp" => at = Some(Timestamp::parse(plain(value)?)?),
                "request_id" => request_id = Some(RequestId::parse(plain(value)?)?),
                "phase" => phase = Some(plain(value)?),
                "kind" => kind = Some(plain(value)?),
                "agent_id" => agent_id = Some(text(value)?),
                "source_address" => source_address = Some(plain(value)?),
                "decision" => decision = Some(plain(value)?),
                "reason" => reason = Some(plain(value)?),
                "destination_host" => destination_host = Some(text(value)?),
                "execution_id" => execution_id = Some(RequestId::parse(plain(value)?)?),
                "charges" => charges = Some(value),
                "charged_at" => charged_at = Some(Timestamp::parse(plain(value)?)?),
                _ => {}
            }
            rest = match behind.strip_prefix(',') {
                Some(next) => next,
                None if behind == "}" => break,
                None => return None,
            };
        }
        let (at, request_id, phase, kind) = (at?, request_id?, phase?, kind?);
        Some(Self {
            at,
            request_id,
            phase,
            kind,
            agent_id,
            source_address,
            decision,
            reason,
            destination_host,
            execution_id,
            charges,
            charged_at,
        })
    }
}

/// A key, its value as it stands there, and what follows.
fn field(text: &str) -> Option<(&str, &str, &str)> {
    let text = text.strip_prefix('"')?;
    let (name, rest) = text.split_at(memchr(b'"', text.as_bytes())?);
    let value = rest.strip_prefix("\":")?;
    let end = match value.as_bytes().first()? {
        b'"' => string_end(value.as_bytes())?,
        b'[' => list_end(value.as_bytes())?,
        b'{' => return None,
        _ => memchr2(b',', b'}', value.as_bytes())?,
    };
    Some((name, &value[..end], &value[end..]))
}

/// Where the string ends with which these bytes begin, its closing quote included.
fn string_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Where the list ends with which these bytes begin, its bracket included: of strings, or of objects without lists in them.
fn list_end(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut inside) = (1, false);
    loop {
        match bytes.get(at)? {
            b'"' => at += string_end(&bytes[at..])?,
            b'{' if !inside => (inside, at) = (true, at + 1),
            b'}' if inside => (inside, at) = (false, at + 1),
            b']' if !inside => return Some(at + 1),
            b',' => at += 1,
            b':' | b'.' | b'0'..=b'9' if inside => at += 1,
            _ => return None,
        }
    }
}

/// A string without escapes.
fn plain(value: &str) -> Option<&str> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    memchr(b'\\', inner.as_bytes()).is_none().then_some(inner)
}

/// A string.
fn text(value: &str) -> Option<Cow<'_, str>> {
    match plain(value) {
        Some(inner) => Some(Cow::Borrowed(inner)),
        None => serde_json::from_str(value).ok().map(Cow::Owned),
    }
}
