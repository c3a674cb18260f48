//! What we stand on: Linux, the clock, logging, and the registry's database. The only place with `unsafe`.

#[allow(unsafe_code, reason = "the door: everything unsafe is wrapped here, and nowhere else")]
pub mod sys;
pub mod files;
pub mod copies;
pub mod registry;
pub mod telemetry;
