//! What follows a switch of protocols (RFC 9110, section 7.8), WebSocket above all: bytes both ways until one side
//! ends, nothing moves for too long, or the daemon drains.

use std::sync::Arc;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::guarded::Watch;
use crate::act::upstream::Closing;
use crate::model::types::limits::{FLOW_IDLE_TIME, TLS_HANDSHAKE_TIME};

/// Bytes on the way in one direction.
const BUFFER: usize = 16 * 1024;

/// Relays an upgraded connection and closes its record.
pub async fn run(
    workload: OnUpgrade,
    upstream: OnUpgrade,
    closing: Closing,
    watch: Arc<Watch>,
    mut drain: watch::Receiver<bool>,
) {
    let both = timeout(TLS_HANDSHAKE_TIME, async { tokio::try_join!(workload, upstream) }).await;
    let Ok(Ok((workload, upstream))) = both else { return closing.finish(0, 0, Some("client-closed")) };
    let (out, back) = (watch.received(), watch.sent());
    let (mut workload, mut upstream) = (TokioIo::new(workload), TokioIo::new(upstream));
    let end = tokio::select! {
        ended = copy_bidirectional_with_sizes(&mut workload, &mut upstream, BUFFER, BUFFER) => {
            ended.err().map(|_| "reset")
        }
        () = idle(&watch) => Some("idle"),
        _ = drain.wait_for(|drains| *drains) => Some("shutdown"),
    };
    closing.finish(watch.received() - out, watch.sent() - back, end);
}

/// Returns once nothing has moved for `FLOW_IDLE_TIME`.
async fn idle(watch: &Watch) {
    loop {
        let still = watch.still();
        if still >= FLOW_IDLE_TIME {
            return;
        }
        sleep(FLOW_IDLE_TIME - still).await;
    }
}
