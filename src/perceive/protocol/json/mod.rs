//! JSON as it passes (RFC 8259), in pieces of any size and in bounded memory.
//!
//! A [`Scanner`] is shown bytes and tells a [`Visitor`] what stands at which path, in known [`Word`]s; values nobody
//! asked for cost no memory. It is strict: what two readers could understand differently (bytes that are no UTF-8, a
//! second document behind the first) is an error, and a name that comes twice is told. Never builds a tree. Read next:
//! `scan.rs`.

mod words;
mod event;
mod number;
mod text;
mod scan;
#[cfg(test)]
mod tests;

pub use event::{Event, Malformed, Visitor};
pub use number::count;
pub use scan::Scanner;
pub use words::{Found, Word};
