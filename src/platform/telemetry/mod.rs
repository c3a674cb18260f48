//! Logging set-up and live counters: knows numbers, not stages.
