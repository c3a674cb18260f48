//! TPROXY sockets: listeners and UDP sockets that speak for addresses which are not this host's; and what sends ICMP.
//!
//! The kernel hands an intercepted packet to such a socket without rewriting it (Linux `tproxy.rst`). All of them are
//! dual stack, so one socket serves IPv4 and IPv6; IPv4 addresses are unmapped before anybody above sees them.
//! Setting `IP_TRANSPARENT` needs CAP_NET_ADMIN (or CAP_NET_RAW). Never decides what is done with a connection.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::model::types::address::unmapped;
use crate::model::types::limits::{CLIENT_PROBE_INTERVAL, CLIENT_PROBE_TIME, CLIENT_PROBES, UNSENT_BYTES};

/// Connections that may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// Receive buffer of the DNS socket in bytes, so that a burst of queries is not lost between two turns.
const DATAGRAM_RECEIVE_BUFFER: usize = 1024 * 1024;

/// A non-blocking TCP listener on every address of both families, to which `tproxy` may hand connections. Several
/// may share the port: the kernel spreads connections over them (`SO_REUSEPORT`).
pub fn transparent_listener(port: u16) -> io::Result<TcpListener> {
    let socket = dual_stack(Type::STREAM, Protocol::TCP)?;
    socket.bind(&any(port).into())?;
    listen(&socket)?;
    Ok(socket.into())
}

/// Listens with the settings of this version, on a socket that may be listening already.
pub(super) fn listen(socket: &Socket) -> io::Result<()> {
    // Connections inherit it: a workload that vanished without a word is found out even where nothing is sent to it.
    let probes = TcpKeepalive::new().with_time(CLIENT_PROBE_TIME).with_interval(CLIENT_PROBE_INTERVAL);
    socket.set_tcp_keepalive(&probes.with_retries(CLIENT_PROBES))?;
    // And what waits in them for a workload that takes nothing is bounded, beyond what it has room for itself.
    socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
    socket.listen(BACKLOG)
}

/// A non-blocking UDP socket on every address of both families, to which `tproxy` may hand datagrams. Read it with
/// [`recv_with_original_destination`].
pub fn transparent_datagrams(port: u16) -> io::Result<UdpSocket> {
    let socket = dual_stack(Type::DGRAM, Protocol::UDP)?;
    hear(&socket)?;
    socket.bind(&any(port).into())?;
    Ok(socket.into())
}

/// Lets datagrams say where they were sent.
pub(super) fn hear(socket: &Socket) -> io::Result<()> {
    set_option(socket.as_fd(), libc::SOL_IP, libc::IP_RECVORIGDSTADDR, &ON)?;
    set_option(socket.as_fd(), libc::SOL_IPV6, libc::IPV6_RECVORIGDSTADDR, &ON)?;
    // A wish: the kernel caps it at `net.core.rmem_max` and that is no reason to fail.
    let _ = socket.set_recv_buffer_size(DATAGRAM_RECEIVE_BUFFER);
    Ok(())
}

/// A non-blocking UDP socket bound to somebody else's address, from which answers to what was sent there leave.
pub fn transparent_udp_reply_socket(original_destination: SocketAddr) -> io::Result<UdpSocket> {
    speaking_for(original_destination, true)
}

/// The same for one flow, connected to the workload: from now on `tproxy` gives it that workload's datagrams to that
/// destination, and no others.
pub fn transparent_flow_socket(
    original_destination: SocketAddr,
    workload: SocketAddr,
) -> io::Result<UdpSocket> {
    // Not SO_REUSEPORT: the kernel would spread datagrams over all flows to this destination.
    let socket = speaking_for(original_destination, false)?;
    socket.connect(unmapped(workload))?;
    Ok(socket)
}

fn speaking_for(original_destination: SocketAddr, reuse_port: bool) -> io::Result<UdpSocket> {
    let address = unmapped(original_destination);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    match address {
        SocketAddr::V4(_) => socket.set_ip_transparent_v4(true)?,
        SocketAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.set_ip_transparent_v6(true)?;
        }
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// A non-blocking raw socket that sends ICMP messages and receives none; for IPv6 the kernel writes the checksum. Needs
/// CAP_NET_RAW.
pub fn icmp_sender() -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::RAW.nonblocking(), Some(Protocol::ICMPV4))?;
    // A set bit is a type that is not received (raw(7)).
    set_option(socket.as_fd(), libc::SOL_RAW, ICMP_FILTER, &u32::MAX)?;
    Ok(socket)
}

/// The same for ICMPv6.
pub fn icmpv6_sender() -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV6, Type::RAW.nonblocking(), Some(Protocol::ICMPV6))?;
    set_option(socket.as_fd(), libc::IPPROTO_ICMPV6, ICMPV6_FILTER, &[u32::MAX; 8])?;
    Ok(socket)
}

/// Of `linux/icmp.h`, level `SOL_RAW`.
const ICMP_FILTER: i32 = 1;
/// Of `linux/icmpv6.h`, level `IPPROTO_ICMPV6`.
const ICMPV6_FILTER: i32 = 1;

fn any(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))
}

fn dual_stack(kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV6, kind.nonblocking(), Some(protocol))?;
    socket.set_only_v6(false)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    // Both: on an IPv6 socket IPV6_TRANSPARENT admits IPv6, IP_TRANSPARENT admits mapped IPv4.
    socket.set_ip_transparent_v4(true)?;
    socket.set_ip_transparent_v6(true)?;
    Ok(socket)
}

/// What switches an option on.
const ON: libc::c_int = 1;

/// Sets a socket option that socket2 does not know. `T` is the plain type that the option takes.
fn set_option<T: Copy>(socket: BorrowedFd<'_>, level: i32, option: i32, value: &T) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: the descriptor is borrowed and so open; the pointer and the length describe `value`, which is only read.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, std::ptr::from_ref(value).cast(), length)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Room for the control messages of one datagram: both original-destination messages and some slack.
const CONTROL_BYTES: usize = 256;

/// Control messages must start on an address aligned for `cmsghdr`.
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// Receives one datagram: its length in `buffer`, who sent it, and the address it was sent to before interception.
/// A datagram longer than `buffer` is cut. Does not wait: `WouldBlock` where none is there.
pub fn recv_with_original_destination(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> io::Result<(usize, SocketAddr, SocketAddr)> {
    let mut control = Control([0; CONTROL_BYTES]);
    let mut source = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all-zero is a valid `msghdr`, which may have private padding.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_name = source.as_mut_ptr().cast();
    message.msg_namelen = libc::socklen_t::try_from(size_of::<libc::sockaddr_storage>()).unwrap_or(128);
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_BYTES as _;

    // SAFETY: every pointer in `message` points to a live local or to `buffer`, with its length beside it.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: zeroed above and perhaps filled by the kernel; all-zero is a valid `sockaddr_storage`.
    let source = socket_address(unsafe { source.assume_init_ref() }).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "datagram without an internet source address")
    })?;
    let destination = original_destination(&message).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "datagram without its original destination")
    })?;
    Ok((length, unmapped(source), unmapped(destination)))
}

/// The address in the `IP_ORIGDSTADDR` or `IPV6_ORIGDSTADDR` control message.
fn original_destination(message: &libc::msghdr) -> Option<SocketAddr> {
    // SAFETY: `message` was filled by `recvmsg`, and its control buffer lives as long as the caller's frame.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        // SAFETY: the macros return null or a pointer to a whole header inside the control buffer.
        let (level, kind, length) =
            unsafe { ((*header).cmsg_level, (*header).cmsg_type, (*header).cmsg_len as usize) };
        let size = match (level, kind) {
            (libc::SOL_IP, libc::IP_ORIGDSTADDR) => size_of::<libc::sockaddr_in>(),
            (libc::SOL_IPV6, libc::IPV6_ORIGDSTADDR) => size_of::<libc::sockaddr_in6>(),
            _ => 0,
        };
        // SAFETY: pure arithmetic on a constant.
        let head = unsafe { libc::CMSG_LEN(0) } as usize;
        if size > 0 && length >= head + size {
            let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
            // SAFETY: the message carries at least `size` bytes, and both address types fit into the storage.
            let storage = unsafe {
                std::ptr::copy_nonoverlapping(
                    libc::CMSG_DATA(header),
                    storage.as_mut_ptr().cast::<u8>(),
                    size,
                );
                storage.assume_init()
            };
            return socket_address(&storage);
        }
        // SAFETY: as for the first header.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    None
}

fn socket_address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let storage: *const libc::sockaddr_storage = storage;
    // SAFETY: the storage is as large and as aligned as both address types, and the family says which one it holds.
    unsafe {
        match i32::from((*storage).ss_family) {
            libc::AF_INET => {
                let v4 = &*storage.cast::<libc::sockaddr_in>();
                let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
                Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 => {
                let v6 = &*storage.cast::<libc::sockaddr_in6>();
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                Some(
                    SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), v6.sin6_flowinfo, v6.sin6_scope_id)
                        .into(),
                )
            }
            _ => None,
        }
    }
}

/// Sends small writes at once (`TCP_NODELAY`).
pub fn set_nodelay(stream: &impl AsFd) -> io::Result<()> {
    SockRef::from(stream).set_tcp_nodelay(true)
}

/// Arranges that closing the socket sends a reset and throws away what was not yet sent (`SO_LINGER` of zero). The
/// reset leaves when the last descriptor is dropped.
pub fn reset_on_close(stream: &impl AsFd) -> io::Result<()> {
    SockRef::from(stream).set_linger(Some(Duration::ZERO))
}

/// Lets the kernel reset the connection once its peer has taken nothing of what waits for it for this long: neither
/// acknowledged nor, where it says that it has no room, made some (`TCP_USER_TIMEOUT`, tcp(7)).
pub fn give_up_after(stream: &impl AsFd, bound: Duration) -> io::Result<()> {
    SockRef::from(stream).set_tcp_user_timeout(Some(bound))
}

/// Whether the peer has ended or reset the connection and nothing of what it sent is left to read. Takes no byte.
pub fn is_over(stream: &impl AsFd) -> bool {
    let mut byte = [MaybeUninit::uninit()];
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    match SockRef::from(stream).recv_with_flags(&mut byte, flags) {
        Ok(length) => length == 0,
        Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
    }
}

/// Where an intercepted connection wanted to go: `tproxy` leaves the destination as it was, so it is the accepted
/// socket's local address.
pub fn original_destination_of(stream: &tokio::net::TcpStream) -> io::Result<SocketAddr> {
    stream.local_addr().map(unmapped)
}

/// Whether an address is this host's own, whatever the interface.
///
/// Asks the routing table by connecting a UDP socket, which sends nothing: to reach itself the kernel picks the
/// destination as the source, and never for any other address. Unlike trying to bind, this is not fooled by
/// `ip_nonlocal_bind`; unlike a list of addresses it needs no netlink and sees `local` routes too. Costs three system
/// calls. An address to which no way leads is nobody's: false.
///
/// # Errors
/// Where the kernel could not be asked, for want of files, memory or ports. Nobody may take that for a no: workloads can
/// bring it about.
pub fn own_address(address: IpAddr) -> io::Result<bool> {
    let address = address.to_canonical();
    if address.is_loopback() || address.is_unspecified() {
        return Ok(true);
    }
    // The port does not matter; discard (RFC 863) is as good as any.
    let asked = SocketAddr::new(address, 9);
    let socket = match Socket::new(Domain::for_address(asked), Type::DGRAM, Some(Protocol::UDP)) {
        // A kernel without that family has no address of it.
        Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => return Ok(false),
        socket => socket?,
    };
    match socket.connect(&asked.into()) {
        Ok(()) => {
            let source = socket.local_addr()?.as_socket().map(|source| source.ip());
            Ok(source == Some(address))
        }
        Err(error) if leads_nowhere(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the routing table has answered, and knows no way: none at all, one that is shut on purpose, or one to a
/// broadcast address or a group, or to an interface that is down.
fn leads_nowhere(error: &io::Error) -> bool {
    const ANSWERS: [i32; 6] = [
        libc::ENETUNREACH,
        libc::EHOSTUNREACH,
        libc::EACCES,
        libc::EINVAL,
        libc::EADDRNOTAVAIL,
        libc::ENETDOWN,
    ];
    error.raw_os_error().is_some_and(|code| ANSWERS.contains(&code))
}

/// Whether the kernel lacks files or memory for this process.
pub fn is_shortage(error: &io::Error) -> bool {
    const SHORT: [i32; 4] = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    error.raw_os_error().is_some_and(|code| SHORT.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_are_known_without_a_packet() {
        for own in ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::"] {
            assert!(own_address(own.parse().unwrap()).unwrap(), "{own}");
        }
        for foreign in ["192.0.2.1", "2001:db8::1", "::ffff:198.51.100.1", "224.0.0.1"] {
            assert!(!own_address(foreign.parse().unwrap()).unwrap(), "{foreign}");
        }
    }

    #[test]
    fn a_datagram_tells_where_it_was_sent() {
        // Built by hand: a transparent socket needs CAP_NET_ADMIN, and this test needs no privilege.
        let receiver = UdpSocket::bind("[::]:0").unwrap();
        set_option(receiver.as_fd(), libc::SOL_IP, libc::IP_RECVORIGDSTADDR, &ON).unwrap();
        set_option(receiver.as_fd(), libc::SOL_IPV6, libc::IPV6_RECVORIGDSTADDR, &ON).unwrap();
        let port = receiver.local_addr().unwrap().port();
        for host in ["127.0.0.9", "::1"] {
            let asked = SocketAddr::new(host.parse().unwrap(), port);
            let local: IpAddr =
                if asked.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
            let sender = UdpSocket::bind((local, 0)).unwrap();
            sender.send_to(b"question", asked).unwrap();
            let mut buffer = [0; 64];
            let (length, source, destination) =
                recv_with_original_destination(receiver.as_fd(), &mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"question");
            assert_eq!((source, destination), (sender.local_addr().unwrap(), asked));
        }
        let empty = recv_with_original_destination(receiver.as_fd(), &mut [0; 64]).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
    }
}
