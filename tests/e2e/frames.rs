//! HTTP/2 to the letter, towards the workload: what breaks a rule of RFC 9113 or RFC 7541 ends its stream or its
//! connection with the code that the standard asks for, or is refused in HTTP; it is recorded, and reaches nobody. What
//! must be ignored is ignored. Read next: `floods`.

use serde_json::json;

use super::dialogue::{NAME, OTHER, Talk, offering, opening_gateway, zone};
use super::http::recorded;
use super::streaming::{TLS, servers};
use crate::lab::frames::*;
use crate::lab::{Daemon, Lab};

/// A client that writes frames by hand.
pub struct Peer {
    talk: Talk,
    bytes: Vec<u8>,
}

impl Peer {
    /// Over TLS with `h2` agreed. Nothing is said yet.
    pub fn silent(lab: &Lab, daemon: &Daemon<'_>) -> Self {
        Self::at(lab, daemon, TLS)
    }

    /// The same, to another address.
    pub fn at(lab: &Lab, daemon: &Daemon<'_>, address: &str) -> Self {
        let talk = offering(lab.workload(), address, NAME, (daemon.authority(), &["h2"]));
        Self { talk, bytes: Vec::new() }
    }

    /// Over TLS, with preface and SETTINGS sent.
    pub fn new(lab: &Lab, daemon: &Daemon<'_>) -> Self {
        let mut peer = Self::silent(lab, daemon);
        peer.say(greeting());
        peer
    }

    /// Waits longer than tests usually do.
    #[cfg(feature = "long-tests")]
    pub fn wait_for(&mut self, time: std::time::Duration) {
        self.talk.tcp().set_read_timeout(Some(time)).expect("a socket option");
    }

    /// Sends bytes to a gateway that may have gone away. Whether it took them.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.talk.try_say(bytes).is_ok()
    }

    /// The next frame; nothing at the end of the connection, however it ends, and where the gateway is silent for long.
    pub fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = Frame::take(&mut self.bytes) {
                return Some(frame);
            }
            match self.talk.some() {
                Ok(some) if !some.is_empty() => self.bytes.extend(some),
                _ => return None,
            }
        }
    }

    /// The first frame of which this holds.
    pub fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        std::iter::from_fn(|| self.next()).find(wanted)
    }

    /// The status and reason of the answer on a stream.
    pub fn answer(&mut self, stream: u32) -> (String, String) {
        self.head(stream).expect("an answer")
    }

    /// The same, where the stream is not ended without one.
    fn head(&mut self, stream: u32) -> Option<(String, String)> {
        let of_it = |frame: &Frame| frame.stream == stream && matches!(frame.kind, HEADERS | RST_STREAM);
        let fields = self.until(of_it).filter(|frame| frame.kind == HEADERS)?.fields();
        let value =
            |name: &str| fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone());
        Some((value(":status")?, value("x-clawgress-reason").unwrap_or_default()))
    }

    /// Asks for a path, and waits for the end of the answer.
    pub fn exchange(&mut self, stream: u32, path: &str) {
        self.say(headers(stream, END_STREAM, &request("GET", path, &[])));
        self.until(|frame| frame.stream == stream && frame.kind <= HEADERS && frame.flags & END_STREAM != 0)
            .expect("a whole answer");
    }
}

/// The fields of a request to `NAME`.
pub fn request(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let own = [(":method", method), (":scheme", "https"), (":authority", NAME), (":path", path)];
    block(&[&own[..], more].concat())
}

/// A whole header block in one frame.
pub fn headers(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, stream, block)
}

/// A request that must reach nobody, whole.
fn bad(fields: &[(&str, &str)]) -> Vec<u8> {
    headers(1, END_STREAM, &request("GET", "/bad", fields))
}

/// The same with pseudo-fields of its own.
fn odd(fields: &[(&str, &str)]) -> Vec<u8> {
    headers(1, END_STREAM, &block(fields))
}

/// An upload whose body is still to come.
fn upload(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    headers(1, 0, &request("POST", path, more))
}

/// A stream that stays open: its answer has no end.
fn open() -> Vec<u8> {
    headers(1, END_STREAM, &request("GET", "/events", &[]))
}

/// What must come of it. The library answers some wrong sizes and all wrong compression with PROTOCOL_ERROR, which
/// ends the connection just the same: where a list has it second, the first is what the standard asks for.
enum Must {
    /// The connection ends with one of these codes.
    EndWith(&'static [u32]),
    /// Stream 1 ends with one of these codes, or the connection does.
    ResetWith(&'static [u32]),
    /// Stream 1 hears this status and reason.
    BeRefused(&'static str, &'static str),
    /// Nothing: the connection serves on.
    BeIgnored,
}
use Must::{BeIgnored, BeRefused, EndWith, ResetWith};

const SIZE: &[u32] = &[FRAME_SIZE_ERROR, PROTOCOL_ERROR];
const COMPRESSION: &[u32] = &[COMPRESSION_ERROR, PROTOCOL_ERROR];
const CLOSED: &[u32] = &[STREAM_CLOSED, PROTOCOL_ERROR];
const PROTOCOL: &[u32] = &[PROTOCOL_ERROR];
const FLOW: &[u32] = &[FLOW_CONTROL_ERROR];

type Claim = (&'static str, Vec<u8>, Must);

/// Sections 4 and 6 of RFC 9113: frames.
fn frames() -> Vec<Claim> {
    let priority = |on: u32| [&on.to_be_bytes()[..], &[15]].concat();
    vec![
        ("4.1 an unknown type", frame(0xfa, 0, 0, b"anything"), BeIgnored),
        ("4.1 the reserved bit", frame(PING, 0, 0x8000_0000, [7; 8]), BeIgnored),
        ("4.1 flags without meaning", frame(PING, 0xfe, 0, [7; 8]), BeIgnored),
        (
            "4.2 DATA that is too large",
            [upload("/upload", &[]), frame(DATA, 0, 1, [0; 16_385])].concat(),
            ResetWith(SIZE),
        ),
        ("4.2 HEADERS that are too large", frame(HEADERS, END_HEADERS, 1, [0; 16_385]), EndWith(SIZE)),
        ("4.2 an unknown frame that is too large", frame(0xfa, 0, 0, [0; 16_385]), EndWith(SIZE)),
        (
            "4.3 PRIORITY inside a header block",
            [frame(HEADERS, 0, 1, request("GET", "/bad", &[])), frame(PRIORITY, 0, 3, priority(0))].concat(),
            EndWith(PROTOCOL),
        ),
        (
            "4.3 HEADERS inside a header block",
            [
                frame(HEADERS, 0, 1, request("GET", "/bad", &[])),
                headers(3, END_STREAM, &request("GET", "/bad", &[])),
            ]
            .concat(),
            EndWith(PROTOCOL),
        ),
        (
            "4.3 an unknown frame inside a header block",
            [frame(HEADERS, 0, 1, request("GET", "/bad", &[])), frame(0xfa, 0, 1, [])].concat(),
            EndWith(PROTOCOL),
        ),
        (
            "5.3 HEADERS that depend on themselves",
            frame(
                HEADERS,
                END_HEADERS | END_STREAM | WITH_PRIORITY,
                1,
                [priority(1), request("GET", "/bad", &[])].concat(),
            ),
            ResetWith(PROTOCOL),
        ),
        (
            "5.3 PRIORITY that depends on itself",
            [open(), frame(PRIORITY, 0, 1, priority(1))].concat(),
            ResetWith(PROTOCOL),
        ),
        ("6.1 DATA on stream 0", frame(DATA, 0, 0, b"x"), EndWith(PROTOCOL)),
        (
            "6.1 DATA with more padding than payload",
            [upload("/upload", &[]), frame(DATA, PADDED | END_STREAM, 1, [5, 0, 0])].concat(),
            EndWith(PROTOCOL),
        ),
        ("6.2 HEADERS on stream 0", headers(0, END_STREAM, &request("GET", "/bad", &[])), EndWith(PROTOCOL)),
        (
            "6.2 HEADERS with more padding than payload",
            frame(HEADERS, PADDED | END_HEADERS, 1, [200, 0, 0]),
            EndWith(PROTOCOL),
        ),
        ("6.3 PRIORITY on stream 0", frame(PRIORITY, 0, 0, priority(1)), EndWith(PROTOCOL)),
        ("6.3 PRIORITY of four bytes", frame(PRIORITY, 0, 1, [0; 4]), ResetWith(SIZE)),
        ("6.3 PRIORITY of an idle stream", frame(PRIORITY, 0, 5, priority(0)), BeIgnored),
        ("6.4 RST_STREAM on stream 0", frame(RST_STREAM, 0, 0, [0; 4]), EndWith(PROTOCOL)),
        ("6.4 RST_STREAM of three bytes", [open(), frame(RST_STREAM, 0, 1, [0; 3])].concat(), EndWith(SIZE)),
        ("6.5 SETTINGS that acknowledge and set", frame(SETTINGS, ACK, 0, [0; 6]), EndWith(SIZE)),
        ("6.5 SETTINGS on a stream", frame(SETTINGS, 0, 1, []), EndWith(PROTOCOL)),
        ("6.5 SETTINGS of five bytes", frame(SETTINGS, 0, 0, [0; 5]), EndWith(SIZE)),
        ("6.5.2 push enabled with 2", settings(&[(ENABLE_PUSH, 2)]), EndWith(PROTOCOL)),
        (
            "6.5.2 a window of 2^31",
            settings(&[(INITIAL_WINDOW_SIZE, 1 << 31)]),
            EndWith(&[FLOW_CONTROL_ERROR, PROTOCOL_ERROR]),
        ),
        ("6.5.2 frames of 16,383 bytes", settings(&[(MAX_FRAME_SIZE, 16_383)]), EndWith(PROTOCOL)),
        ("6.5.2 frames of 2^24 bytes", settings(&[(MAX_FRAME_SIZE, 1 << 24)]), EndWith(PROTOCOL)),
        ("6.5.2 an unknown setting", settings(&[(0xabcd, 7)]), BeIgnored),
        (
            "6.6 PUSH_PROMISE from a client",
            frame(PUSH_PROMISE, END_HEADERS, 1, [0, 0, 0, 2]),
            EndWith(PROTOCOL),
        ),
        ("6.7 PING on a stream", frame(PING, 0, 1, [0; 8]), EndWith(PROTOCOL)),
        ("6.7 PING of seven bytes", frame(PING, 0, 0, [0; 7]), EndWith(SIZE)),
        ("6.7 an answer to no PING", frame(PING, ACK, 0, [0; 8]), BeIgnored),
        ("6.8 GOAWAY on a stream", frame(GOAWAY, 0, 1, [0; 8]), EndWith(PROTOCOL)),
        ("6.8 GOAWAY of four bytes", frame(GOAWAY, 0, 0, [0; 4]), EndWith(SIZE)),
        ("6.9 a connection's window grows by 0", frame(WINDOW_UPDATE, 0, 0, [0; 4]), EndWith(PROTOCOL)),
        (
            "6.9 a stream's window grows by 0",
            [open(), frame(WINDOW_UPDATE, 0, 1, [0; 4])].concat(),
            ResetWith(PROTOCOL),
        ),
        ("6.9 WINDOW_UPDATE of three bytes", frame(WINDOW_UPDATE, 0, 0, [0; 3]), EndWith(SIZE)),
        (
            "6.9.1 a connection's window overflows",
            frame(WINDOW_UPDATE, 0, 0, 0x7fff_ffff_u32.to_be_bytes()),
            EndWith(FLOW),
        ),
        (
            "6.9.1 a stream's window overflows",
            [open(), frame(WINDOW_UPDATE, 0, 1, 0x7fff_ffff_u32.to_be_bytes())].concat(),
            ResetWith(FLOW),
        ),
        (
            "6.9.2 a setting makes a stream's window overflow",
            [
                open(),
                frame(WINDOW_UPDATE, 0, 1, 0x7fff_0000_u32.to_be_bytes()),
                settings(&[(INITIAL_WINDOW_SIZE, 0x7fff_ffff)]),
            ]
            .concat(),
            EndWith(FLOW),
        ),
        (
            "6.10 CONTINUATION of nothing",
            frame(CONTINUATION, END_HEADERS, 1, request("GET", "/bad", &[])),
            EndWith(PROTOCOL),
        ),
        (
            "6.10 CONTINUATION on stream 0",
            [frame(HEADERS, 0, 1, request("GET", "/bad", &[])), frame(CONTINUATION, END_HEADERS, 0, [])]
                .concat(),
            EndWith(PROTOCOL),
        ),
        (
            "6.10 CONTINUATION behind END_HEADERS",
            [open(), frame(CONTINUATION, END_HEADERS, 1, field("x-a", "1"))].concat(),
            EndWith(PROTOCOL),
        ),
    ]
}

/// Section 5.1 of RFC 9113: states of streams.
fn states() -> Vec<Claim> {
    let reset = || frame(RST_STREAM, 0, 1, CANCEL.to_be_bytes());
    vec![
        ("5.1 DATA on an idle stream", frame(DATA, END_STREAM, 1, b"x"), EndWith(PROTOCOL)),
        ("5.1 RST_STREAM on an idle stream", reset(), EndWith(PROTOCOL)),
        ("5.1 WINDOW_UPDATE on an idle stream", frame(WINDOW_UPDATE, 0, 1, [0, 0, 0, 1]), EndWith(PROTOCOL)),
        (
            "5.1 DATA behind END_STREAM",
            [open(), frame(DATA, END_STREAM, 1, b"x")].concat(),
            ResetWith(CLOSED),
        ),
        ("5.1 HEADERS behind END_STREAM", [open(), bad(&[])].concat(), ResetWith(CLOSED)),
        (
            "5.1 DATA behind a reset",
            [open(), reset(), frame(DATA, END_STREAM, 1, b"x")].concat(),
            ResetWith(CLOSED),
        ),
        ("5.1 HEADERS behind a reset", [open(), reset(), bad(&[])].concat(), ResetWith(CLOSED)),
        ("5.1.1 an even stream", headers(2, END_STREAM, &request("GET", "/bad", &[])), EndWith(PROTOCOL)),
        (
            "5.1.1 a stream behind a higher one",
            [headers(3, END_STREAM, &request("GET", "/events", &[])), bad(&[])].concat(),
            ResetWith(CLOSED),
        ),
    ]
}

/// Section 8 of RFC 9113: messages.
fn messages() -> Vec<Claim> {
    let m = (":method", "GET");
    let s = (":scheme", "https");
    let a = (":authority", NAME);
    let p = (":path", "/bad");
    let malformed = || ResetWith(PROTOCOL);
    let refused = || BeRefused("400", "protocol.malformed");
    let elsewhere = || BeRefused("421", "name.mismatch");
    let body = |head: Vec<u8>, data: &[u8]| [head, frame(DATA, END_STREAM, 1, data)].concat();
    let trailers = |flags: u8, fields: &[u8]| {
        [upload("/upload", &[]), frame(DATA, 0, 1, b"x"), headers(1, flags, fields)].concat()
    };
    let mut claims = vec![
        ("8.1 trailers that are not the end", trailers(0, &field("x-a", "1")), malformed()),
        (
            "8.1 trailers with a field of a connection",
            trailers(END_STREAM, &field("connection", "close")),
            malformed(),
        ),
        ("8.1.1 no body where one is announced", bad(&[("content-length", "5")]), malformed()),
        (
            "8.1.1 a shorter body than announced",
            body(upload("/upload", &[("content-length", "5")]), b"four"),
            malformed(),
        ),
        (
            "8.1.1 a longer body than announced",
            body(upload("/upload", &[("content-length", "5")]), b"sixsix"),
            malformed(),
        ),
        (
            "8.1.1 lengths that disagree",
            body(upload("/bad", &[("content-length", "5"), ("content-length", "6")]), b"fives"),
            malformed(),
        ),
        (
            "8.1.1 the same length twice",
            body(upload("/bad", &[("content-length", "5"), ("content-length", "5")]), b"fives"),
            refused(),
        ),
        ("8.1.1 a signed length", body(upload("/bad", &[("content-length", "+5")]), b"fives"), malformed()),
        ("8.2 a name in capital letters", bad(&[("X-Upper", "1")]), malformed()),
        ("8.2.1 a name with a blank", bad(&[("x a", "1")]), malformed()),
        ("8.2.1 a name with a colon", bad(&[("x:a", "1")]), malformed()),
        ("8.2.1 a name with NUL", bad(&[("x\0a", "1")]), malformed()),
        ("8.2.1 no name", bad(&[("", "1")]), malformed()),
        ("8.2.1 CR in a value", bad(&[("x-a", "1\rx-b: 2")]), malformed()),
        ("8.2.1 LF in a value", bad(&[("x-a", "1\nx-b: 2")]), malformed()),
        ("8.2.1 CR LF in a value", bad(&[("x-a", "1\r\n\r\nGET /bad HTTP/1.1")]), malformed()),
        ("8.2.1 NUL in a value", bad(&[("x-a", "1\x002")]), malformed()),
        ("8.2.1 a blank in front of a value", bad(&[("x-a", " 1")]), refused()),
        ("8.2.1 a blank behind a value", bad(&[("x-a", "1\t")]), refused()),
        (
            "8.2.1 a blank in front of a length",
            body(upload("/bad", &[("content-length", " 5")]), b"fives"),
            malformed(),
        ),
        ("8.2.2 TE that asks for more than trailers", bad(&[("te", "trailers, gzip")]), malformed()),
        ("8.3 an unknown pseudo-field", odd(&[m, s, a, p, (":test", "1")]), malformed()),
        ("8.3 a pseudo-field of answers", odd(&[m, s, a, p, (":status", "200")]), malformed()),
        ("8.3 a pseudo-field behind a field", odd(&[m, s, a, ("x-a", "1"), p]), malformed()),
        ("8.3 a method twice", odd(&[m, m, s, a, p]), malformed()),
        ("8.3 a scheme twice", odd(&[m, s, s, a, p]), malformed()),
        ("8.3 an authority twice", odd(&[m, s, a, a, p]), malformed()),
        ("8.3 a path twice", odd(&[m, s, a, p, p]), malformed()),
        ("8.3.1 no method", odd(&[s, a, p]), malformed()),
        ("8.3.1 no scheme", odd(&[m, a, p]), malformed()),
        ("8.3.1 no path", odd(&[m, s, a]), malformed()),
        ("8.3.1 an empty path", odd(&[m, s, a, (":path", "")]), malformed()),
        ("8.3.1 a path without a slash", odd(&[m, s, a, (":path", "bad")]), malformed()),
        ("8.3.1 a path with a blank", odd(&[m, s, a, (":path", "/bad x")]), malformed()),
        ("8.3.1 a path with CR LF", odd(&[m, s, a, (":path", "/bad\r\nx: y")]), malformed()),
        ("8.3.1 an asterisk with GET", odd(&[m, s, a, (":path", "*")]), refused()),
        ("8.3.1 a method in small letters", odd(&[(":method", "get"), s, a, p]), refused()),
        ("8.3.1 a method with a blank", odd(&[(":method", "GET /bad"), s, a, p]), malformed()),
        ("8.3.1 another scheme", odd(&[m, (":scheme", "http"), a, p]), elsewhere()),
        ("8.3.1 another authority", odd(&[m, s, (":authority", OTHER), p]), elsewhere()),
        (
            "8.3.1 an authority with user information",
            odd(&[m, s, (":authority", "me@site.example"), p]),
            refused(),
        ),
        ("8.3.1 an authority and a host that disagree", odd(&[m, s, a, p, ("host", OTHER)]), elsewhere()),
        ("8.3.1 a host that is another", odd(&[m, s, p, ("host", OTHER)]), elsewhere()),
        ("8.3.1 two hosts", odd(&[m, s, p, ("host", NAME), ("host", NAME)]), refused()),
        ("8.3.1 neither authority nor host", odd(&[m, s, p]), refused()),
        ("8.5 CONNECT", odd(&[(":method", "CONNECT"), a]), BeRefused("403", "protocol.connect")),
        ("8.5 CONNECT with a path", odd(&[(":method", "CONNECT"), s, a, p]), malformed()),
        (
            "RFC 8441, 4: a protocol without CONNECT",
            odd(&[m, s, a, p, (":protocol", "websocket")]),
            malformed(),
        ),
        (
            "RFC 8441, 4: another protocol than WebSocket",
            odd(&[(":method", "CONNECT"), (":protocol", "connect-udp"), s, a, p]),
            BeRefused("403", "protocol.connect"),
        ),
        ("more fields than in HTTP/1", bad(&[("x-a", "1"); 201]), refused()),
        (
            "more bytes than in HTTP/1",
            [
                frame(HEADERS, END_STREAM, 1, request("GET", "/bad", &[])),
                (0..4).flat_map(|_| frame(CONTINUATION, 0, 1, field("x-a", "a".repeat(16_000)))).collect(),
                frame(CONTINUATION, END_HEADERS, 1, field("x-a", "a".repeat(4_000))),
            ]
            .concat(),
            BeRefused("431", ""),
        ),
    ];
    for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"] {
        claims.push(("8.2.2 a field of a connection", bad(&[(name, "close")]), malformed()));
    }
    claims
}

/// RFC 7541: compression.
fn compression() -> Vec<Claim> {
    let with = |bytes: &[u8]| headers(1, END_STREAM, &[&request("GET", "/bad", &[])[..], bytes].concat());
    let first = |bytes: &[u8]| headers(1, END_STREAM, &[bytes, &request("GET", "/bad", &[])[..]].concat());
    vec![
        ("2.3.3 index 0", with(&[0x80]), EndWith(COMPRESSION)),
        ("2.3.3 an index behind both tables", with(&[0xff, 0x40]), EndWith(COMPRESSION)),
        ("2.3.3 a name behind both tables", with(&[0x7f, 0x40, 0x01, b'x']), EndWith(COMPRESSION)),
        ("5.1 an integer without end", with(&[&[0xff][..], &[0x80; 20]].concat()), EndWith(COMPRESSION)),
        ("5.2 a string that is cut off", with(&[0, 1, b'x', 100, b'y']), EndWith(COMPRESSION)),
        ("5.2 Huffman padding of a whole byte", with(&[0, 1, b'x', 0x82, 0x1f, 0xff]), EndWith(COMPRESSION)),
        ("5.2 Huffman padding with zeros", with(&[0, 1, b'x', 0x81, 0x18]), EndWith(COMPRESSION)),
        (
            "5.2 the Huffman code of the end",
            with(&[0, 1, b'x', 0x84, 0xff, 0xff, 0xff, 0xff]),
            EndWith(COMPRESSION),
        ),
        ("6.3 a larger table than allowed", first(&[0x3f, 0xe2, 0x1f]), EndWith(COMPRESSION)),
        ("4.2 a new table size inside a block", with(&[0x20]), EndWith(COMPRESSION)),
    ]
}

fn comes_of(peer: &mut Peer, must: &Must) -> Result<(), String> {
    let fatal = |frame: &Frame, codes: &[u32]| frame.kind == GOAWAY && codes.contains(&frame.code());
    match must {
        EndWith(codes) => {
            let last = peer.until(|frame| frame.kind == GOAWAY).ok_or("no GOAWAY")?;
            let whole = fatal(&last, codes) && peer.until(|frame| frame.kind <= HEADERS).is_none();
            whole.then_some(()).ok_or_else(|| format!("{last:?}"))
        }
        ResetWith(codes) => {
            let ends = |frame: &Frame| frame.kind == GOAWAY || (frame.kind, frame.stream) == (RST_STREAM, 1);
            let last = peer.until(ends).ok_or("neither reset nor GOAWAY")?;
            codes.contains(&last.code()).then_some(()).ok_or_else(|| format!("{last:?}"))
        }
        BeRefused(status, reason) => {
            let heard = peer.head(1).ok_or("no answer")?;
            let same = (heard.0.as_str(), heard.1.as_str()) == (*status, *reason);
            same.then_some(()).ok_or_else(|| format!("{heard:?}"))
        }
        BeIgnored => {
            peer.exchange(101, "/headers");
            Ok(())
        }
    }
}

#[apply(over_both)]
fn what_breaks_a_rule_ends_as_the_standard_says_is_recorded_and_reaches_nobody(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let [_, server] = servers(&lab, &["h2", "http/1.1"]);
    let (mut wrong, mut ended, mut refused) = (Vec::new(), 0, 0);
    for (what, bytes, must) in [frames(), states(), messages(), compression()].into_iter().flatten() {
        let mut peer = Peer::new(&lab, &daemon);
        peer.say(&bytes);
        if let Err(came) = comes_of(&mut peer, &must) {
            wrong.push(format!("{what}: {came}"));
        }
        match must {
            EndWith(_) => ended += 1,
            BeRefused(..) => refused += 1,
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let reached = server.seen().into_iter().filter(|seen| seen.path.contains("bad") || seen.method != "GET");
    let reached: Vec<_> = reached.filter(|seen| seen.path != "/upload").collect();
    assert!(reached.is_empty(), "{reached:?}");
    let rows = daemon.records(&["--limit", "1000"]);
    let count = |kind: &str| {
        let of = |row: &&serde_json::Value| row["kind"] == kind && row["decision"] == "deny";
        rows.iter().filter(of).count()
    };
    assert!(count("connection") >= ended, "{} of {ended}", count("connection"));
    assert!(count("request") >= refused, "{} of {refused}", count("request"));
    daemon.record(&json!({"kind": "request", "decision": "deny", "reason": "protocol.malformed", "protocol": "http/2", "evidence": "http/2: no request was heard"}));
    daemon.record(&json!({"kind": "connection", "decision": "deny", "reason": "protocol.malformed", "end": "malformed"}));
}

#[apply(over_both)]
fn a_preface_that_is_none_ends_the_connection_and_is_recorded(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let [_, server] = servers(&lab, &["h2", "http/1.1"]);
    let ask = headers(1, END_STREAM, &request("GET", "/bad", &[]));
    for wrong in
        [&b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"[..], b"GET /bad HTTP/1.1\r\nHost: site.example\r\n\r\n"]
    {
        let mut peer = Peer::silent(&lab, &daemon);
        peer.say([wrong, &settings(&[]), &ask].concat());
        assert_eq!(peer.until(|frame| frame.kind <= HEADERS), None, "nothing is answered");
    }
    recorded(
        &daemon,
        2,
        &json!({"kind": "connection", "decision": "deny", "reason": "protocol.malformed", "end": "malformed"}),
    );
    assert!(server.untouched());
}

#[apply(over_both)]
fn settings_and_pings_are_acknowledged_and_extended_connect_is_offered(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let _servers = servers(&lab, &["h2", "http/1.1"]);
    let mut peer = Peer::new(&lab, &daemon);
    let first = peer.next().expect("RFC 9113, 3.4: SETTINGS first");
    assert_eq!((first.kind, first.flags, first.stream), (SETTINGS, 0, 0));
    assert!(first.settings().contains(&(ENABLE_CONNECT_PROTOCOL, 1)), "{:?}", first.settings());
    peer.until(|frame| frame.kind == SETTINGS && frame.flags == ACK).expect("RFC 9113, 6.5.3");
    peer.say(frame(PING, 0, 0, b"pingpong"));
    let pong = peer.until(|frame| frame.kind == PING).expect("RFC 9113, 6.7");
    assert_eq!((pong.flags, pong.payload.as_slice()), (ACK, &b"pingpong"[..]));
}

#[apply(over_both)]
fn streams_that_have_ended_stay_ended(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let [_, server] = servers(&lab, &["h2", "http/1.1"]);
    for (what, late) in [
        ("5.1 DATA", frame(DATA, END_STREAM, 1, b"x")),
        ("5.1 HEADERS", bad(&[])),
        ("6.10 CONTINUATION", frame(CONTINUATION, END_HEADERS, 1, field("x-a", "1"))),
    ] {
        let mut peer = Peer::new(&lab, &daemon);
        peer.exchange(1, "/headers");
        peer.say(late);
        assert_eq!(comes_of(&mut peer, &ResetWith(CLOSED)), Ok(()), "{what}");
    }
    // RFC 9113, 5.1: these may cross the end of a stream on their way.
    let mut peer = Peer::new(&lab, &daemon);
    peer.exchange(1, "/headers");
    peer.say([frame(WINDOW_UPDATE, 0, 1, [0, 0, 0, 1]), frame(RST_STREAM, 0, 1, [0, 0, 0, 8])].concat());
    peer.exchange(3, "/headers");
    assert!(server.seen().iter().all(|seen| seen.path == "/headers"));
}

#[apply(over_both)]
fn good_messages_in_unusual_shapes_pass(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let [_, server] = servers(&lab, &["h2", "http/1.1"]);
    let get = |more: &[(&str, &str)]| request("GET", "/headers", more);
    let cut = get(&[("x-cut", "whole")]);
    let pieces: Vec<u8> = cut.iter().take(4).flat_map(|byte| frame(CONTINUATION, 0, 3, [*byte])).collect();
    let weight = [0, 0, 0, 0, 15];
    for (stream, bytes) in [
        (1, frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, [&[3][..], &get(&[]), &[0; 3]].concat())),
        (
            3,
            [frame(HEADERS, END_STREAM, 3, []), pieces, frame(CONTINUATION, END_HEADERS, 3, &cut[4..])]
                .concat(),
        ),
        (5, frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY, 5, [&weight[..], &get(&[])].concat())),
        (7, headers(7, END_STREAM, &get(&[("te", "trailers"), ("host", NAME)]))),
        (
            9,
            headers(
                9,
                END_STREAM,
                &block(&[(":method", "GET"), (":scheme", "https"), (":path", "/headers"), ("host", NAME)]),
            ),
        ),
        (
            11,
            [
                headers(11, 0, &request("POST", "/headers", &[])),
                frame(DATA, PADDED, 11, [2, b'x', 0, 0]),
                frame(DATA, 0, 11, []),
                headers(11, END_STREAM, &block(&[("x-sum", "1"), ("content-length", "9")])),
            ]
            .concat(),
        ),
    ] {
        let mut peer = Peer::new(&lab, &daemon);
        peer.say(bytes);
        assert_eq!(peer.answer(stream).0, "200", "stream {stream}");
    }
    assert_eq!(server.seen().len(), 6);
    assert_eq!(server.seen()[1].headers["x-cut"], "whole");
    assert!(server.seen().iter().all(|seen| seen.authority == NAME));
    recorded(
        &daemon,
        6,
        &json!({"kind": "request", "decision": "allow", "protocol": "http/2", "status": 200}),
    );
}

#[apply(over_both)]
fn an_answer_waits_for_the_window_of_its_stream(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let _servers = servers(&lab, &["h2", "http/1.1"]);
    let mut peer = Peer::silent(&lab, &daemon);
    peer.say([&PREFACE[..], &settings(&[(HEADER_TABLE_SIZE, 0), (INITIAL_WINDOW_SIZE, 0)])].concat());
    peer.say(headers(1, END_STREAM, &request("GET", "/download/10", &[])));
    assert_eq!(peer.answer(1).0, "200");
    for (window, expected) in [(3_u32, 3), (4, 4), (100, 3)] {
        // Nothing comes until there is room: the answer to a ping overtakes it.
        peer.say(frame(PING, 0, 0, [0; 8]));
        assert_eq!(peer.until(|frame| frame.kind == PING || frame.kind == DATA).expect("a frame").kind, PING);
        peer.say(frame(WINDOW_UPDATE, 0, 1, window.to_be_bytes()));
        let data = peer.until(|frame| frame.kind == DATA && !frame.payload.is_empty()).expect("data");
        assert_eq!(data.payload.len(), expected);
    }
}

#[apply(over_both)]
fn a_workload_that_goes_away_in_order_hears_what_it_has_asked_for(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let [_, server] = servers(&lab, &["h2", "http/1.1"]);
    let mut peer = Peer::new(&lab, &daemon);
    peer.say(headers(1, END_STREAM, &request("GET", "/wait", &[])));
    crate::lab::backends::eventually("the request is there", || (!server.untouched()).then_some(()));
    peer.say(frame(GOAWAY, 0, 0, [0; 8]));
    server.release();
    assert_eq!(peer.answer(1).0, "200");
    assert!(peer.until(|frame| frame.kind == GOAWAY && frame.code() != 0).is_none());
    let row = daemon.record(&json!({"kind": "connection", "decision": "allow", "destination_port": 443}));
    assert_eq!(row.get("end"), None, "{row}");
}

#[apply(over_both)]
fn no_more_streams_are_open_at_once_than_was_said(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let _servers = servers(&lab, &["h2", "http/1.1"]);
    let mut peer = Peer::new(&lab, &daemon);
    let all: Vec<u8> = (0..257)
        .flat_map(|number| headers(2 * number + 1, END_STREAM, &request("GET", "/events", &[])))
        .collect();
    peer.say(all);
    let refused =
        peer.until(|frame| frame.kind == RST_STREAM || frame.kind == GOAWAY).expect("RFC 9113, 5.1.2");
    assert_eq!((refused.kind, refused.stream, refused.code()), (RST_STREAM, 513, REFUSED_STREAM));
    daemon.record(
        &json!({"kind": "request", "decision": "deny", "reason": "protocol.malformed", "protocol": "http/2"}),
    );
}
