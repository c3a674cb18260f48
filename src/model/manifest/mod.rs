//! Policy documents: YAML to raw kinds to checked resources; every error with file, line and column.
//!
//! `source` to `fields` are the strict reader, which settings use too; `kinds` to `load` are the
//! documents. It never reads a file and never returns part of a set that has a mistake. Start with `load.rs`.

pub mod source;
pub mod report;
pub mod resources;
pub mod tree;
pub mod schema;
pub mod scope;
pub mod fields;
pub mod documents;
mod part;
pub mod values;
pub mod kinds;
mod header;
mod references;
mod route;
mod gateway;
mod agent;
mod l4_route;
mod http_route;
pub mod patterns;
mod ai_route;
mod mcp_route;
mod deny_policy;
mod rule_headers;
mod reach;
mod egress_policy;
mod mcp_server;
mod tool_policy;
mod inference_policy;
pub mod amounts;
mod budget_policy;
mod rate_limit_policy;
mod bandwidth_policy;
mod dlp_policy;
mod credential_place;
mod credential_policy;
mod digest;
mod approval;
pub mod policy_test;
pub mod secret;
mod load;
pub mod json_schema;
pub mod catalogue;

#[cfg(test)]
mod tests;

pub use digest::of_files as digest_of_files;
pub use load::load;
pub use report::{Diagnostic, Report};
pub use resources::Resources;
pub use source::SourceFile;
