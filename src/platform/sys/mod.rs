//! Linux, safely wrapped: clock, socket options, splice, process limits, locked memory, file systems, terminal.
//!
//! The only `unsafe` of the product is here, each block with its reason; nothing above sees a raw descriptor. Knows
//! nothing of connections or decisions.

pub mod clock;
pub mod socket;
pub mod inherited;
pub mod splice;
pub mod process;
pub mod locked;
pub mod disk;
pub mod terminal;
