//! Bodies that flow: events one by one, large ones with bounded memory, back-pressure, trailers and gRPC. Read next:
//! `broken`, `websocket`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::dialogue::{NAME, PATIENCE, Talk, opening_gateway, over_tls, plain, zone};
use super::frames::{Peer, headers, request};
use super::http::recorded;
use super::http2::{Http2, data};
use super::origin::Origin;
use crate::lab::backends::{Duplex, Wire, eventually};
use crate::lab::frames::{END_STREAM, WINDOW_UPDATE, frame};
use crate::lab::services::{Feed, HttpServer};
use crate::lab::{Daemon, Lab};

/// Where plain HTTP is spoken.
pub const PLAIN: &str = "192.0.2.11:80";
/// Where TLS is spoken.
pub const TLS: &str = "192.0.2.11:443";
const MIB: u64 = 1 << 20;
/// A body far larger than what memory may grow by: the whole gigabyte in `make test-long`.
const LARGE: u64 = if cfg!(feature = "long-tests") { 1024 * MIB } else { 256 * MIB };
/// What the daemon's memory may grow by while a body passes that is far larger.
const GROWTH: u64 = 64 * MIB;

/// The server of our own on both ports.
pub fn servers(lab: &Lab, protocols: &[&str]) -> [HttpServer; 2] {
    let leaf = lab.pki().leaf(&[NAME]);
    [lab.backends().http(PLAIN, Wire::Plain), lab.backends().http(TLS, Wire::Tls(&leaf, protocols))]
}

/// HTTP/1.1 by hand on both ports.
pub fn serve_both<F>(lab: &Lab, handler: impl Fn(Box<dyn Duplex>) -> F + Clone + Send + Sync + 'static)
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let leaf = lab.pki().leaf(&[NAME]);
    for (address, wire) in [(PLAIN, Wire::Plain), (TLS, Wire::Tls(&leaf, &["http/1.1"]))] {
        let handler = handler.clone();
        lab.backends().serve(address, wire, move |stream, _| handler(stream));
    }
}

/// A connection of each kind, plain and over TLS. The second is made when the first is done with.
pub fn talks<'a>(lab: &'a Lab, daemon: &'a Daemon<'_>) -> impl Iterator<Item = Talk> + 'a {
    [false, true].into_iter().map(|tls| match tls {
        false => plain(lab.workload(), PLAIN),
        true => over_tls(lab.workload(), TLS, NAME, daemon.authority()),
    })
}

/// An HTTP/2 connection over TLS.
pub fn http2(lab: &Lab, daemon: &Daemon<'_>) -> Http2 {
    Http2::over_tls(lab.workload(), TLS, NAME, (daemon.authority(), &["h2"]))
}

/// A request without a body.
pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {NAME}\r\n\r\n")
}

/// A request without a body over HTTP/2.
pub fn get2(path: &str) -> Request<Feed> {
    Request::get(format!("https://{NAME}{path}")).body(Feed::by_hand().1).expect("a request")
}

/// The most memory that the daemon has ever had, in bytes (proc(5), `VmHWM`).
pub fn peak(daemon: &Daemon<'_>) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("the daemon runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

#[apply(over_both)]
fn events_arrive_one_by_one_over_http1_and_http2(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let servers = servers(&lab, &["h2", "http/1.1"]);
    for (mut talk, server) in talks(&lab, &daemon).zip(&servers) {
        talk.say(get("/events"));
        assert!(talk.head().starts_with("HTTP/1.1 200"));
        for event in ["first", "second", "third"] {
            // Nobody else holds one back: the server releases the next when this one is here.
            assert_eq!(server.event(event), 1);
            assert_eq!(talk.chunk(), format!("data: {event}\n\n").as_bytes());
        }
        server.end_events();
        assert_eq!(talk.chunk(), b"");
    }
    let mut client = http2(&lab, &daemon);
    let mut body = client.send(get2("/events")).into_body();
    for event in ["first", "second", "third"] {
        assert_eq!(servers[1].event(event), 1);
        let frame = client.run(body.frame()).expect("a frame").expect("a frame");
        assert_eq!(frame.into_data().expect("data"), format!("data: {event}\n\n"));
    }
    servers[1].end_events();
    assert_eq!(client.run(body.collect()).expect("an end").to_bytes(), "");
    for protocol in ["http/1.1", "http/2"] {
        let row = daemon.record(&json!({
            "kind": "request", "decision": "allow", "path": "/events", "protocol": protocol, "status": 200,
            "bytes_in": 40,
        }));
        assert_eq!(row.get("end"), None, "{row}");
    }
}

#[apply(over_both)]
fn a_large_body_comes_down_with_bounded_memory(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["h2", "http/1.1"]);
    let (before, total) = (peak(&daemon), LARGE);
    let mut talk = over_tls(lab.workload(), TLS, NAME, daemon.authority());
    talk.say(get(&format!("/download/{total}")));
    talk.head();
    let mut received = 0;
    while received < total {
        let some = talk.some().expect("more");
        assert_ne!(some.len(), 0, "ended after {received} bytes");
        received += some.len() as u64;
    }
    assert_eq!(received, total);
    // A quarter of it over HTTP/2.
    let mut client = http2(&lab, &daemon);
    let mut body = client.send(get2(&format!("/download/{}", total / 4))).into_body();
    let mut received = 0;
    while let Some(frame) = client.run(body.frame()) {
        received += frame.expect("a frame").data_ref().map_or(0, Bytes::len) as u64;
    }
    assert_eq!(received, total / 4);
    let growth = peak(&daemon) - before;
    assert!(growth < GROWTH, "{} MiB", growth / MIB);
    for bytes in [total, total / 4] {
        daemon.record(&json!({"kind": "request", "status": 200, "bytes_in": bytes}));
    }
}

#[apply(over_both)]
fn a_large_body_goes_up_with_bounded_memory(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["h2", "http/1.1"]);
    let (before, total) = (peak(&daemon), LARGE);
    let mut talk = over_tls(lab.workload(), TLS, NAME, daemon.authority());
    talk.say(format!("POST /upload HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: {total}\r\n\r\n"));
    let piece = vec![b'u'; MIB as usize];
    for _ in 0..total / MIB {
        talk.say(&piece);
    }
    assert_eq!(talk.hear().text(), total.to_string());
    let mut client = http2(&lab, &daemon);
    let (sender, body) = Feed::by_hand();
    let piece = Bytes::from(vec![b'u'; 64 * 1024]);
    let pieces = total / 4 / piece.len() as u64;
    let feeder = std::thread::spawn(move || {
        for _ in 0..pieces {
            sender.blocking_send(data(piece.clone())).expect("taken");
        }
    });
    let request = Request::post(format!("https://{NAME}/upload")).body(body).expect("a request");
    let body = client.send(request).into_body();
    feeder.join().expect("fed");
    assert_eq!(client.run(body.collect()).expect("a body").to_bytes(), (total / 4).to_string());
    let growth = peak(&daemon) - before;
    assert!(growth < GROWTH, "{} MiB", growth / MIB);
    for bytes in [total, total / 4] {
        daemon.record(&json!({"kind": "request", "path": "/upload", "status": 200, "bytes_out": bytes}));
    }
}

/// Waits until a counter stands still, and returns it.
fn settled(counter: &AtomicU64) -> u64 {
    let end = Instant::now() + PATIENCE;
    let (mut last, mut since) = (0, Instant::now());
    loop {
        let now = counter.load(Ordering::Relaxed);
        if now != last {
            (last, since) = (now, Instant::now());
        } else if now > 0 && since.elapsed() > Duration::from_millis(300) {
            return now;
        }
        assert!(Instant::now() < end, "it goes on and on: {now} bytes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[apply(over_both)]
fn a_slow_reader_holds_the_upstream_back_and_grows_no_memory(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let written = Arc::new(AtomicU64::new(0));
    let written_there = written.clone();
    serve_both(&lab, move |mut stream| {
        let written = written_there.clone();
        async move {
            let _ = stream.read(&mut [0; 16 * 1024]).await?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4000000000\r\n\r\n").await?;
            let piece = vec![b's'; 64 * 1024];
            loop {
                stream.write_all(&piece).await?;
                written.fetch_add(piece.len() as u64, Ordering::Relaxed);
            }
        }
    });
    let before = peak(&daemon);
    for mut talk in talks(&lab, &daemon) {
        written.store(0, Ordering::Relaxed);
        talk.say(get("/endless"));
        talk.head();
        let stalled = settled(&written);
        assert!(stalled < GROWTH, "{} MiB were taken from the upstream", stalled / MIB);
        // Back-pressure is no stop: what is read makes room.
        for _ in 0..20 {
            talk.bytes(MIB as usize);
        }
        eventually("the upstream goes on", || (written.load(Ordering::Relaxed) > stalled).then_some(()));
    }
    written.store(0, Ordering::Relaxed);
    let mut client = http2(&lab, &daemon);
    let body = client.send(get2("/endless")).into_body();
    let stalled = settled(&written);
    assert!(stalled < GROWTH, "{} MiB were taken from the upstream", stalled / MIB);
    drop(body);
    let growth = peak(&daemon) - before;
    assert!(growth < GROWTH, "{} MiB", growth / MIB);
    eventually("all three are closed on record", || {
        let rows = daemon.records(&[]);
        let closed = rows.iter().filter(|row| row["path"] == "/endless" && row["end"] == "client-closed");
        (closed.count() == 3).then_some(())
    });
}

#[apply(over_both)]
fn an_answer_that_its_reader_leaves_standing_holds_back_no_other_from_the_same_upstream(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let _servers = servers(&lab, &["h2"]);
    let mut peer = Peer::new(&lab, &daemon);
    // Room on the connection for all that follows, and on each stream for what the standard gives it.
    peer.say(frame(WINDOW_UPDATE, 0, 0, (64 * MIB as u32).to_be_bytes()));
    peer.say(headers(1, END_STREAM, &request("GET", "/download/4000000", &[])));
    assert_eq!(peer.answer(1).0, "200");
    for stream in 1..60 {
        peer.exchange(2 * stream + 1, "/download/60000");
    }
}

#[apply(over_both)]
fn a_slow_upstream_holds_the_client_back_and_grows_no_memory(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let (go, gone) = tokio::sync::watch::channel(false);
    lab.backends().serve(PLAIN, Wire::Plain, move |mut stream, _| {
        let mut gone = gone.clone();
        async move {
            let _ = stream.read(&mut [0; 1024]).await?;
            let _ = gone.wait_for(|go| *go).await;
            Ok(())
        }
    });
    let before = peak(&daemon);
    let mut talk = plain(lab.workload(), PLAIN);
    talk.tcp().set_write_timeout(Some(Duration::from_millis(500))).expect("a socket option");
    talk.say(format!("POST /slow HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 4000000000\r\n\r\n"));
    let piece = vec![b'u'; 64 * 1024];
    let mut written = 0;
    while talk.try_say(&piece).is_ok() {
        written += piece.len() as u64;
        assert!(written < GROWTH, "{} MiB were taken from the client", written / MIB);
    }
    let growth = peak(&daemon) - before;
    assert!(growth < GROWTH, "{} MiB", growth / MIB);
    go.send(true).expect("the upstream waits");
    daemon.record(&json!({
        "kind": "request", "path": "/slow", "decision": "deny", "reason": "upstream.failed", "status": 502,
    }));
}

#[apply(over_both)]
fn trailers_that_nobody_announced_or_asked_for_are_dropped_and_the_body_is_whole(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let origin = Origin::start(&lab, PLAIN, Wire::Plain, |taken| {
        let announced = if taken.line().contains("announced") { "Trailer: X-Sum\r\n" } else { "" };
        format!("HTTP/1.1 200 OK\r\n{announced}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 1\r\n\r\n")
            .into_bytes()
    });
    let mut talk = plain(lab.workload(), PLAIN);
    for (path, te, trailers) in [
        ("/announced", "TE: trailers\r\n", "x-sum: 1\r\n"),
        ("/announced", "TE: gzip, trailers;q=0.5\r\n", ""),
        ("/announced", "", ""),
        ("/silent", "TE: trailers\r\n", ""),
    ] {
        let heard = talk.ask(format!(
            "POST {path} HTTP/1.1\r\nHost: {NAME}\r\n{te}Transfer-Encoding: chunked\r\n\r\n\
             2\r\nhi\r\n0\r\nX-Mine: 1\r\n\r\n"
        ));
        assert_eq!(
            (heard.text().as_str(), heard.trailers.to_ascii_lowercase().as_str()),
            ("body", trailers),
            "{path} {te}"
        );
    }
    assert!(origin.taken().iter().all(|taken| taken.body == b"2\r\nhi\r\n0\r\n\r\n"), "{:?}", origin.taken());
    let wanted =
        json!({"kind": "request", "path": "/announced", "bytes_out": 2, "bytes_in": 4, "status": 200});
    recorded(&daemon, 3, &wanted);
}

#[apply(over_both)]
fn trailers_pass_over_http1_and_http2(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    servers(&lab, &["h2", "http/1.1"]);
    for mut talk in talks(&lab, &daemon) {
        let heard = talk.ask(format!("GET /trailers HTTP/1.1\r\nHost: {NAME}\r\nTE: trailers\r\n\r\n"));
        assert_eq!((heard.text().as_str(), heard.trailers.as_str()), ("body\n", "x-checksum: abc\r\n"));
    }
    let mut client = http2(&lab, &daemon);
    let collected = {
        let body = client.send(get2("/trailers")).into_body();
        client.run(body.collect()).expect("a body")
    };
    assert_eq!(collected.trailers().and_then(|fields| fields.get("x-checksum")).expect("trailers"), "abc");
    assert_eq!(collected.to_bytes(), "body\n");
    daemon.record(&json!({"kind": "request", "path": "/trailers", "protocol": "http/2", "bytes_in": 5}));
}

#[apply(over_both)]
fn grpc_calls_pass_one_by_one_and_in_both_directions_at_once(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let [_, server] = servers(&lab, &["h2"]);
    let mut client = http2(&lab, &daemon);
    let call = |path: &str, body: Feed| {
        Request::post(format!("https://{NAME}{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(body)
            .expect("a request")
    };
    let message = |text: &str| {
        let length = u32::try_from(text.len()).expect("short").to_be_bytes();
        Bytes::from([&[0][..], &length, text.as_bytes()].concat())
    };
    // Unary.
    let (sender, body) = Feed::by_hand();
    sender.blocking_send(data(message("hi"))).expect("taken");
    drop(sender);
    let response = client.send(call("/lab.Echo/Say", body));
    assert_eq!(response.headers()["content-type"], "application/grpc");
    let collected = client.run(response.into_body().collect()).expect("a body");
    assert_eq!(collected.trailers().and_then(|fields| fields.get("grpc-status")).expect("trailers"), "0");
    assert_eq!(collected.to_bytes(), message("hi"));
    // A conversation: each message is here before the next one is sent.
    let (sender, body) = Feed::by_hand();
    let mut back = client.send(call("/lab.Echo/Chat", body)).into_body();
    for text in ["one", "two", "three"] {
        sender.blocking_send(data(message(text))).expect("taken");
        let frame = client.run(back.frame()).expect("a frame").expect("a frame");
        assert_eq!(frame.into_data().expect("data"), message(text));
    }
    drop(sender);
    let last = client.run(back.frame()).expect("trailers").expect("trailers");
    assert_eq!(last.into_trailers().expect("trailers")["grpc-status"], "0");
    assert!(server.seen().iter().all(|seen| seen.headers["te"] == "trailers"));
    for (path, bytes) in [("/lab.Echo/Say", 7), ("/lab.Echo/Chat", 26)] {
        daemon.record(&json!({
            "kind": "request", "decision": "allow", "protocol": "http/2", "http_method": "POST", "path": path,
            "status": 200, "bytes_out": bytes, "bytes_in": bytes,
        }));
    }
}
