//! The vault: credentials that agents never hold, sealed at rest and open in memory alone.
//!
//! `sealing` makes a value unreadable and readable again under the master key, which `master` finds or makes; `vault` has the
//! open values. `inject` puts them into requests, the last step before the wire, `echo` takes them out of answers, and `known`
//! finds them wherever they surface. A value is opened in this folder and nowhere else, and never stands in an error, a record or
//! a log.

mod sealing;
mod master;
pub mod vault;
mod known;
mod signature;
mod places;
pub mod placeholder;
pub mod aws;
pub mod google;
pub mod exchange;
mod forms;
pub mod echo;
pub mod inject;

pub use aws::Payload;
pub use echo::{Covering, Echo};
pub use google::{Asked, Tokens};
pub use inject::{Means, Sealed, Traces, inject};
pub use known::KnownValues;
pub use master::{CREDENTIAL, FILE as KEY_FILE, Found, KeySource, MasterKeyError, find_or_make};
pub use sealing::{KeyId, MasterKey};
pub use vault::{Listed, Unavailable, Vault};
