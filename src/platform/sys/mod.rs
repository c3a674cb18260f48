//! Linux, safely wrapped: clock, socket options, splice, netlink, peer credentials.

pub mod clock;
