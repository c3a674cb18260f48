//! Policy documents: YAML to raw kinds to checked resources; every error with file, line and column.

pub mod resources;

pub use resources::Resources;
