//! Upstreams that answer as no honest one does: what is ambiguous never reaches the workload, what has no end is ended,
//! and the record says what was wrong. Read next: `broken`, `certificates`.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use super::dialogue::{NAME, opening_gateway, zone};
use super::origin::Origin;
use super::streaming::{PLAIN, TLS, get, get2, http2, serve_both, talks};
use crate::lab::Lab;
use crate::lab::backends::{Wire, eventually};

/// Both kinds of upstream with these answers, each at the path that is its number; anything else is `ok` and its path.
fn origins(lab: &Lab, answers: &[String]) -> [Origin; 2] {
    let leaf = lab.pki().leaf(&[NAME]);
    [(PLAIN, Wire::Plain), (TLS, Wire::Tls(&leaf, &["http/1.1"]))].map(|(address, wire)| {
        let answers = answers.to_vec();
        Origin::start(lab, address, wire, move |taken| {
            let target = taken.line().split(' ').nth(1).unwrap_or_default();
            let number = target.strip_prefix('/').and_then(|number| number.parse::<usize>().ok());
            match number.and_then(|number| answers.get(number)) {
                Some(answer) => answer.clone().into_bytes(),
                None => {
                    let body = format!("ok {target}");
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
                }
            }
        })
    })
}

/// Heads, and the refusals that the record names.
fn malformed() -> Vec<(String, &'static str)> {
    let fields = [
        ("Content-Length: 2\r\nContent-Length: 2", "ContentLengthRepeated"),
        ("Content-Length: 2\r\nContent-Length: 3", "ContentLengthRepeated"),
        ("Content-Length: 2, 2", "ContentLength"),
        ("Content-Length: -2", "ContentLength"),
        ("Content-Length: 2\r\nTransfer-Encoding: chunked", "BothLengths"),
        ("Transfer-Encoding: gzip, chunked", "TransferEncoding"),
        ("Transfer-Encoding: chunked, chunked", "TransferEncoding"),
        ("Transfer-Encoding: cow", "TransferEncoding"),
        ("Content-Length: 2\r\nX: a\r\n folded", "Folded"),
        ("Content-Length: 2\r\nX: a\nY: b", "BareLineFeed"),
        ("Content-Length: 2\r\nX: a\rY: b", "Control"),
        ("Content-Length: 2\r\nX: a\0b", "Control"),
        ("Content-Length : 2", "FieldName"),
        ("Content-Length: 2\r\nno colon", "FieldName"),
    ];
    let heads = [
        ("<html>HTTP/0.9 had no heads</html>", "StatusLine"),
        ("ICY 200 OK\r\n\r\n", "StatusLine"),
        ("HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\nok", "StatusLine"),
        ("HTTP/1.1 0 OK\r\n\r\n", "StatusLine"),
        ("HTTP/1.1 2.0 OK\r\nContent-Length: 2\r\n\r\nok", "Status"),
        ("HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "BareLineFeed"),
        ("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok", "BodyForbidden"),
        ("HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\nok", "BodyForbidden"),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "SwitchUnasked"),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "TransferEncodingOld"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\n0\n\n", "BareLineFeed"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n", "ChunkSize"),
    ];
    let with_fields = fields.map(|(text, why)| (format!("HTTP/1.1 200 OK\r\n{text}\r\n\r\nok"), why));
    let flood = ("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(101), "InterimAnswers");
    let heads = heads.map(|(text, why)| (text.to_owned(), why));
    with_fields.into_iter().chain(heads).chain([flood]).collect()
}

#[apply(over_both)]
fn an_ambiguous_answer_is_502_and_its_connection_serves_no_other_request(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let cases = malformed();
    let answers: Vec<String> = cases.iter().map(|(answer, _)| answer.clone()).collect();
    let origins = origins(&lab, &answers);
    for (mut talk, origin) in talks(&lab, &daemon).zip(&origins) {
        for (number, (answer, _)) in cases.iter().enumerate() {
            let heard = talk.ask(get(&format!("/{number}")));
            assert!(heard.status == 502, "{answer:?} gave {heard:?}");
            heard.is_refusal(502, "upstream.malformed");
            assert_eq!(talk.ask(get("/fine")).text(), "ok /fine", "after {answer:?}");
        }
        let taken = origin.taken();
        for pair in taken.windows(2).filter(|pair| !pair[0].line().contains("/fine")) {
            assert_ne!(pair[0].connection, pair[1].connection, "{}", pair[0].line());
        }
    }
    let mut client = http2(&lab, &daemon);
    for (number, (answer, why)) in cases.iter().enumerate() {
        let (head, _) = client.get(&format!("https://{NAME}/{number}"));
        assert_eq!(
            (head.status.as_u16(), &head.headers["x-clawgress-reason"]),
            (502, &"upstream.malformed".parse().expect("a value")),
            "{answer:?}"
        );
        let path = format!("/{number}");
        eventually("three refusals on record", || {
            let rows = daemon.records(&[]);
            let refused = rows.iter().filter(|row| {
                row["path"] == path
                    && row["reason"] == "upstream.malformed"
                    && row["status"] == 502
                    && row["decision"] == "deny"
                    && row["evidence"].as_str().is_some_and(|seen| seen.ends_with(&format!(": {why}")))
            });
            (refused.count() == 3).then_some(())
        });
    }
}

#[apply(over_both)]
fn an_answer_that_no_request_asked_for_reaches_nobody(lab: Lab) {
    const HIDDEN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhidden";
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let answers: Vec<String> = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ""),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", ""),
        ("HTTP/1.1 204 No Content\r\n\r\n", ""),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n", "ok"),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 60\r\n\r\n", ""),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "longer than it says"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, close\r\n\r\nok", ""),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok", ""),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "\r\n\r\n"),
    ]
    .map(|(answer, between)| format!("{answer}{between}{HIDDEN}"))
    .to_vec();
    let origins = origins(&lab, &answers);
    for (mut talk, origin) in talks(&lab, &daemon).zip(&origins) {
        for (number, answer) in answers.iter().enumerate() {
            let heard = talk.ask(get(&format!("/{number}")));
            assert!(
                matches!(heard.status, 200 | 204 | 304) && !heard.text().contains("hidden"),
                "{answer:?}: {heard:?}"
            );
            assert_eq!(talk.ask(get("/fine")).text(), "ok /fine", "after {answer:?}");
        }
        // HEAD is answered without a body, whatever follows.
        talk.say(format!("HEAD /0 HTTP/1.1\r\nHost: {NAME}\r\n\r\n"));
        assert_eq!(talk.hear_head().status, 200);
        assert_eq!(talk.ask(get("/fine")).text(), "ok /fine", "after HEAD");
        let taken = origin.taken();
        for pair in taken.windows(2).filter(|pair| !pair[0].line().contains("/fine")) {
            assert_ne!(pair[0].connection, pair[1].connection, "{}", pair[0].line());
        }
    }
}

#[apply(over_both)]
fn a_kept_connection_on_which_the_upstream_speaks_unasked_is_closed(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let go = Arc::new(Semaphore::new(0));
    let (tell, told) = mpsc::channel();
    let go_there = go.clone();
    serve_both(&lab, move |mut stream| {
        let (go, tell) = (go_there.clone(), tell.clone());
        async move {
            let mut buffer = vec![0; 16 * 1024];
            let _ = stream.read(&mut buffer).await?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nasked").await?;
            stream.flush().await?;
            go.acquire().await.expect("never closed").forget();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nunasked").await?;
            stream.flush().await?;
            tell.send(stream.read(&mut buffer).await.unwrap_or(0)).expect("the test waits");
            Ok(())
        }
    });
    for mut talk in talks(&lab, &daemon) {
        for _ in 0..3 {
            assert_eq!(talk.ask(get("/")).text(), "asked");
            go.add_permits(1);
            assert_eq!(told.recv_timeout(Duration::from_secs(5)), Ok(0), "closed, and no request came");
        }
    }
}

/// A beginning of an answer, and what follows it when the test says so.
fn continued(lab: &Lab, cases: &'static [(&'static str, &'static str, bool)]) -> Arc<Semaphore> {
    let permits = Arc::new(Semaphore::new(0));
    let permits_there = permits.clone();
    serve_both(lab, move |mut stream| {
        let permits = permits_there.clone();
        async move {
            let mut request = vec![0; 16 * 1024];
            let length = stream.read(&mut request).await?;
            let text = String::from_utf8_lossy(&request[..length]).into_owned();
            let number = text.split(['/', ' ']).nth(2).and_then(|number| number.parse::<usize>().ok());
            let (begin, more, orderly) = cases[number.unwrap_or(0)];
            stream.write_all(begin.as_bytes()).await?;
            stream.flush().await?;
            permits.acquire().await.expect("never closed").forget();
            stream.write_all(more.as_bytes()).await?;
            stream.flush().await?;
            // Over TLS an orderly end says so (RFC 8446, section 6.1); just closing is what an attacker can do.
            if orderly {
                stream.shutdown().await?;
            }
            Ok(())
        }
    });
    permits
}

#[apply(over_both)]
fn a_body_that_turns_out_malformed_is_broken_off_and_on_record(lab: Lab) {
    const BEGIN: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    const CASES: &[(&str, &str, bool)] = &[
        (BEGIN, "zz\r\nx\r\n0\r\n\r\n", true),
        (BEGIN, "2\r\nthree\r\n0\r\n\r\n", true),
        (BEGIN, "2\nok\n0\n\n", true),
        (BEGIN, "2 \r\nok\r\n0\r\n\r\n", true),
        (BEGIN, "0\r\nContent-Length: 5\r\n\r\n", true),
        (BEGIN, "0\r\n folded\r\n\r\n", true),
    ];
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let permits = continued(&lab, CASES);
    for (number, (_, more, _)) in CASES.iter().enumerate() {
        let path = format!("/{number}");
        for mut talk in talks(&lab, &daemon) {
            talk.say(get(&path));
            assert!(talk.head().starts_with("HTTP/1.1 200"));
            assert_eq!(talk.chunk(), b"hello");
            permits.add_permits(1);
            let rest = talk.rest().unwrap_or_default();
            assert!(!rest.windows(5).any(|window| window == b"0\r\n\r\n"), "{more:?} gave {rest:?}");
        }
        let mut client = http2(&lab, &daemon);
        let mut body = client.send(get2(&path)).into_body();
        client.run(body.frame()).expect("a frame").expect("a frame");
        permits.add_permits(1);
        assert!(client.run(body.collect()).is_err(), "{more:?}");
        eventually("three broken bodies on record", || {
            let rows = daemon.records(&[]);
            let broken = rows.iter().filter(|row| {
                row["path"] == path
                    && row["reason"] == "upstream.malformed"
                    && row["status"] == 200
                    && row["end"] == "upstream-failed"
            });
            (broken.count() == 3).then_some(())
        });
    }
}

#[apply(over_both)]
fn only_an_orderly_end_ends_a_body(lab: Lab) {
    const CHUNKS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    const CASES: &[(&str, &str, bool)] = &[
        ("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello", " worl", true),
        (CHUNKS, "", true),
        (CHUNKS, "6\r\n wor", true),
        (CHUNKS, "0\r\n", true),
        ("HTTP/1.0 200 OK\r\n\r\nhello", " world", true),
        ("HTTP/1.1 200 OK\r\n\r\nhello", " world", true),
        ("HTTP/1.1 200 OK\r\n\r\nhello", " world", false),
        ("HTTP/1.0 200 OK\r\n\r\nhello", " world", false),
    ];
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let permits = continued(&lab, CASES);
    for (number, (begin, _, orderly)) in CASES.iter().enumerate() {
        let path = format!("/{number}");
        let until_close = number > 3;
        let whole = |tls: bool| until_close && (*orderly || !tls);
        for (mut talk, tls) in talks(&lab, &daemon).zip([false, true]) {
            talk.say(get(&path));
            let framed = talk.head().to_ascii_lowercase().contains("transfer-encoding: chunked");
            assert!(framed || number == 0, "{begin:?}");
            permits.add_permits(1);
            if whole(tls) {
                let mut body = Vec::new();
                while let Some(more) = Some(talk.chunk()).filter(|chunk| !chunk.is_empty()) {
                    body.extend(more);
                }
                assert_eq!(body, b"hello world", "{begin:?}, over TLS: {tls}");
                // The end of the trailers, which are none.
                assert_eq!(talk.bytes(2), b"\r\n");
            } else {
                let rest = talk.rest().unwrap_or_default();
                assert!(!rest.ends_with(b"0\r\n\r\n") && rest.len() < 30, "{begin:?}: {rest:?}");
            }
        }
        let mut client = http2(&lab, &daemon);
        let body = client.send(get2(&path)).into_body();
        permits.add_permits(1);
        assert_eq!(client.run(body.collect()).is_ok(), whole(true), "{begin:?}");
        eventually("three ends on record", || {
            let rows = daemon.records(&[]);
            let of_path = || rows.iter().filter(|row| row["path"] == path && row["status"] == 200);
            let broken = of_path().filter(|row| row["end"] == "upstream-failed").count();
            let ended = of_path().filter(|row| row.get("end").is_none() && row["bytes_in"] == 11).count();
            let expected = usize::from(whole(false)) + 2 * usize::from(whole(true));
            ((broken, ended) == (3 - expected, expected)).then_some(())
        });
    }
}

#[apply(over_both)]
fn whatever_has_no_end_is_ended(lab: Lab) {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let cases: [(String, &str, &str); 7] = [
        ("HTTP/1.1 200 ".to_owned(), "reasons, ", "LineTooLong"),
        ("HTTP/1.1 200 OK\r\nX: ".to_owned(), "yyyyyyyy", "LineTooLong"),
        ("HTTP/1.1 200 OK\r\n".to_owned(), "X: y\r\n", "TooManyFields"),
        (String::new(), "HTTP/1.1 103 Early Hints\r\n\r\n", "InterimAnswers"),
        (format!("{CHUNKED}1;"), "xxxxxxxx", "LineTooLong"),
        (CHUNKED.to_owned(), "1;extension=extension\r\nx\r\n", "ChunkExtension"),
        (format!("{CHUNKED}0\r\n"), "X: y\r\n", "TooManyFields"),
    ];
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let (tell, told) = mpsc::channel();
    let scripts = cases.clone();
    serve_both(&lab, move |mut stream| {
        let (tell, scripts) = (tell.clone(), scripts.clone());
        async move {
            let mut request = vec![0; 16 * 1024];
            let _ = stream.read(&mut request).await?;
            let (begin, more, _) = &scripts[usize::from(request[5] - b'0')];
            stream.write_all(begin.as_bytes()).await?;
            let more = more.repeat(64);
            let mut written = 0_usize;
            while stream.write_all(more.as_bytes()).await.is_ok() {
                written += more.len();
            }
            tell.send(written).expect("the test waits");
            Ok(())
        }
    });
    for (number, (_, more, why)) in cases.iter().enumerate() {
        let path = format!("/{number}");
        for mut talk in talks(&lab, &daemon) {
            talk.say(get(&path));
            let head = talk.head();
            assert!(
                head.starts_with("HTTP/1.1 502") || number > 3 && head.starts_with("HTTP/1.1 200"),
                "{more:?}: {head}"
            );
            // Both ends are told: nothing goes on in secret.
            let written =
                told.recv_timeout(Duration::from_secs(5)).expect("the upstream's connection is closed");
            assert!(written < 64 << 20, "{more:?}: {written} bytes");
        }
        eventually("two refusals on record", || {
            let rows = daemon.records(&[]);
            let refused = rows.iter().filter(|row| {
                row["path"] == path
                    && row["reason"] == "upstream.malformed"
                    && row["evidence"].as_str().is_some_and(|seen| seen.ends_with(&format!(": {why}")))
            });
            (refused.count() == 2).then_some(())
        });
    }
}

#[apply(over_both)]
fn unusual_answers_that_everybody_reads_alike_pass(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let answers: Vec<String> = [
        "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 \r\ncontent-length:2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n00002;a=\"b c\";d\r\nok\r\n000\r\nX: y\r\n\r\n",
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 299 \u{e4}\u{f6}\u{fc}\r\nX-Raw: \u{e4}\r\nX-Empty:\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 599 Odd\r\nContent-Length: 2\r\n\r\nok",
    ]
    .map(str::to_owned)
    .to_vec();
    let origins = origins(&lab, &answers);
    for (mut talk, origin) in talks(&lab, &daemon).zip(&origins) {
        for (number, answer) in answers.iter().enumerate() {
            talk.say(get(&format!("/{number}")));
            let heard = talk.hear();
            assert_eq!(
                (heard.text().as_str(), heard.field("x-clawgress-reason")),
                ("ok", None),
                "{answer:?}"
            );
        }
        let connections: Vec<usize> = origin.taken().iter().map(|taken| taken.connection).collect();
        assert_eq!(connections.iter().max(), Some(&0), "one connection serves them all: {connections:?}");
    }
}
