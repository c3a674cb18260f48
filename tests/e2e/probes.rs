//! What the tests of the road share: an office with an open network route, attempts that must be answered or refused
//! at once, and upstream services that tell who reached them.
//!
//! Never asserts a policy: the tests do.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use serde_json::{Value, json};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;

use crate::lab::backends::Wire;
use crate::lab::daemon::alice_and_gateway;
use crate::lab::topology::ip;
use crate::lab::{Daemon, Lab, Namespace, UPSTREAM_V4, UPSTREAM_V6};

/// Nothing that is refused may take longer: a client must see an error and not a timeout.
pub const AT_ONCE: Duration = Duration::from_secs(1);

/// A port of the upstream that the routes of `alice_with_network` name.
pub const OPEN: u16 = 4000;
/// One that they do not name.
pub const SHUT: u16 = 4001;

/// The upstream in both families.
pub const UPSTREAM: [&str; 2] = [UPSTREAM_V4, UPSTREAM_V6];

/// `alice`, a gateway with listeners for TCP, HTTP and opened TLS, and a route by network to port `OPEN` of everything
/// outside. One more, to a port where nobody is, has `model.example` looked up.
pub fn alice_with_network() -> String {
    alice_and_gateway(LISTENERS)
        + "---\napiVersion: clawgress.io/v1alpha1\nkind: EgressL4Route\nmetadata: {name: outside}\n\
           spec:\n  parentRefs: [{kind: EgressGateway, name: default}]\n  \
           rules: [{matches: [{destinationCIDRs: [192.0.2.0/24, \"2001:db8:1::/64\"], ports: [{port: 4000}]}]}, \
           {matches: [{destinationHostnames: [model.example], ports: [{port: 9}]}]}]\n"
}

/// Listeners that take everything.
pub const LISTENERS: &str = "{name: tcp, protocol: TCP}, {name: web, protocol: HTTP}, \
                             {name: tls, protocol: TLS, tls: {mode: Terminate}}";

/// One more agent: `bob` at 10.77.0.3 and fd77::3.
pub const BOB: &str = "apiVersion: clawgress.io/v1alpha1\nkind: Agent\nmetadata: {name: bob, labels: {tier: dev}}\n\
                       spec: {sources: {addresses: [10.77.0.3/32, \"fd77::3/128\"]}}\n";

/// A route by host name to any port.
pub fn route_to(names: &[&str]) -> String {
    format!(
        "apiVersion: clawgress.io/v1alpha1\nkind: EgressL4Route\nmetadata: {{name: by-name}}\n\
         spec:\n  parentRefs: [{{kind: EgressGateway, name: default}}]\n  \
         rules: [{{matches: [{{destinationHostnames: [{}]}}]}}]\n",
        names.join(", ")
    )
}

/// Settings with a fail mode.
pub fn fail_mode(mode: &str) -> Value {
    json!({ "failMode": mode })
}

/// A lab.
pub fn lab() -> Lab {
    Lab::new()
}

/// `address:port`, with brackets where they belong.
pub fn at(address: &str, port: u16) -> String {
    let ip: IpAddr = address.parse().expect("an address");
    SocketAddr::new(ip, port).to_string()
}

/// TCP and UDP services on one port of both upstream addresses that answer with the address of whoever reached them:
/// the gateway's where it dialled, the workload's where the kernel forwarded.
pub fn who_is_there(lab: &Lab, port: u16) {
    for address in UPSTREAM.into_iter().filter(|address| lab.family().has(address)) {
        let here = at(address, port);
        lab.backends().serve(&here, Wire::Plain, |mut stream, from| async move {
            let mut buffer = [0; 64];
            let _ = stream.read(&mut buffer).await?;
            stream.write_all(from.ip().to_string().as_bytes()).await
        });
        let socket = lab.backends().udp(&here);
        lab.backends().spawn(async move {
            let mut buffer = [0; 64];
            while let Ok((_, from)) = socket.recv_from(&mut buffer).await {
                let _ = socket.send_to(from.ip().to_string().as_bytes(), from).await;
            }
        });
    }
}

/// One TCP connection: sends a line and returns everything that comes back until the end.
pub fn call(from: &Namespace, to: &str) -> io::Result<String> {
    from.enter(|| talk(tcp(None, &from.family().twin(to))?))
}

/// The same from a source address of choice.
pub fn call_as(from: &Namespace, source: &str, to: &str) -> io::Result<String> {
    from.enter(|| talk(tcp(Some(source), to)?))
}

/// One datagram and its answer.
pub fn ask(from: &Namespace, to: &str) -> io::Result<String> {
    from.enter(|| datagram(None, &from.family().twin(to)))
}

/// The same from a source address of choice.
pub fn ask_as(from: &Namespace, source: &str, to: &str) -> io::Result<String> {
    from.enter(|| datagram(Some(source), to))
}

/// One packet of any IP protocol, and the error that comes back for it.
pub fn packet(from: &Namespace, protocol: u8, to: &str) -> io::Result<()> {
    /// An echo request of ICMP and of ICMPv6 (without checksums: the kernel adds the second, nobody looks at the first).
    const ICMP: [u8; 8] = [8, 0, 0xf7, 0xfe, 0, 1, 0, 0];
    const ICMP6: [u8; 8] = [128, 0, 0, 0, 0, 1, 0, 0];
    from.enter(|| {
        let ip: IpAddr = to.parse().expect("an address");
        let domain = if ip.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(i32::from(protocol))))?;
        socket.set_read_timeout(Some(AT_ONCE))?;
        // Connected, so that an ICMP error arrives as an error of the socket.
        socket.connect(&SockAddr::from(SocketAddr::new(ip, 0)))?;
        socket.send(if protocol == 58 { &ICMP6 } else { &ICMP })?;
        (&socket).read(&mut [0; 64]).map(drop)
    })
}

/// Panics unless the attempt failed with an error, and at once.
pub fn refused<T: std::fmt::Debug>(what: &str, attempt: impl FnOnce() -> io::Result<T>) -> io::Error {
    let begun = Instant::now();
    let error = match attempt() {
        Ok(answer) => panic!("{what}: must be refused, and was answered: {answer:?}"),
        Err(error) => error,
    };
    let hung = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
    assert!(!hung && begun.elapsed() < AT_ONCE, "{what}: a hang instead of a refusal: {error}");
    error
}

fn tcp(source: Option<&str>, to: &str) -> io::Result<TcpStream> {
    let to: SocketAddr = to.parse().expect("an address with a port");
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(source) = source {
        socket.bind(&SocketAddr::new(source.parse().expect("an address"), 0).into())?;
    }
    socket.connect_timeout(&to.into(), AT_ONCE)?;
    Ok(socket.into())
}

fn talk(mut stream: TcpStream) -> io::Result<String> {
    stream.set_read_timeout(Some(AT_ONCE))?;
    stream.write_all(b"ping\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed without an answer"));
    }
    Ok(answer)
}

fn datagram(source: Option<&str>, to: &str) -> io::Result<String> {
    let to: SocketAddr = to.parse().expect("an address with a port");
    let any = if to.is_ipv4() { "0.0.0.0" } else { "::" };
    let source: IpAddr = source.unwrap_or(any).parse().expect("an address");
    let socket = UdpSocket::bind((source, 0))?;
    socket.set_read_timeout(Some(AT_ONCE))?;
    socket.connect(to)?;
    socket.send(b"ping")?;
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

/// Packets that a counter of the gateway's table has seen.
pub fn counted(lab: &Lab, name: &str) -> u64 {
    let listed =
        lab.gateway().command("nft").args(["-j", "list", "counter", "inet", "clawgress", name]).run();
    listed.succeeded();
    let packets = &listed.json()["nftables"][1]["counter"]["packets"];
    packets.as_u64().unwrap_or_else(|| panic!("no counter `{name}`: {}", listed.text()))
}

/// Takes sockets away from a living daemon: its TCP listeners on a port no longer listen, its UDP sockets there hear
/// nobody any more. Returns how many there were.
pub fn unplug(daemon: &Daemon<'_>, kind: Type, port: u16) -> usize {
    let pid = Pid::from_raw(daemon.pid()).expect("a process id");
    let handle = pidfd_open(pid, PidfdFlags::empty()).expect("a handle of the daemon");
    let folder = format!("/proc/{}/fd", daemon.pid());
    let numbers = std::fs::read_dir(folder).expect("its files").flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let taken = numbers.filter_map(|number: i32| {
        let copy: OwnedFd = pidfd_getfd(&handle, number, PidfdGetfdFlags::empty()).ok()?;
        let socket = SockRef::from(&copy);
        let here = socket.local_addr().ok()?.as_socket()?;
        let ours = here.port() == port && here.ip().is_unspecified() && socket.r#type().ok()? == kind;
        if !ours {
            return None;
        }
        match kind {
            Type::STREAM => socket.shutdown(std::net::Shutdown::Both).expect("a listener"),
            // A connected socket takes datagrams of its peer alone, and nobody is there.
            _ => socket
                .connect(&SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 9)).into())
                .expect("a socket"),
        }
        Some(())
    });
    taken.count()
}

/// A second way from bob through the gateway, an interface of this name.
pub fn second_interface(lab: &Lab, name: &str) {
    let bob = lab.bob().name();
    ip(
        Some(lab.gateway()),
        &format!(
            "link add {name} type veth peer name eth1 netns {bob}
             link set {name} up
             addr add 10.88.0.1/24 dev {name}
             addr add fd88::1/64 dev {name} nodad\n"
        ),
    );
    ip(
        Some(lab.bob()),
        "link set eth1 up
         addr add 10.88.0.2/24 dev eth1
         addr add fd88::2/64 dev eth1 nodad
         route add 192.0.2.10/32 via 10.88.0.1
         route add 2001:db8:1::10/128 via fd88::1\n",
    );
    ip(Some(lab.upstream()), "route add 10.88.0.0/24 via 192.0.2.1\nroute add fd88::/64 via 2001:db8:1::1\n");
}
