//! The Model Context Protocol over Streamable HTTP: what a client asks of a server, and which tools it is shown.
//!
//! [`Whole`] reads the body of a POST, which the caller holds, and holds its fields against it; [`Sieve`] takes tools out of
//! the answers that list them; [`error_for`] words a refusal. Whatever two readers could understand differently is an
//! error. Nothing here decides who may call what. Read next: `whole.rs`, `message.rs`, `reading.rs`, `sieve.rs`.

mod revision;
mod message;
mod fields;
mod params;
mod reading;
mod whole;
mod sifting;
mod sieve;
mod refusal;
#[cfg(test)]
mod tests;

pub use message::{Id, Kind, Malformed, Message, Messages, Waiting};
pub use reading::read;
pub use refusal::{REFUSED, error_for};
pub use revision::{METHOD_FIELD, NAME_FIELD, REVISION_FIELD, Revision};
pub use sieve::{Broken, Sieve};
pub use whole::{Unreadable, Whole};
