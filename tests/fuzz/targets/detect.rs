//! The detectors: findings stand inside the text in their order, and do not depend on where in a message the text stands.

use std::sync::LazyLock;

use clawgress::decide::dlp::{Detectors, Found};
use clawgress::model::types::FindingClasses;

static DETECTORS: LazyLock<Detectors> = LazyLock::new(Detectors::built_in);

fn found(text: &[u8]) -> Vec<Found> {
    let mut found = Vec::new();
    DETECTORS.detect(text, FindingClasses::all(), &mut found);
    found
}

/// The second reader sees the same text behind one line end.
pub fn check(bytes: &[u8]) {
    let here = found(bytes);
    for found in &here {
        assert!(found.range.start < found.range.end && found.range.end <= bytes.len(), "{found:?}");
        assert!((0.0..=1.0).contains(&found.confidence), "{found:?}");
    }
    assert!(here.is_sorted_by_key(|found| found.range.start), "{here:?}");
    let mut behind = found(&[b"\n", bytes].concat());
    behind.iter_mut().for_each(|found| found.range = found.range.start - 1..found.range.end - 1);
    assert_eq!(here, behind);
}
