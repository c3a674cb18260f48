//! What the tests of this module's parts share; those tests stand in the parts.

pub mod encrypted;
pub mod lab;
