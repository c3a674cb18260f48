//! `clawgress init`: from what is on a host to settings, a first agent and policies to start from.
//!
//! `survey` looks, `candidates` says which interface workloads are behind, `plan` says what is to be written, and only
//! `write` writes. Read next: `plan.rs`.

pub mod survey;
pub mod candidates;
mod documents;
pub mod plan;
pub mod write;

#[cfg(test)]
mod tests;
