//! What a connection says first: TLS, HTTP/1, HTTP/2 with prior knowledge, or something opaque.
//!
//! Pure: bytes in, `Hello` out. Nothing is answered and nothing is consumed; the bytes are replayed to whoever
//! serves the connection. It recognises and never judges: HTTP that no guard would pass is still HTTP here, so that
//! it is refused as HTTP and never relayed as something unknown. Read next: `tls`, `client_hello`, `http1`.

mod client_hello;
mod http1;
mod tls;
#[cfg(test)]
mod tests;

use smallvec::SmallVec;

use crate::model::manifest::resources::L4Protocol;
use crate::model::types::HostName;
use crate::model::types::limits::HELLO_BYTES;

pub use http1::connect as connect_target;

/// The first message of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hello {
    /// A complete TLS ClientHello.
    Tls(ClientHello),
    /// A complete HTTP/1 head, or a first line that is HTTP and never valid.
    Http1(Http1Hello),
    /// The HTTP/2 connection preface in plain text (RFC 9113, section 3.3).
    Http2,
    /// Bytes of no protocol known here.
    Opaque,
    /// Nothing was said: the client waits for the server.
    Silent,
    /// No connection at all but a UDP flow, into whose datagrams nobody looks.
    Datagram,
}

impl Hello {
    /// The transport that carries it.
    pub fn transport(&self) -> L4Protocol {
        if *self == Self::Datagram { L4Protocol::Udp } else { L4Protocol::Tcp }
    }
}

/// What a TLS client offers (RFC 8446, section 4.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHello {
    /// `server_name` (RFC 6066); absent where the client sent none, or an IP literal, which is no name.
    pub server_name: Option<HostName>,
    /// `application_layer_protocol_negotiation` (RFC 7301), in the client's order; empty where it was not there.
    pub alpn: SmallVec<[Alpn; 2]>,
    /// Whether `encrypted_client_hello` was there; GREASE looks the same.
    pub ech: bool,
}

impl ClientHello {
    /// Whether the client can speak this protocol. A client without ALPN speaks HTTP/1.1 or something unnamed.
    pub fn offers(&self, protocol: Alpn) -> bool {
        self.alpn.contains(&protocol)
    }
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Http1Hello {
    /// The first request's `Host`, where it is one valid name.
    pub host: Option<HostName>,
    /// Where the first request is CONNECT, in any case: the target as written, printable and at most
    /// `CONNECT_TARGET_BYTES` of it.
    pub connect: Option<Box<str>>,
}

/// What the bytes seen so far amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sniff {
    /// Still a beginning of something known.
    NeedMore,
    /// Decided; more bytes change nothing.
    Is(Hello),
    /// The bytes claim a protocol and break its rules; a sentence for the record. More bytes change nothing.
    Malformed(&'static str),
}

/// The HTTP/2 connection preface (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of an SSLv2 ClientHello that make it certain.
const SSL2_CERTAIN: usize = 11;

/// Looks at the first bytes of a connection at once. Never [`Hello::Silent`], which only a clock can tell, nor
/// [`Hello::Datagram`].
pub fn sniff(bytes: &[u8]) -> Sniff {
    Sniffer::default().look(bytes)
}

/// The same for a growing buffer: remembers how far it has looked, so that byte-by-byte arrival costs no more than
/// arrival at once.
#[derive(Debug, Default)]
pub struct Sniffer {
    stage: Stage,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Start,
    Tls(tls::Records),
    Http1(http1::Head),
    Done(Sniff),
}

impl Sniffer {
    /// Looks at everything received so far: each call gets the bytes of the call before and those that followed.
    ///
    /// At most [`HELLO_BYTES`] are looked at; a message that is not complete by then is malformed.
    pub fn look(&mut self, bytes: &[u8]) -> Sniff {
        if let Stage::Done(verdict) = &self.stage {
            return verdict.clone();
        }
        let full = bytes.len() >= HELLO_BYTES;
        let seen = &bytes[..bytes.len().min(HELLO_BYTES)];
        let mut verdict = self.step(seen);
        if full && verdict == Sniff::NeedMore {
            verdict = Sniff::Malformed("the first message is longer than 64 KiB");
        }
        if verdict != Sniff::NeedMore {
            self.stage = Stage::Done(verdict.clone());
        }
        verdict
    }

    /// The verdict when the client has said all it will: one word, which can be no request and no TLS, is opaque; any
    /// other beginning of something known is broken off.
    pub fn end(&mut self, bytes: &[u8]) -> Sniff {
        match self.look(bytes) {
            Sniff::NeedMore if http1::is_word(bytes) => Sniff::Is(Hello::Opaque),
            Sniff::NeedMore => Sniff::Malformed("the first message broke off"),
            decided => decided,
        }
    }

    fn step(&mut self, bytes: &[u8]) -> Sniff {
        if matches!(self.stage, Stage::Start) {
            self.stage = match kind(bytes) {
                Kind::Undecided => return Sniff::NeedMore,
                Kind::Certain(verdict) => return verdict,
                Kind::Tls => Stage::Tls(tls::Records::default()),
                Kind::Http1 => Stage::Http1(http1::Head::default()),
            };
        }
        match &mut self.stage {
            Stage::Tls(records) => records.look(bytes),
            Stage::Http1(head) => head.look(bytes),
            Stage::Start => Sniff::NeedMore,
            Stage::Done(verdict) => verdict.clone(),
        }
    }
}

enum Kind {
    Undecided,
    Tls,
    Http1,
    Certain(Sniff),
}

/// Which parser the first bytes belong to.
fn kind(bytes: &[u8]) -> Kind {
    let shared = bytes.len().min(PREFACE.len());
    if bytes[..shared] == PREFACE[..shared] {
        let whole = shared == PREFACE.len();
        return if whole { Kind::Certain(Sniff::Is(Hello::Http2)) } else { Kind::Undecided };
    }
    match bytes {
        // RFC 8446, section 5.1: the record's version is ignored, and real servers take any below 0x1000. What one of
        // them would take for TLS must not pass as something else.
        [tls::HANDSHAKE] => Kind::Undecided,
        [tls::HANDSHAKE, 0..=15, ..] => Kind::Tls,
        // An alert or a change of cipher is TLS, and nothing that a connection can begin with.
        [tls::ALERT | tls::CHANGE_CIPHER_SPEC] => Kind::Undecided,
        [tls::ALERT | tls::CHANGE_CIPHER_SPEC, 3, 0..=4, ..] => {
            Kind::Certain(Sniff::Malformed("TLS does not begin with a ClientHello"))
        }
        [tls::ALERT | tls::CHANGE_CIPHER_SPEC, 3] => Kind::Undecided,
        [0x80..=0xff, ..] => ssl2(bytes),
        [first, ..] if http1::may_begin(*first) => Kind::Http1,
        _ => Kind::Certain(Sniff::Is(Hello::Opaque)),
    }
}

/// A ClientHello in the framing of SSL 2.0 (RFC 5246, appendix E.2) is forbidden since RFC 6176 and names no server,
/// so it is refused rather than relayed as something unknown. Everything in its fixed part must fit, because other
/// protocols begin with bytes above 127 too.
fn ssl2(bytes: &[u8]) -> Kind {
    let at = |index: usize| bytes.get(index).copied().map(usize::from);
    let word = |index: usize| Some((at(index)? << 8) | at(index + 1)?);
    let fits = [
        at(2).is_none_or(|kind| kind == 1),
        word(3).is_none_or(|version| matches!(version, 0x0002 | 0x0300..=0x0304)),
        word(5).is_none_or(|ciphers| ciphers > 0 && ciphers % 3 == 0),
        word(7).is_none_or(|session| matches!(session, 0 | 16)),
        word(9).is_none_or(|challenge| (16..=32).contains(&challenge)),
    ];
    if fits.contains(&false) {
        return Kind::Certain(Sniff::Is(Hello::Opaque));
    }
    if bytes.len() < SSL2_CERTAIN {
        return Kind::Undecided;
    }
    let parts = word(5).zip(word(7)).zip(word(9)).map(|((a, b), c)| 9 + a + b + c);
    if word(0).map(|length| length & 0x7fff) == parts {
        return Kind::Certain(Sniff::Malformed("the ClientHello has the framing of SSL 2.0"));
    }
    Kind::Certain(Sniff::Is(Hello::Opaque))
}
