//! An HTTP/1.1 upstream that keeps every byte it was sent, for what HTTP libraries would tidy up.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::dialogue::fields;
use crate::lab::Lab;
use crate::lab::backends::Wire;

/// A request as it stood on the wire.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Which connection brought it.
    pub connection: usize,
    /// Request line and fields, with the empty line; a character for each byte.
    pub head: String,
    /// The body with its framing.
    pub body: Vec<u8>,
}

impl Taken {
    /// The request line.
    pub fn line(&self) -> &str {
        self.head.split("\r\n").next().unwrap_or_default()
    }
}

/// An HTTP/1.1 upstream that keeps every byte.
#[derive(Debug, Clone, Default)]
pub struct Origin(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    received: Vec<Vec<u8>>,
    taken: Vec<Taken>,
}

impl Origin {
    /// Answers each whole request with what `answer` makes of it; nothing to say ends the connection.
    pub fn start(
        lab: &Lab,
        address: &str,
        wire: Wire<'_>,
        answer: impl Fn(&Taken) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let origin = Self::default();
        let kept = origin.clone();
        let answer = Arc::new(answer);
        lab.backends().serve(address, wire, move |mut stream, _| {
            let (kept, answer) = (kept.clone(), answer.clone());
            async move {
                let connection = kept.connected();
                let mut bytes = Vec::new();
                let mut buffer = vec![0; 64 * 1024];
                loop {
                    while let Some((head, body)) = whole(&bytes) {
                        bytes.drain(..head.chars().count() + body.len());
                        let taken = Taken { connection, head, body };
                        let reply = answer(&taken);
                        kept.lock().taken.push(taken);
                        if reply.is_empty() {
                            return stream.shutdown().await;
                        }
                        stream.write_all(&reply).await?;
                        stream.flush().await?;
                    }
                    let length = stream.read(&mut buffer).await?;
                    if length == 0 {
                        return Ok(());
                    }
                    kept.lock().received[connection].extend(&buffer[..length]);
                    bytes.extend(&buffer[..length]);
                }
            }
        });
        origin
    }

    /// Answers everything with `ok` and the request line's target.
    pub fn ok(lab: &Lab, address: &str, wire: Wire<'_>) -> Self {
        Self::start(lab, address, wire, |taken| {
            let target = taken.line().split(' ').nth(1).unwrap_or_default();
            let body = format!("ok {target}");
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().expect("no test thread panics here")
    }

    fn connected(&self) -> usize {
        let mut kept = self.lock();
        kept.received.push(Vec::new());
        kept.received.len() - 1
    }

    /// Every whole request so far.
    pub fn taken(&self) -> Vec<Taken> {
        self.lock().taken.clone()
    }

    /// The bytes of each connection so far.
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.lock().received.clone()
    }

    /// Whether no connection has brought a byte.
    pub fn untouched(&self) -> bool {
        self.lock().received.iter().all(Vec::is_empty)
    }
}

/// Head and framed body of the first request, once it is whole.
fn whole(bytes: &[u8]) -> Option<(String, Vec<u8>)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head: String = bytes[..end].iter().copied().map(char::from).collect();
    let rest = &bytes[end..];
    let length = if fields(&head, "transfer-encoding").next().is_some() {
        let trailerless = rest.windows(5).position(|window| window == b"0\r\n\r\n").map(|at| at + 5);
        trailerless.or_else(|| {
            let last = rest.windows(3).position(|window| window == b"0\r\n")?;
            Some(last + rest[last..].windows(4).position(|window| window == b"\r\n\r\n")? + 4)
        })?
    } else {
        fields(&head, "content-length").next().map_or(0, |length| length.parse().expect("a length"))
    };
    (rest.len() >= length).then(|| (head, rest[..length].to_vec()))
}
