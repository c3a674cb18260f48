//! Intercepted connections and DNS datagrams, each with who speaks and where it wanted to go.
//!
//! [`Accepted`] is made here alone, from a socket that `tproxy` filled: the kernel, not the workload, names both ends.
//! Never reads a byte of a connection, and never decides whether it may live.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};

use crate::model::types::limits::{ACCEPT_PAUSE, DNS_REPLY_SOCKETS, DNS_UDP_BYTES};
use crate::model::types::{ClientAddress, OriginalDestination};
use crate::platform::sys::socket;
use crate::platform::telemetry::Seldom;

/// Files may be short for long, and workloads can bring that about: they do not fill the log with it.
static SHORT: Seldom = Seldom::every(Duration::from_secs(10));

/// An intercepted connection. Made by [`Listener::accept`] alone.
#[derive(Debug)]
#[must_use]
pub struct Accepted {
    stream: TcpStream,
    client: ClientAddress,
    destination: OriginalDestination,
}

impl Accepted {
    /// The workload's address and port.
    pub fn client(&self) -> ClientAddress {
        self.client
    }

    /// Where the workload wanted to go.
    pub fn destination(&self) -> OriginalDestination {
        self.destination
    }

    /// The connection, of which nothing has been read.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The connection itself, for whoever serves it.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }
}

/// A socket to which the kernel hands intercepted connections. Each worker has its own on the same port.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
}

impl Listener {
    /// Accepts from a transparent listener: of `PROXY_PORT`, or of `DNS_PORT` for DNS over TCP. Must be called inside a
    /// tokio runtime, in the thread that will accept.
    pub fn of(door: std::net::TcpListener) -> io::Result<Self> {
        Ok(Self { inner: TcpListener::from_std(door)? })
    }

    /// The port it is bound to; of use where it was bound to 0.
    pub fn port(&self) -> io::Result<u16> {
        self.inner.local_addr().map(|address| address.port())
    }

    /// The next connection. Errors of one connection that died while it waited are passed over; where files or
    /// memory are short, or the socket itself is broken, it pauses and tries again, for the backlog keeps what arrives
    /// meanwhile. So it never fails, and a broken socket takes no time from the others of its thread.
    pub async fn accept(&self) -> Accepted {
        loop {
            match self.inner.accept().await {
                Ok((stream, client)) => match Self::admit(stream, client) {
                    Ok(accepted) => return accepted,
                    Err(error) => tracing::debug!(%error, "a connection ended before it was accepted"),
                },
                Err(error) if is_of_one_connection(&error) => {
                    tracing::debug!(%error, "a connection ended before it was accepted");
                }
                Err(error) => {
                    if let Some(unsaid) = SHORT.due(Instant::now()) {
                        tracing::warn!(unsaid, %error, "cannot accept connections; trying again until it works");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn admit(stream: TcpStream, client: SocketAddr) -> io::Result<Accepted> {
        let destination = socket::original_destination_of(&stream)?;
        socket::set_nodelay(&stream)?;
        let client = ClientAddress(crate::model::types::address::unmapped(client));
        Ok(Accepted { stream, client, destination: OriginalDestination(destination) })
    }
}

/// Whether the error is that of a connection, which accept(2) hands on, and not one of the socket.
fn is_of_one_connection(error: &io::Error) -> bool {
    const PASSING: [i32; 10] = [
        libc::ECONNABORTED,
        libc::EPERM,
        libc::ENETDOWN,
        libc::EPROTO,
        libc::ENOPROTOOPT,
        libc::EHOSTDOWN,
        libc::ENONET,
        libc::EHOSTUNREACH,
        libc::EOPNOTSUPP,
        libc::ENETUNREACH,
    ];
    error.raw_os_error().is_some_and(|code| PASSING.contains(&code))
}

/// One datagram as it arrived, and whom it was meant for. Made here and in `flows` alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    pub(super) bytes: Vec<u8>,
    pub(super) client: ClientAddress,
    pub(super) destination: OriginalDestination,
}

impl Datagram {
    /// The payload.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The payload, for whoever sends it on.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The workload's address and port.
    pub fn client(&self) -> ClientAddress {
        self.client
    }

    /// Whom the workload asked, from whose address it expects the answer.
    pub fn destination(&self) -> OriginalDestination {
        self.destination
    }
}

/// The socket to which the kernel hands intercepted DNS queries over UDP, and those from which answers leave. While
/// it is open, `failMode: open` keeps other UDP refused. Shared by cloning an `Arc`.
#[derive(Debug)]
pub struct DnsDatagrams {
    inner: tokio::net::UdpSocket,
    replies: Mutex<VecDeque<(SocketAddr, Arc<UdpSocket>)>>,
}

impl DnsDatagrams {
    /// Receives from a transparent socket. Must be called inside a tokio runtime, in the thread that will receive.
    pub fn of(door: UdpSocket) -> io::Result<Self> {
        Ok(Self { inner: tokio::net::UdpSocket::from_std(door)?, replies: Mutex::default() })
    }

    /// The next query. A datagram longer than [`DNS_UDP_BYTES`] is cut, and so no valid message.
    pub async fn receive(&self) -> Datagram {
        let mut buffer = [0; DNS_UDP_BYTES];
        loop {
            let received = self
                .inner
                .async_io(Interest::READABLE, || {
                    socket::recv_with_original_destination(self.inner.as_fd(), &mut buffer)
                })
                .await;
            match received {
                Ok((length, client, destination)) => {
                    let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                    let (client, destination) = (ClientAddress(client), OriginalDestination(destination));
                    return Datagram { bytes, client, destination };
                }
                Err(error) => {
                    // Never expected; the pause keeps a lasting error from taking the thread.
                    tracing::debug!(%error, "cannot receive a DNS query");
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
    }

    /// Answers from the address that was asked. Does not wait: where the socket's buffer is full the answer is lost,
    /// as UDP may lose it anywhere, and the workload asks again.
    pub fn reply(&self, query: &Datagram, answer: &[u8]) -> io::Result<()> {
        let from = query.destination.0;
        let socket = self.reply_socket(from).map_err(|error| {
            let hint = "does another resolver of this host hold that address and port alone?";
            io::Error::new(error.kind(), format!("cannot answer from `{from}`: {error}\nhint: {hint}"))
        })?;
        socket.send_to(answer, query.client.0).map(drop)
    }

    /// The socket bound to that address, from the cache where it is there; the one unused for longest goes.
    fn reply_socket(&self, from: SocketAddr) -> io::Result<Arc<UdpSocket>> {
        let mut replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = replies.iter().position(|(address, _)| *address == from)
            && let Some(entry) = replies.remove(at)
        {
            let socket = Arc::clone(&entry.1);
            replies.push_front(entry);
            return Ok(socket);
        }
        let socket = Arc::new(socket::transparent_udp_reply_socket(from)?);
        replies.push_front((from, Arc::clone(&socket)));
        replies.truncate(DNS_REPLY_SOCKETS);
        Ok(socket)
    }
}
