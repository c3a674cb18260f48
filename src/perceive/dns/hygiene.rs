//! Takes out of an answer what would lead a client past policy: addresses that it may not be given, and the parameters
//! of HTTPS and SVCB records that lead to hidden names, other addresses, QUIC or other resolvers, and records of classes that
//! nobody asked for.
//!
//! Pure. Which addresses stay is the caller's to say. An answer that needs no change stays byte for byte; one that does is
//! written anew without AD. Signatures are left as they are: whoever checks them sees that something was taken.
//! Read next: `hygiene/service.rs` for the parameters.

mod service;

use std::net::IpAddr;

use smallvec::SmallVec;

use crate::model::types::AddressClass;
use crate::model::types::address::classify;
use crate::model::types::limits::DNS_REMOVED_SHOWN;

use super::answer::address;
use super::rewrite::{Change, rewritten};
use super::wire::{CLASS_IN, Header, Malformed, Record, kind};

/// What was taken out of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removed {
    /// The addresses removed, those of metadata services first, at most [`DNS_REMOVED_SHOWN`].
    pub addresses: SmallVec<[IpAddr; 4]>,
    /// How many there were.
    pub count: usize,
    /// Whether the answer section had addresses, and none is left.
    pub emptied: bool,
}

impl Removed {
    fn add(&mut self, address: IpAddr) {
        self.count += 1;
        let at = if classify(address) == AddressClass::Metadata { 0 } else { self.addresses.len() };
        self.addresses.insert(at, address);
        self.addresses.truncate(DNS_REMOVED_SHOWN);
    }
}

/// An answer that may be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleaned {
    /// The message; absent where it needs no change.
    pub message: Option<Vec<u8>>,
    /// What is missing from it.
    pub removed: Removed,
}

/// Cleans a response to one question. `keep` tells which addresses the client may be given; it sees them as they are
/// written, so what is embedded in them is for the caller to judge.
///
/// # Errors
/// A response that cannot be read: it may not be given at all.
pub fn clean(response: &[u8], keep: &dyn Fn(IpAddr) -> bool) -> Result<Cleaned, Malformed> {
    let answers = usize::from(Header::read(response).ok_or(Malformed)?.answers);
    let mut removed = Removed::default();
    let (mut at, mut left) = (0, 0);
    let message = rewritten(response, |record| {
        at += 1;
        let change = judge(record, keep)?;
        if let Some(address) = address(record).filter(|_| record.class == CLASS_IN) {
            if change == Change::Drop {
                removed.add(address);
                removed.emptied |= at <= answers;
            } else if at <= answers {
                left += 1;
            }
        }
        Ok(change)
    })?;
    removed.emptied &= left == 0;
    Ok(Cleaned { message, removed })
}

fn judge(record: &Record<'_>, keep: &dyn Fn(IpAddr) -> bool) -> Result<Change, Malformed> {
    // Only questions of class IN are asked, and clients take addresses of any class for an answer to one.
    if record.class != CLASS_IN {
        return Ok(if record.kind == kind::OPT { Change::Keep } else { Change::Drop });
    }
    match record.kind {
        kind::A | kind::AAAA => {
            let address = address(record).ok_or(Malformed)?;
            Ok(if keep(address) { Change::Keep } else { Change::Drop })
        }
        kind::HTTPS | kind::SVCB => service::judge(record),
        _ => Ok(Change::Keep),
    }
}

#[cfg(test)]
mod tests;
