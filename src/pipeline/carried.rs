//! What a body that is held is read for: calls of models, and messages to servers of tools. Both may be sought in the same one.
//!
//! Read next: `perceive/protocol/ai/whole.rs`, `perceive/protocol/mcp/whole.rs`.

use http::HeaderMap;

use crate::model::condition::{Content, Sought};
use crate::model::types::limits::HELD_BODY_BYTES;
use crate::model::types::{Denial, Reason};
use crate::perceive::protocol::ai::{self, Call, Endpoint};
use crate::perceive::protocol::mcp::{self, Messages};

/// Reads one body for all who ask.
#[derive(Debug)]
pub struct Readers<'h> {
    model: Option<ai::Whole>,
    tools: Option<mcp::Whole>,
    headers: &'h HeaderMap,
}

/// What was found in it.
#[derive(Debug, Default)]
pub struct Carried {
    /// For conditions.
    pub content: Content,
    /// For whoever counts, and for the record.
    pub call: Option<Call>,
    /// For whoever answers in the place of a server, and for the record.
    pub messages: Option<Messages>,
}

impl<'h> Readers<'h> {
    /// Of a request with these fields: as a call of this endpoint, where it may be one; for tools, where somebody asks.
    ///
    /// # Errors
    /// Its coding is not known.
    pub fn begin(endpoint: Option<Endpoint>, tools: bool, headers: &'h HeaderMap) -> Result<Self, Denial> {
        let model = endpoint.map(|endpoint| ai::Whole::begin(endpoint, headers)).transpose();
        let tools = tools.then(|| mcp::Whole::begin(headers)).transpose();
        Ok(Self { model: model.map_err(of_model)?, tools: tools.map_err(of_tools)?, headers })
    }

    /// Reads on, and answers to how many bytes these were decoded. After an error nothing more may be fed.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<u64, Denial> {
        let model = self.model.as_mut().map_or(Ok(0), |model| model.feed(bytes)).map_err(of_model)?;
        let tools = self.tools.as_mut().map_or(Ok(0), |tools| tools.feed(bytes)).map_err(of_tools)?;
        Ok(model + tools)
    }

    /// The body is over.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn finish(self) -> Result<Carried, Denial> {
        let mut carried = Carried::default();
        if let Some(model) = self.model {
            (carried.content.ai, carried.call) = model.finish().map_err(of_model)?;
        }
        if let Some(tools) = self.tools {
            carried.messages = tools.finish(self.headers).map_err(of_tools)?;
            match &carried.messages {
                Some(messages) => messages.tell(&mut carried.content),
                None => carried.content.mcp = Sought::Absent,
            }
        }
        Ok(carried)
    }
}

/// More than is read.
pub fn too_large() -> Denial {
    let most = HELD_BODY_BYTES >> 20;
    let detail = format!("The body has to be read before this is decided on, and has more than {most} MiB.");
    Denial::built_in(Reason::ProtocolTooLarge, detail)
}

fn of_model(why: ai::Unreadable) -> Denial {
    match why {
        ai::Unreadable::TooLarge => too_large(),
        ai::Unreadable::Coding => coded(),
        ai::Unreadable::Malformed(what) => malformed(&what.to_string()),
    }
}

fn of_tools(why: mcp::Unreadable) -> Denial {
    match why {
        mcp::Unreadable::TooLarge => too_large(),
        mcp::Unreadable::Coding => coded(),
        mcp::Unreadable::Malformed(what) => malformed(&what.to_string()),
    }
}

fn coded() -> Denial {
    let why = "and its content coding cannot be undone. Send it without one.";
    let detail = format!("The body has to be read before this is decided on, {why}");
    Denial::built_in(Reason::ProtocolMalformed, detail)
}

fn malformed(what: &str) -> Denial {
    let detail = format!("What is asked cannot be told: {what}. Nothing was sent to the destination.");
    Denial::built_in(Reason::ProtocolMalformed, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::types::Provider;

    #[test]
    fn what_cannot_be_read_is_told_in_words_that_help() {
        let large = of_model(ai::Unreadable::TooLarge);
        assert_eq!((large.reason, large.status()), (Reason::ProtocolTooLarge, 413));
        assert!(large.detail.contains("more than 32 MiB"), "{}", large.detail);
        let twice = of_model(ai::Unreadable::Malformed(ai::Malformed::Again("model")));
        assert_eq!((twice.reason, twice.status()), (Reason::ProtocolMalformed, 400));
        assert!(twice.detail.contains("names `model` twice"), "{}", twice.detail);
        let other = of_tools(mcp::Unreadable::Malformed(mcp::Malformed::FieldDisagrees("Mcp-Name")));
        assert_eq!((other.reason, other.status()), (Reason::ProtocolMalformed, 400));
        assert!(other.detail.contains("`Mcp-Name` does not say what the body says"), "{}", other.detail);
    }

    #[test]
    fn one_body_is_read_for_models_and_for_tools() {
        let body =
            br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"send"},"model":"gpt-4o"}"#;
        let endpoint = Endpoint::read(Provider::OpenAi, &http::Method::POST, "/v1/images/generations");
        let headers = HeaderMap::new();
        let mut readers = Readers::begin(Some(endpoint), true, &headers).unwrap();
        for piece in body.chunks(7) {
            readers.feed(piece).unwrap();
        }
        let carried = readers.finish().unwrap();
        assert_eq!(carried.content.ai.found().unwrap().model.as_deref(), Some("gpt-4o"));
        assert_eq!(carried.content.mcp.found().unwrap().tool.as_deref(), Some("send"));
        assert_eq!(carried.messages.unwrap().waiting().ids.len(), 1);
    }
}
