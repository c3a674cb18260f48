//! HTTP/2 frame by frame (RFC 9113) and field by field (RFC 7541): bytes are written by hand, and what comes back is
//! read with as little as a test needs. It repairs nothing and forbids nothing.

/// Types of frames (RFC 9113, section 6).
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Flags.
pub const ACK: u8 = 0x1;
pub const END_STREAM: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;
pub const PADDED: u8 = 0x8;
pub const WITH_PRIORITY: u8 = 0x20;

/// Error codes (RFC 9113, section 7).
pub const PROTOCOL_ERROR: u32 = 1;
pub const FLOW_CONTROL_ERROR: u32 = 3;
pub const STREAM_CLOSED: u32 = 5;
pub const FRAME_SIZE_ERROR: u32 = 6;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const COMPRESSION_ERROR: u32 = 9;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// Settings (RFC 9113, section 6.5.2; RFC 8441, section 3).
pub const HEADER_TABLE_SIZE: u16 = 1;
pub const ENABLE_PUSH: u16 = 2;
pub const INITIAL_WINDOW_SIZE: u16 = 4;
pub const MAX_FRAME_SIZE: u16 = 5;
pub const ENABLE_CONNECT_PROTOCOL: u16 = 8;

/// The connection preface without its SETTINGS.
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame as it stands on the wire.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes()[..], payload].concat()
}

/// A SETTINGS frame.
pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = values
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    frame(SETTINGS, 0, 0, payload)
}

/// Preface and SETTINGS of a client that keeps no table, so that what it hears stands for itself.
pub fn greeting() -> Vec<u8> {
    [&PREFACE[..], &settings(&[(HEADER_TABLE_SIZE, 0)])].concat()
}

/// A field as a literal with a new name, not indexed (RFC 7541, section 6.2.2), whatever it holds.
pub fn field(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    [&[0][..], &text(name.as_ref()), &text(value.as_ref())].concat()
}

/// A string without Huffman coding (RFC 7541, section 5.2).
pub fn text(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match bytes.len() {
        short @ 0..127 => out.push(short as u8),
        long => {
            out.push(127);
            let mut rest = long - 127;
            while rest >= 128 {
                out.push((rest % 128) as u8 | 128);
                rest /= 128;
            }
            out.push(rest as u8);
        }
    }
    out.extend(bytes);
    out
}

/// A header block.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| field(name, value)).collect()
}

/// A frame that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The first whole frame of these bytes, which is taken out of them.
    pub fn take(bytes: &mut Vec<u8>) -> Option<Self> {
        let [a, b, c, kind, flags, s0, s1, s2, s3, ..] = bytes[..] else { return None };
        let end = 9 + u32::from_be_bytes([0, a, b, c]) as usize;
        if bytes.len() < end {
            return None;
        }
        let payload = bytes[9..end].to_vec();
        bytes.drain(..end);
        Some(Self { kind, flags, stream: u32::from_be_bytes([s0, s1, s2, s3]), payload })
    }

    /// The error code of RST_STREAM and GOAWAY.
    pub fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        self.payload[at..at + 4].try_into().map_or(0, u32::from_be_bytes)
    }

    /// The settings of a SETTINGS frame.
    pub fn settings(&self) -> Vec<(u16, u32)> {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
        self.payload.chunks(6).map(|entry| (number(&entry[..2]) as u16, number(&entry[2..]))).collect()
    }

    /// The fields of an unpadded HEADERS frame that says all.
    pub fn fields(&self) -> Vec<(String, String)> {
        assert_eq!(self.flags & (END_HEADERS | PADDED | WITH_PRIORITY), END_HEADERS, "{self:?}");
        fields(&self.payload)
    }
}

/// Names of the static table (RFC 7541, appendix A) that answers carry, and the values that stand with them.
fn indexed(index: usize) -> (&'static str, &'static str) {
    match index {
        8 => (":status", "200"),
        9 => (":status", "204"),
        10 => (":status", "206"),
        11 => (":status", "304"),
        12 => (":status", "400"),
        13 => (":status", "404"),
        14 => (":status", "500"),
        24 => ("cache-control", ""),
        28 => ("content-length", ""),
        31 => ("content-type", ""),
        33 => ("date", ""),
        54 => ("server", ""),
        _ => ("another", ""),
    }
}

/// The fields of a header block whose writer keeps no table.
pub fn fields(mut block: &[u8]) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    while let Some(first) = block.first().copied() {
        match first {
            0x80.. => {
                let (name, value) = indexed(integer(&mut block, 7));
                fields.push((name.to_owned(), value.to_owned()));
            }
            0x20..0x40 => {
                integer(&mut block, 5);
            }
            _ => {
                let index = integer(&mut block, if first >= 0x40 { 6 } else { 4 });
                let name = if index == 0 { string(&mut block) } else { indexed(index).0.to_owned() };
                fields.push((name, string(&mut block)));
            }
        }
    }
    fields
}

/// RFC 7541, section 5.1.
fn integer(block: &mut &[u8], prefix: u32) -> usize {
    let mask = (1_usize << prefix) - 1;
    let mut value = usize::from(block[0]) & mask;
    *block = &block[1..];
    let mut shift = 0;
    while value >= mask || shift > 0 {
        let byte = block[0];
        *block = &block[1..];
        value += usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn string(block: &mut &[u8]) -> String {
    let huffman = block[0] & 0x80 != 0;
    let length = integer(block, 7);
    let (bytes, rest) = block.split_at(length);
    *block = rest;
    if huffman { unpacked(bytes) } else { String::from_utf8_lossy(bytes).into_owned() }
}

/// Huffman coding (RFC 7541, appendix B). The code is canonical: symbols in the order of their lengths, and within a
/// length in their own order, have consecutive codes. Longer ones than these stand for what no answer of ours holds.
fn unpacked(bytes: &[u8]) -> String {
    const BY_LENGTH: [(usize, &str); 9] = [
        (5, "012aceiost"),
        (6, " %-./3456789=A_bdfghlmnpru"),
        (7, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
        (8, "&*,;XZ"),
        (10, "!\"()?"),
        (11, "'+|"),
        (12, "#>"),
        (13, "\0$@[]~"),
        (14, "^}"),
    ];
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let (mut out, mut at) = (String::new(), 0);
    'symbols: loop {
        let (mut first, mut last_length) = (0_usize, 0);
        for (length, symbols) in BY_LENGTH {
            first <<= length - last_length;
            last_length = length;
            let Some(code) = bits.get(at..at + length) else { return out };
            let code = code.iter().fold(0_usize, |code, bit| code << 1 | usize::from(*bit));
            if let Some(symbol) = code.checked_sub(first).and_then(|offset| symbols.chars().nth(offset)) {
                out.push(symbol);
                at += length;
                continue 'symbols;
            }
            first += symbols.len();
        }
        return out;
    }
}

#[test]
fn header_blocks_of_the_standard_are_read() {
    // RFC 7541, appendix C.6.1 without its table: `:status: 302`, `cache-control: private`, and a date.
    let block = [
        &[0x08, 0x82, 0x64, 0x02, 0x0f, 0x09, 0x85, 0xae, 0xc3, 0x77, 0x1a, 0x4b][..],
        &[0x0f, 0x12, 0x96, 0xd0, 0x7a, 0xbe, 0x94, 0x10, 0x54, 0xd4, 0x44, 0xa8, 0x20, 0x05, 0x95],
        &[0x04, 0x0b, 0x81, 0x66, 0xe0, 0x82, 0xa6, 0x2d, 0x1b, 0xff, 0x88],
    ]
    .concat();
    let expected = [
        (":status", "302"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        (":status", "200"),
    ];
    assert_eq!(fields(&block), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let long = "x".repeat(300);
    assert_eq!(fields(&field("x-long", &long)), [("x-long".to_owned(), long)]);
}
