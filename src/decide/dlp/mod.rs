//! What must not leave: found in bytes, whatever hides it, and made unrecognisable where policy says so.
//!
//! `detector` says what there is to be found, as one uniform catalogue: `secrets` has credentials, `personal` what identifies
//! people. `detect` finds it in plain text, `unhide` makes plain text of what a message is written in, and `inspect` joins the
//! two for a whole message, or for one that passes in pieces. `plan` is what policies say of findings, and `inspected` what
//! becomes of a message by that. No text that was found stays in a result. Automata alone: the work is linear in the bytes, whatever they are.

mod blocks;
mod anchors;
mod detector;
mod examples;
mod custom;
mod formats;
mod sums;
pub mod secrets;
pub mod personal;
pub mod catalogue;
mod detect;
mod form;
mod hash;
mod unhide;
mod trail;
mod places;
mod inspect;
mod marks;
mod descent;
mod messages;
mod redact;
mod fields;
mod window;
mod transfer;
mod parted;
mod plan;
mod words;
mod inspected;
mod passing;
#[cfg(test)]
mod tests;

pub use custom::{CustomForm, CustomMistake, CustomPattern};
pub use detect::Detectors;
pub use detector::{Check, Confidence, Detector, DetectorName, Found};
pub use fields::{Names, forget_sums, redacted};
pub use form::Form;
pub use hash::HashKey;
pub use inspect::{Findings, Inspector, Known, Location, Match};
pub use inspected::{Changeable, Inspected, Judgement};
pub use passing::{Bound, ByRules, Passing, Told};
pub use plan::{Inspection, Terms};
pub use redact::redact;
pub use unhide::Unreadable;
pub use window::{Step, Window};
pub use words::Unread;
