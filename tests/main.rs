//! The integration tests, as one program: the rules of the house, the laboratory, and the product in it.
//!
//! `lab` is the vocabulary. Everything that needs a network happens in namespaces that a test makes for itself, so
//! tests run side by side, and need root.

#![allow(
    clippy::panic,
    clippy::print_stderr,
    reason = "clippy takes helpers outside `#[test]` for production code; here everything is a test"
)]

#[macro_use]
extern crate macro_rules_attribute;

#[macro_use]
#[allow(dead_code, reason = "a vocabulary may have words that no test says today")]
mod lab;

mod allocations;
mod architecture;
mod bounds;
mod documents;
mod e2e;
mod lab_works;
mod properties;
mod references;
mod seeds;
mod shipped;
#[cfg(feature = "long-tests")]
mod long;
mod package;
mod service;
