//! A body that is read to its end before anything is decided, in whatever coding: what conditions hear of `mcp`, and who waits
//! for an answer.
//!
//! A body that is no message to any reader is none here, and passes; one that could be one to some reader, and cannot be read
//! like everybody reads it, is an error. Read next: `reading.rs`.

use http::{HeaderMap, header};

use super::message::{Malformed, Message, Messages};
use super::reading::Reading;
use super::revision::{METHOD_FIELD, NAME_FIELD, REVISION_FIELD};
use crate::model::condition::content::{Content, McpCall, Sought};
use crate::model::types::limits::HELD_BODY_BYTES;
use crate::perceive::protocol::decoding::Decoder;

/// Fields that say that a body is a message, whatever it looks like.
const FIELDS: [&str; 4] = [REVISION_FIELD, METHOD_FIELD, NAME_FIELD, "mcp-session-id"];

/// What may stand before a document: blanks, byte order marks, and the zeros of UTF-16 and UTF-32, in which some read JSON.
const BEFORE: &[u8] = b" \t\r\n\0\xef\xbb\xbf\xfe\xff";

/// Why a body cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Its content coding is not known, or is not what it says.
    #[error("the body's content coding cannot be undone")]
    Coding,
    /// Decoded, it has more than [`HELD_BODY_BYTES`].
    #[error("the body decodes to more than is read")]
    TooLarge,
    /// It is a message that cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// What a body is, as far as it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Nothing has come that tells.
    Unknown,
    /// An object or an array, in any spelling.
    Json,
    /// Something else, which nobody takes for a message.
    Other,
}

/// Reads the body of one POST.
#[derive(Debug)]
pub struct Whole {
    decoder: Decoder,
    reading: Reading,
    /// Whether fields say that it is a message.
    is_named: bool,
    /// What was wrong with it before it was known what it is.
    wrong: Option<Malformed>,
    look: Look,
    decoded: u64,
}

impl Whole {
    /// Of a request with these fields.
    ///
    /// # Errors
    /// Where its coding is not known.
    pub fn begin(headers: &HeaderMap) -> Result<Self, Unreadable> {
        let codings: Option<Vec<&str>> =
            headers.get_all(header::CONTENT_ENCODING).iter().map(|coding| coding.to_str().ok()).collect();
        let decoder =
            codings.and_then(|codings| Decoder::new(&codings.join(","))).ok_or(Unreadable::Coding)?;
        let is_named = FIELDS.iter().any(|name| headers.contains_key(*name));
        let look = if is_named { Look::Json } else { Look::Unknown };
        Ok(Self { decoder, reading: Reading::of(headers), is_named, wrong: None, look, decoded: 0 })
    }

    /// Reads on. After an error nothing more may be fed. Answers to how many bytes these were decoded.
    ///
    /// # Errors
    /// Why it cannot be judged.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<u64, Unreadable> {
        if self.look == Look::Other {
            return Ok(0);
        }
        let Self { decoder, reading, wrong, look, decoded, .. } = self;
        let before = *decoded;
        let undone = decoder.feed(bytes, |piece| {
            *decoded += piece.len() as u64;
            if *look == Look::Unknown {
                *look = looks_like(piece);
            }
            if *decoded <= HELD_BODY_BYTES && wrong.is_none() && *look != Look::Other {
                *wrong = reading.feed(piece).err();
            }
        });
        match (self.look, self.wrong) {
            (Look::Other, _) => return Ok(self.decoded - before),
            (Look::Json, Some(malformed)) => return Err(malformed.into()),
            _ => {}
        }
        undone.map_err(|_| Unreadable::Coding)?;
        if self.decoded > HELD_BODY_BYTES {
            return Err(Unreadable::TooLarge);
        }
        Ok(self.decoded - before)
    }

    /// The body is over: its messages, held against the fields of the request; nothing where it is none.
    ///
    /// # Errors
    /// Why it cannot be judged.
    pub fn finish(mut self, headers: &HeaderMap) -> Result<Option<Messages>, Unreadable> {
        if self.look != Look::Json {
            return Ok(None);
        }
        self.reading.end()?;
        if !self.is_named && !self.reading.claims() {
            return Ok(None);
        }
        Ok(Some(self.reading.finish(headers)?))
    }
}

fn looks_like(piece: &[u8]) -> Look {
    match piece.iter().find(|byte| !BEFORE.contains(byte)) {
        None => Look::Unknown,
        Some(b'{' | b'[') => Look::Json,
        Some(_) => Look::Other,
    }
}

impl Messages {
    /// Puts them where conditions look for them. Policy knows the name of the server.
    pub fn tell(&self, content: &mut Content) {
        let mut calls: Vec<McpCall> = self.messages.iter().map(called).collect();
        match &mut calls[..] {
            [] => content.mcp = Sought::Absent,
            [one] => content.mcp = Sought::Found(std::mem::take(one)),
            [first, ..] => {
                content.mcp = Sought::Found(first.clone());
                content.mcp_calls = calls;
            }
        }
    }

    /// The tools that they call, in order.
    pub fn tools(&self) -> impl Iterator<Item = &str> {
        self.messages.iter().filter_map(Message::tool)
    }
}

fn called(message: &Message) -> McpCall {
    McpCall { server: None, method: message.method.clone(), tool: message.tool().map(Into::into) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"send"}}"#;

    fn fields(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn whole(headers: &HeaderMap, body: &[u8]) -> Result<Option<Vec<String>>, Unreadable> {
        let mut whole = Whole::begin(headers)?;
        for piece in body.chunks(3) {
            whole.feed(piece)?;
        }
        let messages = whole.finish(headers)?;
        Ok(messages.map(|messages| messages.tools().map(str::to_owned).collect()))
    }

    #[test]
    fn a_message_is_found_coded_or_not_and_whatever_its_fields_say_of_its_kind() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(CALL.as_bytes()).unwrap();
        let coded = encoder.finish().unwrap();
        let gzip = fields(&[("content-encoding", "gzip")]);
        let text = fields(&[("content-type", "text/plain")]);
        for (headers, body) in
            [(&HeaderMap::new(), CALL.as_bytes()), (&gzip, &coded), (&text, CALL.as_bytes())]
        {
            assert_eq!(whole(headers, body), Ok(Some(vec!["send".to_owned()])));
        }
        assert_eq!(whole(&gzip, CALL.as_bytes()), Err(Unreadable::Coding));
        assert_eq!(whole(&fields(&[("content-encoding", "compress")]), b"{}"), Err(Unreadable::Coding));
    }

    #[test]
    fn what_no_reader_takes_for_a_message_is_none() {
        let none = HeaderMap::new();
        for body in [
            "",
            "  \n",
            "grant_type=refresh_token",
            "7",
            "\"tools/call\"",
            "{}",
            "[]",
            "[{}]",
            "\u{89}PNG{",
            r#"{"model":"m","method":"card","id":null}"#,
            r#"{"id":1,"ID":2}"#,
            "--boundary\r\n{\"jsonrpc\":\"2.0\"}",
        ] {
            assert_eq!(whole(&none, body.as_bytes()), Ok(None), "{body}");
            let named = whole(&fields(&[("mcp-session-id", "7")]), body.as_bytes());
            assert!(matches!(named, Err(Unreadable::Malformed(_))), "{body}: its fields say that it is one");
        }
    }

    #[test]
    fn what_some_reader_may_take_for_a_message_is_read_or_malformed() {
        let none = HeaderMap::new();
        let utf16: Vec<u8> = CALL.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = CALL.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let cut = &CALL.as_bytes()[..CALL.len() - 1];
        let several = [CALL, CALL].concat();
        for body in [
            cut,
            several.as_bytes(),
            &utf16,
            &big,
            &[b"\xef\xbb\xbf", CALL.as_bytes()].concat(),
            &[b"\xff\xfe", &utf16[..]].concat(),
            &CALL.replace("2.0", "1.0").into_bytes(),
            &CALL.replace("jsonrpc", "JsonRpc").into_bytes(),
            &CALL.replace("\"jsonrpc\":\"2.0\",", "").into_bytes(),
            &format!("[{{}},{CALL}]").into_bytes(),
            &format!("[{CALL},{{}}]").into_bytes(),
            &CALL.replace("\"id\":1", "\"id\":1,\"id\":2").into_bytes(),
        ] {
            let read = whole(&none, body);
            assert!(
                matches!(read, Err(Unreadable::Malformed(_))),
                "{read:?}: {}",
                String::from_utf8_lossy(body)
            );
        }
    }

    #[test]
    fn conditions_hear_of_one_message_or_of_each() {
        let tell = |body: &str| {
            let mut whole = Whole::begin(&HeaderMap::new()).unwrap();
            whole.feed(body.as_bytes()).unwrap();
            let mut content = Content::default();
            whole.finish(&HeaderMap::new()).unwrap().unwrap().tell(&mut content);
            content
        };
        let one = tell(CALL);
        assert_eq!((one.mcp.found().unwrap().tool.as_deref(), one.mcp_calls.len()), (Some("send"), 0));
        let ping = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;
        let two = tell(&format!("[{ping},{CALL}]"));
        assert_eq!(two.mcp.found().unwrap().method.as_deref(), Some("ping"));
        assert_eq!(two.tools_called().collect::<Vec<_>>(), ["send"]);
    }

    #[test]
    fn what_is_more_than_is_read_is_given_up() {
        let mut whole = Whole::begin(&HeaderMap::new()).unwrap();
        whole.feed(b"{\"a\":\"").unwrap();
        let piece = vec![b'x'; 1 << 20];
        for _ in 1..HELD_BODY_BYTES >> 20 {
            assert_eq!(whole.feed(&piece), Ok(1 << 20));
        }
        assert_eq!(whole.feed(&piece), Err(Unreadable::TooLarge));
    }
}
