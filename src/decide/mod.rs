//! May it? Pure decisions over what was perceived, the guard against data hidden in names, and the ledger that keeps every
//! decision.

pub mod policy;
pub mod tunnel;
pub mod ledger;
