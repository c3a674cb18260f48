//! The product in the laboratory, end to end: each file a part of the road, each test a claim.

pub mod alpn;
pub mod broken;
pub mod clients;
pub mod crash;
pub mod deciding;
pub mod denials;
pub mod dialogue;
pub mod dns;
pub mod explaining;
pub mod fail_modes;
pub mod guard;
pub mod http;
pub mod http2;
pub mod interception;
pub mod names;
pub mod operator;
pub mod origin;
pub mod passthrough;
pub mod probes;
pub mod records;
pub mod reload;
pub mod start_up;
pub mod streaming;
pub mod terminate;
pub mod websocket;
pub mod world;
