//! Policy: checked resources compiled once, then three pure questions: may this name be looked up, may this connection
//! live, may this request go. The last is asked in two steps: by the request's head, and by what it carries (`Permit`).

mod standing;
mod circumstances;
mod encrypted_dns;
mod index;
mod ranks;
mod trie;
mod labels;
mod loose;
mod l4_index;
mod http_index;
mod services;
mod amounts;
mod credentials;
mod inspections;
mod plan;
mod query;
mod approvals;
mod udp_ports;
mod compile;
mod words;
pub mod passage;
pub mod obligations;
pub mod clearance;
mod rules;
mod connection;
mod request;
pub mod explain;

pub use approvals::is_approval;
pub use circumstances::Circumstances;
pub use clearance::Clearance;
pub use connection::{Answer, Flow, Refusal};
pub use encrypted_dns::EncryptedDns;
pub use obligations::{Obligations, Throttle};
pub use passage::{Mode, NameSource, Passage, Route};
pub use plan::PolicySet;
pub use query::{Chooser, Leave, Lookup};
pub use request::{Bound, Permit};
pub use standing::{Quarantine, Standing};

#[cfg(test)]
mod tests;
