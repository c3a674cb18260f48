//! The one place that reads clocks and makes ids.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::types::{RequestId, Timestamp};

/// The wall clock now.
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}

/// A fresh id that sorts by time.
pub fn request_id() -> RequestId {
    RequestId(uuid::Uuid::now_v7())
}
