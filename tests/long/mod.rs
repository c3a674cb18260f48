//! What takes long or needs more than apt's small packages, by `make test-long` alone: compiled with the feature
//! `long-tests`, in the same laboratory and by the same rules as everything else.

pub mod bandwidth;
pub mod beliefs;
pub mod browser;
pub mod budgets;
pub mod credentials;
pub mod exchanges;
pub mod go;
pub mod hostile;
pub mod hours;
pub mod http2;
pub mod java;
pub mod javascript;
pub mod mcp;
pub mod package;
pub mod packages;
pub mod postgres;
pub mod python;
pub mod quic;
pub mod replay;
pub mod ruby;
pub mod sdks;
pub mod tools;
pub mod upstreams;
