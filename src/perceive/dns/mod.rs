//! DNS for workloads: a resolver that asks for them, keeps what it hears, and remembers which agent was given what.
//!
//! The pipeline parses a query (`message`), asks identity and policy, and then either refuses it (`reply`) or has
//! it answered (`exchange`): asked in the gateway's own words (`canonical`) of the configured upstreams (`forward`), read
//! (`found`, `answer`) and kept for all (`cache`), cleaned for this agent (`hygiene`) and remembered (`memory`). `own`
//! resolves names for the gateway itself. Nothing here decides whether an agent may ask. Start reading in `exchange`.

mod wire;
pub mod message;
mod canonical;
pub mod reply;
mod rewrite;
pub mod found;
pub mod answer;
pub mod hygiene;
pub mod memory;
pub mod frame;
pub mod forward;
pub mod cache;
pub mod own;
pub mod exchange;

#[cfg(test)]
mod tests;

pub use cache::Cache;
pub use canonical::Canonical;
pub use exchange::{Answered, Exchange, Recipient};
pub use forward::{ForwardError, Forwarder, Trouble, Upstreams, host_resolvers};
pub use frame::{Frames, write_message};
pub use hygiene::Removed;
pub use memory::{Held, Memory, Remembered};
pub use message::{Query, QueryError};
pub use own::{OwnResolver, ResolveError, Resolved};
pub use reply::{ExtendedError, Transport};
pub use wire::Rcode;
