//! What must not leave: found in bytes, whatever hides it, and made unrecognisable where policy says so.
//!
//! `detector` says what there is to be found, as one uniform catalogue: `secrets` has credentials, `personal` what identifies
//! people. `detect` finds it in plain text, `unhide` makes plain text of what a message is written in, and `inspect` joins the
//! two for a whole message, or for one that passes in pieces. Nothing here decides what becomes of a finding, and no text
//! that was found stays in a result. Automata alone: the work is linear in the bytes, whatever they are.

mod anchors;
mod detector;
mod examples;
mod custom;
mod formats;
mod sums;
pub mod secrets;
pub mod personal;
mod detect;

pub use custom::{CustomForm, CustomMistake, CustomPattern};
pub use detect::Detectors;
pub use detector::{Check, Confidence, Detector, DetectorName, Found};
