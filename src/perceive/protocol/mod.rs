//! What the bytes mean: model calls, streams of events, tools.
//!
//! Pure: everything here is fed with bytes in pieces of any size and answers with facts. Nothing here holds a byte
//! back, changes one, or decides anything. Read next: `json/mod.rs`, `ai/mod.rs`.

pub mod json;
pub mod events;
pub mod event_stream;
pub mod decoding;
pub mod websocket;
pub mod ai;
pub mod mcp;
