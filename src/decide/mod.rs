//! May it? Pure decisions over what was perceived, and the ledger that keeps every one of them.

pub mod policy;
pub mod ledger;
