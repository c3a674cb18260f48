//! One DNS query as a workload sent it, parsed strictly (RFC 1035, section 4; RFC 6891).
//!
//! Pure. A query has exactly one question, no answers, at most one OPT record and no bytes after its end. Its bytes
//! are kept for the reply, which echoes the question; upstreams never see them (`canonical`). Names that are not host
//! names are carried as text, never as a `HostName`, so nothing can be remembered for them.

use hickory_proto::rr::RecordType;

use crate::model::types::HostName;
use crate::model::types::limits::{DNS_MESSAGE_BYTES, DNS_UDP_BYTES};

use super::wire::{HEADER, Header, MIN_PAYLOAD, Question, Rcode, Records, kind, push_opt};

/// A query that is well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    bytes: Vec<u8>,
    question_end: usize,
    host: Option<HostName>,
    text: Box<str>,
    edns: Option<Edns>,
}

/// What the OPT record of a query says (RFC 6891, section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edns {
    /// UDP payload the client takes, in bytes; never below 512.
    pub payload: u16,
    /// The DO bit (RFC 3225).
    pub dnssec_ok: bool,
}

/// Why bytes are not a query that is answered here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Shorter than a header, or a response: it gets no answer, so that two resolvers cannot be set on each other.
    #[error("is no DNS query")]
    NotAQuery,
    /// A header, but not the rest of a query: answered with FORMERR.
    #[error("is a malformed DNS query")]
    Malformed,
    /// An operation other than QUERY, or a zone transfer: answered with NOTIMP.
    #[error("asks for an operation that is not supported")]
    NotImplemented,
    /// Another version of EDNS than 0, with or without the DO bit: answered with BADVERS.
    #[error("speaks another version of EDNS than 0")]
    Version {
        /// The DO bit.
        dnssec_ok: bool,
    },
}

/// The upper eight bits of BADVERS, 16 (RFC 6891, section 9); the lower four, in the header, are 0.
const BADVERS_HIGH: u8 = 1;

impl QueryError {
    /// The reply, as short as can be (a header; RFC 1035, section 4.1.1), or nothing where none is due. Whoever speaks a
    /// later EDNS hears which version is spoken here, beside its question (RFC 6891, section 6.1.3).
    pub fn reply(self, bytes: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::NotAQuery => None,
            Self::Malformed => header(bytes, Rcode::FormErr.low()),
            Self::NotImplemented => header(bytes, Rcode::NotImp.low()),
            Self::Version { dnssec_ok } => {
                let mut reply = header(bytes, 0)?;
                reply.extend_from_slice(&bytes[HEADER..Question::read(bytes)?.end]);
                push_opt(&mut reply, dnssec_ok, BADVERS_HIGH, &[]);
                (reply[5], reply[11]) = (1, 1);
                Some(reply)
            }
        }
    }
}

/// A header that answers the client's, without a record: QR, its opcode and RD; RA and the code.
fn header(bytes: &[u8], rcode: u8) -> Option<Vec<u8>> {
    let [id0, id1, flags, ..] = *bytes else { return None };
    Some(vec![id0, id1, 0x80 | (flags & 0x79), 0x80 | rcode, 0, 0, 0, 0, 0, 0, 0, 0])
}

impl Query {
    /// Parses one message, at most [`DNS_MESSAGE_BYTES`] long.
    pub fn parse(bytes: &[u8]) -> Result<Self, QueryError> {
        let header = Header::read(bytes).ok_or(QueryError::NotAQuery)?;
        if header.is_response() {
            return Err(QueryError::NotAQuery);
        }
        if header.opcode() != 0 {
            return Err(QueryError::NotImplemented);
        }
        let counts = (header.questions, header.answers, header.authorities);
        // An OPT and a TSIG are all that a query carries besides its question.
        if bytes.len() > DNS_MESSAGE_BYTES
            || header.truncated()
            || header.additionals > 2
            || counts != (1, 0, 0)
        {
            return match counts {
                (1, 0, 1) if question_kind(bytes) == Some(kind::IXFR) => Err(QueryError::NotImplemented),
                _ => Err(QueryError::Malformed),
            };
        }
        let question = Question::read(bytes).ok_or(QueryError::Malformed)?;
        let question_end = question.end;
        let (host, text) = question.name();
        let edns = read_edns(bytes, question_end, header.additionals)?;
        let query = Self { bytes: bytes.to_vec(), question_end, host, text: text.into(), edns };
        if matches!(query.kind(), kind::AXFR | kind::IXFR) {
            return Err(QueryError::NotImplemented);
        }
        Ok(query)
    }

    /// The client's id.
    pub fn id(&self) -> u16 {
        u16::from_be_bytes([self.bytes[0], self.bytes[1]])
    }

    /// The name, where it is a host name.
    pub fn host(&self) -> Option<&HostName> {
        self.host.as_ref()
    }

    /// The name as asked for, without the trailing dot (`.` for the root), other bytes as `\DDD` (RFC 4343, section
    /// 2.1): ASCII, at most 1016 bytes.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// QTYPE.
    pub fn kind(&self) -> u16 {
        u16::from_be_bytes([self.bytes[self.question_end - 4], self.bytes[self.question_end - 3]])
    }

    /// QTYPE in words: `A`, `HTTPS`, `TYPE65280` (RFC 3597).
    pub fn kind_text(&self) -> String {
        match RecordType::from(self.kind()) {
            RecordType::Unknown(number) => format!("TYPE{number}"),
            known => known.to_string(),
        }
    }

    /// QCLASS.
    pub fn class(&self) -> u16 {
        u16::from_be_bytes([self.bytes[self.question_end - 2], self.bytes[self.question_end - 1]])
    }

    /// What the OPT record says, where there is one.
    pub fn edns(&self) -> Option<Edns> {
        self.edns
    }

    /// CD: the client checks signatures itself (RFC 4035, section 3.2.2).
    pub fn checking_disabled(&self) -> bool {
        self.bytes[3] & 0x10 != 0
    }

    /// DO: the client wants the records of DNSSEC (RFC 3225).
    pub fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }

    /// Whether the client can read AD in a reply (RFC 6840, section 5.7).
    pub(super) fn reads_authentic_data(&self) -> bool {
        self.bytes[3] & 0x20 != 0 || self.dnssec_ok()
    }

    /// Bytes that a reply over UDP may have: what the client takes, up to [`DNS_UDP_BYTES`].
    pub fn payload(&self) -> usize {
        usize::from(self.edns.map_or(MIN_PAYLOAD, |edns| edns.payload)).min(DNS_UDP_BYTES)
    }

    /// The whole message.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The question section: name, type and class.
    pub(super) fn question(&self) -> &[u8] {
        &self.bytes[HEADER..self.question_end]
    }
}

fn question_kind(bytes: &[u8]) -> Option<u16> {
    let end = Question::read(bytes)?.end;
    Some(u16::from_be_bytes([bytes[end - 4], bytes[end - 3]]))
}

/// Walks the additional section of a query: its OPT record, if any.
fn read_edns(bytes: &[u8], from: usize, count: u16) -> Result<Option<Edns>, QueryError> {
    let mut records = Records::new(bytes, from).ok_or(QueryError::Malformed)?;
    let (mut edns, mut version) = (None, 0);
    for _ in 0..count {
        let record = records.next().ok_or(QueryError::Malformed)?;
        if record.kind == kind::OPT {
            if edns.is_some() || !record.owner.is_root() {
                return Err(QueryError::Malformed);
            }
            [_, version, ..] = record.ttl.to_be_bytes();
            edns = Some(Edns { payload: record.class.max(MIN_PAYLOAD), dnssec_ok: record.ttl & 0x8000 != 0 });
        }
    }
    match edns {
        _ if !records.at_end() => Err(QueryError::Malformed),
        Some(Edns { dnssec_ok, .. }) if version > 0 => Err(QueryError::Version { dnssec_ok }),
        edns => Ok(edns),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::lab;
    use super::*;

    #[test]
    fn a_query_says_what_is_asked_and_by_whom() {
        let bytes = lab::query_bytes(0x1234, "API.Example.com", kind::AAAA, Some((4096, true)));
        let query = Query::parse(&bytes).unwrap();
        assert_eq!(query.id(), 0x1234);
        assert_eq!(query.host().unwrap().as_str(), "api.example.com");
        assert_eq!(query.text(), "API.Example.com");
        assert_eq!((query.kind(), query.class()), (28, 1));
        assert_eq!(query.kind_text(), "AAAA");
        assert_eq!(query.edns(), Some(Edns { payload: 4096, dnssec_ok: true }));
        assert_eq!(query.bytes(), bytes);
    }

    #[test]
    fn names_that_are_no_host_names_are_carried_as_text_alone() {
        for (labels, text, host) in [
            (&[b"_sip".as_slice(), b"_tcp", b"a"][..], "_sip._tcp.a", Some("_sip._tcp.a")),
            (&[b"\x00\xff", b"a"], "\\000\\255.a", None),
            (&[b"a.b", b"c"], "a\\.b.c", None),
            (&[b"192", b"0", b"2", b"1"], "192.0.2.1", None),
            (&[], ".", None),
        ] {
            let query = Query::parse(&lab::raw_query(labels)).unwrap();
            assert_eq!(query.text(), text);
            assert_eq!(query.host().map(HostName::as_str), host, "{text}");
        }
    }

    #[test]
    fn what_is_not_one_plain_question_is_malformed() {
        let good = lab::query_bytes(7, "a.example", kind::A, Some((1232, false)));
        let patched = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            bytes
        };
        let mut trailing = good.clone();
        trailing.push(0);
        for (why, bytes) in [
            ("no question", patched(5, 0)),
            ("two questions", patched(5, 2)),
            ("an answer", patched(7, 1)),
            ("an authority", patched(9, 1)),
            ("a missing additional", patched(11, 2)),
            ("additionals without end", patched(10, 0xff)),
            ("truncated", patched(2, 0x03)),
            ("a pointer in the question", patched(12, 0xc0)),
            ("bytes after the end", trailing),
            ("cut short", good[..good.len() - 1].to_vec()),
        ] {
            assert_eq!(Query::parse(&bytes), Err(QueryError::Malformed), "{why}");
            let reply = QueryError::Malformed.reply(&bytes).unwrap();
            let parsed = hickory_proto::op::Message::from_vec(&reply).unwrap();
            assert_eq!(parsed.metadata.id, 7, "{why}");
            assert_eq!(u16::from(parsed.metadata.response_code), 1, "{why}");
        }
    }

    #[test]
    fn two_opt_records_are_malformed_as_rfc_6891_section_6_1_1_demands() {
        let mut bytes = lab::query_bytes(7, "a.example", kind::A, Some((1232, false)));
        let opt = bytes[bytes.len() - 11..].to_vec();
        bytes.extend_from_slice(&opt);
        bytes[11] = 2;
        assert_eq!(Query::parse(&bytes), Err(QueryError::Malformed));
    }

    #[test]
    fn a_later_edns_hears_badvers_beside_its_question_and_that_version_0_is_spoken() {
        for dnssec_ok in [false, true] {
            let mut bytes = lab::query_bytes(7, "a.example", kind::AAAA, Some((1232, dnssec_ok)));
            // Extended code, version, flags and length end an OPT record without options.
            let version = bytes.len() - 5;
            bytes[version] = 1;
            let error = Query::parse(&bytes).unwrap_err();
            assert_eq!(error, QueryError::Version { dnssec_ok });
            let message = hickory_proto::op::Message::from_vec(&error.reply(&bytes).unwrap()).unwrap();
            assert_eq!(message.metadata.id, 7);
            assert_eq!(u16::from(message.metadata.response_code), 16);
            assert_eq!(message.queries[0].query_type(), RecordType::AAAA);
            let edns = message.edns.unwrap();
            assert_eq!((edns.version(), edns.flags().dnssec_ok), (0, dnssec_ok));
        }
    }

    #[test]
    fn a_response_gets_no_reply_and_other_operations_are_not_implemented() {
        let mut response = lab::query_bytes(7, "a.example", kind::A, None);
        response[2] |= 0x80;
        assert_eq!(Query::parse(&response), Err(QueryError::NotAQuery));
        assert_eq!(QueryError::NotAQuery.reply(&response), None);
        assert_eq!(Query::parse(&[0; 11]), Err(QueryError::NotAQuery));

        let mut update = lab::query_bytes(7, "a.example", kind::A, None);
        update[2] = 5 << 3;
        assert_eq!(Query::parse(&update), Err(QueryError::NotImplemented));
        assert_eq!(QueryError::NotImplemented.reply(&update).unwrap()[3] & 0xf, 4);
        let transfer = lab::query_bytes(7, "a.example", kind::AXFR, None);
        assert_eq!(Query::parse(&transfer), Err(QueryError::NotImplemented));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Query::parse(&bytes);
        }

        #[test]
        fn a_damaged_query_never_makes_the_parser_panic(at in 0usize..40, value: u8, cut in 0usize..60) {
            let mut bytes = lab::query_bytes(1, "api.example.com", kind::A, Some((1232, true)));
            let at = at % bytes.len();
            bytes[at] = value;
            bytes.truncate(bytes.len().saturating_sub(cut % 8));
            match Query::parse(&bytes) {
                Ok(query) => prop_assert!(query.text().is_ascii() && query.text().len() <= 1016),
                Err(error) => if let Some(reply) = error.reply(&bytes) {
                    prop_assert!(hickory_proto::op::Message::from_vec(&reply).is_ok());
                },
            }
        }
    }
}
