//! What a condition is judged against: borrowed from whoever asks, read only where the condition names it.
//!
//! `model` knows no request and no connection; the stages that have one lend it through `RequestFacts`. Read next:
//! `evaluate.rs`.

use std::borrow::Cow;
use std::net::IpAddr;

use super::content::{AiCall, Content, McpCall, Sought, Usage};
use crate::model::types::address::embedded;
use crate::model::types::{AgentProfile, HostName, Timestamp};

/// The facts of one question.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// Who asks.
    pub agent: &'a AgentProfile,
    /// For what.
    pub destination: Destination<'a>,
    /// The request; none while only a name or a connection is judged.
    pub request: Option<&'a dyn RequestFacts>,
    /// What the request carries; none as long as nobody has read it.
    pub content: Option<&'a Content>,
    /// What the agent has used up; none where nobody counts.
    pub usage: Option<&'a Usage>,
    /// When, for `time`.
    pub at: Timestamp,
}

impl<'a> Facts<'a> {
    /// The same with each IPv4 address inside the destination in its place: a translator leads there, so what refuses it is asked
    /// about it as well.
    pub fn inside(self) -> impl Iterator<Item = Self> {
        let inner = self.destination.address.map(embedded).unwrap_or_default().into_iter();
        inner.map(move |inner| Self {
            destination: Destination { address: Some(inner.into()), ..self.destination },
            ..self
        })
    }

    /// The call of a model that the request is, where it is one.
    pub(super) fn ai(&self) -> Option<&'a AiCall> {
        self.content.map(|content| &content.ai).and_then(Sought::found)
    }

    /// The call of a tool that the request is, where it is one.
    pub(super) fn mcp(&self) -> Option<&'a McpCall> {
        self.content.map(|content| &content.mcp).and_then(Sought::found)
    }
}

/// Where the agent wants to go, as far as it is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Destination<'a> {
    /// The name that is believed; none where a connection has no name.
    pub host: Option<&'a HostName>,
    /// The address; none while a name is looked up, and where the gateway will dial its own answer for it.
    pub address: Option<IpAddr>,
    /// The port; none while a name is looked up.
    pub port: Option<u16>,
}

/// A query parameter as it is read: its name, and its value where that is text.
pub type Parameter<'a> = (Cow<'a, str>, Option<Cow<'a, str>>);

/// One request in its canonical form.
pub trait RequestFacts {
    /// The method, such as `GET`.
    fn method(&self) -> &str;
    /// The canonical path without the query.
    fn path(&self) -> &str;
    /// `http` or `https`.
    fn scheme(&self) -> &str;
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    fn protocol(&self) -> &str;
    /// Bytes of the body, where the head says so.
    fn content_length(&self) -> Option<u64>;
    /// Name and value of each header field in order, names in lower case.
    fn headers(&self) -> Box<dyn Iterator<Item = (&str, &[u8])> + '_>;
    /// Bytes of the query as it was sent: what reading its parameters costs, each time anew.
    fn query_bytes(&self) -> usize;
    /// Decoded name and value of each query parameter in order; no value where it is not UTF-8.
    fn query(&self) -> Box<dyn Iterator<Item = Parameter<'_>> + '_>;
}
