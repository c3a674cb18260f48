//! What we know: words, settings and documents. No I/O, no clock, no sockets.

pub mod types;
pub mod condition;
pub mod manifest;
pub mod prices;
pub mod cases;
pub mod config;
