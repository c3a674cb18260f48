//! What is this? From a packet to a connection, a name, a first message, a request and the agent that speaks.

pub mod intercept;
pub mod dns;
pub mod hello;
pub mod framing;
pub mod request;
pub mod response;
pub mod identity;
pub mod protocol;
