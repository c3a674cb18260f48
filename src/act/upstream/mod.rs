//! Send a request, relay a flow: the last step, on the wire.
//!
//! Nothing is sent without the proofs that it may be: a `Clearance` or `Passage`, and the `Entry` that says the decision
//! is on disk. Start with `send.rs`, then `relay.rs` and `datagrams.rs`.

pub mod gathered;
mod executor;
mod tempo;
mod lane;
mod reading;
pub mod relay;
mod body;
mod answers;
mod counted;
mod faults;
mod pool;
pub mod send;
pub mod datagrams;

pub use body::{BodyError, Closing, LAPSED, ReplyBody, RequestBody, Trailers};
pub use executor::LocalExecutor;
pub use lane::{Lane, Spent};
pub use pool::{Key, Offer, Pool};
pub use reading::Reading;
pub use send::{Failure, Reply, Sender};
pub use tempo::{LiveTempo, Meter, Tempo};
