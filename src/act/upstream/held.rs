//! A request's body that is held: whole in memory, and sent as it came.
//!
//! What is held has bounds: of one body, of one agent, and of all. Bytes are copied into pieces of our own, because the
//! buffers that they arrive in may be far larger than what is left of them. Never changes a byte. Read next: `body.rs`.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::model::types::limits::{HELD_BODY_BYTES, HELD_BYTES, HELD_BYTES_PER_AGENT, HELD_PIECE_BYTES};

/// What all workers may hold together.
#[derive(Debug, Default)]
pub struct HeldRoom(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    all: u64,
    /// Absent where it is nothing.
    by_agent: HashMap<Arc<str>, u64>,
}

/// What one body takes of it; given back when dropped.
#[derive(Debug)]
struct Share {
    room: Arc<HeldRoom>,
    agent: Arc<str>,
    bytes: u64,
}

/// Why a body cannot be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// It has more than [`HELD_BODY_BYTES`].
    TooLarge,
    /// All of one agent, or of all, have more than may be held.
    NoRoom,
}

impl Share {
    fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let mut taken = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = taken.all + bytes as u64;
        let own = taken.by_agent.get(&self.agent).copied().unwrap_or(0) + bytes as u64;
        if all > HELD_BYTES || own > HELD_BYTES_PER_AGENT {
            return Err(Full::NoRoom);
        }
        taken.all = all;
        taken.by_agent.insert(self.agent.clone(), own);
        self.bytes += bytes as u64;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(self.bytes);
        let own = taken.by_agent.get(&self.agent).map_or(0, |own| own.saturating_sub(self.bytes));
        if own == 0 {
            taken.by_agent.remove(&self.agent);
        } else {
            taken.by_agent.insert(self.agent.clone(), own);
        }
    }
}

/// A body while it comes.
#[derive(Debug)]
pub struct Holding {
    share: Share,
    pieces: Vec<Bytes>,
    last: BytesMut,
    length: u64,
    is_announced: bool,
    trailers: Option<HeaderMap>,
}

impl Holding {
    /// A body of this agent; of this length, where its head says so.
    ///
    /// # Errors
    /// Where that is more than may be held.
    pub fn begin(room: &Arc<HeldRoom>, agent: &Arc<str>, announced: Option<u64>) -> Result<Self, Full> {
        if announced.is_some_and(|length| length > HELD_BODY_BYTES) {
            return Err(Full::TooLarge);
        }
        let share = Share { room: room.clone(), agent: agent.clone(), bytes: 0 };
        let (pieces, last) = (Vec::new(), BytesMut::new());
        Ok(Self { share, pieces, last, length: 0, is_announced: announced.is_some(), trailers: None })
    }

    /// Bytes that have come.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The next bytes.
    ///
    /// # Errors
    /// Where they are too many.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), Full> {
        self.length += bytes.len() as u64;
        if self.length > HELD_BODY_BYTES {
            return Err(Full::TooLarge);
        }
        while !bytes.is_empty() {
            let mut room = self.last.capacity() - self.last.len();
            if room == 0 {
                let [least, most] = HELD_PIECE_BYTES;
                room = bytes.len().max(self.last.capacity() * 2).clamp(least, most);
                self.share.grow(room)?;
                let full = std::mem::replace(&mut self.last, BytesMut::with_capacity(room));
                if !full.is_empty() {
                    self.pieces.push(full.freeze());
                }
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.last.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// What stands behind the body.
    pub fn trailers(&mut self, trailers: HeaderMap) {
        self.trailers = Some(trailers);
    }

    /// The body has come whole.
    pub fn finish(mut self) -> Held {
        if !self.last.is_empty() {
            self.pieces.push(self.last.freeze());
        }
        let Self { share, pieces, length, is_announced, trailers, .. } = self;
        Held(Rc::new(Kept { pieces, length, is_announced, trailers, share: Rc::new(share) }))
    }
}

/// A body that has come whole. Copies are the same one.
#[derive(Debug, Clone)]
pub struct Held(Rc<Kept>);

#[derive(Debug)]
struct Kept {
    /// None of them is empty.
    pieces: Vec<Bytes>,
    length: u64,
    /// Whether its head said how long it is.
    is_announced: bool,
    trailers: Option<HeaderMap>,
    share: Rc<Share>,
}

impl Held {
    /// Its bytes, in order.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.0.pieces.iter()
    }

    /// How many they are.
    pub fn length(&self) -> u64 {
        self.0.length
    }

    /// All of them in one.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.pieces.concat()
    }

    /// What stands behind it.
    pub fn trailers(&self) -> Option<&HeaderMap> {
        self.0.trailers.as_ref()
    }

    /// Another body, and other trailers, in the place of this one.
    pub fn replaced(&self, bytes: Vec<u8>, trailers: Option<HeaderMap>) -> Self {
        let Kept { is_announced, share, .. } = &*self.0;
        let length = bytes.len() as u64;
        let pieces = if bytes.is_empty() { Vec::new() } else { vec![Bytes::from(bytes)] };
        Self(Rc::new(Kept { pieces, length, is_announced: *is_announced, trailers, share: share.clone() }))
    }

    /// The same with others in the place of some of them.
    pub fn with(&self, range: Range<usize>, value: Vec<u8>) -> Self {
        let (mut pieces, mut begin) = (Vec::with_capacity(self.0.pieces.len() + 2), 0);
        let mut value = Some(Bytes::from(value));
        for piece in &self.0.pieces {
            let within = |at: usize| at.saturating_sub(begin).min(piece.len());
            let (before, behind) = (piece.slice(..within(range.start)), piece.slice(within(range.end)..));
            begin += piece.len();
            pieces.push(before);
            if range.start <= begin {
                pieces.extend(value.take());
            }
            pieces.push(behind);
        }
        pieces.extend(value);
        pieces.retain(|piece| !piece.is_empty());
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        let Kept { is_announced, trailers, share, .. } = &*self.0;
        let (trailers, share) = (trailers.clone(), share.clone());
        Self(Rc::new(Kept { pieces, length, is_announced: *is_announced, trailers, share }))
    }
}

/// A held body on its way out.
#[derive(Debug)]
pub(super) struct Unheld {
    body: Held,
    /// Pieces and bytes that have gone.
    next: usize,
    sent: u64,
    trailers: Option<HeaderMap>,
}

impl Unheld {
    /// From its beginning.
    pub(super) fn new(body: Held) -> Self {
        let trailers = body.0.trailers.clone();
        Self { body, next: 0, sent: 0, trailers }
    }

    /// The same, from its beginning again.
    pub(super) fn again(&self) -> Self {
        Self::new(self.body.clone())
    }

    /// The next frame.
    pub(super) fn frame(&mut self) -> Option<Frame<Bytes>> {
        let Some(piece) = self.body.0.pieces.get(self.next) else {
            return self.trailers.take().map(Frame::trailers);
        };
        self.next += 1;
        self.sent += piece.len() as u64;
        Some(Frame::data(piece.clone()))
    }

    /// Whether all of it has gone.
    pub(super) fn is_over(&self) -> bool {
        self.next >= self.body.0.pieces.len() && self.trailers.is_none()
    }

    /// How much is still to go: what its own head said, and nothing that it did not say.
    pub(super) fn size_hint(&self) -> SizeHint {
        let left = self.body.0.length - self.sent;
        if self.body.0.is_announced || self.is_over() {
            SizeHint::with_exact(left)
        } else {
            SizeHint::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(room: &Arc<HeldRoom>, agent: &str, announced: Option<u64>) -> Result<Holding, Full> {
        Holding::begin(room, &agent.into(), announced)
    }

    fn taken(room: &HeldRoom) -> (u64, usize) {
        let taken = room.0.lock().unwrap();
        (taken.all, taken.by_agent.len())
    }

    #[test]
    fn a_body_goes_out_as_it_came_with_its_trailers_and_gives_its_room_back() {
        let room = Arc::default();
        let bytes: Vec<u8> = (0..300_000_u32).map(|number| number as u8).collect();
        for (size, announced) in [(1, Some(300_000)), (7000, None), (300_000, None)] {
            let mut holding = begin(&room, "alice", announced).unwrap();
            bytes.chunks(size).for_each(|piece| holding.push(piece).unwrap());
            holding.trailers([("x-sum".parse().unwrap(), "7".parse().unwrap())].into_iter().collect());
            let held = holding.finish();
            assert!(taken(&room).0 >= held.length());
            for mut unheld in [Unheld::new(held.clone()), Unheld::new(held.clone()).again()] {
                assert_eq!(unheld.size_hint().exact(), announced);
                let (mut sent, mut trailers) = (Vec::new(), None);
                while !unheld.is_over() {
                    match unheld.frame().unwrap().into_data() {
                        Ok(data) => sent.extend_from_slice(&data),
                        Err(frame) => trailers = frame.into_trailers().ok(),
                    }
                }
                assert!(sent == bytes && unheld.frame().is_none());
                assert_eq!(trailers.unwrap()["x-sum"], "7");
            }
            drop(held);
            assert_eq!(taken(&room), (0, 0));
        }
    }

    #[test]
    fn some_bytes_of_a_body_are_replaced_wherever_they_stand_and_the_others_stay() {
        let room = Arc::default();
        let bytes: Vec<u8> = (0..20_000_u32).map(|number| number as u8).collect();
        let mut holding = begin(&room, "alice", None).unwrap();
        bytes.chunks(100).for_each(|piece| holding.push(piece).unwrap());
        let held = holding.finish();
        assert!(held.pieces().count() > 1);
        let edge = held.pieces().next().unwrap().len();
        let most = bytes.len();
        for range in [0..5, edge - 2..edge + 2, edge..edge + 1, edge - 1..edge, 0..most, most - 1..most, 7..7]
        {
            let expected = [&bytes[..range.start], b"another", &bytes[range.end..]].concat();
            let other = held.with(range.clone(), b"another".to_vec());
            assert!(other.bytes() == expected && other.length() == expected.len() as u64, "{range:?}");
        }
        assert!(held.bytes() == bytes);
    }

    #[test]
    fn a_body_over_the_bound_is_given_up_before_it_comes_and_while_it_comes() {
        let room = Arc::default();
        assert!(begin(&room, "alice", Some(HELD_BODY_BYTES)).is_ok());
        assert_eq!(begin(&room, "alice", Some(HELD_BODY_BYTES + 1)).err(), Some(Full::TooLarge));
        let mut holding = begin(&room, "alice", None).unwrap();
        let piece = vec![0; 1 << 20];
        for _ in 0..HELD_BODY_BYTES >> 20 {
            holding.push(&piece).unwrap();
        }
        assert_eq!(holding.push(&[0]), Err(Full::TooLarge));
        drop(holding);
        assert_eq!(taken(&room), (0, 0));
    }

    #[test]
    fn one_agent_takes_its_share_and_no_other_agents() {
        let room: Arc<HeldRoom> = Arc::default();
        let share = |agent: &str| Share { room: room.clone(), agent: agent.into(), bytes: 0 };
        let mut shares = Vec::new();
        for (number, agent) in ["alice", "bob", "carol", "dave"].into_iter().enumerate() {
            let mut own = [share(agent), share(agent)];
            while own[0].grow(1 << 20).is_ok() && own[1].grow(1 << 20).is_ok() {}
            assert_eq!(taken(&room).0, (number as u64 + 1) * HELD_BYTES_PER_AGENT, "{agent}");
            shares.push(own);
        }
        assert_eq!(taken(&room).0, HELD_BYTES, "all of it is taken");
        let mut other = share("erin");
        assert_eq!(other.grow(1), Err(Full::NoRoom));
        shares.clear();
        assert_eq!((taken(&room), other.grow(1)), ((0, 0), Ok(())));
    }

    #[test]
    fn a_byte_at_a_time_takes_no_more_room_than_twice_its_bytes_and_a_piece() {
        let room = Arc::default();
        let mut holding = begin(&room, "alice", None).unwrap();
        for _ in 0..100_000 {
            holding.push(&[0]).unwrap();
        }
        assert!(taken(&room).0 <= 2 * 100_000 + HELD_PIECE_BYTES[1] as u64, "{:?}", taken(&room));
    }
}
