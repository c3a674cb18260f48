//! What must hold for any bytes, one function for each reader of foreign bytes; each panics where its claim is broken.
//!
//! Three take them: the fuzzer (`main.rs`), the property tests (`tests/properties`), and the test that runs every seed
//! and every former finding (`tests/seeds.rs`). Each claim is held against a second reader, never against the code itself.

mod answer;
pub mod condition;
mod detect;
mod dns;
mod events;
mod exchange;
mod frames;
mod guard;
mod hygiene;
mod inspect;
mod journal;
mod json;
mod manifest;
mod mcp;
mod names;
mod path;
mod policy;
mod sniff;

#[allow(unused_imports, reason = "the fuzzer itself has no use for it")]
pub use guard::pass;

/// A claim about any bytes.
pub type Check = fn(&[u8]);

/// Every claim by its name, which is also the name of its folder of seeds.
pub const TARGETS: &[(&str, Check)] = &[
    ("answer", answer::check),
    ("condition", condition::check),
    ("detect", detect::check),
    ("dns", dns::check),
    ("events", events::check),
    ("exchange", exchange::check),
    ("frames", frames::check),
    ("guard", guard::check),
    ("hygiene", hygiene::check),
    ("inspect", inspect::check),
    ("journal", journal::check),
    ("json", json::check),
    ("manifest", manifest::check),
    ("mcp", mcp::check),
    ("names", names::check),
    ("path", path::check),
    ("policy", policy::check),
    ("sniff", sniff::check),
];

/// The claim of this name.
pub fn target(name: &str) -> Option<Check> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, check)| *check)
}
