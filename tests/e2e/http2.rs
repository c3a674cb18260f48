//! An HTTP/2 client whose frames leave and arrive when the test says so. Every wait has its bound.

use std::io;
use std::net::TcpStream;
use std::path::Path;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;

use super::dialogue::{PATIENCE, client_config, connect};
use crate::lab::Namespace;
use crate::lab::services::Feed;

/// An HTTP/2 client that sends and reads frames when the test says so.
pub struct Http2 {
    runtime: tokio::runtime::Runtime,
    sender: http2::SendRequest<Feed>,
}

impl Http2 {
    /// Over TLS, with these protocols offered; `None` where another one was agreed.
    pub fn over_tls(
        space: &Namespace,
        address: &str,
        name: &str,
        (authority, protocols): (&Path, &[&str]),
    ) -> Self {
        let config = client_config(authority, protocols);
        let name = ServerName::try_from(name.to_owned()).expect("a server name");
        let stream = connect(space, address);
        Self::begin(async move {
            let stream = asynchronous(stream);
            let stream =
                tokio_rustls::TlsConnector::from(config).connect(name, stream).await.expect("a TLS session");
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "ALPN");
            handshake(TokioIo::new(stream)).await
        })
    }

    /// In plain text, with prior knowledge.
    pub fn plain(space: &Namespace, address: &str) -> Self {
        let stream = connect(space, address);
        Self::begin(async move { handshake(TokioIo::new(asynchronous(stream))).await })
    }

    fn begin(begun: impl Future<Output = http2::SendRequest<Feed>>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let sender = runtime.block_on(async { tokio::time::timeout(PATIENCE, begun).await });
        Self { sender: sender.expect("a connection in time"), runtime }
    }

    /// Runs a future to its end, within the bound.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await }).expect("in time")
    }

    /// Sends a request, and its head comes back.
    pub fn send(&mut self, request: Request<Feed>) -> Response<Incoming> {
        let response = self.sender.send_request(request);
        self.runtime
            .block_on(async { tokio::time::timeout(PATIENCE, response).await })
            .expect("an answer in time")
            .expect("an answer")
    }

    /// The same without a body, and the whole answer.
    pub fn get(&mut self, url: &str) -> (http::response::Parts, Bytes) {
        let request = Request::get(url).body(Feed::by_hand().1).expect("a request");
        let (head, body) = self.send(request).into_parts();
        let body = self.run(body.collect()).expect("a whole body").to_bytes();
        (head, body)
    }
}

/// A frame of data.
pub fn data(bytes: impl Into<Bytes>) -> io::Result<Frame<Bytes>> {
    Ok(Frame::data(bytes.into()))
}

fn asynchronous(stream: TcpStream) -> tokio::net::TcpStream {
    stream.set_nonblocking(true).expect("a socket option");
    tokio::net::TcpStream::from_std(stream).expect("a socket of the runtime")
}

async fn handshake<S>(io: TokioIo<S>) -> http2::SendRequest<Feed>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    // Room for many small frames that a test leaves unread; with less the library calls them a flood.
    builder.initial_stream_window_size(64 << 10).initial_connection_window_size(16 << 20);
    let (sender, connection) = builder.handshake(io).await.expect("an HTTP/2 connection");
    tokio::spawn(connection);
    sender
}
