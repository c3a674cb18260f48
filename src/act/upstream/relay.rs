//! Bytes from here to there, for flows that are not opened: the kernel moves them, we count, and rest where a rule says so.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::watch;

use super::lane::Lane;
use super::tempo::LiveTempo;
use crate::decide::ledger::Entry;
use crate::decide::policy::Passage;
use crate::model::types::Direction;
use crate::model::types::limits::FLOW_IDLE_TIME;
use crate::platform::sys::splice::{DirectionEnd, splice_bidirectional};

pub use crate::platform::sys::splice::FlowBytes;

/// The word of records for what was ended because no more bytes may move.
pub const SPENT: &str = "spent";

/// Relays between a workload and its destination until both sides are done, one was reset, nothing has moved for
/// `FLOW_IDLE_TIME`, no more may move, or it is cut. Returns the word for the record where the end was not the
/// orderly one.
pub async fn splice(
    _passage: &Passage,
    _entry: &Entry,
    (workload, upstream): (&TcpStream, &TcpStream),
    (bytes, tempo): (&Arc<FlowBytes>, &LiveTempo),
    mut cut: watch::Receiver<bool>,
) -> Option<&'static str> {
    let mut up = Lane::new(tempo.clone(), Direction::Up);
    let mut down = Lane::new(tempo.clone(), Direction::Down);
    let paced = (&mut up, &mut down);
    let end = tokio::select! {
        end = splice_bidirectional(workload, upstream, FLOW_IDLE_TIME, bytes, paced) => end,
        _ = cut.wait_for(|cut| *cut) => return Some("shutdown"),
    };
    match (end.a_to_b, end.b_to_a) {
        (DirectionEnd::Eof, DirectionEnd::Eof) => None,
        (DirectionEnd::Stopped, _) | (_, DirectionEnd::Stopped) => Some(SPENT),
        (DirectionEnd::Idle, _) | (_, DirectionEnd::Idle) => Some("idle"),
        _ => Some("reset"),
    }
}
