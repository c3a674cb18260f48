//! The story of one connection. START READING HERE.
//!
//! `worker` takes it from the kernel, if `places` has one for it. `connection` finds out who speaks
//! (`perceive::identity`), what is said first (`peeked`), whether it may live (`decide::policy`), puts that on record
//! (`decide::ledger`) and hands it on: to `flow`, where bytes are only moved, or to `web`, where the upstream is reached
//! (`act::dial`), TLS is opened (`act::tls`) and `serving` reads requests through the byte guard (`guarded`) or the frame
//! counter (`framed`). Each request takes the road of `exchange`: read, decided on (`deciding`: by what it carries, where `held`
//! had to read that, and by what `looking` finds in it; `asking`, where it goes on
//! before all of it has come), recorded, given its credentials (`sealing`), sent (`forward`),
//! answered (`answering`), closed. What is refused goes through `refuse` and `deny`. `dns` is
//! the same road for queries, `datagrams` for UDP flows, and `dropped` records what never came here, because the kernel
//! refused it. Only this folder knows the order of the stages.

pub mod shift;
mod places;
mod quarantines;
mod paces;
pub mod road;
mod peeked;
mod handshakes;
mod patience;
mod departure;
mod watch;
mod guarded;
mod framed;
mod deny;
mod arrival;
mod claimed;
mod reserving;
mod anew;
mod underway;
mod hushed;
mod naming;
mod site;
mod serving;
mod case;
mod bridge;
mod early;
mod transform;
mod carried;
mod held;
mod spending;
mod asking;
mod looking;
mod deciding;
mod going;
mod sealing;
mod tunnel;
mod forward;
mod fallback;
mod answering;
mod shown;
mod exchange;
mod refuse;
mod home;
mod flow;
mod web;
mod connection;
mod dns;
mod refusals;
mod datagrams;
pub mod dropped;
pub mod worker;

pub use held::prepare;
pub use home::{NAME as HOME_NAME, PORT as HOME_PORT};
pub use paces::Paces;
pub use places::Room;
pub use quarantines::{Imposed, Quarantines};
pub use road::{Finder, Home, Road, Shared, Snapshot};
