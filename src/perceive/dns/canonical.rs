//! What is asked of upstreams: written by the gateway alone, so that a query carries out nothing but its question.
//!
//! Pure. Of the client's query there is left the name in lower case, type and class, DO and CD. Its spelling, its id, its
//! EDNS options and its other flags stay here: each would carry bits past policy. Equal questions are equal bytes,
//! and so this is also what answers are kept under (`cache`).

use smallvec::SmallVec;

use crate::model::types::{HostName, RecordType};

use super::message::Query;
use super::wire::{CLASS_IN, HEADER, Header, push_opt};

/// Queries over an encrypted transport are as long as a multiple of this, in bytes (RFC 8467, section 4.1).
const PADDING_BLOCK: usize = 128;
/// The padding option of EDNS (RFC 7830).
const PADDING_OPTION: [u8; 2] = [0, 12];
/// Recursion desired; the answer may say whether it was validated (AD, RFC 6840, section 5.7).
const FLAGS: [u8; 2] = [0x01, 0x20];
/// CD, in the second byte of flags.
const CHECKING_DISABLED: u8 = 0x10;

/// A question as upstreams are asked it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Canonical {
    /// Name in lower case, type and class.
    question: SmallVec<[u8; 64]>,
    dnssec_ok: bool,
    checking_disabled: bool,
}

impl Canonical {
    /// What a client's query asks.
    pub fn of(query: &Query) -> Self {
        let mut question = SmallVec::from_slice(query.question());
        let name = question.len() - 4;
        // The length of a label is at most 63 and so never taken for a letter.
        question[..name].make_ascii_lowercase();
        Self { question, dnssec_ok: query.dnssec_ok(), checking_disabled: query.checking_disabled() }
    }

    /// A question of the gateway's own.
    pub fn own(host: &HostName, kind: u16) -> Self {
        let mut question = SmallVec::new();
        for label in host.as_str().split('.') {
            // A `HostName` has labels of 1 to 63 bytes, in lower case.
            question.push(u8::try_from(label.len()).unwrap_or(0));
            question.extend_from_slice(label.as_bytes());
        }
        question.push(0);
        question.extend_from_slice(&kind.to_be_bytes());
        question.extend_from_slice(&CLASS_IN.to_be_bytes());
        Self { question, dnssec_ok: false, checking_disabled: false }
    }

    /// Who serves the root: everybody knows, whatever the servers of other zones do.
    pub(super) fn root() -> Self {
        let mut question = SmallVec::new();
        question.push(0);
        question.extend_from_slice(&RecordType::NS.0.to_be_bytes());
        question.extend_from_slice(&CLASS_IN.to_be_bytes());
        Self { question, dnssec_ok: false, checking_disabled: false }
    }

    /// The question section.
    pub(super) fn question(&self) -> &[u8] {
        &self.question
    }

    /// QTYPE and QCLASS.
    pub(super) fn kind_and_class(&self) -> (u16, u16) {
        let end = self.question.len();
        let word = |at: usize| u16::from_be_bytes([self.question[at], self.question[at + 1]]);
        (word(end - 4), word(end - 2))
    }

    /// The whole query; `padded` where an observer could learn from its length.
    pub(super) fn message(&self, id: u16, padded: bool) -> Vec<u8> {
        let mut message = Vec::with_capacity(PADDING_BLOCK);
        message.extend_from_slice(&id.to_be_bytes());
        message.extend_from_slice(&FLAGS);
        if self.checking_disabled {
            message[3] |= CHECKING_DISABLED;
        }
        message.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, 1]);
        message.extend_from_slice(&self.question);
        // An OPT record takes 11 bytes, and an option 4 besides its data.
        let bare = message.len() + 11 + 4;
        let padding = bare.next_multiple_of(PADDING_BLOCK) - bare;
        let mut option = Vec::new();
        if padded {
            option.extend_from_slice(&PADDING_OPTION);
            // Less than a block.
            option.extend_from_slice(&u16::try_from(padding).unwrap_or(0).to_be_bytes());
            option.resize(4 + padding, 0);
        }
        push_opt(&mut message, self.dnssec_ok, 0, &option);
        message
    }

    /// The header of what answers this question under `id`: QR, id, operation and question agree.
    pub(super) fn answered_by(&self, message: &[u8], id: u16) -> Option<Header> {
        let header = Header::read(message)?;
        let question = message.get(HEADER..HEADER + self.question.len())?;
        let agrees = header.is_response()
            && message[..2] == id.to_be_bytes()
            && header.opcode() == 0
            && header.questions == 1
            && *question == *self.question;
        agrees.then_some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::lab;
    use super::super::wire::kind;
    use super::*;

    /// An OPT record for 4096 bytes, DO set, with a cookie and a client subnet.
    const CHATTY: [u8; 35] = [
        0, 0, 41, 16, 0, 0, 0, 0x80, 0, 0, 24, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 8, 0, 8, 0, 1, 32, 0,
        192, 0, 2, 1,
    ];

    #[test]
    fn whatever_a_client_hides_in_spelling_id_flags_and_options_its_question_is_asked_alike() {
        let plain = lab::query_bytes(1, "secret.a.example", kind::A, Some((512, true)));
        let mut chatty = lab::query_bytes(0xbeef, "sEcReT.A.eXaMpLe", kind::A, None);
        chatty[11] = 1;
        chatty[2] &= !0x01; // RD
        chatty[2] |= 0x04; // AA
        chatty[3] |= 0xe0; // RA, Z, AD
        chatty.extend_from_slice(&CHATTY);
        let [plain, chatty] = [plain, chatty].map(|bytes| Canonical::of(&Query::parse(&bytes).unwrap()));
        assert_eq!(plain, chatty);
        assert_eq!(plain.message(7, false), chatty.message(7, false));
    }

    #[test]
    fn what_is_asked_is_a_plain_query_with_recursion_and_an_opt_of_our_own() {
        let query = Query::parse(&lab::query_bytes(9, "A.example", kind::AAAA, Some((4096, true)))).unwrap();
        let asked = Query::parse(&Canonical::of(&query).message(7, false)).unwrap();
        assert_eq!((asked.id(), asked.text(), asked.kind(), asked.class()), (7, "a.example", kind::AAAA, 1));
        assert_eq!(asked.edns().map(|edns| (edns.payload, edns.dnssec_ok)), Some((1232, true)));
        assert_eq!(asked.bytes()[2..4], [0x01, 0x20]);
    }

    #[test]
    fn dnssec_ok_and_checking_disabled_are_the_clients_and_make_another_question() {
        let ask = |edns, cd: u8| {
            let mut bytes = lab::query_bytes(9, "a.example", kind::A, edns);
            bytes[3] |= cd;
            Canonical::of(&Query::parse(&bytes).unwrap())
        };
        let (plain, checks) = (ask(Some((1232, false)), 0), ask(Some((1232, true)), 0x10));
        assert_ne!(plain, checks);
        assert_eq!(plain, ask(None, 0), "without EDNS there is no DO");
        assert_eq!(checks.message(0, false)[3] & 0x10, 0x10);
        assert!(Query::parse(&checks.message(0, false)).unwrap().dnssec_ok());
    }

    #[test]
    fn padded_queries_are_multiples_of_128_bytes_and_still_queries() {
        for length in 1..200_usize {
            let name = vec!["a"; length.div_ceil(2).min(120)].join(".");
            let host = HostName::parse(&name).unwrap();
            let message = Canonical::own(&host, kind::A).message(0, true);
            assert_eq!(message.len() % 128, 0, "{name}");
            assert_eq!(Query::parse(&message).unwrap().host(), Some(&host));
        }
    }

    #[test]
    fn names_that_are_no_host_names_are_asked_as_they_are() {
        let query = Query::parse(&lab::raw_query(&[b"\x00\xffA", b"example"])).unwrap();
        let asked = Query::parse(&Canonical::of(&query).message(7, false)).unwrap();
        assert_eq!(asked.text(), "\\000\\255a.example");
    }
}
