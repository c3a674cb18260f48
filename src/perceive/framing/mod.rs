//! What requests and answers of HTTP/1 share on the wire: lines, fields, lengths, chunks, and why either is refused.
//!
//! Pure, and a part of two guards: it never says what a message is for. Read next: `line`, `chunked`.

pub mod chunked;
pub mod line;
pub mod refusal;
