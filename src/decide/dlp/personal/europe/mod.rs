//! Numbers that European states give to people, and tax numbers of those who trade: an entry for each, with its check beside it.
//!
//! `west` has Britain, Ireland, France, Spain, Portugal, Italy and the Low Countries, `germany` Austria and Switzerland as well,
//! `north` the Nordic and Baltic states, `east` the others, Turkey among them. Nothing here searches: read `numbers.rs` next.

pub mod west;
pub mod germany;
pub mod north;
pub mod east;
