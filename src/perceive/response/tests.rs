//! What of an upstream's bytes passes and what is refused, claim by claim; and what holds for all bytes.

use proptest::prelude::*;

use super::*;
use crate::model::types::Reason;
use crate::model::types::limits::{CHUNK_LINE_BYTES, FIELD_LINE_BYTES, HEAD_BYTES, HEAD_FIELDS};

/// A connection as a caller holds it.
struct Connection {
    guard: Guard,
    held: Vec<u8>,
    passed: Vec<u8>,
}

impl Connection {
    fn asked(asked: Option<Asked>) -> Self {
        let mut guard = Guard::default();
        if let Some(asked) = asked {
            guard.ask(asked);
        }
        Self { guard, held: Vec::new(), passed: Vec::new() }
    }

    fn receive(&mut self, bytes: &[u8]) -> State {
        self.held.extend_from_slice(bytes);
        loop {
            let advance = self.guard.advance(&self.held);
            self.passed.extend(self.held.drain(..advance.pass));
            if advance.pass == 0 {
                return advance.state;
            }
        }
    }
}

/// Everything at once, in answer to one request.
fn run(asked: Asked, bytes: &[u8]) -> (State, Vec<u8>) {
    let mut connection = Connection::asked(Some(asked));
    let state = connection.receive(bytes);
    (state, connection.passed)
}

fn refusal(bytes: &[u8]) -> Refusal {
    match run(Asked::Plainly, bytes) {
        (State::Refused(refusal), passed) => {
            assert_eq!(passed, b"", "{:?}", String::from_utf8_lossy(bytes));
            refusal
        }
        other => panic!("{:?} gave {other:?}", String::from_utf8_lossy(bytes)),
    }
}

fn with_fields(fields: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n").into_bytes()
}

#[test]
fn ordinary_answers_pass_unchanged() {
    for (text, state) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", State::Idle),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", State::Body),
        ("HTTP/1.1 200\r\nContent-Length:0\r\n\r\n", State::Idle),
        ("HTTP/1.1 200 \r\nX: \u{fc} \"\t\r\nEmpty:\r\ncontent-length:  0 \r\n\r\n", State::Idle),
        (
            "HTTP/1.1 404 Not Found at all\r\nTransfer-Encoding: Chunked\r\n\r\n3;a=\"b\"\r\nabc\r\n0\r\nX: y\r\n\r\n",
            State::Idle,
        ),
        ("HTTP/1.1 200 OK\r\n\r\neverything up to the end\r\n\r\n", State::Body),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na", State::Idle),
        ("HTTP/1.0 200 OK\r\n\r\nup to the end", State::Body),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", State::Idle),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n", State::Idle),
        ("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", State::Idle),
        ("HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", State::Idle),
        (
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
            State::Idle,
        ),
        ("HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n", State::Idle),
    ] {
        assert_eq!(run(Asked::Plainly, text.as_bytes()), (state, text.as_bytes().to_vec()), "{text:?}");
    }
}

#[test]
fn an_answer_to_head_ends_with_its_head() {
    for framing in ["Content-Length: 1000", "Transfer-Encoding: chunked", "X: y"] {
        let head = with_fields(framing);
        let mut connection = Connection::asked(Some(Asked::Head));
        assert_eq!(connection.receive(&head), State::Idle);
        assert_eq!(connection.receive(b"body"), State::Refused(Refusal::Unasked), "{framing}");
        assert_eq!(connection.passed, head);
    }
}

#[test]
fn nothing_passes_that_no_request_asked_for() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na";
    let mut early = Connection::asked(None);
    assert_eq!(early.receive(b"H"), State::Refused(Refusal::Unasked));
    early.guard.ask(Asked::Plainly);
    assert_eq!((early.receive(answer), early.passed.len()), (State::Refused(Refusal::Unasked), 0));
    // The first answer passes; the one that hides behind it does not, whether or not it came at once.
    for cut in [0, answer.len(), answer.len() + 1] {
        let both = [&answer[..], answer].concat();
        let mut connection = Connection::asked(Some(Asked::Plainly));
        connection.receive(&both[..cut]);
        assert_eq!(connection.receive(&both[cut..]), State::Refused(Refusal::Unasked), "cut at {cut}");
        connection.guard.ask(Asked::Plainly);
        connection.receive(b"");
        assert_eq!(connection.passed, answer, "cut at {cut}");
    }
    let mut kept = Connection::asked(Some(Asked::Plainly));
    for _ in 0..3 {
        assert_eq!(kept.receive(answer), State::Idle);
        kept.guard.ask(Asked::Plainly);
    }
    assert_eq!(kept.passed, answer.repeat(3), "one after the other they pass");
}

#[test]
fn what_readers_take_differently_is_refused() {
    use Refusal as R;
    for (text, expected) in [
        ("Content-Length: 3\r\nContent-Length: 3", R::ContentLengthRepeated),
        ("Content-Length: 3\r\nContent-Length: 4", R::ContentLengthRepeated),
        ("Content-Length: 3, 3", R::ContentLength),
        ("Content-Length: +3", R::ContentLength),
        ("Content-Length: -1", R::ContentLength),
        ("Content-Length: 0x3", R::ContentLength),
        ("Content-Length:", R::ContentLength),
        ("Content-Length: 9999999999999999999", R::ContentLength),
        ("Content-Length: 3\r\nTransfer-Encoding: chunked", R::BothLengths),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3", R::BothLengths),
        ("Transfer-Encoding: gzip, chunked", R::TransferEncoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", R::TransferEncoding),
        ("Transfer-Encoding: identity", R::TransferEncoding),
        ("Transfer-Encoding: xchunked", R::TransferEncoding),
        ("Transfer-Encoding: \u{b}chunked", R::Control),
        ("Transfer-Encoding : chunked", R::FieldName),
        ("Content-Length : 3", R::FieldName),
        ("X: y\r\n folded", R::Folded),
        ("X: y\r\n\tfolded", R::Folded),
        (" X: y", R::Folded),
        ("X: a\nY: b", R::BareLineFeed),
        ("X: a\rY: b", R::Control),
        ("X: a\0b", R::Control),
        ("X\0: a", R::Control),
        ("no colon", R::FieldName),
        (": no name", R::FieldName),
    ] {
        assert_eq!(refusal(&with_fields(text)), expected, "{text:?}");
    }
}

#[test]
fn a_first_line_that_is_no_status_line_is_refused() {
    use Refusal as R;
    for (line, expected) in [
        ("HTTP/1.1 20 OK", R::StatusLine),
        ("HTTP/1.1 2000 OK", R::StatusLine),
        ("HTTP/1.1 099 OK", R::Status),
        ("HTTP/1.1 2x0 OK", R::Status),
        ("HTTP/1.1 -20 OK", R::Status),
        ("HTTP/1.1  200 OK", R::StatusLine),
        ("HTTP/1.1\t200 OK", R::StatusLine),
        ("HTTP/1.1 200\tOK", R::StatusLine),
        ("HTTP/1.1200 OK", R::StatusLine),
        ("HTTP/1.2 200 OK", R::StatusLine),
        ("HTTP/2 200 OK", R::StatusLine),
        ("HTTP/0.9 200 OK", R::StatusLine),
        ("http/1.1 200 OK", R::StatusLine),
        ("ICY 200 OK", R::StatusLine),
        (" HTTP/1.1 200 OK", R::StatusLine),
        ("\r\nHTTP/1.1 200 OK", R::StatusLine),
        ("<html>old</html>", R::StatusLine),
        ("HTTP/1.1 200 O\0K", R::Control),
    ] {
        assert_eq!(refusal(format!("{line}\r\n\r\n").as_bytes()), expected, "{line:?}");
    }
    assert_eq!(refusal(b"HTTP/1.1 200 OK\n\n"), R::BareLineFeed);
    assert_eq!(refusal(b"hello\n"), R::StatusLine);
    // Another protocol is known by its first bytes; it may never send a line feed.
    assert_eq!(refusal(b"S"), R::StatusLine);
    assert_eq!(refusal(b"HTTP/2"), R::StatusLine);
}

#[test]
fn an_answer_that_cannot_have_a_body_announces_none() {
    for status in ["204 No Content", "100 Continue", "103 Early Hints", "101 Switching Protocols"] {
        for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
            let text = format!("HTTP/1.1 {status}\r\n{framing}\r\n\r\nhello");
            assert_eq!(refusal(text.as_bytes()), Refusal::BodyForbidden, "{text:?}");
        }
    }
    let old = b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(refusal(old), Refusal::TransferEncodingOld);
}

#[test]
fn protocols_are_switched_only_where_that_was_asked_for() {
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
    let all = [head.as_bytes(), b"\x81\x02hi\n\0"].concat();
    assert_eq!(run(Asked::Upgrade, &all), (State::Opaque, all.clone()));
    assert_eq!(refusal(&all), Refusal::SwitchUnasked);
    let declined = b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno";
    assert_eq!(run(Asked::Upgrade, declined), (State::Idle, declined.to_vec()));
}

#[test]
fn a_bad_chunk_takes_the_answer_with_it_where_nobody_has_seen_its_head() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (body, expected) in [
        ("zz\r\n", Refusal::ChunkSize),
        ("3 \r\nabc\r\n", Refusal::ChunkSize),
        ("3\r\nabcd\r\n", Refusal::ChunkEnd),
        ("3\nabc\n0\n\n", Refusal::BareLineFeed),
        ("3;\0\r\nabc\r\n", Refusal::ChunkExtension),
        ("0\r\nContent-Length: 3\r\n\r\n", Refusal::TrailerField),
        ("0\r\n folded\r\n\r\n", Refusal::Folded),
    ] {
        assert_eq!(refusal(&[head, body.as_bytes()].concat()), expected, "{body:?}");
        let mut connection = Connection::asked(Some(Asked::Plainly));
        assert_eq!(connection.receive(head), State::Body);
        assert_eq!(connection.receive(body.as_bytes()), State::Refused(expected), "{body:?}");
        assert!(!connection.passed.ends_with(b"0\r\n\r\n"), "no end that a reader would take for the whole");
    }
}

#[test]
fn whatever_has_no_end_is_refused_at_its_bound() {
    let endless = |begin: &str, more: &str, bound: usize| {
        let mut connection = Connection::asked(Some(Asked::Plainly));
        connection.receive(begin.as_bytes());
        for _ in 0..=bound / more.len() {
            assert!(connection.held.len() <= bound, "{more:?}");
            if let State::Refused(refusal) = connection.receive(more.as_bytes()) {
                return refusal;
            }
        }
        panic!("{more:?} goes on and on");
    };
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(endless("HTTP/1.1 200 ", "xxxxxxxx", FIELD_LINE_BYTES), Refusal::LineTooLong);
    assert_eq!(endless("HTTP/1.1 200 OK\r\nX: ", "xxxxxxxx", FIELD_LINE_BYTES + 17), Refusal::LineTooLong);
    assert_eq!(endless("HTTP/1.1 200 OK\r\n", "X: y\r\n", HEAD_FIELDS * 6 + 32), Refusal::TooManyFields);
    let long = format!("X: {}\r\n", "y".repeat(1000));
    assert_eq!(endless("HTTP/1.1 200 OK\r\n", &long, HEAD_BYTES), Refusal::HeadTooLarge);
    let interim = "HTTP/1.1 103 Early Hints\r\n\r\n";
    assert_eq!(endless("", interim, interim.len() * 200), Refusal::InterimAnswers);
    let size = format!("{chunked}1;");
    assert_eq!(endless(&size, "xxxxxxxx", CHUNK_LINE_BYTES), Refusal::LineTooLong);
    assert_eq!(endless(chunked, "1;aaaaaaaa\r\nx\r\n", 1 << 20), Refusal::ChunkExtension);
    let last = format!("{chunked}0\r\n");
    assert_eq!(endless(&last, "X: y\r\n", CHUNK_LINE_BYTES), Refusal::TooManyFields);
    assert_eq!(endless(&last, &long, CHUNK_LINE_BYTES), Refusal::TrailerTooLarge);
}

#[test]
fn a_refused_answer_is_told_as_the_destinations_fault() {
    for refusal in Refusal::ALL {
        let denial = refusal.answer_denial();
        let expected = match refusal {
            Refusal::HeadTooSlow => (Reason::UpstreamTimeout, 504),
            _ => (Reason::UpstreamMalformed, 502),
        };
        assert_eq!((denial.reason, denial.status()), expected);
    }
}

/// Answers that are nearly right.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let line = "HTTP/1\\.[01] (200|204|304|404|103|101)( OK)?\r\n";
    let fields = prop::collection::vec(
        prop_oneof![
            6 => Just("X-Y: z\r\n"),
            1 => Just("Connection: close\r\n"),
            1 => Just("X: a\n"),
            1 => Just(" x\r\n"),
        ],
        0..3,
    );
    let body = prop_oneof![
        2 => Just("\r\n".to_owned()),
        2 => Just("Content-Length: 3\r\n\r\nabc".to_owned()),
        2 => Just("Content-Length: 3\r\n\r\nabcd".to_owned()),
        3 => "Transfer-Encoding: chunked\r\n\r\n(3(;a=\"b\")?\r\nabc\r\n){0,3}0\r\n(X: y\r\n)?\r\n",
        1 => "Transfer-Encoding: chunked\r\n\r\n([1-4]\r\nabc\r\n){0,3}0\r\n\r\n",
    ];
    let one = (line, fields, body).prop_map(|(line, fields, body)| line + &fields.concat() + &body);
    let flip = prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
    (prop::collection::vec(one, 1..3), flip).prop_map(|(parts, flip)| {
        let mut bytes = parts.concat().into_bytes();
        if let Some((at, value)) = flip {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = run(Asked::Plainly, &bytes);
        let _ = run(Asked::Upgrade, &[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &bytes[..]].concat());
    }

    #[test]
    fn the_cut_of_the_input_changes_nothing(
        bytes in answers(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (state, passed) = run(Asked::Plainly, &bytes);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let (mut pieces, mut single) = (Connection::asked(Some(Asked::Plainly)), Connection::asked(Some(Asked::Plainly)));
        let mut last = None;
        for pair in cuts.windows(2) {
            last = Some(pieces.receive(&bytes[pair[0]..pair[1]]));
        }
        let mut each = None;
        for byte in &bytes {
            each = Some(single.receive(&[*byte]));
        }
        for (cut, end) in [(pieces, last), (single, each)] {
            prop_assert_eq!(end, Some(state));
            let refused = matches!(state, State::Refused(_));
            prop_assert!(cut.passed == passed || refused && cut.passed.starts_with(&passed));
        }
    }

    #[test]
    fn the_library_behind_reads_every_head_that_passes_in_the_same_way(bytes in answers()) {
        let mut connection = Connection::asked(Some(Asked::Plainly));
        connection.receive(&bytes);
        let passed = connection.passed;
        if passed.is_empty() {
            return Ok(());
        }
        let mut fields = [httparse::EMPTY_HEADER; 256];
        let mut answer = httparse::Response::new(&mut fields);
        let Ok(httparse::Status::Complete(head)) = answer.parse(&passed) else {
            panic!("httparse refuses {:?}", String::from_utf8_lossy(&passed));
        };
        let find = |name: &str| answer.headers.iter().filter(|f| f.name.eq_ignore_ascii_case(name)).count();
        prop_assert!(find("content-length") + find("transfer-encoding") <= 1);
        prop_assert!(passed[..head].ends_with(b"\r\n\r\n"));
    }
}
