//! What holds for all bytes: no panic, the same verdict however they are cut, the boundaries the library behind sees.

use proptest::prelude::*;

use super::tests::{Connection, run};
use super::*;

/// Heads and bodies that are nearly right, so that both verdicts are frequent.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let head = "(\r\n)?(GET|POST|PUT|OPTIONS) (/|/a\\?b=c|\\*|http://a/) HTTP/1\\.[01]\r\n";
    let fields = prop::collection::vec(
        prop_oneof![
            6 => Just("X-Y: z\r\n"),
            1 => Just("Connection: keep-alive\r\n"),
            1 => Just("Connection: close\r\n"),
            1 => Just("Connection: upgrade\r\nUpgrade: websocket\r\n"),
            1 => Just("Host: a\r\n"),
            1 => Just("X: a\n"),
            1 => Just(" x\r\n"),
        ],
        0..3,
    );
    let body = prop_oneof![
        3 => Just("\r\n".to_owned()),
        2 => Just("Content-Length: 3\r\n\r\nabc".to_owned()),
        3 => "Transfer-Encoding: chunked\r\n\r\n([1-3](;a=\"b\")?\r\nabc\r\n){0,3}0\r\n(X: y\r\n)?\r\n",
        2 => "Transfer-Encoding: chunked\r\n\r\n(3(;a)?\r\nabc\r\n){0,3}0\r\n(X: y\r\n)?\r\n",
    ];
    let one = (head, fields, body).prop_map(|(head, fields, body)| {
        [&head, "Host: a\r\n", &fields.concat(), &body].concat().into_bytes()
    });
    let flip =
        (prop::collection::vec(one, 1..4), prop::option::of((any::<prop::sample::Index>(), any::<u8>())));
    flip.prop_map(|(parts, flip)| {
        let mut bytes = parts.concat();
        if let Some((at, value)) = flip {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes
    })
}

/// Where each message begins and ends in `bytes`, as httparse and the rules of RFC 9112 see it.
fn boundaries(bytes: &[u8]) -> Vec<usize> {
    let (mut at, mut ends) = (0, Vec::new());
    while at < bytes.len() {
        let mut fields = [httparse::EMPTY_HEADER; 256];
        let mut request = httparse::Request::new(&mut fields);
        let Ok(httparse::Status::Complete(head)) = request.parse(&bytes[at..]) else {
            panic!("httparse refuses {:?}", String::from_utf8_lossy(&bytes[at..]));
        };
        request.path.unwrap().parse::<http::Uri>().unwrap();
        request.method.unwrap().parse::<http::Method>().unwrap();
        at += head;
        let find =
            |name: &str| request.headers.iter().find(|f| f.name.eq_ignore_ascii_case(name)).map(|f| f.value);
        if find("transfer-encoding").is_some() {
            loop {
                let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(&bytes[at..])
                else {
                    return ends;
                };
                at += line;
                if size == 0 {
                    break;
                }
                at += usize::try_from(size).unwrap() + 2;
                if at > bytes.len() {
                    return ends;
                }
            }
            let mut trailers = [httparse::EMPTY_HEADER; 256];
            match httparse::parse_headers(&bytes[at..], &mut trailers) {
                Ok(httparse::Status::Complete((length, _))) => at += length,
                _ => return ends,
            }
        } else if let Some(length) = find("content-length") {
            at += std::str::from_utf8(length).unwrap().parse::<usize>().unwrap();
        }
        ends.push(at);
    }
    ends
}

/// The boundaries of messages that are whole.
fn ends_of(bytes: &[u8]) -> Vec<usize> {
    boundaries(bytes).into_iter().filter(|end| *end <= bytes.len()).collect()
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = run(&bytes);
    }

    #[test]
    fn the_cut_of_the_input_changes_nothing(
        bytes in messages(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let whole = run(&bytes);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut pieces = Connection::default();
        for pair in cuts.windows(2) {
            pieces.receive(&bytes[pair[0]..pair[1]]);
        }
        let mut single = Connection::default();
        for byte in &bytes {
            single.receive(&[*byte]);
        }
        for cut in [pieces, single] {
            prop_assert_eq!(cut.state.unwrap(), whole.0);
            // Of a request that is refused, more or less of the body may have gone before; never more than its bytes.
            let refused = matches!(whole.0, State::Refused(_));
            prop_assert!(cut.passed == whole.1 || refused && cut.passed.starts_with(&whole.1));
            prop_assert_eq!(ends_of(&cut.passed), ends_of(&whole.1), "the same requests are whole");
        }
    }

    #[test]
    fn the_library_behind_sees_the_same_boundaries(bytes in messages()) {
        let mut connection = Connection::default();
        let mut ends = Vec::new();
        for byte in &bytes {
            let state = connection.receive(&[*byte]);
            let over = matches!(state, State::Idle | State::Paused | State::Ended);
            if over && ends.last() != Some(&connection.passed.len()) && !connection.passed.is_empty() {
                ends.push(connection.passed.len());
            }
        }
        let state = connection.state.unwrap();
        prop_assert_eq!(ends_of(&connection.passed), ends, "{:?} in {:?}", String::from_utf8_lossy(&connection.passed), state);
    }
}
