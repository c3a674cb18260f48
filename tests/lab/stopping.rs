//! Ends a load of clients with the test that has begun it, also where the test fails: else its threads would run, and the test
//! with them, until somebody kills both.

use std::sync::atomic::{AtomicBool, Ordering};

/// Tells clients to stop when it is dropped.
pub struct Stopping<'a>(&'a AtomicBool);

impl<'a> Stopping<'a> {
    /// By this word, for which they look after each request.
    pub fn when_dropped(word: &'a AtomicBool) -> Self {
        Self(word)
    }
}

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
