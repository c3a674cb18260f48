//! The byte guard for HTTP/1 framing, and the one canonical view of a request.
//!
//! [`Request`] is the proof that a request names whom its connection may speak for. Policy, records and forwarding
//! all read it, so none of them can see another request than the others. Pure: it resolves, sends and stores nothing.
//! Read next: `guard`, `hop_by_hop`.

mod target;
mod query;
mod methods;
mod cookies;
mod dns;
mod facts;
pub mod guard;
pub mod hop_by_hop;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Version};

pub use guard::Guard;

use methods::Methods;

use crate::model::types::limits::HEAD_FIELDS;
use crate::model::types::path::{canonical_path, has_dot_segments};
use crate::model::types::{AgreedName, Authority, AuthorityError, Denial, Host, HostName, Reason, Scheme};

/// Digits of the largest Content-Length, as in the guard.
const LENGTH_DIGITS: usize = 18;
/// Characters of what a request claimed that are kept as evidence.
const EVIDENCE: usize = 256;

/// One request as every stage sees it. Made by [`Request::read`] alone.
#[derive(Debug)]
#[must_use]
pub struct Request<'h> {
    head: &'h Parts,
    method: &'h Method,
    /// Those by which servers may take it besides.
    others: Methods,
    scheme: Scheme,
    host: Host,
    port: u16,
    authority: Cow<'h, str>,
    path: Cow<'h, str>,
    target: Cow<'h, str>,
    content_length: Option<u64>,
}

impl<'h> Request<'h> {
    /// Reads the head of an HTTP/1 request that the guard has passed, or of an HTTP/2 request. Strip it first
    /// ([`hop_by_hop::strip_request`]).
    ///
    /// # Errors
    /// `protocol.malformed` where the head leaves doubt about what is asked and of whom; `name.mismatch` where it
    /// names another host, port or scheme than its connection is for.
    pub fn read(agreed: &AgreedName, head: &'h Parts) -> Result<Self, Denial> {
        if !matches!(head.version, Version::HTTP_10 | Version::HTTP_11 | Version::HTTP_2) {
            return Err(malformed("The HTTP version is not 1.0, 1.1 or 2.", &format!("{:?}", head.version)));
        }
        if head.method == Method::CONNECT {
            return Err(connect(head));
        }
        if !target::is_method(head.method.as_str().as_bytes()) {
            return Err(malformed("The method is not in capital letters.", head.method.as_str()));
        }
        if head.version == Version::HTTP_2 {
            http2_fields(&head.headers)?;
        }
        let authority = authority(agreed, head)?;
        let (path, target) = path_and_target(head)?;
        Ok(Self {
            head,
            method: &head.method,
            others: methods::asked_for(head)?,
            scheme: agreed.scheme(),
            port: agreed.port(),
            host: authority.host,
            authority: authority.text,
            path,
            target,
            content_length: content_length(&head.headers)?,
        })
    }

    /// The method, in capital letters.
    pub fn method(&self) -> &'h Method {
        self.method
    }

    /// Further methods by which servers may take it, because a field or a parameter asks for them.
    pub fn other_methods(&self) -> &[Method] {
        &self.others
    }

    /// The same request, taken by one of those.
    pub fn taken_as<'m>(&'m self, method: &'m Method) -> Request<'m> {
        Request {
            head: self.head,
            method,
            others: Methods::new(),
            scheme: self.scheme,
            host: self.host.clone(),
            port: self.port,
            authority: Cow::Borrowed(&self.authority),
            path: Cow::Borrowed(&self.path),
            target: Cow::Borrowed(&self.target),
            content_length: self.content_length,
        }
    }

    /// HTTP/1.0, HTTP/1.1 or HTTP/2.
    pub fn version(&self) -> Version {
        self.head.version
    }

    /// The scheme of the connection.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whom the request is for: a name, or an IP literal on a connection for which no name is known.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The name, unless the host is an IP literal.
    pub fn name(&self) -> Option<&HostName> {
        match &self.host {
            Host::Name(name) => Some(name),
            Host::Address(_) => None,
        }
    }

    /// The port the connection was made to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What to forward as `Host` or `:authority`: the agent's own spelling, because signatures may cover it; the
    /// canonical one where it was not ASCII.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The canonical path, without the query; `*` for OPTIONS of a whole server. What policy compares and records
    /// show.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What to forward as path and query: the agent's own bytes, but with the canonical path where the agent's has
    /// dot segments, which servers resolve at different times.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The query as sent, without the question mark.
    pub fn query(&self) -> Option<&'h str> {
        self.head.uri.query()
    }

    /// Decoded name and value of each query parameter, in order. What does not decode to UTF-8 stays encoded.
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'h, str>, Cow<'h, str>)> {
        query::pairs(self.query().unwrap_or(""))
    }

    /// The first value of a field, in any case of its name.
    pub fn header(&self, name: &str) -> Option<&'h [u8]> {
        self.head.headers.get(name).map(HeaderValue::as_bytes)
    }

    /// All values of a field, in order.
    pub fn header_values(&self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        self.head.headers.get_all(name).iter().map(HeaderValue::as_bytes)
    }

    /// All fields.
    pub fn headers(&self) -> &'h HeaderMap {
        &self.head.headers
    }

    /// Bytes of the body, where the head says so.
    pub fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// By which of its own words this is a DNS query (RFC 8484, RFC 9230, and the JSON form of public resolvers); none
    /// where it is not one.
    pub fn dns_words(&self) -> Option<String> {
        dns::words(&self.head.headers, self.query())
    }

    /// Whether this is a gRPC call (`application/grpc`, `application/grpc+proto` and so on).
    pub fn is_grpc(&self) -> bool {
        let value = self.head.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let (kind, rest) = value.split_at(value.len().min(16));
        kind.eq_ignore_ascii_case(b"application/grpc")
            && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
    }
}

/// What HTTP/2 libraries let pass and readers take differently: blanks around a value, which HTTP/1 trims away
/// (RFC 9113, section 8.2.1), and more fields than the guard allows in HTTP/1.
fn http2_fields(headers: &HeaderMap) -> Result<(), Denial> {
    if headers.len() > HEAD_FIELDS {
        return Err(malformed("The request has more fields than the gateway allows.", ""));
    }
    // Servers behind HTTP/1 know no difference, as the guard says there.
    if headers.keys().any(|name| matches!(name.as_str(), "content_length" | "transfer_encoding")) {
        return Err(malformed(guard::Refusal::Underscore.sentence(), ""));
    }
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    match headers.iter().find(|(_, value)| blank(value.as_bytes().first()) || blank(value.as_bytes().last()))
    {
        Some((name, _)) => Err(malformed("A field value begins or ends with a blank.", name.as_str())),
        None => Ok(()),
    }
}

/// The authority of a request that agrees with its connection.
struct Agreed<'h> {
    host: Host,
    text: Cow<'h, str>,
}

/// Finds the one authority of a request and holds it against the connection's.
///
/// A missing port is taken for the connection's own: many clients leave it out, and it adds no doubt about whom the
/// request is for. A written port must be the connection's.
fn authority<'h>(agreed: &AgreedName, head: &'h Parts) -> Result<Agreed<'h>, Denial> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let (field, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(malformed("The request has more than one Host.", ""));
    }
    let field = field.map(|value| (value.as_bytes(), "Host"));
    let from_target = head.uri.authority().map(|authority| (authority.as_str().as_bytes(), "target"));
    let Some((bytes, place)) = from_target.or(field) else {
        return Err(malformed("The request does not say which host it is for.", ""));
    };
    let parsed = parse_authority(bytes, place)?;
    if let (Some(_), Some((other, place))) = (from_target, field) {
        let other_parsed = parse_authority(other, place)?;
        let port = |authority: &Authority| authority.port.unwrap_or(agreed.scheme().default_port());
        if other_parsed.host != parsed.host || port(&other_parsed) != port(&parsed) {
            let what = format!("target names {parsed}, Host names {other_parsed}");
            return Err(mismatch(agreed, &parsed, what));
        }
    }
    if let Some(scheme) = head.uri.scheme_str()
        && !scheme.eq_ignore_ascii_case(agreed.scheme().as_str())
    {
        let what = format!("target has scheme {}, connection is {}", cut(scheme), agreed.scheme().as_str());
        return Err(mismatch(agreed, &parsed, what));
    }
    if !agreed.covers(&parsed.host) || parsed.port.is_some_and(|port| port != agreed.port()) {
        let what =
            format!("{place} names {parsed}, connection is for {}:{}", agreed.subject(), agreed.port());
        return Err(mismatch(agreed, &parsed, what));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Cow::Borrowed(text),
        _ => Cow::Owned(parsed.to_string()),
    };
    Ok(Agreed { host: parsed.host, text })
}

fn parse_authority(bytes: &[u8], place: &str) -> Result<Authority, Denial> {
    Authority::parse(bytes).map_err(|error| {
        let sentence = match error {
            AuthorityError::Userinfo => "The request carries user information in front of its host.",
            AuthorityError::Port => "The port of the request's host is not a number from 1 to 65535.",
            AuthorityError::Host(_) => "The request's host is not one valid host name or address.",
        };
        // What stands before an `@` may be a password.
        let shown = bytes.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
        malformed(sentence, &format!("{place}: {}", String::from_utf8_lossy(shown)))
    })
}

/// The canonical path, and what to forward.
fn path_and_target(head: &Parts) -> Result<(Cow<'_, str>, Cow<'_, str>), Denial> {
    let raw = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let path = head.uri.path();
    if path == "*" {
        return if head.method == Method::OPTIONS {
            Ok((Cow::Borrowed("*"), Cow::Borrowed("*")))
        } else {
            Err(malformed("The request target `*` goes with OPTIONS alone.", head.method.as_str()))
        };
    }
    // Queries carry secrets: they are in no record.
    let shown = raw.split('?').next().unwrap_or_default();
    if !target::is_path_and_query(raw.as_bytes()) {
        return Err(malformed("The request target holds a character that must be percent-encoded.", shown));
    }
    let canonical =
        canonical_path(path).map_err(|error| malformed(&format!("The request path {error}."), shown))?;
    // An absolute-form may have a query and no path; its path is `/` then.
    if raw.starts_with('/') && !has_dot_segments(path) {
        return Ok((canonical, Cow::Borrowed(raw)));
    }
    let target = match head.uri.query() {
        Some(query) => format!("{canonical}?{query}"),
        None => canonical.clone().into_owned(),
    };
    Ok((canonical, Cow::Owned(target)))
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Denial> {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or("");
    let plain =
        !text.is_empty() && text.len() <= LENGTH_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = plain && (text == "0" || !text.starts_with('0'));
    match text.parse() {
        Ok(length) if plain && values.next().is_none() => Ok(Some(length)),
        _ => Err(malformed("The Content-Length is not one plain decimal number.", text)),
    }
}

/// CONNECT, but for the WebSocket that was taken out before (RFC 8441).
fn connect(head: &Parts) -> Denial {
    let detail = "CONNECT leads on to a host that is not judged here. Nothing of this request was sent. Connect to that host \
                  itself.";
    Denial::built_in(Reason::ProtocolConnect, detail).seen(cut(&format!("CONNECT {}", head.uri)))
}

fn malformed(sentence: &str, seen: &str) -> Denial {
    let denial = Denial::built_in(
        Reason::ProtocolMalformed,
        format!("{sentence} Nothing of this request was sent. Correct it and send it again."),
    );
    if seen.is_empty() { denial } else { denial.seen(cut(seen)) }
}

fn mismatch(agreed: &AgreedName, claimed: &Authority, seen: String) -> Denial {
    Denial::built_in(
        Reason::NameMismatch,
        format!(
            "The request is for {} and its connection is for {}:{}. Send it on a connection of its own, opened to the \
             host that it names.",
            cut(&claimed.to_string()),
            agreed.subject(),
            agreed.port(),
        ),
    )
    .seen(cut(&seen))
}

/// A bounded copy for evidence.
fn cut(text: &str) -> String {
    text.chars().take(EVIDENCE).collect()
}
