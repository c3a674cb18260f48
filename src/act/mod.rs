//! Do it: reach the destination, open TLS towards the workload, hold credentials, move bytes. Nothing here decides.

pub mod dial;
pub mod tls;
pub mod credentials;
pub mod upstream;
