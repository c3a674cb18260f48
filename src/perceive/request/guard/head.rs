//! One request head, line by line: everything about it that decides where the message ends or whom it is for.
//!
//! Reads each byte once however slowly they come; holds offsets and no bytes. A head is valid as a whole or refused.

use std::ops::Range;

use crate::model::types::limits::{
    CONNECTION_OPTIONS, FIELD_LINE_BYTES, HEAD_BYTES, HEAD_FIELDS, METHOD_BYTES, REQUEST_LINE_BYTES,
};
use crate::model::types::{Authority, AuthorityError, Scheme};
use crate::perceive::framing::line::{self, Bound};
use crate::perceive::framing::refusal::Refusal;
use crate::perceive::request::target::{self, Form};

/// Methods of RTSP (RFC 7826, section 13, and RFC 2326) that HTTP does not have.
const RTSP: [&[u8]; 10] = [
    b"ANNOUNCE",
    b"DESCRIBE",
    b"GET_PARAMETER",
    b"PAUSE",
    b"PLAY",
    b"RECORD",
    b"REDIRECT",
    b"SETUP",
    b"SET_PARAMETER",
    b"TEARDOWN",
];

/// What follows a valid head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Valid {
    /// Bytes of the head.
    pub(super) length: usize,
    /// How its body is framed.
    pub(super) body: Body,
    /// Whether it asks to leave HTTP/1.
    pub(super) upgrade: bool,
    /// Whether it is the last request of its connection.
    pub(super) last: bool,
}

/// How a body is framed (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// This many bytes, perhaps none.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// A head that is being read. All offsets count from its first byte.
#[derive(Debug, Default)]
pub(super) struct Head {
    line_start: usize,
    scanned: usize,
    fields: usize,
    target: Option<Target>,
    host: Option<Range<usize>>,
    length: Option<u64>,
    framing: Framing,
}

/// What the request line said.
#[derive(Debug)]
struct Target {
    /// The authority of an absolute-form, and its scheme.
    authority: Option<(Range<usize>, Scheme)>,
    old: bool,
}

/// What fields said about the message and the connection.
#[derive(Debug, Default)]
struct Framing {
    chunked: bool,
    expect: bool,
    upgrade_field: bool,
    upgrade_option: bool,
    close: bool,
    keep_alive: bool,
    options: usize,
}

impl Head {
    /// Whether nothing has been read yet.
    pub(super) fn is_new(&self) -> bool {
        self.scanned == 0
    }

    /// Reads on. `bytes` begins with the head's first byte each time. Nothing while the head is not whole.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Option<Valid>, Refusal> {
        loop {
            let (start, bound) = (self.line_start, self.bound());
            let Some(line) = line::next_line(bytes, start, &mut self.scanned, bound)? else {
                return Ok(None);
            };
            self.line_start = self.scanned;
            if self.target.is_none() {
                self.target = Some(request_line(line, start)?);
            } else if line.is_empty() {
                return self.finish(bytes).map(Some);
            } else {
                self.field(line, start)?;
            }
        }
    }

    /// Where the line that begins at `line_start` must end.
    fn bound(&self) -> Bound {
        let longest = if self.target.is_none() { REQUEST_LINE_BYTES } else { FIELD_LINE_BYTES };
        let end = self.line_start + longest;
        if end <= HEAD_BYTES {
            Bound { end, refusal: Refusal::LineTooLong }
        } else {
            Bound { end: HEAD_BYTES, refusal: Refusal::HeadTooLarge }
        }
    }

    fn field(&mut self, line: &[u8], start: usize) -> Result<(), Refusal> {
        let (name, value) = line::field(line)?;
        self.fields += 1;
        if self.fields > HEAD_FIELDS {
            return Err(Refusal::TooManyFields);
        }
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match name.len() {
            4 if is(b"host") => {
                let end = line.trim_ascii_end().len();
                let value_start = start + end - value.len();
                if self.host.replace(value_start..start + end).is_some() {
                    return Err(Refusal::HostRepeated);
                }
            }
            6 if is(b"expect") => {
                let known = value.eq_ignore_ascii_case(b"100-continue");
                if !known || std::mem::replace(&mut self.framing.expect, true) {
                    return Err(Refusal::Expect);
                }
            }
            7 if is(b"upgrade") => self.framing.upgrade_field = true,
            10 if is(b"connection") => self.framing.options(value)?,
            14 if is(b"content-length") => {
                let before = self.length.replace(line::content_length(value)?);
                if before.is_some() {
                    return Err(Refusal::ContentLengthRepeated);
                }
            }
            17 if is(b"transfer-encoding") => {
                let known = value.eq_ignore_ascii_case(b"chunked");
                if !known || std::mem::replace(&mut self.framing.chunked, true) {
                    return Err(Refusal::TransferEncoding);
                }
            }
            // Servers that keep fields as variables (RFC 3875, section 4.1.18) know no difference.
            14 | 17 if is_underscored(name) => return Err(Refusal::Underscore),
            _ => {}
        }
        Ok(())
    }

    /// What only the whole head can tell.
    fn finish(&self, bytes: &[u8]) -> Result<Valid, Refusal> {
        let target = self.target.as_ref().ok_or(Refusal::RequestLine)?;
        // HTTP/1.0 may go without Host, but then nothing says whom the request is for.
        let host = self.host.clone().ok_or(Refusal::HostMissing)?;
        let host = Authority::parse(&bytes[host]).map_err(|error| match error {
            AuthorityError::Userinfo => Refusal::Userinfo,
            _ => Refusal::HostInvalid,
        })?;
        if let Some((range, scheme)) = &target.authority {
            let claimed = Authority::parse(&bytes[range.clone()]).map_err(|error| match error {
                AuthorityError::Userinfo => Refusal::Userinfo,
                _ => Refusal::TargetForm,
            })?;
            let port = |authority: &Authority| authority.port.unwrap_or(scheme.default_port());
            if claimed.host != host.host || port(&claimed) != port(&host) {
                return Err(Refusal::HostDisagrees);
            }
        }
        let framing = &self.framing;
        let body = match (framing.chunked, self.length) {
            (true, Some(_)) => return Err(Refusal::BothLengths),
            (true, None) if target.old => return Err(Refusal::TransferEncodingOld),
            (true, None) => Body::Chunked,
            (false, length) => Body::Length(length.unwrap_or(0)),
        };
        Ok(Valid {
            length: self.scanned,
            body,
            // RFC 9110, section 7.8: Upgrade without the option, or in HTTP/1.0, is ignored.
            upgrade: framing.upgrade_field && framing.upgrade_option && !target.old,
            last: framing.close || (target.old && !framing.keep_alive),
        })
    }
}

impl Framing {
    /// The options of one `Connection` field (RFC 9110, section 7.6.1).
    fn options(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for option in value.split(|byte| *byte == b',').map(line::trim) {
            self.options += 1;
            if self.options > CONNECTION_OPTIONS || !option.iter().all(|byte| line::is_token(*byte)) {
                return Err(Refusal::Connection);
            }
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.upgrade_option |= option.eq_ignore_ascii_case(b"upgrade");
        }
        Ok(())
    }
}

/// `METHOD SP target SP HTTP/1.x` (RFC 9112, section 3). `start` is where the line begins in the head.
fn request_line(line: &[u8], start: usize) -> Result<Target, Refusal> {
    if line::has_control(line) {
        return Err(Refusal::Control);
    }
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(raw), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::RequestLine);
    };
    if method.is_empty() || raw.is_empty() {
        return Err(Refusal::RequestLine);
    }
    // Methods are case-sensitive, and some servers take `get` for GET: policy and server would not agree.
    if method.len() > METHOD_BYTES || !target::is_method(method) {
        return Err(Refusal::Method);
    }
    let old = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ => return Err(Refusal::Version),
    };
    if method == b"CONNECT" {
        return Err(Refusal::Connect);
    }
    if RTSP.contains(&method) {
        return Err(Refusal::Rtsp);
    }
    let offset = start + method.len() + 1;
    let authority = match target::form(raw) {
        None => return Err(Refusal::TargetForm),
        Some(Form::Asterisk) if method != b"OPTIONS" => return Err(Refusal::Asterisk),
        Some(Form::Asterisk) => None,
        Some(Form::Origin) => {
            check_target(raw)?;
            None
        }
        Some(Form::Absolute { scheme, authority }) => {
            check_target(&raw[authority.end..])?;
            Some((authority.start + offset..authority.end + offset, scheme))
        }
    };
    Ok(Target { authority, old })
}

fn check_target(raw: &[u8]) -> Result<(), Refusal> {
    if target::is_path_and_query(raw) { Ok(()) } else { Err(Refusal::Target) }
}

/// Whether this is a name that frames messages, with an underscore in it.
fn is_underscored(name: &[u8]) -> bool {
    let alike = |known: &[u8]| {
        let same = |(a, b): (&u8, &u8)| a.eq_ignore_ascii_case(b) || (*a == b'_' && *b == b'-');
        known.len() == name.len() && name.iter().zip(known).all(same)
    };
    alike(b"content-length") || alike(b"transfer-encoding")
}
