//! A followed tail: JSON lines over a bounded channel, until the reader goes or takes nothing any more.
//!
//! An empty line is a sign of life. A slow reader slows his own stream and nothing else: the records wait in the
//! ledger, not in memory.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::dispatch::Shared;
use crate::model::types::limits;
use crate::operate::api::{AuditFilter, Window};

/// Pages on their way to one reader.
const PAGES_IN_FLIGHT: usize = 2;

/// The body of the answer.
pub(super) struct Lines(mpsc::Receiver<Bytes>);

impl Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let lines = ready!(self.0.poll_recv(context));
        Poll::Ready(lines.map(|lines| Ok(Frame::data(lines))))
    }
}

/// Starts to follow; ends when the body is dropped or the server stops.
pub(super) fn start(shared: Arc<Shared>, filter: AuditFilter, window: Window) -> Lines {
    let (sender, receiver) = mpsc::channel(PAGES_IN_FLIGHT);
    let stop = shared.stop();
    tokio::spawn(async move {
        tokio::select! {
            () = stop => {}
            () = follow(shared, filter, window, sender) => {}
        }
    });
    Lines(receiver)
}

async fn follow(shared: Arc<Shared>, filter: AuditFilter, mut window: Window, sender: mpsc::Sender<Bytes>) {
    let mut alive = Instant::now();
    loop {
        let asked = filter.clone();
        let page = match shared.ask(move |backend| backend.audit_tail(&asked, &window)).await {
            Ok(page) => page,
            Err(fault) => {
                // The reader learns that the stream ended, the log why.
                tracing::warn!(why = fault.message, "a followed tail ends");
                return;
            }
        };
        window = Window { last: None, after: Some(page.next), ..window };
        let mut lines = Vec::new();
        for row in &page.rows {
            if serde_json::to_writer(&mut lines, row).is_ok() {
                lines.push(b'\n');
            }
        }
        if lines.is_empty() && alive.elapsed() >= limits::ADMIN_TAIL_HEARTBEAT {
            lines.push(b'\n');
        }
        if !lines.is_empty() {
            alive = Instant::now();
            match timeout(limits::ADMIN_TAIL_STALL, sender.send(lines.into())).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            }
        }
        if page.more {
            continue;
        }
        tokio::select! {
            () = sender.closed() => return,
            () = sleep(limits::ADMIN_TAIL_INTERVAL) => {}
        }
    }
}
