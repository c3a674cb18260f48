//! Makes plain text of what a message is written in, and of what hides it.
//!
//! `map` leads from every text that is made back to the bytes that were sent. Two kinds of hiding are undone: `inline`
//! character by character (`letters`, `entities`), and `encoded` run by run (`runs` finds them, `base` decodes, `content`
//! says what came out); `patches` keeps what was undone and the windows it is read in. `fragments` joins what was split, and
//! `parts` takes messages apart. Nothing here looks for findings, decides, or undoes twice: `../descent.rs` does the nesting.
//! Not undone: ciphers (ROT13 among them), reversed text, UTF-7, and alphabets of one's own.

mod map;
mod patches;
mod runs;
mod base;
mod letters;
mod entities;
mod inline;
mod content;
mod encoded;
mod fragments;
mod parts;
mod protobuf;

pub use base::{SIX, base64};
pub use content::{Unreadable, unpack, unreadable, wide};
pub use encoded::{base32_label, encoded};
pub use fragments::{Joined, delimited, labels, markup, quoted};
pub use inline::{form_escapes, inline, json_escapes, quoted_printable};
pub use map::{Chain, Map, Mapped, Way};
pub use parts::{Transfer, parts, says};
pub use patches::{Patches, Window};
pub use protobuf::{frames, strings};
