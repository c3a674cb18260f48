//! What a condition may name.
