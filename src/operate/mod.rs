//! The operator's side: status, searches, reload, what the host needs. Never in the packet's path.

pub mod api;
pub mod setup;
pub mod checkup;
pub mod inquiry;
pub mod changes;
pub mod admin;
pub mod daemon;
