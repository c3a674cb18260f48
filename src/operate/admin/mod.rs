//! The local API's server: who may ask, one table of routes, and a socket with bounds on everything.
//!
//! It knows no part of the gateway: what it serves comes from a [`Backend`], which the composition root builds.
//! Read `routes` first, then `server`. It never opens a network port and never trusts what a caller says about
//! himself: the kernel says who he is.

mod backend;
mod access;
mod standing;
mod quota;
mod secrets;
mod authorities;
mod backups;
mod routes;
mod dispatch;
mod follow;
mod server;

pub use access::{Access, Caller, Peer};
pub use backend::{AdminAction, Backend, Closing, Ending};
pub use server::{BindError, Server};

#[cfg(test)]
pub(crate) mod tests;
