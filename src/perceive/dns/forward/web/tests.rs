//! Claims about DNS over HTTPS, against a server on loopback that does as the name says that it is asked for.

use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::Response;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio_rustls::TlsAcceptor;

use super::super::super::message::Query;
use super::super::super::tests::encrypted;
use super::super::super::tests::lab::{self, a};
use super::super::super::wire::{HEADER, kind};
use super::super::{ForwardError, Forwarder};
use super::*;
use crate::model::config::{DnsServer, DnsTransport};
use crate::model::types::limits::DNS_CONNECTIONS_PER_UPSTREAM;

struct Lab {
    forwarder: Forwarder,
    server: Arc<Server>,
}

/// What the server is to do, and what it has seen.
struct Server {
    /// Streams that it allows at once on a connection.
    streams: u32,
    /// Connections that it serves; further ones are cut.
    serves: usize,
    connections: AtomicUsize,
    /// A permit for each question for a name that begins with `held`.
    held: Semaphore,
    arrived: AtomicUsize,
}

impl Lab {
    async fn start(protocols: &[&str]) -> Self {
        Self::with(protocols, 200, usize::MAX).await
    }

    async fn with(protocols: &[&str], streams: u32, serves: usize) -> Self {
        let (acceptor, tls) = encrypted::pair(protocols);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let transport = DnsTransport::Https(None, "/dns-query".into());
        let server = DnsServer { address: listener.local_addr().unwrap(), transport };
        let (connections, arrived) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let there = Arc::new(Server { streams, serves, connections, held: Semaphore::new(0), arrived });
        tokio::spawn(serve(listener, acceptor, there.clone()));
        let mut forwarder = Forwarder::hasty_to(&[server], &tls);
        // Enough for a handshake on a machine that is busy with other tests.
        (forwarder.bounds.each, forwarder.bounds.all) =
            (std::time::Duration::from_secs(5), std::time::Duration::from_secs(10));
        forwarder.bounds.in_flight = 200;
        Self { forwarder, server: there }
    }

    fn connections(&self) -> usize {
        self.server.connections.load(Ordering::Relaxed)
    }

    /// So many questions at once whose answers are held, and what is done meanwhile, before they are let go.
    async fn while_held(&self, questions: usize, arrive: usize, then: impl Future<Output = ()>) {
        let names: Vec<_> = (0..questions).map(|n| format!("held-{n}.example")).collect();
        let held = futures_util::future::join_all(names.iter().map(|name| self.ask(name)));
        let meanwhile = async {
            while self.server.arrived.load(Ordering::Relaxed) < arrive {
                tokio::task::yield_now().await;
            }
            then.await;
            self.server.held.add_permits(questions);
        };
        let (answers, ()) = tokio::join!(held, meanwhile);
        assert_eq!(answers, vec![Ok(1); questions]);
    }

    async fn ask(&self, name: &str) -> Result<usize, ForwardError> {
        let asked = Canonical::of(&lab::query(name, kind::A, None));
        self.forwarder.forward(&asked).await.map(|answer| answer.found.addresses.len())
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, server: Arc<Server>) {
    while let Ok((stream, _)) = listener.accept().await {
        if server.connections.fetch_add(1, Ordering::Relaxed) >= server.serves {
            continue;
        }
        let Ok(stream) = acceptor.accept(stream).await else { continue };
        let last = Arc::new(Notify::new());
        let (said, there) = (last.clone(), server.clone());
        let service = service_fn(move |request| answer(request, said.clone(), there.clone()));
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .max_concurrent_streams(server.streams)
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            tokio::pin!(connection);
            tokio::select! {
                _ = &mut connection => return,
                () = last.notified() => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    last: Arc<Notify>,
    server: Arc<Server>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    assert_eq!(
        (request.uri().path(), request.headers()[CONTENT_TYPE].as_bytes()),
        ("/dns-query", MESSAGE.as_bytes())
    );
    let bytes = request.into_body().collect().await?.to_bytes();
    let query = Query::parse(&bytes).unwrap();
    assert_eq!((query.id(), bytes.len() % 128), (0, 0));
    let mut body = lab::response(&query, &[a(query.text(), [192, 0, 2, 1], 60)]);
    if query.text().starts_with("held") {
        server.arrived.fetch_add(1, Ordering::Relaxed);
        server.held.acquire().await.unwrap().forget();
    }
    let (mut status, mut media) = (StatusCode::OK, MESSAGE);
    match query.text() {
        "last.example" => last.notify_one(),
        "status.example" => status = StatusCode::BAD_GATEWAY,
        "media.example" => media = "text/html",
        "question.example" => body[HEADER + 1] = b'Q',
        "id.example" => body[1] = 1,
        "truncated.example" => body[2] |= 2,
        "long.example" => body.resize(DNS_MESSAGE_BYTES + 1, 0),
        _ => {}
    }
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    Ok(response)
}

#[tokio::test]
async fn questions_share_one_connection() {
    let lab = Lab::start(&["h2"]).await;
    let (first, second) = tokio::join!(lab.ask("a.example"), lab.ask("b.example"));
    assert_eq!((first, second, lab.ask("c.example").await), (Ok(1), Ok(1), Ok(1)));
    assert_eq!(lab.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_its_server_ends_is_dialled_once_more() {
    let lab = Lab::start(&["h2"]).await;
    for _ in 0..4 {
        assert_eq!(lab.ask("last.example").await, Ok(1));
    }
    assert!(lab.connections() > 1);
}

#[tokio::test]
async fn where_a_server_takes_no_more_at_once_another_connection_is_made() {
    let lab = Lab::with(&["h2"], 2, usize::MAX).await;
    assert_eq!(lab.ask("a.example").await, Ok(1));
    lab.while_held(4, 4, async {
        assert_eq!(lab.ask("free.example").await, Ok(1), "nobody waits for another's answer");
    })
    .await;
    assert_eq!(lab.connections(), 3);
    assert_eq!(lab.ask("b.example").await, Ok(1));
    assert_eq!(lab.connections(), 3, "there is room again");
}

#[tokio::test]
async fn past_the_bound_on_connections_questions_wait_for_their_turn() {
    let lab = Lab::with(&["h2"], 1, usize::MAX).await;
    assert_eq!(lab.ask("a.example").await, Ok(1));
    let bound = DNS_CONNECTIONS_PER_UPSTREAM;
    lab.while_held(bound + 5, bound, async { assert_eq!(lab.connections(), bound) }).await;
    assert_eq!(lab.connections(), bound);
}

#[tokio::test]
async fn a_first_burst_of_more_than_a_server_takes_is_answered_whole() {
    let lab = Lab::with(&["h2"], 4, usize::MAX).await;
    let names: Vec<_> = (0..20).map(|n| format!("n{n}.example")).collect();
    let answers = futures_util::future::join_all(names.iter().map(|name| lab.ask(name))).await;
    assert_eq!(answers, vec![Ok(1); 20]);
}

#[tokio::test]
async fn a_server_that_serves_no_second_connection_is_asked_over_the_first_in_turn() {
    let lab = Lab::with(&["h2"], 1, 1).await;
    assert_eq!(lab.ask("a.example").await, Ok(1));
    lab.while_held(3, 1, async {}).await;
    assert_eq!(lab.connections(), 2, "once it is tried, and then not for a while");
}

#[tokio::test]
async fn only_a_message_that_answers_the_question_is_an_answer() {
    let lab = Lab::start(&["h2"]).await;
    for name in ["status", "media", "question", "id", "truncated", "long"] {
        assert_eq!(lab.ask(&format!("{name}.example")).await, Err(ForwardError::Unreachable), "{name}");
    }
    assert_eq!(lab.ask("a.example").await, Ok(1));
}

#[tokio::test]
async fn a_server_without_http2_is_not_spoken_to() {
    let lab = Lab::start(&["http/1.1"]).await;
    assert_eq!(lab.ask("a.example").await, Err(ForwardError::Unreachable));
    let lab = Lab::start(&[]).await;
    assert_eq!(lab.ask("a.example").await, Err(ForwardError::Unreachable));
}

#[test]
fn an_authority_has_brackets_and_a_port_where_they_belong() {
    for (host, port, expected) in [
        ("dns.example", 443, "dns.example"),
        ("dns.example", 8443, "dns.example:8443"),
        ("2001:db8::53", 443, "[2001:db8::53]"),
        ("2001:db8::53", 8443, "[2001:db8::53]:8443"),
        ("192.0.2.53", 443, "192.0.2.53"),
    ] {
        assert_eq!(authority(host, port), expected);
    }
}
