//! The frame counter: the same verdict however the bytes are cut, no byte lost before a flood and none let through
//! behind it, and no more frames of a kind that costs than credit allows.

use std::time::Duration;

use clawgress::perceive::framing::frames::Frames;

/// More frames than one burst allows at one moment, where nothing was sent: each that costs costs one at least.
const BURST: u64 = clawgress::model::types::limits::FRAME_BURST;

/// The first byte says whose frames they are and how they are cut, the second how often they are repeated.
pub fn check(bytes: &[u8]) {
    let Some((&[first, times], bytes)) = bytes.split_first_chunk() else { return };
    let side = if first % 2 == 0 { Frames::of_workload } else { Frames::of_upstream };
    let bytes = bytes.repeat(usize::from(times) + 1);
    let (mut whole, mut parts) = (side(), side());
    let passed = whole.received(&bytes, Duration::ZERO);
    let mut at = 0;
    for piece in bytes.chunks(usize::from(first / 2) + 1) {
        let step = parts.received(piece, Duration::ZERO);
        at += step;
        if step < piece.len() {
            break;
        }
    }
    assert_eq!(at, passed);
    assert_eq!(
        (parts.flood(), parts.seen(), parts.opened(), parts.unfinished()),
        (whole.flood(), whole.seen(), whole.opened(), whole.unfinished())
    );
    assert!(passed == bytes.len() || whole.flood().is_some(), "only a flood holds bytes back");
    let preface = if first % 2 == 0 { 24 } else { 0 };
    let costly = costly(&bytes[passed.min(preface)..passed], first % 2 == 0);
    assert!(costly <= BURST + 1, "{costly} frames that bring nothing");
}

/// Whole headers of frames that bring nothing, told by their kind alone.
fn costly(mut bytes: &[u8], of_workload: bool) -> u64 {
    let mut count = 0;
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = bytes {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        count += u64::from(!(*kind == 0 || *kind == 1 && of_workload));
        bytes = rest.get(length..).unwrap_or_default();
    }
    count
}
