//! What takes long or needs more than apt's small packages, by `make test-long` alone: compiled with the feature
//! `long-tests`, in the same laboratory and by the same rules as everything else.

pub mod hostile;
