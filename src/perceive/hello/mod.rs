//! What a connection says first: TLS, HTTP/1, HTTP/2 with prior knowledge, or something opaque.
//!
//! Pure: bytes in, `Hello` out. Nothing is answered and nothing is consumed; the bytes are replayed to whoever
//! serves the connection.

use smallvec::SmallVec;

use crate::model::types::HostName;

/// The first message of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hello {
    /// A complete TLS ClientHello.
    Tls(ClientHello),
    /// A complete HTTP/1 head.
    Http1(Http1Hello),
    /// The HTTP/2 connection preface in plain text (RFC 9113, section 3.3).
    Http2,
    /// Bytes of no protocol known here.
    Opaque,
    /// Nothing was said: the client waits for the server.
    Silent,
}

/// What a TLS client offers (RFC 8446, section 4.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHello {
    /// `server_name` (RFC 6066); absent where the client sent none.
    pub server_name: Option<HostName>,
    /// `application_layer_protocol_negotiation` (RFC 7301), in the client's order.
    pub alpn: SmallVec<[Alpn; 2]>,
    /// Whether `encrypted_client_hello` was there; GREASE looks the same.
    pub ech: bool,
}

/// A protocol offered in ALPN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// `h2`.
    H2,
    /// `http/1.1`.
    Http11,
    /// Anything else.
    Other,
}

/// What is known of a plain HTTP/1 connection before it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http1Hello {
    /// The first request's `Host`, where it is one valid name.
    pub host: Option<HostName>,
}
