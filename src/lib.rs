//! Clawgress: an egress gateway for AI agents, in one static binary.
//!
//! The wings below stand in reading order and in dependency order: a module imports only what is declared above
//! it. What we know, what we stand on, what is this, may it, do it. Start reading in `pipeline`.

pub mod model;
pub mod platform;
pub mod perceive;
pub mod decide;
pub mod act;
pub mod pipeline;
pub mod operate;
pub mod cli;
