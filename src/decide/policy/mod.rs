//! Policy: checked resources compiled once, then two pure questions: may this connection live, may this request go.

pub mod passage;
pub mod permit;

pub use passage::{Mode, NameSource, Passage, Route};
pub use permit::Permit;
