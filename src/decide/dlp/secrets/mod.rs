//! Credentials of services, and other secret values.
//!
//! `CATALOGUE` has what is known by its format, one file for each kind of service, and what is known by its grammar (`structures`,
//! `assignment`). `finder` looks for all of it in one pass. Read next: `finder.rs`.

mod applications;
mod assignment;
mod cloud;
mod finder;
mod grammar;
mod hosts;
mod infrastructure;
mod messaging;
mod models;
mod monitoring;
mod name;
mod nearby;
mod payments;
mod placeholders;
mod structures;
mod sums;
mod value;
mod words;

use super::detector::Detector;

#[cfg(test)]
mod tests;

pub use finder::Finder;
pub(super) use words::pairs;

/// What there is to be found.
pub const CATALOGUE: &[&[Detector]] = &[
    cloud::CATALOGUE,
    hosts::CATALOGUE,
    models::CATALOGUE,
    messaging::CATALOGUE,
    payments::CATALOGUE,
    monitoring::CATALOGUE,
    infrastructure::CATALOGUE,
    applications::CATALOGUE,
    nearby::platforms::CATALOGUE,
    nearby::applications::CATALOGUE,
    grammar::CATALOGUE,
    placeholders::CATALOGUE,
];
