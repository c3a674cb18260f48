//! UDP flows as they arrive: the socket that takes their first datagrams, the sockets that take the rest, and the ICMP
//! errors by which a workload hears that its datagram was refused.
//!
//! A flow is what one workload's port and one destination exchange. Until somebody speaks for the destination, its
//! datagrams come to [`FlowSockets`]; from then on the kernel gives them to the flow's own socket. Decides nothing, and
//! looks into no datagram.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use socket2::Socket;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::accept::Datagram;
use super::icmp::{self, Quoted};
use crate::model::types::limits::ACCEPT_PAUSE;
use crate::model::types::{ClientAddress, OriginalDestination};
use crate::platform::sys::socket;

pub use super::icmp::Why;

/// Room for the largest datagram there is, of either family. One for all flows of a worker: a datagram never stays in it.
pub type Scratch = RefCell<Box<[u8]>>;

/// A buffer for [`FlowSockets::receive`] and for whoever relays.
pub fn scratch() -> Scratch {
    RefCell::new(vec![0; usize::from(u16::MAX)].into())
}

/// What one worker receives first datagrams with, and refuses them with.
#[derive(Debug)]
pub struct FlowSockets {
    inner: UdpSocket,
    icmp: Socket,
    icmpv6: Socket,
}

impl FlowSockets {
    /// Receives from a transparent socket; the kernel keeps all datagrams of a flow to the socket of one worker. Must be
    /// called inside a tokio runtime, in the thread that will receive.
    pub fn of(door: std::net::UdpSocket) -> io::Result<Self> {
        Ok(Self {
            inner: UdpSocket::from_std(door)?,
            icmp: socket::icmp_sender()?,
            icmpv6: socket::icmpv6_sender()?,
        })
    }

    /// The next datagram of a flow for whose destination nobody speaks yet.
    pub async fn receive(&self, scratch: &Scratch) -> Datagram {
        loop {
            let received = self.inner.async_io(Interest::READABLE, || {
                let mut buffer = scratch.borrow_mut();
                let (length, client, destination) =
                    socket::recv_with_original_destination(self.inner.as_fd(), &mut buffer)?;
                let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                let (client, destination) = (ClientAddress(client), OriginalDestination(destination));
                Ok(Datagram { bytes, client, destination })
            });
            match received.await {
                Ok(datagram) => return datagram,
                Err(error) => {
                    // Never expected; the pause keeps a lasting error from taking the thread.
                    tracing::debug!(%error, "cannot receive a datagram");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Tells a workload by ICMP that a datagram of its flow, with so many bytes of payload, does not arrive. Does not
    /// wait: where the error cannot be sent it is lost, as ICMP may be anywhere.
    pub fn refuse(&self, client: ClientAddress, destination: OriginalDestination, length: usize, why: Why) {
        let quoted = Quoted { from: client.0, to: destination.0, length };
        let Some(message) = icmp::error(&quoted, why) else { return };
        let sender = if client.0.is_ipv4() { &self.icmp } else { &self.icmpv6 };
        let workload = SocketAddr::new(client.0.ip(), 0);
        if let Err(error) = sender.send_to(&message, &workload.into()) {
            tracing::debug!(%workload, %error, "an ICMP error could not be sent");
        }
    }
}

/// Speaks for a destination towards one workload: a socket that takes what the workload sends there, and sends from
/// that address to it alone. Must be called inside a tokio runtime.
///
/// # Errors
/// Where another program of this host holds the port on every address for itself, among others.
pub fn speak_for(destination: OriginalDestination, client: ClientAddress) -> io::Result<UdpSocket> {
    UdpSocket::from_std(socket::transparent_flow_socket(destination.0, client.0)?)
}
