//! The frame counter in front of the HTTP/2 library: it lets through no more frames that bring nothing than a peer
//! that means well ever sends.
//!
//! PING, SETTINGS, PRIORITY, WINDOW_UPDATE, RST_STREAM, CONTINUATION, empty DATA and unknown frames each cost their
//! sender credit. Credit comes back with time, and with the bytes that we send it: whoever downloads may acknowledge
//! what it gets. Requests and bodies cost nothing here; policy and flow control bound those. Heads of answers cost
//! credit, because interim ones are answers to nothing. It reads frame headers alone, never a payload, changes no byte
//! and keeps none. What a frame means is left to the library.

use std::time::Duration;

use crate::model::types::limits::{FRAME_BURST, FRAMES_PER_SECOND};

/// Bytes of the connection preface (RFC 9113, section 3.4).
const PREFACE: u64 = 24;
/// Bytes of a frame header (RFC 9113, section 4.1).
const HEADER: usize = 9;

/// What one frame costs; a reset more, because the request that it takes back has cost us more than a frame.
const RESET_COST: u64 = 4;
const _: () = assert!(RESET_COST < FRAME_BURST);
/// Whose frames are counted, and by which rates. Bytes that we send earn less than a frame costs that makes us send them.
#[derive(Debug)]
struct Rates {
    /// Bytes of the preface that comes first.
    preface: u64,
    /// Bytes sent to the peer that earn it one unit.
    bytes_per_unit: u64,
    /// What PING and SETTINGS cost, which are answered in kind.
    answered: u64,
    /// What HEADERS cost.
    headers: u64,
}

const OF_WORKLOADS: Rates = Rates { preface: PREFACE, bytes_per_unit: 32, answered: 1, headers: 0 };
/// A server may acknowledge each small message by two window updates, one for the stream and one for the connection.
const OF_UPSTREAMS: Rates = Rates { preface: 0, bytes_per_unit: 8, answered: 4, headers: 1 };

/// DATA with padding and no more than this is taken to hold nothing else.
const PADDING_ALONE: u64 = 256;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;

/// Kinds of frames (RFC 9113, section 6) and their names; what stands behind them is unknown.
const KINDS: [&str; 10] = [
    "DATA",
    "HEADERS",
    "PRIORITY",
    "RST_STREAM",
    "SETTINGS",
    "PUSH_PROMISE",
    "PING",
    "GOAWAY",
    "WINDOW_UPDATE",
    "CONTINUATION",
];
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;

/// The counter of one connection.
#[derive(Debug)]
pub struct Frames {
    rates: &'static Rates,
    /// Bytes until the next frame header: the rest of the preface or of a payload.
    rest: u64,
    /// The frame header that is being read, and how much of it is there.
    header: [u8; HEADER],
    have: usize,
    /// Frame headers that have passed.
    seen: u64,
    /// A header block has begun and its END_HEADERS has not come.
    in_block: bool,
    /// The frame that is passing is no DATA: it ought to be finished soon.
    prompt: bool,
    /// The highest stream that the peer has opened, and how many.
    last_stream: u32,
    opened: u64,
    credit: u64,
    /// Bytes sent that have not earned a whole unit yet.
    sent: u64,
    /// When credit was last given for time.
    refilled: Duration,
    flood: Option<&'static str>,
}

impl Frames {
    /// For what a workload sends.
    pub fn of_workload() -> Self {
        Self::new(&OF_WORKLOADS)
    }

    /// For what an upstream sends.
    pub fn of_upstream() -> Self {
        Self::new(&OF_UPSTREAMS)
    }

    fn new(rates: &'static Rates) -> Self {
        Self {
            rates,
            rest: rates.preface,
            header: [0; HEADER],
            have: 0,
            seen: 0,
            in_block: false,
            prompt: true,
            last_stream: 0,
            opened: 0,
            credit: FRAME_BURST,
            sent: 0,
            refilled: Duration::ZERO,
            flood: None,
        }
    }

    /// Looks at bytes that were received `now` (since the connection began) and says how many may pass: all, or those
    /// up to the end of the frame that was one too many. How the bytes are cut into calls makes no difference.
    pub fn received(&mut self, bytes: &[u8], now: Duration) -> usize {
        let mut passed = 0;
        while let Some(left) = bytes.get(passed..).filter(|left| !left.is_empty()) {
            if self.rest > 0 {
                let step = usize::try_from(self.rest).unwrap_or(usize::MAX).min(left.len());
                self.rest -= step as u64;
                passed += step;
                continue;
            }
            if self.flood.is_some() {
                break;
            }
            let step = left.len().min(HEADER - self.have);
            self.header[self.have..self.have + step].copy_from_slice(&left[..step]);
            self.have += step;
            passed += step;
            if self.have == HEADER {
                self.have = 0;
                self.frame(now);
            }
        }
        passed
    }

    /// So many bytes were sent to the peer.
    pub fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
        let per_unit = self.rates.bytes_per_unit;
        if self.sent >= per_unit {
            self.earn(self.sent / per_unit);
            self.sent %= per_unit;
        }
    }

    /// Which frame was one too many, where there was one: its name, such as `PING`.
    pub fn flood(&self) -> Option<&'static str> {
        self.flood.filter(|_| self.rest == 0)
    }

    /// Whether something has begun that is finished at once by whoever means well: the preface, a header block, or
    /// any frame but DATA. The head time runs.
    pub fn unfinished(&self) -> bool {
        self.have > 0 || self.in_block || (self.rest > 0 && self.prompt)
    }

    /// How many frame headers have passed.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// How many streams the peer has opened with a whole header block.
    pub fn opened(&self) -> u64 {
        self.opened
    }

    fn frame(&mut self, now: Duration) {
        let [a, b, c, kind, flags, s0, s1, s2, s3] = self.header;
        let length = u64::from(u32::from_be_bytes([0, a, b, c]));
        let stream = u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff;
        self.rest = length;
        self.seen += 1;
        self.prompt = kind != DATA;
        if matches!(kind, HEADERS | CONTINUATION) {
            self.in_block = flags & END_HEADERS == 0;
            if !self.in_block && stream > self.last_stream {
                self.last_stream = stream;
                self.opened += 1;
            }
        }
        let cost = match kind {
            HEADERS => self.rates.headers,
            DATA if flags & END_STREAM != 0 => 0,
            DATA => u64::from(length == 0 || (flags & PADDED != 0 && length <= PADDING_ALONE)),
            RST_STREAM => RESET_COST,
            SETTINGS | PING => self.rates.answered,
            _ => 1,
        };
        if cost > 0 {
            self.charge(cost, KINDS.get(usize::from(kind)).copied().unwrap_or("unknown"), now);
        }
    }

    fn charge(&mut self, cost: u64, name: &'static str, now: Duration) {
        let since = now.saturating_sub(self.refilled).as_millis();
        let back = u64::try_from(since).unwrap_or(u64::MAX).saturating_mul(FRAMES_PER_SECOND) / 1000;
        if back > 0 {
            self.refilled = now;
            self.earn(back);
        }
        match self.credit.checked_sub(cost) {
            Some(credit) => self.credit = credit,
            None => self.flood = Some(name),
        }
    }

    fn earn(&mut self, units: u64) {
        self.credit = self.credit.saturating_add(units).min(FRAME_BURST);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, length: usize) -> Vec<u8> {
        let size = u32::try_from(length).unwrap().to_be_bytes();
        let mut frame = [&size[1..], &[kind, flags], &stream.to_be_bytes()[..]].concat();
        frame.resize(HEADER + length, 0xaa);
        frame
    }

    fn begun() -> Frames {
        let mut frames = Frames::of_workload();
        assert_eq!(frames.received(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Duration::ZERO), 24);
        frames
    }

    #[test]
    fn what_brings_nothing_is_bounded_and_named() {
        for (kind, flags, length, cost, name) in [
            (0, 0, 0, 1, "DATA"),
            (0, PADDED, 200, 1, "DATA"),
            (2, 0, 5, 1, "PRIORITY"),
            (3, 0, 4, RESET_COST, "RST_STREAM"),
            (4, 0, 6, 1, "SETTINGS"),
            (6, 0, 8, 1, "PING"),
            (6, 1, 8, 1, "PING"),
            (7, 0, 8, 1, "GOAWAY"),
            (8, 0, 4, 1, "WINDOW_UPDATE"),
            (9, 0, 0, 1, "CONTINUATION"),
            (0xfa, 0, 0, 1, "unknown"),
        ] {
            let (one, allowed) = (frame(kind, flags, 1, length), FRAME_BURST / cost);
            let all = one.repeat(usize::try_from(allowed).unwrap() + 2);
            let mut frames = begun();
            // The frame that is one too many passes whole, so that what follows it stands where a frame begins.
            assert_eq!(frames.received(&all, Duration::ZERO), all.len() - one.len(), "{name}");
            assert_eq!(frames.flood(), Some(name));
            assert_eq!(frames.received(&one, Duration::from_secs(60)), 0, "{name}: nothing passes any more");
        }
    }

    #[test]
    fn requests_and_bodies_cost_nothing() {
        let mut frames = begun();
        for stream in 0..u32::try_from(4 * FRAME_BURST).unwrap() {
            let id = 2 * stream + 1;
            let request =
                [frame(1, END_HEADERS, id, 10), frame(0, 0, id, 5), frame(0, END_STREAM, id, 0)].concat();
            assert_eq!(frames.received(&request, Duration::ZERO), request.len());
        }
        assert_eq!((frames.flood(), frames.opened()), (None, 4 * FRAME_BURST));
    }

    #[test]
    fn time_and_what_we_send_give_credit_back() {
        let ping = frame(PING, 0, 0, 8);
        let mut frames = begun();
        for second in 0..600 {
            let some = ping.repeat(usize::try_from(FRAMES_PER_SECOND).unwrap());
            assert_eq!(frames.received(&some, Duration::from_secs(second)), some.len());
        }
        let mut frames = begun();
        let update = frame(8, 0, 1, 4).repeat(2);
        for _ in 0..4 * FRAME_BURST {
            frames.sent(HEADER + 55);
            assert_eq!(frames.received(&update, Duration::ZERO), update.len());
        }
        // Our answer to a ping is worth less than the ping.
        let mut frames = begun();
        let answered = (0..10 * FRAME_BURST).take_while(|_| {
            frames.sent(HEADER + 8);
            frames.received(&ping, Duration::ZERO) == ping.len() && frames.flood().is_none()
        });
        assert!(answered.count() < usize::try_from(3 * FRAME_BURST).unwrap());
    }

    #[test]
    fn a_server_may_acknowledge_the_smallest_messages_and_may_not_live_on_our_answers() {
        let (ping, update) = (frame(PING, 0, 0, 8), frame(8, 0, 1, 4));
        let mut frames = Frames::of_upstream();
        for _ in 0..10 * FRAME_BURST {
            // An empty message of gRPC has five bytes.
            frames.sent(HEADER + 7);
            assert_eq!(frames.received(&update.repeat(2), Duration::ZERO), 2 * update.len());
        }
        for (one, ours) in [(ping, HEADER + 8), (frame(SETTINGS, 0, 0, 6), HEADER), (frame(1, 4, 1, 1), 0)] {
            let mut frames = Frames::of_upstream();
            let answered = (0..10 * FRAME_BURST).take_while(|_| {
                frames.received(&one, Duration::ZERO);
                frames.sent(ours);
                frames.flood().is_none()
            });
            assert!(answered.count() <= usize::try_from(FRAME_BURST).unwrap());
        }
    }

    #[test]
    fn what_ought_to_be_finished_at_once_is_known() {
        let mut frames = Frames::of_workload();
        assert!(frames.unfinished(), "the preface");
        frames.received(&[0; 24], Duration::ZERO);
        assert!(!frames.unfinished(), "between frames");
        for (what, bytes, unfinished) in [
            ("half a frame header", &frame(1, 0, 1, 3)[..5], true),
            ("half a block", &frame(1, 0, 1, 3)[5..], true),
            ("its end", &frame(9, END_HEADERS, 1, 0)[..], false),
            ("half a body", &frame(0, 0, 1, 100)[..50], false),
            ("all of it", &[0; 59][..], false),
            ("half a setting", &frame(4, 0, 0, 6)[..10], true),
        ] {
            frames.received(bytes, Duration::ZERO);
            assert_eq!(frames.unfinished(), unfinished, "{what}");
        }
        assert_eq!(frames.opened(), 1);
    }

    proptest! {
        #[test]
        fn the_verdict_does_not_depend_on_how_the_bytes_are_cut(
            kinds in vec((0_u8..12, any::<u8>(), 0_usize..40), 1..200),
            cuts in vec(1_usize..60, 1..50),
            spent in 0..FRAME_BURST,
        ) {
            let all: Vec<u8> =
                kinds.iter().flat_map(|(kind, flags, length)| frame(*kind, *flags, 1, *length)).collect();
            let (mut whole, mut parts) = (begun(), begun());
            (whole.credit, parts.credit) = (spent / 50, spent / 50);
            let passed = whole.received(&all, Duration::ZERO);
            let (mut at, mut cuts) = (0, cuts.iter().cycle());
            while at < all.len() {
                let end = all.len().min(at + cuts.next().unwrap());
                let step = parts.received(&all[at..end], Duration::ZERO);
                at += step;
                if step == 0 {
                    break;
                }
            }
            prop_assert_eq!(at, passed);
            prop_assert_eq!(parts.flood(), whole.flood());
            prop_assert_eq!(whole.flood().is_some(), passed < all.len() || whole.flood.is_some());
        }

        #[test]
        fn no_bytes_make_it_stumble(bytes in vec(any::<u8>(), 0..2000), now in 0_u64..u64::MAX) {
            let mut frames = Frames::of_workload();
            prop_assert!(frames.received(&bytes, Duration::from_millis(now)) <= bytes.len());
        }
    }
}
