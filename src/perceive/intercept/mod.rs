//! nftables rules, policy routes and TPROXY sockets.
