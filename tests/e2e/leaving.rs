//! Clients that leave, half leave, or are sent away while they still send. Read next: `broken`.

use std::net::Shutdown;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use super::dialogue::{NAME, PATIENCE, Talk, opening_gateway, over_tls, plain, zone};
use super::http::{BOTH, get, ok, recorded};
use super::streaming::{TLS, serve_both, talks};
use super::world::{PASTE, ROUTES, World};
use crate::lab::Lab;

/// What a silent upstream tells of one connection, in this order.
#[derive(Debug, PartialEq)]
enum Told {
    /// A whole request head is here.
    Asked,
    /// The connection is over.
    Over,
}

/// An upstream that answers with these bytes and then says nothing more, until the other side ends.
fn silent(lab: &Lab, answer: &'static [u8]) -> mpsc::Receiver<Told> {
    let (tell, told) = mpsc::channel();
    serve_both(lab, move |mut stream| {
        let tell = tell.clone();
        async move {
            let mut buffer = vec![0; 16 * 1024];
            let _ = stream.read(&mut buffer).await?;
            stream.write_all(answer).await?;
            stream.flush().await?;
            tell.send(Told::Asked).expect("the test waits");
            let _ = stream.read(&mut buffer).await;
            tell.send(Told::Over).expect("the test waits");
            Ok(())
        }
    });
    told
}

/// Ways to be gone.
#[derive(Debug, Clone, Copy)]
enum Leaving {
    /// As the kernel does it for a process that is killed: an end, and a reset for whatever still comes.
    Killed,
    /// A reset.
    Reset,
    /// With a farewell of TLS, and then gone.
    Farewell,
}

fn leave(mut talk: Talk, how: Leaving) {
    match how {
        Leaving::Killed => {}
        Leaving::Reset => {
            let socket = socket2::SockRef::from(talk.tcp());
            socket.set_linger(Some(Duration::ZERO)).expect("a socket option");
        }
        Leaving::Farewell => talk.finish(),
    }
    drop(talk);
}

#[apply(over_both)]
fn a_client_that_is_gone_while_its_upstream_is_silent_ends_the_exchange_at_once(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let told = silent(&lab, b"");
    for how in [Leaving::Killed, Leaving::Reset, Leaving::Farewell] {
        for mut talk in talks(&lab, &daemon) {
            talk.say(get("/thinking"));
            assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Asked), "{how:?}");
            leave(talk, how);
            assert_eq!(told.recv_timeout(Duration::from_secs(3)), Ok(Told::Over), "{how:?}");
        }
    }
    recorded(
        &daemon,
        6,
        &json!({"kind": "request", "path": "/thinking", "decision": "allow", "end": "client-closed"}),
    );
}

#[apply(over_both)]
fn a_client_that_is_reset_in_the_middle_of_a_silent_stream_ends_it_at_once(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let told = silent(&lab, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    for mut talk in talks(&lab, &daemon) {
        talk.say(get("/stream"));
        talk.head();
        assert_eq!(talk.chunk(), b"hello");
        assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Asked));
        leave(talk, Leaving::Reset);
        assert_eq!(told.recv_timeout(Duration::from_secs(3)), Ok(Told::Over));
    }
    let wanted =
        json!({"kind": "request", "path": "/stream", "status": 200, "bytes_in": 5, "end": "client-closed"});
    recorded(&daemon, 2, &wanted);
}

#[apply(over_both)]
fn a_client_that_only_ends_its_side_gets_its_answer_byte_by_byte(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let permits = Arc::new(Semaphore::new(0));
    let permits_there = permits.clone();
    serve_both(&lab, move |mut stream| {
        let permits = permits_there.clone();
        async move {
            let _ = stream.read(&mut [0; 16 * 1024]).await?;
            permits.acquire().await.expect("never closed").forget();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
                .await?;
            stream.flush().await?;
            permits.acquire().await.expect("never closed").forget();
            stream.write_all(b"1\r\nb\r\n0\r\n\r\n").await?;
            stream.flush().await
        }
    });
    for mut talk in talks(&lab, &daemon) {
        talk.say(get("/half"));
        talk.finish();
        // The first byte comes before there is an answer, so that a client which is gone can be told from this one.
        assert_eq!(talk.bytes(1), b"H");
        permits.add_permits(1);
        let head = talk.head().to_ascii_lowercase();
        assert!(head.starts_with("ttp/1.1 200 ok\r\nx: 1\r\n"), "{head}");
        assert_eq!(talk.chunk(), b"a");
        permits.add_permits(1);
        assert_eq!(talk.rest().expect("an orderly end"), b"1\r\nb\r\n0\r\n\r\n");
    }
    for port in [80, 443] {
        let row = daemon.record(&json!({
            "kind": "request", "path": "/half", "status": 200, "bytes_in": 2, "destination_port": port,
        }));
        assert_eq!(row.get("end"), None, "{row}");
    }
}

#[apply(over_both)]
fn pipelined_requests_and_then_an_end_are_all_answered(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    for way in BOTH {
        let _origin = way.origin(&lab, ok);
        let mut talk = way.talk(lab.workload(), NAME, &daemon);
        talk.say([get("/1"), get("/2")].concat());
        talk.say(get("/3"));
        talk.finish();
        for number in 1..4 {
            assert_eq!(talk.hear().text(), format!("ok /{number}"), "{way:?}");
        }
        assert_eq!(talk.rest().expect("an orderly end"), b"");
    }
    recorded(&daemon, 6, &json!({"kind": "request", "decision": "allow", "status": 200}));
    recorded(&daemon, 0, &json!({"kind": "request", "end": "client-closed"}));
}

#[apply(over_both)]
fn a_request_that_ends_in_its_middle_is_told_so_and_never_becomes_whole(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let halves = [
        ("/length", "Content-Length: 10\r\n\r\nhello"),
        ("/chunk", "Transfer-Encoding: chunked\r\n\r\na\r\nhello"),
        ("/end", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"),
        ("/head", "X: "),
    ];
    for way in BOTH {
        let origin = way.origin(&lab, ok);
        for (path, rest) in halves {
            let mut talk = way.talk(lab.workload(), NAME, &daemon);
            talk.say(format!("POST {path} HTTP/1.1\r\nHost: {NAME}\r\n{rest}"));
            talk.finish();
            let heard = talk.hear();
            heard.is_refusal(400, "protocol.malformed");
            assert_eq!(talk.rest().expect("an orderly end"), b"", "{way:?}, {path}");
        }
        assert!(origin.taken().is_empty(), "{:?}", origin.taken());
    }
    for (path, _) in &halves[..3] {
        let wanted = json!({"kind": "request", "path": path, "reason": "protocol.malformed", "status": 400});
        recorded(&daemon, 2, &wanted);
    }
    // Over plain HTTP the connection's own first message is not whole, which is found out sooner.
    let wanted = json!({"kind": "request", "evidence": "http/1 guard: Incomplete", "status": 400});
    daemon.record(&wanted);
}

/// Ten megabytes, more than any socket holds.
const UPLOAD: usize = 10_000_000;

#[apply(over_both)]
fn a_refused_upload_is_read_to_its_end_so_that_the_refusal_is_heard(world: World) {
    let daemon = world.gateway(ROUTES);
    let file = world.lab.folder().join("upload");
    std::fs::write(&file, vec![b'u'; UPLOAD]).expect("a file");
    let data = format!("@{}", file.display());
    // A refused request on a connection that may live, and one on a connection that may not.
    for (url, method) in [
        ("http://site.example/read-only", "PUT"),
        ("https://site.example/read-only", "PUT"),
        ("https://paste.example/x", "POST"),
    ] {
        for expect in ["Expect:", "Expect: 100-continue"] {
            let heard = world.ask(&daemon, &["-X", method, "-H", expect, "--data-binary", &data, url]);
            assert_eq!((heard.status, heard.reason()), (403, "policy.no-route"), "curl, {url}, {expect}");
        }
        // Sends all of it before it reads a byte.
        let script = format!(
            "import http.client, ssl, os\n\
             url = '{url}'.split('/')\n\
             context = ssl.create_default_context()\n\
             line = http.client.HTTPSConnection(url[2], context=context, timeout=20) if url[0] == 'https:' else \
             http.client.HTTPConnection(url[2], timeout=20)\n\
             line.request('{method}', '/' + url[3], body=b'u' * {UPLOAD})\n\
             answer = line.getresponse()\n\
             print(answer.status, answer.headers['x-clawgress-reason'], answer.headers['connection'])\n"
        );
        let said = world.python(&daemon, &script).succeeded();
        assert_eq!(said.trim(), "403 policy.no-route close", "python, {url}");
    }
    assert!(world.paste.untouched());
}

#[apply(over_both)]
fn what_a_refused_client_still_sends_is_bounded(world: World) {
    let daemon = world.gateway(ROUTES);
    let mut talk = plain(world.lab.workload(), &format!("{PASTE}:80"));
    talk.say("POST / HTTP/1.1\r\nHost: paste.example\r\nContent-Length: 999999999999\r\n\r\n");
    let piece = vec![b'u'; 1 << 20];
    let sent = (0..1024).take_while(|_| talk.try_say(&piece).is_ok()).count();
    // 64 MiB and what the sockets of both sides hold.
    assert!((60..128).contains(&sent), "{sent} MiB");
    daemon.record(&json!({"kind": "request", "reason": "policy.no-route", "status": 403}));
}

#[apply(over_both)]
fn a_daemon_that_stops_says_so_of_the_requests_it_cuts(lab: Lab) {
    let (_resolver, mut daemon) = opening_gateway(&lab, zone());
    let told = silent(&lab, b"");
    let mut talk = over_tls(lab.workload(), TLS, NAME, daemon.authority());
    talk.say(get("/cut"));
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Told::Asked));
    assert_eq!(daemon.terminate(), 0);
    let _ = talk.tcp().shutdown(Shutdown::Both);
    daemon.start_again();
    daemon.record(&json!({"kind": "request", "path": "/cut", "end": "shutdown"}));
}
