//! What the kernel dropped by our rules, as it tells of it: the log group of nftables, read from a netlink socket.
//!
//! The rules bound how much is told, so that nobody drowns others; what is lost all the same is counted here. Decides
//! nothing, and changes no packet. Read next: `packet.rs` for what is read of each.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::time::{Duration, Instant};

use netlink_packet_core::{NetlinkMessage, NetlinkPayload, Nla};
use netlink_packet_netfilter::nflog::{
    ConfigCmd, ConfigMode, ConfigNla, HwAddr, PacketNla, Timeout, ULogMessage, config_request,
};
use netlink_packet_netfilter::{NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily};
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{AsyncSocket, Socket, TokioSocket};

use super::chains::{ECHO, FORGED};
use super::packet::Packet;
use super::{LOG_GROUP, PARTS_MARK};
use crate::model::types::MacAddress;
use crate::model::types::limits::{ACCEPT_PAUSE, DROPS_BUFFER, DROPS_BYTES};
use crate::platform::telemetry::Seldom;

/// How long the kernel gathers what it tells into one message.
const GATHER: Duration = Duration::from_millis(20);
/// Packets after which it does not wait for more.
const GATHERED: u32 = 32;
/// Room for one read: the kernel builds messages of a page or two (`NLMSG_GOODSIZE`).
const READ_BYTES: usize = 64 * 1024;
/// Messages among which the answer to a request must be: packets may come before it.
const ANSWERS: usize = 64;

/// Workloads can bring it about: they do not fill the log with it.
static LOST: Seldom = Seldom::every(Duration::from_secs(10));

/// A packet that our rules dropped or, where it is an echo request, let pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What became of it.
    pub fate: Fate,
    /// What could be read of it.
    pub packet: Packet,
    /// Whether it had come in parts and was put together.
    pub in_parts: bool,
    /// The card that sent it, as the frame says.
    pub card: Option<MacAddress>,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Refused, for what it is.
    Refused,
    /// Dropped, because its source address is not its sender's.
    Forged,
    /// Let pass: an echo request that the settings allow.
    Passed,
}

/// The socket on which the kernel tells. One in a network namespace.
pub struct Drops {
    socket: TokioSocket,
    buffer: Vec<u8>,
    waiting: VecDeque<Told>,
}

impl Drops {
    /// Asks to be told. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Where another program has the group, the kernel cannot log, or CAP_NET_ADMIN is missing.
    pub fn listen() -> io::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_NETFILTER)?;
        socket.socket_mut().bind_auto()?;
        // A wish: the kernel caps it at `net.core.rmem_max` and that is no reason to fail.
        let _ = socket.socket_ref().set_rx_buf_sz(i32::try_from(DROPS_BUFFER).unwrap_or(i32::MAX));
        let mut buffer = Vec::with_capacity(READ_BYTES);
        take_the_group(socket.socket_ref(), &mut buffer)?;
        Ok(Self { socket, buffer, waiting: VecDeque::new() })
    }

    /// The next packet. Waits for it, and never fails: what cannot be read is passed over.
    pub async fn next(&mut self) -> Told {
        loop {
            if let Some(told) = self.waiting.pop_front() {
                return told;
            }
            let Self { socket, buffer, waiting } = self;
            buffer.clear();
            match poll_fn(|context| socket.poll_recv(context, buffer)).await {
                Ok(()) => waiting.extend(messages(buffer).filter_map(|message| told(&message))),
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    if let Some(unsaid) = LOST.due(Instant::now()) {
                        tracing::warn!(
                            unsaid,
                            "the kernel dropped more packets than go on record; its counters have them all"
                        );
                    }
                }
                Err(error) => {
                    // Never expected; the pause keeps a lasting error from taking the thread.
                    tracing::debug!(%error, "the kernel's log cannot be read");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Becomes the one that the kernel tells, and says how. It answers before sending returns.
fn take_the_group(socket: &Socket, buffer: &mut Vec<u8>) -> io::Result<()> {
    let wishes = vec![
        ConfigCmd::Bind.into(),
        ConfigMode::new_packet(DROPS_BYTES).into(),
        Timeout::from(GATHER).into(),
        ConfigNla::QThresh(GATHERED),
    ];
    let request = config_request(NetfilterProtoFamily::Unspec, LOG_GROUP, wishes);
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    for _ in 0..ANSWERS {
        buffer.clear();
        socket.recv(buffer, 0)?;
        let answer = messages(buffer).find_map(|message| match message.payload {
            NetlinkPayload::Error(answer) => Some(answer),
            _ => None,
        });
        // No code is a yes (netlink(7)).
        match answer.map(|answer| answer.code) {
            Some(None) => return Ok(()),
            Some(Some(code)) => return Err(io::Error::from_raw_os_error(-code.get())),
            None => {}
        }
    }
    Err(io::Error::other("the kernel did not answer"))
}

/// The messages of one read, as far as they can be read.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = NetlinkMessage<NetfilterMessage>> {
    std::iter::from_fn(move || {
        let message = NetlinkMessage::<NetfilterMessage>::deserialize(bytes).ok()?;
        // Each begins at a multiple of four (`NLMSG_ALIGNTO`); one without length would never end.
        let length = usize::try_from(message.header.length).ok().filter(|length| *length > 0)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// The packet in a message of our log group.
fn told(message: &NetlinkMessage<NetfilterMessage>) -> Option<Told> {
    let NetlinkPayload::InnerMessage(message) = &message.payload else { return None };
    let NetfilterMessageInner::ULog(ULogMessage::Packet(parts)) = &message.inner else { return None };
    let (mut fate, mut packet, mut in_parts, mut card) = (Fate::Refused, None, false, None);
    for part in parts {
        match part {
            PacketNla::Prefix(word) if word.to_bytes() == FORGED.as_bytes() => fate = Fate::Forged,
            PacketNla::Prefix(word) if word.to_bytes() == ECHO.as_bytes() => fate = Fate::Passed,
            PacketNla::Payload(bytes) => packet = Packet::read(bytes),
            PacketNla::Mark(mark) => in_parts = *mark == PARTS_MARK,
            PacketNla::HwAddr(address) => card = of_frame(address),
            _ => {}
        }
    }
    Some(Told { fate, packet: packet?, in_parts, card })
}

/// The card's address: its length, two bytes unused, and eight bytes of room (`nfulnl_msg_packet_hw`, Linux
/// `nfnetlink_log.h`). Absent where it is not as long as Ethernet's.
fn of_frame(address: &HwAddr) -> Option<MacAddress> {
    let mut bytes = [0; 12];
    if address.value_len() != bytes.len() {
        return None;
    }
    address.emit_value(&mut bytes);
    let [high, low, _, _, card @ .., _, _] = bytes;
    (u16::from_be_bytes([high, low]) == 6).then(|| MacAddress::of_frame(card))
}
