//! Segment headers and frames, byte for byte. Pure: it reads and writes buffers, never files.
//!
//! A segment begins with 24 bytes: magic, version (u32), first sequence number (u64), CRC-32 of those. A frame is
//! length (u32), CRC-32 (u32), sequence number (u64), payload; all little endian. The CRC covers payload, length and
//! sequence number, in this order, so that all but twelve bytes of it are computed before the journal's lock is taken.

use crc32fast::Hasher;

use crate::model::types::limits::RECORD_BYTES;

/// Bytes of a segment's header.
pub const SEGMENT_HEAD: usize = 24;
/// Bytes in front of a payload.
pub const FRAME_HEAD: usize = 16;

const MAGIC: &[u8; 8] = b"clawjrnl";
const VERSION: u32 = 1;

/// The header of the segment whose first frame is `first`.
pub fn segment_head(first: u64) -> [u8; SEGMENT_HEAD] {
    let mut head = [0; SEGMENT_HEAD];
    head[..8].copy_from_slice(MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    head[12..20].copy_from_slice(&first.to_le_bytes());
    let crc = crc32fast::hash(&head[..20]);
    head[20..].copy_from_slice(&crc.to_le_bytes());
    head
}

/// Empties `frame` and leaves room for the head; the payload is appended next.
pub fn begin(frame: &mut Vec<u8>) {
    frame.clear();
    frame.resize(FRAME_HEAD, 0);
}

/// A frame whose payload is final and whose sequence number is not yet known.
pub struct Prepared<'a> {
    frame: &'a mut [u8],
    crc: Hasher,
}

/// Takes a begun frame's payload as final; nothing if it is empty or longer than [`RECORD_BYTES`].
pub fn prepare(frame: &mut [u8]) -> Option<Prepared<'_>> {
    let length = frame.len().checked_sub(FRAME_HEAD).filter(|length| (1..=RECORD_BYTES).contains(length))?;
    let length = u32::try_from(length).ok()?.to_le_bytes();
    frame[..4].copy_from_slice(&length);
    let mut crc = Hasher::new();
    crc.update(&frame[FRAME_HEAD..]);
    crc.update(&length);
    Some(Prepared { frame, crc })
}

impl Prepared<'_> {
    /// Bytes of the whole frame.
    pub fn size(&self) -> usize {
        self.frame.len()
    }

    /// Gives the frame its number; returns the bytes to write.
    pub fn stamp(self, seq: u64) -> impl AsRef<[u8]> {
        let Self { frame, mut crc } = self;
        let seq = seq.to_le_bytes();
        crc.update(&seq);
        frame[4..8].copy_from_slice(&crc.finalize().to_le_bytes());
        frame[8..16].copy_from_slice(&seq);
        frame
    }
}

/// The number of the frame with which these bytes begin.
pub fn number(frames: &[u8]) -> Option<u64> {
    let number = frames.get(8..FRAME_HEAD)?;
    number.try_into().ok().map(u64::from_le_bytes)
}

/// What stands at a place in a segment.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A whole frame, and where it ends.
    Frame {
        /// The record.
        payload: &'a [u8],
        /// Where the next frame begins.
        end: usize,
    },
    /// Nothing more.
    End,
    /// The beginning of what may be a frame; the rest is not in these bytes.
    Short,
    /// Not the frame with this number.
    Bad,
}

/// Reads the frame `seq` at `offset`.
pub fn read(bytes: &[u8], offset: usize, seq: u64) -> Found<'_> {
    let rest = bytes.get(offset..).unwrap_or_default();
    if rest.is_empty() {
        return Found::End;
    }
    let Some((head, body)) = rest.split_first_chunk::<FRAME_HEAD>() else { return Found::Short };
    let [l0, l1, l2, l3, c0, c1, c2, c3, number @ ..] = *head;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if !(1..=RECORD_BYTES).contains(&length) || u64::from_le_bytes(number) != seq {
        return Found::Bad;
    }
    let Some(payload) = body.get(..length) else { return Found::Short };
    let mut crc = Hasher::new();
    crc.update(payload);
    crc.update(&head[..4]);
    crc.update(&head[8..]);
    if crc.finalize() != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Found::Bad;
    }
    Found::Frame { payload, end: offset + FRAME_HEAD + length }
}
