//! Reaching where a UDP flow leads: the same passage, the same judgement of addresses, another socket.
//!
//! A connected socket: the kernel gives it the datagrams of the dialled address and port and of nobody else, and the
//! errors that come back for it. Nothing is sent here.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::Dialler;
use super::candidates::Wanted;
use super::words::{self, Attempt};
use crate::decide::ledger::Entry;
use crate::decide::policy::{Mode, Passage};
use crate::model::types::{Denial, HostName, limits};

/// Proof that a socket is connected to where a passage of datagrams leads. Made by [`Dialler::connect_datagrams`]
/// alone.
#[derive(Debug)]
#[must_use]
pub struct DialledDatagrams {
    socket: UdpSocket,
    address: SocketAddr,
}

impl DialledDatagrams {
    /// The socket, and the address that was really dialled.
    pub fn into_parts(self) -> (UdpSocket, SocketAddr) {
        (self.socket, self.address)
    }
}

impl Dialler {
    /// Connects a UDP socket to where the passage leads; `resolve` as for [`Dialler::connect`].
    ///
    /// Denials: `destination.private`, `destination.metadata`, `upstream.unreachable`, `upstream.timeout`, `overload`.
    pub async fn connect_datagrams<R>(
        &self,
        passage: &Passage,
        _entry: &Entry,
        resolve: R,
    ) -> Result<DialledDatagrams, Denial>
    where
        R: AsyncFn(&HostName) -> Vec<IpAddr>,
    {
        if passage.mode() != Mode::Datagrams {
            return Err(Denial::internal("a stream was to be dialled as a UDP flow"));
        }
        let wanted = Wanted::from(passage);
        let deadline = Instant::now() + limits::DIAL_TIME;
        let candidates = self.candidates(&wanted, resolve, deadline).await?;
        let Some(&address) = candidates.first() else { return Err(words::no_address(&wanted)) };
        match connected(address).await {
            Ok(socket) => Ok(DialledDatagrams { socket, address }),
            Err(error) => Err(words::unreached(&wanted, &[Attempt { address, error }])),
        }
    }
}

async fn connected(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    Ok(socket)
}

/// The denial for a destination that, once dialled, turned out to be out of reach: an ICMP error, as a rule.
pub fn unreachable(passage: &Passage, address: SocketAddr, error: io::Error) -> Denial {
    words::unreached(&Wanted::from(passage), &[Attempt { address, error }])
}
