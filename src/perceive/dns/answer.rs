//! One answer of an upstream as it is kept: read once, given many times.
//!
//! Pure; ages are arguments. The upstream's OPT record speaks to the gateway alone and is taken off; its Extended DNS
//! Errors are kept beside. Everything else stays as it came. How long an answer holds is decided here (RFC 2181,
//! section 5.2; RFC 2308, section 5); `cache` keeps it, `hygiene` looks at what is given away.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use smallvec::SmallVec;

use crate::model::types::limits::{
    DNS_CACHE_CEILING, DNS_FAILURE_HOLD, DNS_NEGATIVE_CEILING, DNS_RECORDS_PER_ANSWER,
};

use super::canonical::Canonical;
use super::found::{self, Address, Found};
use super::message::Query;
use super::rewrite::{Change, rewritten};
use super::wire::{
    CLASS_IN, HEADER, Header, Malformed, Question, Record, kind, push_opt, records_of, seconds,
};

/// The option that carries an Extended DNS Error (RFC 8914, section 2).
const EXTENDED_ERROR: u16 = 15;
/// What a kept answer costs besides its bytes, about.
const OVERHEAD: usize = 512;

/// An answer that belongs to its question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The message without its OPT record; TTLs as they came.
    message: Vec<u8>,
    /// The upper bits of the response code, and the errors of the OPT record.
    rcode_high: u8,
    errors: Vec<u8>,
    /// Where the TTLs stand.
    ttls: SmallVec<[u16; 8]>,
    /// Addresses of A and AAAA records anywhere in the message.
    pub(super) addresses: SmallVec<[IpAddr; 4]>,
    /// Whether there is more for hygiene to look at than addresses: HTTPS or SVCB records, or another class.
    pub(super) suspect: bool,
    /// What it says of the name that was asked for.
    pub found: Found,
    /// How long it holds.
    pub holds: Duration,
    /// Who said it.
    pub upstream: SocketAddr,
}

impl Answer {
    /// Reads a response that has been matched to `asked`.
    pub(super) fn read(
        mut response: Vec<u8>,
        asked: &Canonical,
        upstream: SocketAddr,
    ) -> Result<Self, Malformed> {
        let found = found::read(&response, asked.kind_and_class())?;
        let (rcode_high, errors) = take_opt(&mut response)?;
        let mut answer = Self {
            message: response,
            rcode_high,
            errors,
            ttls: SmallVec::new(),
            addresses: SmallVec::new(),
            suspect: false,
            found,
            holds: Duration::ZERO,
            upstream,
        };
        answer.survey(asked.kind_and_class().0)?;
        Ok(answer)
    }

    /// Walks the records once: where their TTLs are, what hygiene has to look at, how long all of it holds.
    fn survey(&mut self, asked: u16) -> Result<(), Malformed> {
        let header = Header::read(&self.message).ok_or(Malformed)?;
        let (mut records, count) = records_of(&self.message, header).ok_or(Malformed)?;
        let answers = usize::from(header.answers);
        let authority = answers..answers + usize::from(header.authorities);
        let (mut least, mut matches, mut soa) = (u32::MAX, asked == kind::ANY && answers > 0, None);
        let mut end = Question::read(&self.message).ok_or(Malformed)?.end;
        for at in 0..count {
            let record = records.next().ok_or(Malformed)?;
            end = record.end();
            self.ttls.push(u16::try_from(record.ttl_at()).map_err(|_| Malformed)?);
            least = least.min(seconds(record.ttl));
            if at < answers {
                matches |= record.kind == asked;
            } else if record.kind == kind::SOA && authority.contains(&at) {
                soa = soa.or(Some((record.ttl_at(), minimum(&record).ok_or(Malformed)?)));
            }
            self.suspect |= record.class != CLASS_IN || matches!(record.kind, kind::HTTPS | kind::SVCB);
            if record.class == CLASS_IN {
                self.addresses.extend(address(&record));
            }
        }
        // Bytes behind the last record mean nothing.
        self.message.truncate(end);
        let negative = match self.found.rcode {
            0 => !matches,
            3 => true,
            2 => {
                self.holds = DNS_FAILURE_HOLD;
                return Ok(());
            }
            _ => return Ok(()),
        };
        let least = Duration::from_secs(least.into());
        self.holds = match (negative, soa) {
            (false, _) => least.min(DNS_CACHE_CEILING),
            // Without an SOA record nothing says how long there is nothing (RFC 2308, section 5).
            (true, None) => Duration::ZERO,
            (true, Some((ttl_at, minimum))) => {
                let holds = least.min(Duration::from_secs(minimum.into())).min(DNS_NEGATIVE_CEILING);
                // Whoever caches this in turn counts from the same number.
                let ttl = u32::try_from(holds.as_secs()).unwrap_or(0);
                self.message[ttl_at..ttl_at + 4].copy_from_slice(&ttl.to_be_bytes());
                holds
            }
        };
        Ok(())
    }

    /// Bytes that it costs to keep this.
    pub(super) fn cost(&self) -> usize {
        let parts = self.message.len() + self.errors.len() + 2 * self.ttls.len();
        OVERHEAD
            + parts
            + size_of::<IpAddr>() * self.addresses.len()
            + size_of::<Address>() * self.found.addresses.len()
    }

    /// The addresses for the name after `age`, each with the time that is left.
    pub fn given(&self, age: Duration) -> SmallVec<[Address; 4]> {
        let left = |&(address, ttl): &Address| (address, ttl.saturating_sub(age));
        self.found.addresses.iter().map(left).collect()
    }

    /// The message for this client after `age`, without an OPT record: its id, its spelling of the question, its RD and
    /// CD, AD only where it can be read, and TTLs that have counted down.
    pub(super) fn reply(&self, query: &Query, age: Duration) -> Vec<u8> {
        let asked = query.bytes();
        let mut reply = Vec::with_capacity(self.message.len() + 64);
        reply.extend_from_slice(&self.message);
        let authentic = if query.reads_authentic_data() { self.message[3] & 0x20 } else { 0 };
        // QR and RD; RA, AD, CD and the code. Nobody here is an authority (AA).
        let flags =
            [0x80 | (asked[2] & 0x01), 0x80 | authentic | (asked[3] & 0x10) | (self.message[3] & 0x0f)];
        reply[..2].copy_from_slice(&asked[..2]);
        reply[2..4].copy_from_slice(&flags);
        // As long as the upstream's: they differ in case alone.
        reply[HEADER..HEADER + query.question().len()].copy_from_slice(query.question());
        let age = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
        if age > 0 {
            for &at in &self.ttls {
                let at = usize::from(at);
                if let Some(place) = reply.get_mut(at..at + 4) {
                    let ttl = u32::from_be_bytes([place[0], place[1], place[2], place[3]]);
                    place.copy_from_slice(&seconds(ttl).saturating_sub(age).to_be_bytes());
                }
            }
        }
        reply
    }

    /// Adds the OPT record for a client that has sent one (RFC 6891, section 6.1.1).
    pub(super) fn close(&self, mut reply: Vec<u8>, query: &Query) -> Vec<u8> {
        if let Some(edns) = query.edns()
            && let Some(count) = u16::from_be_bytes([reply[10], reply[11]]).checked_add(1)
        {
            push_opt(&mut reply, edns.dnssec_ok, self.rcode_high, &self.errors);
            reply[10..12].copy_from_slice(&count.to_be_bytes());
        }
        reply
    }
}

/// Takes the OPT record off a response: the upper bits of the code, and the errors that it tells.
fn take_opt(response: &mut Vec<u8>) -> Result<(u8, Vec<u8>), Malformed> {
    let header = Header::read(response).ok_or(Malformed)?;
    let (mut records, count) = records_of(response, header).ok_or(Malformed)?;
    if count > DNS_RECORDS_PER_ANSWER {
        return Err(Malformed);
    }
    let mut told = None;
    for at in 1..=count {
        let record = records.next().ok_or(Malformed)?;
        if record.kind != kind::OPT {
            continue;
        }
        let [high, ..] = record.ttl.to_be_bytes();
        let last = at == count && header.additionals > 0;
        // One at most (RFC 6891, section 6.1.1).
        if told.replace((high, errors(record.data)?, last.then_some(record.at))).is_some() {
            return Err(Malformed);
        }
    }
    match told {
        None => Ok((0, Vec::new())),
        Some((high, errors, Some(at))) => {
            response.truncate(at);
            response[10..12].copy_from_slice(&(header.additionals - 1).to_be_bytes());
            Ok((high, errors))
        }
        Some((high, errors, None)) => {
            let judge =
                |record: &Record<'_>| Ok(if record.kind == kind::OPT { Change::Drop } else { Change::Keep });
            *response = rewritten(response, judge)?.ok_or(Malformed)?;
            Ok((high, errors))
        }
    }
}

/// The options of an OPT record that are Extended DNS Errors.
fn errors(mut options: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut errors = Vec::new();
    while !options.is_empty() {
        let head = options.first_chunk::<4>().ok_or(Malformed)?;
        let length = 4 + usize::from(u16::from_be_bytes([head[2], head[3]]));
        let (option, rest) = options.split_at_checked(length).ok_or(Malformed)?;
        if u16::from_be_bytes([head[0], head[1]]) == EXTENDED_ERROR && length >= 6 {
            errors.extend_from_slice(option);
        }
        options = rest;
    }
    Ok(errors)
}

/// MINIMUM: the last of the five numbers that end an SOA record (RFC 1035, section 3.3.13).
fn minimum(soa: &Record<'_>) -> Option<u32> {
    // Two names of at least one byte, and the numbers.
    let number = (soa.data.len() >= 22).then(|| soa.data.last_chunk::<4>())??;
    Some(seconds(u32::from_be_bytes(*number)))
}

/// The address in a record of class IN; `None` for other types. One of a wrong length is hygiene's to refuse.
pub(super) fn address(record: &Record<'_>) -> Option<IpAddr> {
    match record.kind {
        kind::A => <[u8; 4]>::try_from(record.data).ok().map(IpAddr::from),
        kind::AAAA => <[u8; 16]>::try_from(record.data).ok().map(IpAddr::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
