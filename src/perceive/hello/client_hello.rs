//! The body of a ClientHello (RFC 8446, section 4.1.2): server name, ALPN and whether ECH is there.
//!
//! Total and strict where a reader could be made to see another name than the server does: lengths must fit exactly,
//! no extension comes twice, and a server name is one valid name. Everything else is left to the TLS library.

use smallvec::SmallVec;

use super::{Alpn, ClientHello};
use crate::model::types::HostName;
use crate::model::types::host::HostNameError;
use crate::model::types::limits::{HELLO_ALPN, HELLO_EXTENSIONS};

/// `server_name` (RFC 6066, section 3).
const SERVER_NAME: u16 = 0;
/// `application_layer_protocol_negotiation` (RFC 7301).
const ALPN: u16 = 16;
/// `encrypted_client_hello` (RFC 9849).
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
/// Bytes of the client's random.
const RANDOM: usize = 32;
/// Longest session id.
const SESSION_ID: usize = 32;

const SHORT: &str = "a length in the ClientHello does not fit";
const BAD_NAME: &str = "the server name in the ClientHello is not one valid host name";
const BAD_ALPN: &str = "the protocols offered in the ClientHello (ALPN) are not a valid list";

/// Reads the body of a ClientHello, without the handshake header.
pub(super) fn parse(body: &[u8]) -> Result<ClientHello, &'static str> {
    let mut reader = Reader(body);
    // The client's version is 3.x in every version of TLS; which minor one is the library's affair.
    if reader.take(2)?[0] != 3 {
        return Err("the ClientHello has an unknown version");
    }
    reader.take(RANDOM)?;
    if reader.vector8()?.len() > SESSION_ID {
        return Err("the session id in the ClientHello is too long");
    }
    let ciphers = reader.vector16()?;
    if ciphers.is_empty() || ciphers.len() % 2 != 0 || reader.vector8()?.is_empty() {
        return Err(SHORT);
    }
    let mut hello = ClientHello { server_name: None, alpn: SmallVec::new(), ech: false };
    // TLS 1.2 and older allow a ClientHello without any extensions (RFC 5246, section 7.4.1.2).
    if reader.0.is_empty() {
        return Ok(hello);
    }
    let mut extensions = Reader(reader.vector16()?);
    reader.finish()?;
    let mut seen: SmallVec<[u16; 32]> = SmallVec::new();
    while !extensions.0.is_empty() {
        let kind = extensions.word()?;
        let content = extensions.vector16()?;
        if seen.contains(&kind) {
            return Err("an extension comes twice in the ClientHello");
        }
        if seen.len() == HELLO_EXTENSIONS {
            return Err("the ClientHello has more than 256 extensions");
        }
        seen.push(kind);
        match kind {
            SERVER_NAME => hello.server_name = server_name(content)?,
            ALPN => hello.alpn = protocols(content)?,
            ENCRYPTED_CLIENT_HELLO => hello.ech = true,
            _ => {}
        }
    }
    Ok(hello)
}

/// RFC 6066, section 3: one name of type `host_name`, the only type there is, in A-labels. An IP literal is not
/// permitted there, but common in clients that connect to addresses; it counts as no name.
fn server_name(content: &[u8]) -> Result<Option<HostName>, &'static str> {
    let mut reader = Reader(content);
    let mut list = Reader(reader.vector16().map_err(|_| BAD_NAME)?);
    reader.finish().map_err(|_| BAD_NAME)?;
    if list.take(1).map_err(|_| BAD_NAME)? != [0] {
        return Err(BAD_NAME);
    }
    let name = list.vector16().map_err(|_| BAD_NAME)?;
    list.finish().map_err(|_| BAD_NAME)?;
    let text = std::str::from_utf8(name).ok().filter(|text| text.is_ascii()).ok_or(BAD_NAME)?;
    match HostName::parse(text) {
        Ok(name) => Ok(Some(name)),
        Err(HostNameError::Address) => Ok(None),
        Err(_) if text.parse::<std::net::Ipv6Addr>().is_ok() => Ok(None),
        Err(_) => Err(BAD_NAME),
    }
}

/// RFC 7301, section 3.1: at least one protocol, none of them empty.
fn protocols(content: &[u8]) -> Result<SmallVec<[Alpn; 2]>, &'static str> {
    let mut reader = Reader(content);
    let mut list = Reader(reader.vector16().map_err(|_| BAD_ALPN)?);
    reader.finish().map_err(|_| BAD_ALPN)?;
    let mut offered = SmallVec::new();
    while !list.0.is_empty() {
        if offered.len() == HELLO_ALPN {
            return Err(BAD_ALPN);
        }
        offered.push(match list.vector8().map_err(|_| BAD_ALPN)? {
            b"" => return Err(BAD_ALPN),
            b"h2" => Alpn::H2,
            b"http/1.1" => Alpn::Http11,
            _ => Alpn::Other,
        });
    }
    if offered.is_empty() { Err(BAD_ALPN) } else { Ok(offered) }
}

/// What is left to read. Every step checks its bounds.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    fn word(&mut self) -> Result<u16, &'static str> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A vector whose length stands in one byte.
    fn vector8(&mut self) -> Result<&'a [u8], &'static str> {
        let length = self.take(1)?[0];
        self.take(usize::from(length))
    }

    /// A vector whose length stands in two bytes.
    fn vector16(&mut self) -> Result<&'a [u8], &'static str> {
        let length = self.word()?;
        self.take(usize::from(length))
    }

    fn finish(&self) -> Result<(), &'static str> {
        if self.0.is_empty() { Ok(()) } else { Err(SHORT) }
    }
}
