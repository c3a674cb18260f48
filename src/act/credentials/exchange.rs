//! One question to a token end point: HTTP/1.1 over TLS that has proven its name, bounded in time and bytes.
//!
//! Redirects are not followed, nothing is kept, and the answer is no record's. Read next: `google.rs`.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::google::Asked;
use crate::model::types::limits::{TOKEN_BYTES, TOKEN_TIME};

/// Posts the question to the first of these addresses that takes it, and answers with the body of a 200.
///
/// # Errors
/// Why there is none, in words for the record.
pub async fn post(tls: &TlsConnector, addresses: &[IpAddr], asked: &Asked) -> Result<Vec<u8>, String> {
    let mut last = "the end point has no address that may be reached".to_owned();
    for address in addresses {
        let address = SocketAddr::new(*address, asked.endpoint.port);
        match timeout(TOKEN_TIME, reach(tls, address, asked)).await {
            Ok(Ok(stream)) => {
                let answer = timeout(TOKEN_TIME, speak(stream, asked)).await;
                return answer.unwrap_or_else(|_| Err(format!("{address} did not answer in time")));
            }
            Ok(Err(error)) => last = format!("{address}: {error}"),
            Err(_) => last = format!("{address} was not reached in time"),
        }
    }
    Err(last)
}

type Stream = tokio_rustls::client::TlsStream<TcpStream>;

async fn reach(tls: &TlsConnector, address: SocketAddr, asked: &Asked) -> std::io::Result<Stream> {
    let name =
        ServerName::try_from(asked.endpoint.host.as_str().to_owned()).map_err(std::io::Error::other)?;
    let tcp = TcpStream::connect(address).await?;
    tls.with_alpn(vec![b"http/1.1".to_vec()]).connect(name, tcp).await
}

async fn speak(stream: Stream, asked: &Asked) -> Result<Vec<u8>, String> {
    let failed = |error: hyper::Error| format!("the end point failed: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let driver = tokio::spawn(connection);
    let authority = match asked.endpoint.port {
        443 => asked.endpoint.host.to_string(),
        port => format!("{}:{port}", asked.endpoint.host),
    };
    let request = Request::post(&*asked.endpoint.path)
        .header(HOST, authority)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .body(Full::new(Bytes::from(asked.form.clone())))
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(failed)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), TOKEN_BYTES).collect().await;
    driver.abort();
    match (status, body) {
        (StatusCode::OK, Ok(body)) => Ok(body.to_bytes().to_vec()),
        (StatusCode::OK, Err(error)) => Err(format!("the end point's answer breaks off: {error}")),
        (status, _) => Err(format!("the end point answered with status {}", status.as_u16())),
    }
}
