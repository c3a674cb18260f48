//! Runs hyper's background work on the worker's own thread.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::rc::Rc;

use tokio::io::AsyncWrite;

use super::gathered::Gathered;

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

/// As [`LocalExecutor`], for one HTTP/2 client connection whose writes are gathered. hyper hands over the connection
/// itself first; what it hands over later are requests, which write nothing themselves.
pub(super) struct GatheringExecutor<S>(Rc<Cell<Option<Gathered<S>>>>);

impl<S> GatheringExecutor<S> {
    /// For the connection that writes to this stream.
    pub(super) fn new(stream: Gathered<S>) -> Self {
        Self(Rc::new(Cell::new(Some(stream))))
    }
}

impl<S> Clone for GatheringExecutor<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F, S> hyper::rt::Executor<F> for GatheringExecutor<S>
where
    F: Future<Output = ()> + 'static,
    S: AsyncWrite + Unpin + 'static,
{
    fn execute(&self, future: F) {
        let Some(stream) = self.0.take() else {
            return drop(tokio::task::spawn_local(future));
        };
        let mut connection = Box::pin(future);
        drop(tokio::task::spawn_local(poll_fn(move |cx| {
            let polled = connection.as_mut().poll(cx);
            stream.settle(cx);
            polled
        })));
    }
}
