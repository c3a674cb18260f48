//! One question over UDP.
//!
//! An answer is hard to forge (RFC 5452): every try has a socket of its own, so the kernel picks a random port and, the
//! socket being connected, drops what does not come from the upstream's address and port; the id is fresh and random; and
//! the question must come back byte for byte. What does not fit is ignored and the wait goes on.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hickory_proto::op::Message;
use tokio::net::UdpSocket;

use super::super::canonical::Canonical;
use super::super::wire::OUR_PAYLOAD;

/// The answer; `None` where it does not fit into a datagram.
pub(super) async fn ask(upstream: SocketAddr, asked: &Canonical) -> io::Result<Option<Vec<u8>>> {
    let any: IpAddr =
        if upstream.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(upstream).await?;
    let id = fresh_id();
    socket.send(&asked.message(id, false)).await?;
    let room = usize::from(OUR_PAYLOAD);
    // One byte more, to see that an answer was cut.
    let mut answer = Vec::with_capacity(room + 1);
    loop {
        answer.clear();
        socket.recv_buf(&mut answer).await?;
        if let Some(header) = asked.answered_by(&answer, id) {
            let fits = answer.len() <= room && !header.truncated();
            return Ok(fits.then_some(answer));
        }
    }
}

/// An id from a cryptographic generator, as a fresh message has it.
pub(super) fn fresh_id() -> u16 {
    Message::query().metadata.id
}
