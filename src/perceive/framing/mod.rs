//! What requests and answers share on the wire: lines, fields, lengths, chunks of HTTP/1, and why either is refused;
//! frames of HTTP/2.
//!
//! Pure, and a part of two guards: it never says what a message is for. Read next: `line`, `chunked`, `frames`.

pub mod chunked;
pub mod frames;
pub mod line;
pub mod refusal;
