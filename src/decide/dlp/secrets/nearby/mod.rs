//! Keys that look like any other: known by their service's name before them.
//!
//! Each is the value of an assignment (`assignment.rs`) whose name, or what stands shortly before it, names the service. Values are
//! invented.

pub mod applications;
pub mod platforms;
