//! Against the real kernel, as root, in network namespaces of their own: the rules load, are listed back as written,
//! and do what `nftables/clawgress.nft` says they do.

mod office;
mod rules;
mod traffic;
mod examination;
