//! Calls of language models: what is asked of whom, and what it has cost.
//!
//! [`Endpoint`] says what a path asks for. The formats are those that the providers publish. Read next: `endpoint.rs`.

mod endpoint;

pub use endpoint::{Endpoint, Operation};
