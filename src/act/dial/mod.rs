//! Reach an upstream: resolve, classify, connect, verify.
