//! The vault: credentials that agents never hold, sealed at rest and open in memory alone.
//!
//! `sealing` makes a value unreadable and readable again under the master key, which `master` finds or makes; `vault` has the
//! open values for whoever puts them into requests, and `known` finds them where they surface. A value is opened in this folder and nowhere else, and never stands in an error, a record or a log.

mod sealing;
mod master;
pub mod vault;
mod known;

pub use known::KnownValues;
pub use master::{Found, KeySource, MasterKeyError, find_or_make};
pub use sealing::{KeyId, MasterKey};
pub use vault::{Listed, Unavailable, Vault};
