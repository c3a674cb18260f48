//! Claims about DNS over HTTPS, against a server on loopback that does as the name says that it is asked for.

use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::Response;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use super::super::super::message::Query;
use super::super::super::tests::encrypted;
use super::super::super::tests::lab::{self, a};
use super::super::super::wire::{HEADER, kind};
use super::super::{ForwardError, Forwarder};
use super::*;
use crate::model::config::{DnsServer, DnsTransport};

struct Lab {
    forwarder: Forwarder,
    connections: Arc<AtomicUsize>,
}

impl Lab {
    async fn start(protocols: &[&str]) -> Self {
        let (acceptor, tls) = encrypted::pair(protocols);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let transport = DnsTransport::Https(None, "/dns-query".into());
        let server = DnsServer { address: listener.local_addr().unwrap(), transport };
        let connections = Arc::new(AtomicUsize::new(0));
        tokio::spawn(serve(listener, acceptor, connections.clone()));
        let mut forwarder = Forwarder::hasty_to(&[server], &tls);
        // Enough for a handshake on a machine that is busy with other tests.
        (forwarder.bounds.each, forwarder.bounds.all) =
            (std::time::Duration::from_secs(5), std::time::Duration::from_secs(10));
        Self { forwarder, connections }
    }

    async fn ask(&self, name: &str) -> Result<usize, ForwardError> {
        let asked = Canonical::of(&lab::query(name, kind::A, None));
        self.forwarder.forward(&asked).await.map(|answer| answer.found.addresses.len())
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, connections: Arc<AtomicUsize>) {
    while let Ok((stream, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::Relaxed);
        let Ok(stream) = acceptor.accept(stream).await else { continue };
        let last = Arc::new(Notify::new());
        let said = last.clone();
        let service = service_fn(move |request| answer(request, said.clone()));
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
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
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    assert_eq!(
        (request.uri().path(), request.headers()[CONTENT_TYPE].as_bytes()),
        ("/dns-query", MESSAGE.as_bytes())
    );
    let bytes = request.into_body().collect().await?.to_bytes();
    let query = Query::parse(&bytes).unwrap();
    assert_eq!((query.id(), bytes.len() % 128), (0, 0));
    let mut body = lab::response(&query, &[a(query.text(), [192, 0, 2, 1], 60)]);
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
    assert_eq!(lab.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_connection_that_its_server_ends_is_dialled_once_more() {
    let lab = Lab::start(&["h2"]).await;
    for _ in 0..4 {
        assert_eq!(lab.ask("last.example").await, Ok(1));
    }
    assert!(lab.connections.load(Ordering::Relaxed) > 1);
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
