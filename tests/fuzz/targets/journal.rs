//! The journal after any damage: what was acknowledged before the damaged place is read, nothing that was not written
//! is read, and a second start finds what the first one left.

use std::fs;
use std::path::Path;

use clawgress::decide::ledger::frame::{self, Found, SEGMENT_HEAD};
use clawgress::decide::ledger::recover::{recover, segment_path};

/// Records in the first segment; the others stand in a second one.
const FIRST: usize = 3;

/// Six bytes say how many records there are, what is damaged and how; the rest is payload and garbage.
pub fn check(bytes: &[u8]) {
    let Some((&[count, place_high, place_low, change, cut, segment], rest)) = bytes.split_first_chunk()
    else {
        return;
    };
    let count = usize::from(count % 8);
    let (payloads, garbage) = payloads(rest, count);
    let dir = tempfile::tempdir().expect("a folder");
    let mut segments = [Segment::new(1), Segment::new(1 + FIRST as u64)];
    for (number, payload) in payloads.iter().enumerate() {
        segments[usize::from(number >= FIRST)].push(payload);
    }
    let used = if payloads.len() > FIRST { 2 } else { 1 };
    let damaged = usize::from(segment) % used;
    let place = usize::from(u16::from_be_bytes([place_high, place_low]));
    let good = segments[damaged].damage(place, change, cut, garbage);
    for segment in &segments[..used] {
        fs::write(segment_path(dir.path(), segment.first), &segment.bytes).expect("a segment");
    }
    let first = recover(dir.path()).expect("recovers");
    for (number, segment) in segments[..used].iter().enumerate() {
        let kept = if number == damaged { good } else { segment.ends.len() };
        let found = read(dir.path(), segment.first);
        assert!(found.len() >= kept, "{kept} good records, {} of them read", found.len());
        for (found, written) in found.iter().zip(&segment.written).take(kept) {
            assert_eq!(found, written);
        }
    }
    let again = recover(dir.path()).expect("recovers");
    let last_only = used == 1 || damaged == 1;
    assert_eq!(again.next, first.next, "a second start goes on at the same number");
    assert!(!last_only || again.notes.is_empty(), "what was torn is mended: {:?}", again.notes);
    assert_eq!(again.segments.len(), first.segments.len());
}

fn payloads(mut rest: &[u8], count: usize) -> (Vec<&[u8]>, &[u8]) {
    let mut payloads = Vec::new();
    for _ in 0..count {
        let Some((&length, tail)) = rest.split_first() else { break };
        let (payload, after) = tail.split_at(tail.len().min(usize::from(length)));
        if payload.is_empty() {
            break;
        }
        payloads.push(payload);
        rest = after;
    }
    (payloads, rest)
}

struct Segment {
    first: u64,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    written: Vec<Vec<u8>>,
}

impl Segment {
    fn new(first: u64) -> Self {
        Self { first, bytes: frame::segment_head(first).to_vec(), ends: Vec::new(), written: Vec::new() }
    }

    fn push(&mut self, payload: &[u8]) {
        let mut whole = Vec::new();
        frame::begin(&mut whole);
        whole.extend_from_slice(payload);
        let number = self.first + self.ends.len() as u64;
        let prepared = frame::prepare(&mut whole).expect("a length that the journal takes");
        self.bytes.extend_from_slice(prepared.stamp(number).as_ref());
        self.ends.push(self.bytes.len());
        self.written.push(payload.to_vec());
    }

    /// Changes a byte, cuts bytes off and appends garbage; how many records stand whole in front of all that.
    fn damage(&mut self, place: usize, change: u8, cut: u8, garbage: &[u8]) -> usize {
        let mut good = self.bytes.len();
        if let Some(byte) = self.bytes.get_mut(place).filter(|_| change != 0) {
            *byte ^= change;
            good = place;
        }
        let left = self.bytes.len().saturating_sub(usize::from(cut));
        self.bytes.truncate(left);
        self.bytes.extend_from_slice(garbage);
        if good.min(left) < SEGMENT_HEAD {
            return 0;
        }
        self.ends.iter().filter(|end| **end <= good.min(left)).count()
    }
}

/// What the frames of a segment hold, wherever recovery has left it.
fn read(dir: &Path, first: u64) -> Vec<Vec<u8>> {
    let bytes = fs::read(segment_path(dir, first)).unwrap_or_default();
    let (mut at, mut found) = (SEGMENT_HEAD, Vec::new());
    while let Found::Frame { payload, end } = frame::read(&bytes, at, first + found.len() as u64) {
        found.push(payload.to_vec());
        at = end;
    }
    found
}
