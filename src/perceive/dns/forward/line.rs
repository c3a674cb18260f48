//! Questions over one stream, plain or TLS, answered in any order (RFC 7766, section 6.2.1.1; RFC 7858).
//!
//! A task owns the stream: it writes questions under ids of its own as they come, and gives each answer to who waits for
//! it. A stream that answers another question than it was asked is not believed any further. Queries over TLS are padded.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::super::canonical::Canonical;
use super::super::frame::{Frames, write_message};
use super::datagram::fresh_id;
use super::kept::{Live, Pulse};
use crate::model::types::limits::{DNS_PIPELINED, DNS_TRY_TIME, DNS_UPSTREAM_IDLE_TIME};

/// Where a stream leads, and who must be there.
pub(super) struct Way {
    pub address: SocketAddr,
    pub tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Way").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A stream that takes questions.
#[derive(Debug)]
pub(super) struct Line(mpsc::Sender<Job>);

#[derive(Debug)]
struct Job {
    asked: Canonical,
    told: oneshot::Sender<Vec<u8>>,
}

impl Live for Line {
    type Way = Way;

    async fn dial(way: &Way, pulse: Arc<Pulse>) -> io::Result<Self> {
        let tcp = TcpStream::connect(way.address).await?;
        // Questions are small, and each is worth a packet.
        tcp.set_nodelay(true)?;
        let (jobs, queue) = mpsc::channel(DNS_PIPELINED);
        match &way.tls {
            None => {
                tokio::spawn(Talk::new(tcp, pulse, false).run(queue));
            }
            Some((tls, subject)) => {
                let stream = tls.connect(subject.clone(), tcp).await?;
                tokio::spawn(Talk::new(stream, pulse, true).run(queue));
            }
        }
        Ok(Self(jobs))
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// No server says how many it takes; what is too much for it waits in the stream (RFC 7766, section 6.2.1.1).
    fn allowed(&self) -> usize {
        DNS_PIPELINED
    }

    async fn ask(&self, asked: &Canonical) -> io::Result<Vec<u8>> {
        let (told, answer) = oneshot::channel();
        let ended = || io::Error::from(io::ErrorKind::ConnectionAborted);
        self.0.send(Job { asked: asked.clone(), told }).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())
    }
}

/// One stream and who waits on it.
struct Talk<S> {
    frames: Frames<tokio::io::ReadHalf<S>>,
    write: WriteHalf<S>,
    waiting: HashMap<u16, Job>,
    pulse: Arc<Pulse>,
    padded: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    fn new(stream: S, pulse: Arc<Pulse>, padded: bool) -> Self {
        let (read, write) = tokio::io::split(stream);
        let frames = Frames::patient(read, DNS_UPSTREAM_IDLE_TIME);
        Self { frames, write, waiting: HashMap::new(), pulse, padded }
    }

    /// Until the server ends it, nobody has asked for a while, or nobody is left who could.
    async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut open = true;
        while open || !self.waiting.is_empty() {
            // Fewer wait than there is room for: what is given up is what fills it.
            if self.waiting.len() >= DNS_PIPELINED {
                self.waiting.retain(|_, job| !job.told.is_closed());
            }
            tokio::select! {
                job = queue.recv(), if open => match job {
                    Some(job) => if self.say(job).await.is_err() { break },
                    None => open = false,
                },
                heard = self.frames.next() => match heard {
                    Ok(Some(message)) => {
                        self.pulse.beat();
                        if !give(&mut self.waiting, message) { break }
                    }
                    Ok(None) | Err(_) => break,
                },
            }
        }
        // Whoever waits hears of the end, and by then a new question finds no way in.
        drop(queue);
    }

    async fn say(&mut self, job: Job) -> io::Result<()> {
        if job.told.is_closed() {
            return Ok(());
        }
        // Far fewer wait than there are ids.
        let mut id = fresh_id();
        while self.waiting.contains_key(&id) {
            id = id.wrapping_add(1);
        }
        let message = job.asked.message(id, self.padded);
        self.waiting.insert(id, job);
        timeout(DNS_TRY_TIME, write_message(&mut self.write, &message)).await?
    }
}

/// Gives an answer to who waits for it; one that nobody waits for any more is dropped. False where it answers another
/// question than the one under its id.
fn give(waiting: &mut HashMap<u16, Job>, message: &[u8]) -> bool {
    let Some(id) = message.first_chunk().map(|id| u16::from_be_bytes(*id)) else { return false };
    let Some(job) = waiting.remove(&id) else { return true };
    let Some(header) = job.asked.answered_by(message, id) else { return false };
    // There is no longer transport to turn to: the length prefix bounds this one.
    if !header.truncated() {
        // Whoever asked may have given up meanwhile.
        let _ = job.told.send(message.to_vec());
    }
    true
}
