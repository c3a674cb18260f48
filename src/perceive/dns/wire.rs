//! The parts that every DNS message is made of: header, question and resource records (RFC 1035, section 4.1).
//!
//! Pure, and reads only what is needed to walk a message: of all records' data only that of OPT is looked at.

use std::fmt::Write as _;

use hickory_proto::rr::Name;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use crate::model::types::HostName;
pub(super) use crate::model::types::record_type::CLASS_IN;

/// Bytes of the fixed header.
pub(super) const HEADER: usize = 12;
/// Smallest UDP payload every client takes (RFC 1035, section 4.2.1).
pub(super) const MIN_PAYLOAD: u16 = 512;

/// UDP payload that the gateway itself offers, in bytes: no fragments on any usual path (RFC 9715).
pub(super) const OUR_PAYLOAD: u16 = 1232;

/// Record types as they stand in a message.
pub(super) mod kind {
    use crate::model::types::RecordType;

    pub const A: u16 = RecordType::A.0;
    pub const CNAME: u16 = RecordType::CNAME.0;
    pub const SOA: u16 = RecordType::SOA.0;
    pub const AAAA: u16 = RecordType::AAAA.0;
    pub const OPT: u16 = RecordType::OPT.0;
    pub const SVCB: u16 = RecordType::SVCB.0;
    pub const HTTPS: u16 = RecordType::HTTPS.0;
    pub const IXFR: u16 = RecordType::IXFR.0;
    pub const AXFR: u16 = RecordType::AXFR.0;
    pub const ANY: u16 = RecordType::ANY.0;
}

/// Response codes that the gateway writes (RFC 1035, section 4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rcode {
    /// The query is malformed.
    FormErr,
    /// The gateway could not get an answer.
    ServFail,
    /// The name does not exist, as far as this agent may know.
    NxDomain,
    /// The operation is not supported.
    NotImp,
    /// The gateway will not answer.
    Refused,
}

impl Rcode {
    /// The number.
    pub fn low(self) -> u8 {
        match self {
            Self::FormErr => 1,
            Self::ServFail => 2,
            Self::NxDomain => 3,
            Self::NotImp => 4,
            Self::Refused => 5,
        }
    }

    /// The same as it stands in an answer, beside codes with extended bits.
    pub fn number(self) -> u16 {
        self.low().into()
    }
}

/// The fixed header (RFC 1035, section 4.1.1).
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    flags: u16,
    pub questions: u16,
    pub answers: u16,
    pub authorities: u16,
    pub additionals: u16,
}

impl Header {
    /// The first 12 bytes, or nothing.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let head: &[u8; HEADER] = bytes.first_chunk()?;
        let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        Some(Self {
            flags: word(2),
            questions: word(4),
            answers: word(6),
            authorities: word(8),
            additionals: word(10),
        })
    }

    /// QR.
    pub fn is_response(self) -> bool {
        self.flags & 0x8000 != 0
    }

    /// OPCODE.
    pub fn opcode(self) -> u16 {
        self.flags >> 11 & 0xf
    }

    /// TC.
    pub fn truncated(self) -> bool {
        self.flags & 0x0200 != 0
    }

    /// RCODE, its lower four bits.
    pub fn rcode(self) -> u16 {
        self.flags & 0xf
    }
}

/// The question section of a message that has one question. Its name is never compressed: nothing stands before it.
pub(super) struct Question<'a> {
    labels: &'a [u8],
    /// Where the section ends in the message.
    pub end: usize,
}

impl<'a> Question<'a> {
    /// `None` where the name, or the message, is cut short, compressed or too long.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut at = HEADER;
        loop {
            let length = usize::from(*bytes.get(at)?);
            if length == 0 {
                break;
            }
            at += 1 + length;
            // 255 bytes with the root's; 64 and more would be a pointer or an extended label.
            if length > 63 || at - HEADER > 254 {
                return None;
            }
        }
        let end = at + 5;
        (end <= bytes.len()).then(|| Self { labels: &bytes[HEADER..at], end })
    }

    /// The name as host name, where it is one, and as text.
    pub fn name(&self) -> (Option<HostName>, String) {
        let mut text = String::with_capacity(self.labels.len());
        let mut rest = self.labels;
        while let Some((&length, tail)) = rest.split_first() {
            let (label, after) = tail.split_at(usize::from(length));
            if !text.is_empty() {
                text.push('.');
            }
            for &byte in label {
                match byte {
                    b'.' | b'\\' => text.extend(['\\', char::from(byte)]),
                    0x21..=0x7e => text.push(char::from(byte)),
                    _ => {
                        // Writing to a `String` cannot fail.
                        let _ = write!(text, "\\{byte:03}");
                    }
                }
            }
            rest = after;
        }
        if text.is_empty() {
            return (None, ".".to_owned());
        }
        (HostName::parse(&text).ok(), text)
    }
}

/// One resource record (RFC 1035, section 4.1.3).
pub(super) struct Record<'a> {
    /// Where it begins in the message.
    pub at: usize,
    pub owner: Name,
    pub kind: u16,
    pub class: u16,
    pub ttl: u32,
    pub data: &'a [u8],
    /// Where `data` stands in the message: names in it may point back.
    pub data_at: usize,
}

impl Record<'_> {
    /// Where its TTL stands in the message.
    pub fn ttl_at(&self) -> usize {
        self.data_at - 6
    }

    /// Where it ends in the message.
    pub fn end(&self) -> usize {
        self.data_at + self.data.len()
    }
}

/// A walk over resource records that looks at no data, so that a type unknown here is no obstacle.
pub(super) struct Records<'a> {
    decoder: BinDecoder<'a>,
}

impl<'a> Records<'a> {
    /// Begins at `from`, the end of the question section; `None` past the end of the message.
    pub fn new(bytes: &'a [u8], from: usize) -> Option<Self> {
        let mut decoder = BinDecoder::new(bytes);
        decoder.read_slice(from).ok()?;
        Some(Self { decoder })
    }

    /// The next record, `None` where it is malformed or missing.
    pub fn next(&mut self) -> Option<Record<'a>> {
        let at = self.decoder.index();
        let owner = Name::read(&mut self.decoder).ok()?;
        let kind = self.decoder.read_u16().ok()?.unverified();
        let class = self.decoder.read_u16().ok()?.unverified();
        let ttl = self.decoder.read_u32().ok()?.unverified();
        let length = self.decoder.read_u16().ok()?.unverified();
        let data_at = self.decoder.index();
        let data = self.decoder.read_slice(usize::from(length)).ok()?.unverified();
        Some(Record { at, owner, kind, class, ttl, data, data_at })
    }

    /// Whether every byte has been read.
    pub fn at_end(&self) -> bool {
        self.decoder.is_empty()
    }
}

/// Appends an OPT record; `options` holds whole options.
pub(super) fn push_opt(message: &mut Vec<u8>, dnssec_ok: bool, rcode_high: u8, options: &[u8]) {
    message.push(0);
    message.extend_from_slice(&kind::OPT.to_be_bytes());
    message.extend_from_slice(&OUR_PAYLOAD.to_be_bytes());
    message.extend_from_slice(&[rcode_high, 0, if dnssec_ok { 0x80 } else { 0 }, 0]);
    // Options come from one message of at most 64 KiB.
    message.extend_from_slice(&u16::try_from(options.len()).unwrap_or(0).to_be_bytes());
    message.extend_from_slice(options);
}

/// The upper bits of the response code, DO, and the options of a response's OPT record.
pub(super) fn opt_of(response: &[u8]) -> Option<(u8, bool, &[u8])> {
    let header = Header::read(response)?;
    let (mut records, count) = records_of(response, header)?;
    for _ in 0..count {
        let record = records.next()?;
        if record.kind == kind::OPT {
            let [high, ..] = record.ttl.to_be_bytes();
            return Some((high, record.ttl & 0x8000 != 0, record.data));
        }
    }
    None
}

/// All records after the one question of a response, and how many there are said to be.
pub(super) fn records_of(response: &[u8], header: Header) -> Option<(Records<'_>, usize)> {
    let count =
        usize::from(header.answers) + usize::from(header.authorities) + usize::from(header.additionals);
    Some((Records::new(response, Question::read(response)?.end)?, count))
}

/// A TTL with its top bit set counts as zero (RFC 2181, section 8).
pub(super) fn seconds(ttl: u32) -> u32 {
    if ttl > i32::MAX as u32 { 0 } else { ttl }
}

/// Records that cannot be walked, or whose data is not what their type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the response's records are malformed")]
pub struct Malformed;
