//! Upstreams that break HTTP/2, frame by frame. Read next: `upstreams`.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Request;
use http_body_util::BodyExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use super::dialogue::{NAME, ORIGIN_OF_OTHER, OTHER, opening_gateway, over_tls, plain, zone};
use super::frames::{self, Peer};
use super::http2::{Http2, data};
use super::origin::Origin;
use super::streaming::{TLS, get, get2, http2, peak};
use crate::lab::backends::{Duplex, Wire};
use crate::lab::services::Feed;
use crate::lab::{Family, Lab, UPSTREAM_V4, Zone};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` from the static table (RFC 7541, appendix A).
const OK: u8 = 0x88;

/// One frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field that goes into no table (RFC 7541, section 6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).expect("a short text");
    [&[0, length(name)], name.as_bytes(), &[length(value)], value.as_bytes()].concat()
}

/// Reads up to the next request and gives its stream.
async fn request(stream: &mut Box<dyn Duplex>, preface: bool) -> io::Result<u32> {
    if preface {
        stream.read_exact(&mut [0; 24]).await?;
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
        stream.flush().await?;
    }
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        stream.read_exact(&mut vec![0; length]).await?;
        if head[3] == HEADERS {
            return Ok(u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
        }
    }
}

/// An answer: what is said on the request's stream at once, and what once the test lets it.
type Script = fn(u32) -> (Vec<u8>, Vec<u8>);

/// Answers each request by the script that `which` points to.
fn serve(lab: &Lab, scripts: &'static [(&'static str, Script)]) -> (Arc<AtomicUsize>, Arc<Semaphore>) {
    let (which, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let leaf = lab.pki().leaf(&[NAME]);
    let hands = (which.clone(), go.clone());
    lab.backends().serve(TLS, Wire::Tls(&leaf, &["h2"]), move |mut stream, _| {
        let (which, go) = hands.clone();
        async move {
            let mut preface = true;
            loop {
                let id = request(&mut stream, std::mem::replace(&mut preface, false)).await?;
                let (now, later) = scripts[which.load(Ordering::Relaxed)].1(id);
                stream.write_all(&now).await?;
                stream.flush().await?;
                if !later.is_empty() {
                    go.acquire().await.expect("never closed").forget();
                    stream.write_all(&later).await?;
                    stream.flush().await?;
                }
            }
        }
    });
    (which, go)
}

/// A head that never gets finished within what the gateway reads.
fn bomb(id: u32) -> Vec<u8> {
    let part = field("x-bomb", &"b".repeat(100)).repeat(150);
    let first = frame(HEADERS, 0, id, &[&[OK], &part[..]].concat());
    [first, frame(CONTINUATION, 0, id, &part).repeat(20)].concat()
}

#[apply(over_both)]
fn an_upstream_that_breaks_http2_before_it_answers_is_502(lab: Lab) {
    const SCRIPTS: &[(&str, Script)] = &[
        ("a promise", |id| (frame(PUSH_PROMISE, END_HEADERS, id, &[0, 0, 0, 2, 0x82, 0x86, 0x84]), vec![])),
        ("data on no stream", |_| (frame(DATA, 0, 0, b"data"), vec![])),
        ("data in front of a head", |id| (frame(DATA, END_STREAM, id, b"data"), vec![])),
        ("an answer to nothing", |_| (frame(HEADERS, END_HEADERS, 77, &[OK]), vec![])),
        ("no increment", |_| (frame(WINDOW_UPDATE, 0, 0, &[0; 4]), vec![])),
        ("a window past its end", |_| (frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), vec![])),
        ("settings of half a length", |_| (frame(SETTINGS, 0, 0, &[0; 3]), vec![])),
        ("a frame that is too long", |id| (frame(DATA, 0, id, &[0; 70_000]), vec![])),
        ("no HTTP/2", |_| (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(), vec![])),
        ("a reset", |id| (frame(RST_STREAM, 0, id, &[0, 0, 0, 2]), vec![])),
        ("a goodbye", |_| (frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 2]), vec![])),
        ("no status", |id| (frame(HEADERS, END_HEADERS, id, &field("x", "y")), vec![])),
        ("a capital letter", |id| {
            (frame(HEADERS, END_HEADERS | END_STREAM, id, &[&[OK], &field("X", "y")[..]].concat()), vec![])
        }),
        ("a field of HTTP/1", |id| {
            let fields = [&[OK], &field("transfer-encoding", "chunked")[..]].concat();
            (frame(HEADERS, END_HEADERS, id, &fields), vec![])
        }),
        ("broken compression", |id| {
            (frame(HEADERS, END_HEADERS, id, &[0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]), vec![])
        }),
        ("a head without end", |id| (bomb(id), vec![])),
    ];
    // These break no rule.
    const FAILED: [&str; 2] = ["a reset", "a goodbye"];
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let (which, _go) = serve(&lab, SCRIPTS);
    for (number, (what, _)) in SCRIPTS.iter().enumerate() {
        which.store(number, Ordering::Relaxed);
        let code = if FAILED.contains(what) { "upstream.failed" } else { "upstream.malformed" };
        let (head, _) = http2(&lab, &daemon).get(&format!("https://{NAME}/{number}"));
        let reason = head.headers.get("x-clawgress-reason").and_then(|value| value.to_str().ok());
        assert_eq!((head.status.as_u16(), reason), (502, Some(code)), "{what}");
        let row = daemon.record(&json!({
            "kind": "request", "decision": "deny", "reason": code, "path": format!("/{number}"), "status": 502,
        }));
        let evidence = row["evidence"].as_str().unwrap_or_default();
        assert!(evidence.starts_with("http"), "{what}: {row}");
    }
}

/// ALTSVC (RFC 7838, section 4) and ORIGIN (RFC 8336) name other places for a host.
#[apply(over_both)]
fn frames_that_name_other_places_are_not_forwarded(lab: Lab) {
    const ALTSVC: u8 = 0xa;
    const ORIGIN: u8 = 0xc;
    const SCRIPTS: &[(&str, Script)] = &[("alternatives", |id| {
        let places = [
            frame(ALTSVC, 0, 0, b"\0\x14https://site.exampleh3=\":443\""),
            frame(ALTSVC, 0, id, b"\0\0h2=\"other.example:443\""),
            frame(ORIGIN, 0, 0, b"\0\x15https://other.example"),
        ];
        let fields = [&[OK][..], &field("alt-svc", "h3=\":443\""), &field("x-kept", "1")].concat();
        let answer = frame(HEADERS, END_HEADERS, id, &fields);
        let trailers = [field("alt-svc", "clear"), field("x-sum", "1")].concat();
        let end =
            [frame(DATA, 0, id, b"ok"), frame(HEADERS, END_HEADERS | END_STREAM, id, &trailers)].concat();
        ([&places.concat()[..], &answer, &end].concat(), vec![])
    })];
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let (_which, _go) = serve(&lab, SCRIPTS);
    let mut peer = Peer::new(&lab, &daemon);
    peer.say(frames::headers(1, END_STREAM, &frames::request("GET", "/", &[("te", "trailers")])));
    let mut fields = Vec::new();
    loop {
        let frame = peer.until(|_| true).expect("an answer to its end");
        assert!(![ALTSVC, ORIGIN].contains(&frame.kind), "{frame:?}");
        if frame.stream == 1 && frame.kind == HEADERS {
            fields.extend(frame.fields().into_iter().map(|(name, _)| name));
        }
        if frame.stream == 1 && frame.flags & END_STREAM != 0 {
            break;
        }
    }
    assert_eq!(fields, [":status", "x-kept", "x-sum"]);
}

#[apply(over_both)]
fn an_upstream_that_breaks_http2_in_a_body_breaks_the_body(lab: Lab) {
    const FAILED: [&str; 2] = ["a reset", "a goodbye"];
    const SCRIPTS: &[(&str, Script)] = &[
        ("a reset", |id| (begun(id, &[]), frame(RST_STREAM, 0, id, &[0, 0, 0, 8]))),
        ("no HTTP/2", |id| (begun(id, &[]), vec![0xff; 32])),
        ("less than was said", |id| {
            (begun(id, &field("content-length", "9")), frame(DATA, END_STREAM, id, b""))
        }),
        ("more than was said", |id| (begun(id, &field("content-length", "6")), frame(DATA, 0, id, b"more"))),
        ("a goodbye", |id| {
            (begun(id, &[]), [frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 1]), vec![0xff; 32]].concat())
        }),
    ];
    fn begun(id: u32, fields: &[u8]) -> Vec<u8> {
        [frame(HEADERS, END_HEADERS, id, &[&[OK], fields].concat()), frame(DATA, 0, id, b"hello")].concat()
    }
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let (which, go) = serve(&lab, SCRIPTS);
    for (number, (what, _)) in SCRIPTS.iter().enumerate() {
        which.store(number, Ordering::Relaxed);
        let mut client = http2(&lab, &daemon);
        let mut body = client.send(get2(&format!("/{number}"))).into_body();
        let first = client.run(body.frame()).expect("a frame").expect("a frame");
        assert_eq!(first.into_data().expect("data"), "hello", "{what}");
        go.add_permits(1);
        assert!(client.run(body.collect()).is_err(), "{what}");
        let row = daemon.record(&json!({
            "kind": "request", "path": format!("/{number}"), "status": 200, "bytes_in": 5, "end": "upstream-failed",
        }));
        let malformed = row["reason"] == "upstream.malformed";
        assert_eq!(malformed, !FAILED.contains(what), "{what}: {row}");
    }
}

#[apply(over_both)]
fn an_upstream_that_floods_hinders_nobody_else_and_fills_no_memory(family: Family) {
    for (one, seen) in [
        (frame(PING, 0, 0, &[7; 8]), "http/2: too many PING frames"),
        (frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]), "http/2: too many SETTINGS frames"),
        (frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]), "http/2: too many WINDOW_UPDATE frames"),
        (frame(DATA, 0, 1, b""), "too_many_data_frames"),
    ] {
        flooded(family, &one, seen);
    }
}

/// A mebibyte of one frame.
fn flooded(family: Family, one: &[u8], seen: &str) {
    let lab = Lab::of(family);
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let leaf = lab.pki().leaf(&[NAME]);
    let go = Arc::new(Semaphore::new(0));
    let (let_go, flood) = (go.clone(), one.repeat((1 << 20) / one.len()));
    lab.backends().serve(TLS, Wire::Tls(&leaf, &["h2"]), move |mut stream, _| {
        let (flood, go) = (flood.clone(), go.clone());
        async move {
            let id = request(&mut stream, true).await?;
            stream.write_all(&frame(HEADERS, END_HEADERS, id, &[OK])).await?;
            stream.flush().await?;
            go.acquire().await.expect("never closed").forget();
            // Nothing is read meanwhile: what the gateway answers piles up on its side, or stops it.
            stream.write_all(&flood).await?;
            stream.flush().await?;
            while stream.read(&mut [0; 4096]).await? > 0 {}
            Ok(())
        }
    });
    let other = Origin::ok(&lab, &format!("{ORIGIN_OF_OTHER}:80"), Wire::Plain);
    let before = peak(&daemon);
    let mut client = http2(&lab, &daemon);
    let body = client.send(get2("/flood")).into_body();
    let_go.add_permits(1);
    for _ in 0..5 {
        let mut talk = plain(lab.workload(), &format!("{ORIGIN_OF_OTHER}:80"));
        let heard = talk.ask(format!("GET /fine HTTP/1.1\r\nHost: {OTHER}\r\n\r\n"));
        assert_eq!(heard.text(), "ok /fine");
    }
    assert!(client.run(body.collect()).is_err(), "{seen}");
    let row = daemon.record(&json!({
        "kind": "request", "path": "/flood", "status": 200, "reason": "upstream.malformed", "end": "upstream-failed",
    }));
    assert!(row["evidence"].as_str().is_some_and(|evidence| evidence.contains(seen)), "{row}");
    assert_eq!(other.taken().len(), 5);
    let growth = peak(&daemon) - before;
    assert!(growth < 32 << 20, "{} MiB", growth >> 20);
}

#[apply(over_both)]
fn many_small_messages_wait_for_a_slow_reader_and_harm_nobody(lab: Lab) {
    const MESSAGES: usize = 20_000;
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let leaf = lab.pki().leaf(&[NAME]);
    let go = Arc::new(Semaphore::new(0));
    let let_go = go.clone();
    lab.backends().serve(TLS, Wire::Tls(&leaf, &["h2"]), move |stream, _| {
        let go = let_go.clone();
        async move {
            let mut builder = h2::server::Builder::new();
            let builder = builder.initial_connection_window_size(16 << 20);
            let mut server = builder.handshake(stream).await.map_err(io::Error::other)?;
            while let Some(Ok((request, mut respond))) = server.accept().await {
                let go = go.clone();
                tokio::spawn(async move {
                    let mut body = respond.send_response(http::Response::new(()), false).expect("a head");
                    let posts = request.method() == "POST";
                    for _ in 0..if posts { 0 } else { MESSAGES } {
                        body.send_data(bytes::Bytes::from_static(&[b'd'; 64]), false).expect("taken");
                    }
                    // An upload waits until the test lets it be read.
                    let (mut upload, mut read) = (request.into_body(), 0);
                    if posts {
                        go.acquire().await.expect("never closed").forget();
                    }
                    while let Some(Ok(data)) = upload.data().await {
                        read += data.len();
                        upload.flow_control().release_capacity(data.len()).expect("what was read");
                    }
                    body.send_data(read.to_string().into(), true).expect("taken");
                });
            }
            Ok(())
        }
    });
    let mut client = http2(&lab, &daemon);
    let slow = client.send(get2("/slow")).into_body();
    let (sender, body) = Feed::by_hand();
    let upload = Request::post(format!("https://{NAME}/upload")).body(body).expect("a request");
    let upload = client.send(upload).into_body();
    // As many as the gateway and the kernel take while nobody reads them.
    let feeder = std::thread::spawn(move || {
        for _ in 0..MESSAGES {
            sender.blocking_send(data(bytes::Bytes::from_static(&[b'u'; 20]))).expect("taken");
        }
    });
    for _ in 0..3 {
        let fast = client.send(get2("/fast")).into_body();
        assert_eq!(client.run(fast.collect()).expect("the body").to_bytes().len(), 64 * MESSAGES + 1);
    }
    go.add_permits(1);
    assert_eq!(client.run(upload.collect()).expect("the body").to_bytes(), (20 * MESSAGES).to_string());
    assert_eq!(client.run(slow.collect()).expect("the body").to_bytes().len(), 64 * MESSAGES + 1);
    feeder.join().expect("fed");
}

#[apply(over_both)]
fn what_nginx_says_about_many_small_messages_is_no_flood(lab: Lab) {
    const MESSAGES: usize = 30_000;
    let zone = Zone::new().host(NAME, &[UPSTREAM_V4]);
    let (_resolver, daemon) = opening_gateway(&lab, zone);
    let _nginx = lab.site(&[NAME]);
    let https = format!("{UPSTREAM_V4}:443");
    let mut client = Http2::over_tls(lab.workload(), &https, NAME, (daemon.authority(), &["h2"]));
    // As fast as they go, each in a frame of its own, and none as large as a window update.
    let (sender, body) = Feed::by_hand();
    let feeder = std::thread::spawn(move || {
        for _ in 0..MESSAGES {
            sender.blocking_send(data(bytes::Bytes::from_static(b"gg"))).expect("taken");
        }
    });
    let request = Request::post(format!("https://{NAME}/upload")).body(body).expect("a request");
    let body = client.send(request).into_body();
    feeder.join().expect("fed");
    assert_eq!(client.run(body.collect()).expect("a body").to_bytes(), (2 * MESSAGES).to_string());
    let row =
        daemon.record(&json!({"kind": "request", "path": "/upload", "status": 200, "bytes_out": 60_000}));
    assert_eq!(row["protocol"], "http/2", "{row}");
}

#[apply(over_both)]
fn an_upstream_that_wants_to_renegotiate_is_not_followed(lab: Lab) {
    let (_resolver, daemon) = opening_gateway(&lab, zone());
    let leaf = lab.pki().leaf(&[NAME]);
    let server = lab.upstream().command("openssl").args(["s_server", "-tls1_2", "-accept", TLS, "-cert"]);
    let mut server = server.arg(&leaf.certificate).arg("-key").arg(&leaf.key).start();
    lab.upstream().listening(TLS);
    let mut talk = over_tls(lab.workload(), TLS, NAME, daemon.authority());
    // Our own handshake is over only when the upstream's is.
    talk.say(get("/"));
    // s_server(1): R asks for a new handshake (RFC 5246, section 7.4.1.1).
    let mut hand = server.stdin();
    hand.write_all(b"R\n").expect("openssl reads");
    talk.hear().is_refusal(502, "upstream.failed");
    daemon.record(&json!({
        "kind": "request", "decision": "deny", "reason": "upstream.failed", "path": "/", "status": 502,
    }));
}
