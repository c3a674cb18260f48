//! What we stand on: Linux, the clock and logging. The only place with `unsafe`.

pub mod sys;
pub mod telemetry;
