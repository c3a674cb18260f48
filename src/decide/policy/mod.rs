//! Policy: checked resources compiled once, then two pure questions: may this connection live, may this request go.

mod index;
mod plan;
mod udp_ports;
mod compile;
mod words;
pub mod passage;
pub mod permit;
mod connection;
mod loose;
mod request;
pub mod explain;

pub use connection::{Answer, Flow, Refusal};
pub use passage::{Mode, NameSource, Passage, Route};
pub use permit::Permit;
pub use plan::PolicySet;

#[cfg(test)]
mod tests;
