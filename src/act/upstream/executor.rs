//! Runs hyper's background work on the worker's own thread.

use std::future::Future;

/// Spawns on the current `LocalSet`; futures need not be `Send`.
#[derive(Debug, Clone, Copy)]
pub struct LocalExecutor;

impl<F> hyper::rt::Executor<F> for LocalExecutor
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, future: F) {
        // As it is: a block around it would hold it twice, and each request would copy it once more.
        drop(tokio::task::spawn_local(future));
    }
}
