//! The gateway's own CA, the leaves it signs, and TLS as workloads see it.
//!
//! A connection is opened for the name policy agreed to, never for what the client says last. What is opened to be
//! served and what is opened only to be refused are two types. Read next: `terminate.rs`.

mod files;
pub mod authority;
mod supplied;
pub mod rotation;
pub mod leaf;
pub mod terminate;
pub mod alert;

pub use alert::{AlertDescription, alert};
pub use authority::{About, Authority, AuthorityError};
pub use leaf::TlsName;
pub use rotation::{Authorities, Origin, Role, RotateError, Turn, days_left};
pub use terminate::{AlpnChoice, Opened, OpenedForRefusal, Terminator};

#[cfg(test)]
mod tests;
