//! DNS for workloads: wire, forwarding, and the memory of which agent was given which address for which name.
//!
//! The pipeline parses a query (`message`), asks identity and policy, and then either refuses it (`reply`) or has
//! it answered (`exchange`): forwarded to the configured upstreams (`forward`), read (`found`) and remembered
//! (`memory`). `own` resolves names for the gateway itself. Nothing here decides whether an agent may ask. Start reading in `exchange`.

mod wire;
pub mod message;
pub mod reply;
pub mod found;
pub mod memory;
pub mod frame;
pub mod forward;
pub mod own;
pub mod exchange;

#[cfg(test)]
mod tests;

pub use exchange::{Answered, Exchange};
pub use forward::{ForwardError, Forwarder, host_resolvers};
pub use frame::{Frames, write_message};
pub use memory::{Held, Memory};
pub use message::{Query, QueryError};
pub use own::{OwnResolver, ResolveError};
pub use reply::{ExtendedError, Transport};
pub use wire::Rcode;
