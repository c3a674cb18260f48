//! Send a request, relay a flow: the last step, on the wire.
//!
//! Nothing is sent without the proofs that it may be: a `Sealed` request or a `Passage`, and the `Entry` that says the
//! decision is on disk. Start with `send.rs`, then `relay.rs` and `datagrams.rs`.

pub mod gathered;
mod executor;
mod tempo;
mod lane;
mod reading;
pub mod relay;
pub mod held;
mod calls;
mod looked;
mod body;
mod closing;
mod ended;
mod answers;
mod counted;
mod faults;
mod pool;
mod redacted;
mod shielded;
mod sieved;
mod reply;
pub mod send;
pub mod datagrams;

pub use body::{BodyError, RequestBody, Trailers};
pub use closing::{Closing, ENDED, LAPSED};
pub use ended::{Charge, Ender, Judge, Wording};
pub use executor::LocalExecutor;
pub use held::{Held, HeldRoom};
pub use lane::Lane;
pub use looked::{Looked, LookedMessages};
pub use pool::{Key, Offer, Pool};
pub use reading::Reading;
pub use redacted::cover_head;
pub use reply::ReplyBody;
pub use send::{Failure, Reply, Sender};
pub use sieved::{Safe, Sieving};
pub use tempo::{Counts, LiveTempo, Meter, Spent, Tempo};
