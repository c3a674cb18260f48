//! May it? What must not leave, pure decisions over what was perceived, the guard against data hidden in names, quotas, and the ledger that keeps every
//! decision.

pub mod dlp;
pub mod policy;
pub mod tunnel;
pub mod quota;
pub mod ledger;
