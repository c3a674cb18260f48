//! What identifies people, and what is known of their health.

use super::detector::Detector;

/// What there is to be found.
pub const CATALOGUE: &[Detector] = &[];
