//! Streams of events: read the same however they are cut, and as a reader of whole streams reads them.

use clawgress::perceive::protocol::event_stream::{self, Broken, Kind, Messages};
use clawgress::perceive::protocol::events::{Events, Stream};

/// The first byte says how the rest is cut.
pub fn check(bytes: &[u8]) {
    let Some((step, bytes)) = bytes.split_first() else { return };
    let expected = by_lines(bytes);
    let (whole, ended) = messages(bytes, bytes.len().max(1));
    for size in [1, usize::from(step % 61) + 1, usize::from(*step) + 1, bytes.len().max(1)] {
        assert_eq!(events(bytes, size), expected, "server-sent events in pieces of {size}");
        assert_eq!(messages(bytes, size), (whole.clone(), ended), "an AWS event stream in pieces of {size}");
    }
    assert_eq!(whole, by_lengths(bytes));
}

#[derive(Default)]
struct Seen {
    data: Vec<u8>,
    over: Vec<Vec<u8>>,
}

impl Events for Seen {
    fn data(&mut self, piece: &[u8]) {
        self.data.extend_from_slice(piece);
    }

    fn over(&mut self, _name: &str) {
        self.over.push(std::mem::take(&mut self.data));
    }
}

fn events(bytes: &[u8], size: usize) -> Vec<Vec<u8>> {
    let (mut stream, mut seen) = (Stream::default(), Seen::default());
    bytes.chunks(size).for_each(|piece| stream.feed(piece, &mut seen));
    stream.finish(&mut seen);
    seen.over
}

/// The algorithm of the standard, on the whole: lines first.
fn by_lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let (mut over, mut data) = (Vec::new(), None::<Vec<u8>>);
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let line = &rest[..end.unwrap_or(rest.len())];
        let skipped = match end {
            Some(end) if rest[end..].starts_with(b"\r\n") => end + 2,
            Some(end) => end + 1,
            None => rest.len(),
        };
        rest = &rest[skipped..];
        if line.is_empty() {
            over.extend(data.take());
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let value = colon.map_or(&[][..], |colon| &line[colon + 1..]);
        if &line[..colon.unwrap_or(line.len())] == b"data" {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            match &mut data {
                Some(data) => data.extend([b"\n", value].concat()),
                None => data = Some(value.to_vec()),
            }
        }
    }
    // A last event without its empty line is read as well.
    over.extend(data);
    over
}

#[derive(Default)]
struct Whole {
    open: Vec<u8>,
    over: Vec<Vec<u8>>,
}

impl Messages for Whole {
    fn begin(&mut self, _kind: &Kind) {
        self.open.clear();
    }

    fn payload(&mut self, piece: &[u8]) {
        self.open.extend_from_slice(piece);
    }

    fn over(&mut self) {
        self.over.push(std::mem::take(&mut self.open));
    }
}

fn messages(bytes: &[u8], size: usize) -> (Vec<Vec<u8>>, Result<(), Broken>) {
    let (mut stream, mut seen) = (event_stream::Stream::default(), Whole::default());
    let fed = bytes.chunks(size).try_for_each(|piece| stream.feed(piece, &mut seen));
    (seen.over, fed.and_then(|()| stream.finish()))
}

/// Payloads of the messages that are whole, by the arithmetic of their lengths; headers are read elsewhere.
fn by_lengths(mut rest: &[u8]) -> Vec<Vec<u8>> {
    let mut over = Vec::new();
    while rest.len() >= 16 {
        let number =
            |at: usize| u32::from_be_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]) as usize;
        let (total, headers) = (number(0), number(4));
        let is_whole = crc32(&rest[..8]) == number(8) && total >= 16 + headers && total <= rest.len();
        if !is_whole
            || crc32(&rest[..total - 4]) != number(total - 4)
            || !headers_parse(&rest[12..12 + headers])
        {
            break;
        }
        over.push(rest[12 + headers..total - 4].to_vec());
        rest = &rest[total..];
    }
    over
}

/// CRC-32 of IEEE 802.3, a bit at a time.
fn crc32(bytes: &[u8]) -> usize {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    });
    !crc as usize
}

fn headers_parse(mut rest: &[u8]) -> bool {
    while let [length, tail @ ..] = rest {
        let Some([kind, value @ ..]) = tail.get(usize::from(*length)..) else { return false };
        let (name, texts) =
            (&tail[..usize::from(*length)], [&b":message-type"[..], b":event-type", b":exception-type"]);
        let (skipped, size) = match (kind, value) {
            (0 | 1, _) => (0, 0),
            (2, _) => (0, 1),
            (3, _) => (0, 2),
            (4, _) => (0, 4),
            (5 | 8, _) => (0, 8),
            (6 | 7, [high, low, ..]) => (2, usize::from(u16::from_be_bytes([*high, *low]))),
            (9, _) => (0, 16),
            _ => return false,
        };
        let Some(read) = value.get(skipped..skipped + size) else { return false };
        if texts.contains(&name) && std::str::from_utf8(read).is_err() {
            return false;
        }
        rest = &value[skipped + size..];
    }
    true
}
