//! Credentials of services, and other secret values.

use super::detector::Detector;

/// What there is to be found.
pub const CATALOGUE: &[Detector] = &[];
