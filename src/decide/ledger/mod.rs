//! The append-only record: a journal on the road, a filler into SQLite behind it.

pub mod record;
