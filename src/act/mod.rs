//! Do it: reach the destination, open TLS towards the workload, move bytes. Nothing here decides.

pub mod dial;
pub mod tls;
pub mod upstream;
