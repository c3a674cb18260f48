//! HTTPS and SVCB records (RFC 9460): which of them may be given, and with which parameters.
//!
//! Pure. A record that leads to another name goes, because the client would connect to that name's addresses under this
//! one; without it the client falls back to the addresses of the name that policy knows (RFC 9460, section 3).

use hickory_proto::rr::Name;
use smallvec::SmallVec;

use super::super::rewrite::Change;
use super::super::wire::{Malformed, Record};

/// SvcParamKeys (IANA, Service Parameter Keys).
mod key {
    pub const MANDATORY: u16 = 0;
    pub const ALPN: u16 = 1;
    pub const NO_DEFAULT_ALPN: u16 = 2;
    pub const IPV4_HINT: u16 = 4;
    pub const ECH: u16 = 5;
    pub const IPV6_HINT: u16 = 6;
    pub const DOH_PATH: u16 = 7;
}

/// One parameter: its key and its value.
type Parameter<'a> = (u16, std::borrow::Cow<'a, [u8]>);

/// What becomes of a record of type HTTPS or SVCB.
pub(super) fn judge(record: &Record<'_>) -> Result<Change, Malformed> {
    let (target_end, own) = target(record.data, &record.owner).ok_or(Malformed)?;
    if !own {
        return Ok(Change::Drop);
    }
    let mut parameters = parameters(&record.data[target_end..]).ok_or(Malformed)?;
    if !strip(&mut parameters).ok_or(Malformed)? {
        return Ok(Change::Keep);
    }
    let mut data = record.data[..target_end].to_vec();
    for (key, value) in parameters {
        data.extend_from_slice(&key.to_be_bytes());
        // Never longer than it was.
        data.extend_from_slice(&u16::try_from(value.len()).unwrap_or(0).to_be_bytes());
        data.extend_from_slice(&value);
    }
    Ok(Change::Data(data))
}

/// Where TargetName ends behind the priority, and whether it is `.` or the owner. It is never compressed (section 2.2).
fn target(data: &[u8], owner: &Name) -> Option<(usize, bool)> {
    let mut at = 2;
    let mut labels: SmallVec<[&[u8]; 8]> = SmallVec::new();
    loop {
        let length = usize::from(*data.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        if length > 63 {
            return None;
        }
        labels.push(data.get(at..at + length)?);
        at += length;
        // 255 bytes with the root's, behind two of priority.
        if at > 256 {
            return None;
        }
    }
    let owns = owner.iter().map(<[u8]>::to_ascii_lowercase);
    let own = labels.is_empty() || owns.eq(labels.iter().map(|label| label.to_ascii_lowercase()));
    Some((at, own))
}

/// The parameters, whose keys ascend (section 2.2).
fn parameters(mut rest: &[u8]) -> Option<SmallVec<[Parameter<'_>; 8]>> {
    let mut parameters: SmallVec<[Parameter<'_>; 8]> = SmallVec::new();
    while !rest.is_empty() {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        let (key, length) = (u16::from_be_bytes([head[0], head[1]]), u16::from_be_bytes([head[2], head[3]]));
        let (value, after) = tail.split_at_checked(usize::from(length))?;
        if parameters.last().is_some_and(|(last, _)| *last >= key) {
            return None;
        }
        parameters.push((key, value.into()));
        rest = after;
    }
    Some(parameters)
}

/// Takes out what leads past policy; tells whether there was any of it.
fn strip(parameters: &mut SmallVec<[Parameter<'_>; 8]>) -> Option<bool> {
    let mut gone: SmallVec<[u16; 8]> = SmallVec::new();
    let mut changed = false;
    for (key, value) in parameters.iter_mut() {
        match *key {
            key::ECH | key::IPV4_HINT | key::IPV6_HINT | key::DOH_PATH => gone.push(*key),
            key::ALPN => {
                let streams = protocols(value)?;
                if streams.is_empty() {
                    // What is left is the default, which cannot be denied beside it.
                    gone.extend([key::ALPN, key::NO_DEFAULT_ALPN]);
                } else if streams.len() != value.len() {
                    *value = streams.into();
                    changed = true;
                }
            }
            _ => {}
        }
    }
    if gone.is_empty() {
        return Some(changed);
    }
    if let Some((_, value)) = parameters.iter_mut().find(|(key, _)| *key == key::MANDATORY) {
        // A key that is gone must not be mandatory (section 8).
        let left = mandatory(value, &gone)?;
        if left.is_empty() {
            gone.push(key::MANDATORY);
        }
        *value = left.into();
    }
    parameters.retain(|(key, _)| !gone.contains(key));
    Some(true)
}

/// The ALPN ids of protocols over TCP, in wire form (section 7.1.1).
fn protocols(mut ids: &[u8]) -> Option<Vec<u8>> {
    let mut left = Vec::with_capacity(ids.len());
    if ids.is_empty() {
        return None;
    }
    while let Some((&length, tail)) = ids.split_first() {
        let (id, rest) = tail.split_at_checked(usize::from(length))?;
        if id.is_empty() {
            return None;
        }
        if !is_quic(id) {
            left.push(length);
            left.extend_from_slice(id);
        }
        ids = rest;
    }
    Some(left)
}

/// HTTP/3, DNS over QUIC and their drafts: `h3`, `h3-29`, `hq`, `hq-interop`, `doq`, `doq-i02`, and `quic` itself.
fn is_quic(id: &[u8]) -> bool {
    [&b"h3"[..], b"hq", b"doq", b"quic"].iter().any(|name| match id.split_at_checked(name.len()) {
        Some((front, rest)) => front.eq_ignore_ascii_case(name) && (rest.is_empty() || rest[0] == b'-'),
        None => false,
    })
}

/// The mandatory keys that are still there.
fn mandatory(keys: &[u8], gone: &[u16]) -> Option<Vec<u8>> {
    if keys.is_empty() || !keys.len().is_multiple_of(2) {
        return None;
    }
    let pairs = keys.chunks_exact(2).filter(|pair| !gone.contains(&u16::from_be_bytes([pair[0], pair[1]])));
    Some(pairs.flatten().copied().collect())
}
