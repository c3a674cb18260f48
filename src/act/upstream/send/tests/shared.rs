//! Claims about shared HTTP/2 connections, each with a server of its own at the other end and a clock that stands
//! still.

use std::time::Instant;

use bytes::Bytes;
use h2::server::{self, Connection, SendResponse};
use http::Response;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::{LocalSet, spawn_local};

use super::super::*;
use crate::act::upstream::Offer;
use crate::model::types::Reason;

const PEER: &str = "192.0.2.11:443";

fn key() -> Rc<Key> {
    let (agent, address) = ("agent".into(), PEER.parse().unwrap());
    Rc::new(Key { agent, host: None, address, tls: true, offer: Offer::Http2 })
}

/// A fresh connection, and the other end of it.
async fn dialled(pool: &Pool) -> (Sender, DuplexStream) {
    let (near, far) = duplex(1 << 20);
    let sender = Sender::fresh(pool, &key(), (near, PEER.parse().unwrap()), Protocol::H2).await.unwrap();
    (sender, far)
}

fn get() -> Request<RequestBody> {
    Request::get("/").header("host", "site.example").body(RequestBody::none()).unwrap()
}

/// The next request that the server hears.
async fn heard(server: &mut Connection<DuplexStream, Bytes>) -> SendResponse<Bytes> {
    server.accept().await.expect("a request").unwrap().1
}

/// Keeps a connection going.
fn run(mut server: Connection<DuplexStream, Bytes>) -> tokio::task::JoinHandle<()> {
    spawn_local(async move { while server.accept().await.is_some() {} })
}

/// Runs a claim where connections can be driven.
async fn locally(claim: impl Future<Output = ()>) {
    LocalSet::new().run_until(claim).await;
}

/// Lets every task go as far as it can.
async fn settled() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// The reason of a refusal.
fn reason(answer: Result<Reply, Failure>) -> (Reason, String) {
    match answer {
        Err(Failure::Refused(denial)) => (denial.reason, denial.evidence.unwrap_or_default()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn where_a_server_takes_no_more_requests_the_next_one_needs_another_connection() {
    locally(async {
        let pool = Pool::default();
        let (sender, far) = dialled(&pool).await;
        let mut server = server::Builder::new().max_concurrent_streams(1).handshake(far).await.unwrap();
        let first = spawn_local(sender.dispatch(get()));
        let mut respond = heard(&mut server).await;
        let running = run(server);
        settled().await;
        assert!(Sender::kept(&pool, &key()).is_none() && pool.protocol(&key()).is_none());
        respond.send_response(Response::new(()), true).unwrap();
        let reply = first.await.unwrap().unwrap();
        assert_eq!(reply.body.collect().await.unwrap().to_bytes(), "");
        assert!(Sender::kept(&pool, &key()).is_some(), "there is room again");
        running.abort();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_on_an_idle_connection_takes_it_out_of_the_pool_and_harms_no_request() {
    locally(async {
        let pool = Pool::default();
        let (sender, far) = dialled(&pool).await;
        let mut server = server::handshake(far).await.unwrap();
        let first = spawn_local(sender.dispatch(get()));
        heard(&mut server).await.send_response(Response::new(()), true).unwrap();
        let (go, mut gone) = tokio::sync::oneshot::channel();
        let going = spawn_local(async move {
            tokio::select! {
                _ = server.accept() => {}
                _ = &mut gone => server.graceful_shutdown(),
            }
            while server.accept().await.is_some() {}
        });
        first.await.unwrap().unwrap().body.collect().await.unwrap();
        assert!(Sender::kept(&pool, &key()).is_some(), "it is kept until then");
        go.send(()).unwrap();
        settled().await;
        if let Some(late) = Sender::kept(&pool, &key()) {
            // The library looks when it is asked to send: the request comes back unharmed.
            assert!(matches!(late.dispatch(get()).await, Err(Failure::Unsent(_))));
        }
        assert!(Sender::kept(&pool, &key()).is_none());
        pool.sweep(Instant::now());
        assert_eq!(pool.protocol(&key()), None);
        going.abort();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_abandoned_is_cancelled_and_leaves_its_connection_to_others() {
    locally(async {
        let pool = Pool::default();
        let (sender, far) = dialled(&pool).await;
        let mut server = server::handshake(far).await.unwrap();
        let first = spawn_local(sender.dispatch(get()));
        let mut abandoned = heard(&mut server).await;
        first.abort();
        let second = spawn_local(Sender::kept(&pool, &key()).expect("it is shared").dispatch(get()));
        heard(&mut server).await.send_response(Response::new(()), true).unwrap();
        let reset = poll_fn(|cx| abandoned.poll_reset(cx)).await.unwrap();
        assert_eq!(reset, h2::Reason::CANCEL);
        let running = run(server);
        assert_eq!(second.await.unwrap().unwrap().head.status, 200);
        running.abort();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_pings_and_no_request_is_given_up_after_the_bound() {
    locally(async {
        let (pool, begun) = (Pool::default(), tokio::time::Instant::now());
        let (sender, far) = dialled(&pool).await;
        let first = spawn_local(sender.dispatch(get()));
        let server = spawn_local(async move {
            let mut server = server::handshake(far).await.unwrap();
            let _never = heard(&mut server).await;
            while server.accept().await.is_some() {}
        });
        assert!(matches!(first.await.unwrap(), Err(Failure::TimedOut)));
        assert_eq!(begun.elapsed().as_secs(), RESPONSE_HEAD_TIME.as_secs());
        assert!(Sender::kept(&pool, &key()).is_none(), "it serves no other");
        server.abort();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_no_ping_is_given_up_with_all_its_requests() {
    locally(async {
        let (pool, begun) = (Pool::default(), tokio::time::Instant::now());
        let (sender, mut far) = dialled(&pool).await;
        let requests =
            [sender, Sender::kept(&pool, &key()).unwrap()].map(|sender| spawn_local(sender.dispatch(get())));
        // Its settings, and silence from then on.
        far.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
        for request in requests {
            let (reason, evidence) = reason(request.await.unwrap());
            assert_eq!((reason, evidence.as_str()), (Reason::UpstreamTimeout, "http/2: no answer to PING"));
        }
        assert!(begun.elapsed() <= 2 * (PING_INTERVAL + PING_TIME), "{:?}", begun.elapsed());
        assert!(Sender::kept(&pool, &key()).is_none(), "it serves no other");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_floods_loses_the_connection_and_its_requests_hear_why() {
    locally(async {
        for (frame, name) in [
            (&[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1][..], "PING"),
            (&[0, 0, 0, 4, 0, 0, 0, 0, 0], "SETTINGS"),
            (&[0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1], "WINDOW_UPDATE"),
            // `:status: 103`, for ever.
            (&[0, 0, 5, 1, 4, 0, 0, 0, 1, 8, 3, b'1', b'0', b'3'], "HEADERS"),
        ] {
            let pool = Pool::default();
            let (sender, far) = dialled(&pool).await;
            let other = Sender::kept(&pool, &key()).unwrap();
            let requests = [sender, other].map(|sender| spawn_local(sender.dispatch(get())));
            let (mut reader, mut writer) = tokio::io::split(far);
            let reading =
                spawn_local(
                    async move { while reader.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {} },
                );
            settled().await;
            writer.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
            // It may be cut off before it has said all.
            let _ = writer.write_all(&frame.repeat(20_000)).await;
            for request in requests {
                let (reason, evidence) = reason(request.await.unwrap());
                let seen = format!("http/2: too many {name} frames");
                assert_eq!((reason, evidence), (Reason::UpstreamMalformed, seen));
            }
            assert!(Sender::kept(&pool, &key()).is_none());
            reading.abort();
        }
    })
    .await;
}
