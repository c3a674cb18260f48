//! What the guard passes and what it refuses, claim by claim. Read next: `properties`.

use super::*;
use crate::model::types::Reason;
use crate::model::types::limits::{CHUNK_LINE_BYTES, HEAD_BYTES, HEAD_FIELDS, REQUEST_LINE_BYTES};

/// A connection as a caller holds it: what came and has not passed, and what has.
#[derive(Default)]
pub(super) struct Connection {
    pub(super) guard: Guard,
    held: Vec<u8>,
    pub(super) passed: Vec<u8>,
    pub(super) state: Option<State>,
}

impl Connection {
    pub(super) fn receive(&mut self, bytes: &[u8]) -> State {
        self.held.extend_from_slice(bytes);
        loop {
            let advance = self.guard.advance(&self.held);
            let taken = advance.skip + advance.pass;
            assert!(taken <= self.held.len());
            self.passed.extend(&self.held[advance.skip..taken]);
            self.held.drain(..taken);
            self.state = Some(advance.state);
            if taken == 0 {
                return advance.state;
            }
        }
    }
}

/// Everything at once.
pub(super) fn run(bytes: &[u8]) -> (State, Vec<u8>) {
    let mut connection = Connection::default();
    let state = connection.receive(bytes);
    (state, connection.passed)
}

fn refusal(bytes: &[u8]) -> Refusal {
    match run(bytes) {
        (State::Refused(refusal), passed) => {
            assert_eq!(passed, b"", "{:?}", String::from_utf8_lossy(bytes));
            refusal
        }
        other => panic!("{:?} gave {other:?}", String::from_utf8_lossy(bytes)),
    }
}

fn passes_whole(text: &str) {
    assert_eq!(run(text.as_bytes()), (State::Idle, text.as_bytes().to_vec()), "{text:?}");
}

#[test]
fn ordinary_requests_pass_unchanged() {
    for text in [
        "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET /a?b=[c]&d={e}|f HTTP/1.1\r\nhost:  A.example:8080\t \r\nX: ü \"\t\r\nEmpty:\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "M-SEARCH /x HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n",
        "GET http://a.example HTTP/1.1\r\nHost: A.example:80\r\n\r\n",
        "GET HTTPS://a.example?x HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [2001:db8::1]:81\r\nUpgrade: h2c\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3;a;b=c;d=\"e\\\"; f\"\r\nabc\r\n00\r\nX-Sum: 1\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    ] {
        passes_whole(text);
    }
}

#[test]
fn pipelined_requests_keep_their_boundaries() {
    let first =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 35\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: b\r\n\r\n";
    let second = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\r\n\r\n0\r\n\r\n";
    passes_whole(&[first, second, first].concat());
    let mut connection = Connection::default();
    connection.receive([first, second, first].concat().as_bytes());
    assert_eq!(connection.guard.requests(), 3);
}

#[test]
fn what_readers_take_differently_is_refused_with_its_reason() {
    use Refusal::*;
    let line = |line: &str| format!("{line}\r\nHost: a.example\r\n\r\n");
    let field = |field: &str| format!("POST / HTTP/1.1\r\nHost: a.example\r\n{field}\r\n\r\n");
    let cases = [
        ("GET / HTTP/1.1\nHost: a\n\n".to_owned(), BareLineFeed),
        (field("X: a\nY: b"), BareLineFeed),
        (field("X: a\rY: b"), Control),
        (field("X: a\0b"), Control),
        (field("X: a\x7fb"), Control),
        (field("X\0: a"), Control),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), EmptyLines),
        (line("GET /"), RequestLine),
        (line("GET  / HTTP/1.1"), RequestLine),
        (line("GET / a HTTP/1.1"), RequestLine),
        (line(" GET / HTTP/1.1"), RequestLine),
        (line("GET / HTTP/1.1 "), RequestLine),
        (line("GET\t/ HTTP/1.1"), RequestLine),
        (line("get / HTTP/1.1"), Method),
        (line("G@T / HTTP/1.1"), Method),
        (line(&format!("{} / HTTP/1.1", "A".repeat(33))), Method),
        (line("GET /a#b HTTP/1.1"), Target),
        (line("GET /a\\b HTTP/1.1"), Target),
        (line("GET /a?\"b\" HTTP/1.1"), Target),
        (line("GET /\u{fc} HTTP/1.1"), Target),
        (line("GET a.example:80 HTTP/1.1"), TargetForm),
        (line("GET ftp://a.example/ HTTP/1.1"), TargetForm),
        (line("GET http:///x HTTP/1.1"), TargetForm),
        (line("GET * HTTP/1.1"), Asterisk),
        (line("CONNECT a.example:443 HTTP/1.1"), Connect),
        (line("ANNOUNCE /a HTTP/1.0"), Rtsp),
        (line("GET / HTTP/2.0"), Version),
        (line("GET / HTTP/0.9"), Version),
        (line("GET / http/1.1"), Version),
        (line("GET / HTTP/1.10"), Version),
        (field("X : a"), FieldName),
        (field("Content_Length: 1"), Underscore),
        (field("transfer_encoding: chunked"), Underscore),
        (field(": a"), FieldName),
        (field("X"), FieldName),
        (field("X Y: a"), FieldName),
        (field("X: a\r\n b"), Folded),
        (field("X: a\r\n\tb: c"), Folded),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n".to_owned(), Folded),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), HostMissing),
        ("GET / HTTP/1.0\r\n\r\n".to_owned(), HostMissing),
        (field("host: a.example"), HostRepeated),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n".to_owned(), HostInvalid),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n".to_owned(), HostInvalid),
        ("GET / HTTP/1.1\r\nHost: a.example:\r\n\r\n".to_owned(), HostInvalid),
        ("GET / HTTP/1.1\r\nHost: u@a.example\r\n\r\n".to_owned(), Userinfo),
        (line("GET http://u@a.example/ HTTP/1.1"), Userinfo),
        (line("GET http://b.example/ HTTP/1.1"), HostDisagrees),
        (line("GET http://a.example:81/ HTTP/1.1"), HostDisagrees),
        (field("Content-Length: 0\r\nTransfer-Encoding: chunked"), BothLengths),
        (field("Content-Length: +1"), ContentLength),
        (field("Content-Length: 0x1"), ContentLength),
        (field("Content-Length: 1, 1"), ContentLength),
        (field("Content-Length: "), ContentLength),
        (field("Content-Length: 18446744073709551617"), ContentLength),
        (field("Content-Length: 1\r\nContent-Length: 1"), ContentLengthRepeated),
        (field("Content-Length: 1\r\ncontent-length: 2"), ContentLengthRepeated),
        (field("Transfer-Encoding: gzip, chunked"), TransferEncoding),
        (field("Transfer-Encoding: xchunked"), TransferEncoding),
        (field("Transfer-Encoding: \"chunked\""), TransferEncoding),
        (field("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), TransferEncoding),
        (field("Transfer-Encoding: \x0bchunked"), Control),
        ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), TransferEncodingOld),
        (field("Expect: 200-ok"), Expect),
        (field("Connection: a b"), Connection),
        (field(&format!("Connection: {}", "a,".repeat(40))), Connection),
        (field(&format!("X: {}", "a".repeat(33 * 1024))), LineTooLong),
        (field(&"X: a\r\n".repeat(HEAD_FIELDS)), TooManyFields),
        (field(&format!("X: {}\r\n", "a".repeat(30 * 1024)).repeat(3)), HeadTooLarge),
    ];
    for (text, why) in cases {
        assert_eq!(refusal(text.as_bytes()), why, "{:?}", &text[..text.len().min(200)]);
    }
}

#[test]
fn chunked_framing_is_exact() {
    use Refusal::{BareLineFeed, ChunkEnd, ChunkExtension, ChunkSize, FieldName, Folded, TrailerField};
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (body, passed, why) in [
        ("3\n", "", BareLineFeed),
        ("\r\n", "", ChunkSize),
        ("0x3\r\nabc\r\n", "", ChunkSize),
        ("-3\r\n", "", ChunkSize),
        (" 3\r\n", "", ChunkSize),
        ("3 \r\n", "", ChunkSize),
        ("3\r\r\n", "", ChunkSize),
        ("1000000000000000\r\n", "", ChunkSize),
        ("3;\r\n", "", ChunkExtension),
        ("3; a\r\n", "", ChunkExtension),
        ("3;a=\r\n", "", ChunkExtension),
        ("3;a=\"b\r\n", "", ChunkExtension),
        ("3;a\rb\r\n", "", ChunkExtension),
        ("3\r\nabcd\r\n", "3\r\nabc", ChunkEnd),
        ("3\r\nabc\n", "3\r\nabc", ChunkEnd),
        ("3\r\nabc\r\n0\r\nX : a\r\n\r\n", "3\r\nabc\r\n0\r\n", FieldName),
        ("0\r\nX: a\r\n b\r\n\r\n", "0\r\nX: a\r\n", Folded),
        ("0\r\nContent-Length: 3\r\n\r\n", "0\r\n", TrailerField),
        ("0\r\nHost: b\r\n\r\n", "0\r\n", TrailerField),
        ("0\r\nX: a\n\r\n", "0\r\n", BareLineFeed),
    ] {
        let mut connection = Connection::default();
        assert_eq!(connection.receive(head.as_bytes()), State::Body);
        assert_eq!(connection.receive(body.as_bytes()), State::Refused(why), "{body:?}");
        assert_eq!(String::from_utf8_lossy(&connection.passed), format!("{head}{passed}"), "{body:?}");
        let at_once = run(format!("{head}0\r\n\r\n{head}{body}").as_bytes());
        let before = format!("{head}0\r\n\r\n").into_bytes();
        assert_eq!(at_once, (State::Refused(why), before), "nothing passes of a request that is bad at once");
    }
}

#[test]
fn what_a_chunked_body_holds_back_is_bounded() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let state = |body: String| run(format!("{head}{body}").as_bytes()).0;
    assert_eq!(state(format!("1;{}", "a".repeat(CHUNK_LINE_BYTES))), State::Refused(Refusal::LineTooLong));
    assert_eq!(
        state(format!("1;{}\r\na\r\n", "a".repeat(4000)).repeat(3)),
        State::Refused(Refusal::ChunkExtension),
        "extensions are bounded over the whole body",
    );
    assert_eq!(state(format!("0\r\n{}", "X: a\r\n".repeat(201))), State::Refused(Refusal::TooManyFields));
    assert_eq!(
        state(format!("0\r\n{}", format!("X: {}\r\n", "a".repeat(400)).repeat(11))),
        State::Refused(Refusal::TrailerTooLarge),
    );
}

#[test]
fn one_empty_line_between_requests_is_dropped_and_not_passed() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let (state, passed) = run(format!("\r\n{request}\r\n{request}\r\n").as_bytes());
    assert_eq!((state, passed), (State::Idle, request.repeat(2).into_bytes()));
}

#[test]
fn nothing_passes_after_a_refusal() {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut connection = Connection::default();
    assert_eq!(connection.receive(request), State::Idle);
    assert_eq!(
        connection.receive(b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        State::Refused(Refusal::HostRepeated)
    );
    assert_eq!(connection.receive(request), State::Refused(Refusal::HostRepeated));
    assert_eq!(connection.passed, request);
    assert!(!connection.guard.become_opaque());
    connection.guard.answered();
    assert_eq!(connection.receive(request), State::Refused(Refusal::HostRepeated));
}

#[test]
fn the_state_tells_idle_head_and_body_apart() {
    let mut connection = Connection::default();
    assert_eq!(connection.receive(b""), State::Idle);
    assert_eq!(connection.receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-"), State::Head);
    assert_eq!(connection.passed, b"", "a head is withheld until it is whole");
    assert_eq!(connection.receive(b"Length: 2\r\n\r\n"), State::Body);
    assert_eq!(connection.receive(b"a"), State::Body);
    assert_eq!(connection.receive(b"b"), State::Idle);
    assert_eq!(connection.receive(b"\r"), State::Head);
    assert_eq!(connection.receive(b"\nP"), State::Head);
}

#[test]
fn what_follows_the_last_request_is_thrown_away() {
    for last in
        ["GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", "GET / HTTP/1.0\r\nHost: a\r\n\r\n"]
    {
        let (state, passed) = run(format!("{last}\r\n\r\nGET /b HTTP/1.1\r\n").as_bytes());
        assert_eq!((state, passed), (State::Ended, last.as_bytes().to_vec()));
    }
}

const UPGRADE: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";

#[test]
fn an_upgrade_pauses_until_its_answer_is_known() {
    let mut connection = Connection::default();
    assert_eq!(connection.receive(&[UPGRADE, b"\x81\x05hello"].concat()), State::Paused);
    assert_eq!(connection.passed, UPGRADE);
    assert!(connection.guard.become_opaque());
    assert_eq!(connection.receive(b"\0\n"), State::Opaque);
    assert_eq!(connection.passed, [UPGRADE, b"\x81\x05hello\0\n"].concat());
    assert!(!connection.guard.become_opaque(), "only a paused connection becomes opaque");
}

#[test]
fn a_refused_upgrade_goes_on_as_http() {
    let plain = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut connection = Connection::default();
    assert_eq!(connection.receive(&[plain, UPGRADE, plain].concat()), State::Paused);
    connection.guard.answered();
    assert_eq!(connection.receive(b""), State::Paused, "that was the answer to the request before");
    connection.guard.answered();
    assert_eq!(connection.receive(b""), State::Idle);
    assert_eq!(connection.passed, [plain, UPGRADE, plain].concat());
}

#[test]
fn every_refusal_is_a_malformed_message_in_plain_words_but_for_an_expectation_and_connect() {
    for refusal in Refusal::ALL {
        let denial = refusal.denial();
        let expected = match refusal {
            Refusal::Expect => (Reason::ProtocolExpectation, 417),
            Refusal::Connect => (Reason::ProtocolConnect, 403),
            _ => (Reason::ProtocolMalformed, 400),
        };
        assert_eq!((denial.reason, denial.status()), expected);
        assert!(refusal.sentence().ends_with('.') && refusal.sentence().len() > 20, "{refusal:?}");
    }
}

#[test]
fn a_withheld_head_is_bounded_however_it_arrives() {
    for (text, bound) in [
        ("GET /".to_owned(), REQUEST_LINE_BYTES),
        ("GET / HTTP/1.1\r\n".to_owned() + &"X: aaa\r\n".repeat(150), HEAD_BYTES),
    ] {
        let mut connection = Connection::default();
        connection.receive(text.as_bytes());
        let mut held = text.len();
        while !matches!(connection.receive(b"xxxxxxxx"), State::Refused(_)) {
            held += 8;
            assert!(held <= bound);
        }
    }
}

#[test]
fn a_refusal_tells_which_request_it_is_about_and_whether_its_head_had_passed() {
    let good = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let told = |parts: &[&str]| {
        let mut connection = Connection::default();
        for part in parts {
            let _ = connection.receive(part.as_bytes());
        }
        assert!(matches!(connection.state, Some(State::Refused(_))), "{parts:?}");
        (connection.guard.requests(), connection.guard.refused_in_body())
    };
    assert_eq!(told(&[good, "nonsense\r\n"]), (1, false));
    assert_eq!(told(&[&[good, head, "zz\r\n"].concat()]), (1, false), "of the second nothing passes");
    assert_eq!(told(&[good, head, "zz\r\n"]), (2, true), "the second has begun");
    assert_eq!(told(&[head, "1\r\na\r\n", "zz\r\n"]), (1, true));
    assert_eq!(told(&[head, "0\r\n\r\n", "nonsense\r\n"]), (1, false));
}
