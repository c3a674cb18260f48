//! The operator's side: status, searches, reload. Never in the packet's path.

pub mod api;
pub mod inquiry;
pub mod changes;
pub mod admin;
pub mod daemon;
