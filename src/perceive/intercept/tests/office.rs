//! A small office for the tests: workload, gateway and upstream, each in a network namespace of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::model::types::FailMode;
use crate::perceive::intercept::apply::Table;
use crate::perceive::intercept::{
    Accepted, DNS_PORT, DnsDatagrams, FromPolicy, Interception, Listener, PROXY_PORT, routes,
};
use crate::platform::sys::socket::{transparent_datagrams, transparent_listener};

pub const LONG: Duration = Duration::from_secs(5);
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A network namespace that goes away with the test.
pub struct Namespace(pub String);

impl Namespace {
    pub fn new() -> Self {
        let name = format!("ci{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        ip(&["netns", "add", &name]);
        ip(&["-n", &name, "link", "set", "lo", "up"]);
        Self(name)
    }

    pub fn ip(&self, arguments: &str) {
        let mut all = vec!["-n", &self.0];
        all.extend(arguments.split(' '));
        ip(&all);
    }

    /// Runs in the namespace: a thread of its own enters it, with a runtime of its own.
    pub fn run<T: Send>(&self, work: impl FnOnce(&tokio::runtime::Runtime) -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let door = std::fs::File::open(format!("/run/netns/{}", self.0)).unwrap();
                let kind = rustix::thread::LinkNameSpaceType::Network;
                rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&door), Some(kind))
                    .unwrap();
                work(&tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap())
            });
            inside.join().unwrap()
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

fn ip(arguments: &[&str]) {
    let done = Command::new("ip").args(arguments).output().expect("ip(8) is needed: apt install iproute2");
    assert!(
        done.status.success(),
        "`ip {}` failed; these tests need root: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&done.stderr)
    );
}

pub fn example(fail_mode: FailMode) -> Interception {
    Interception {
        interfaces: vec!["agents0".into()],
        subnets: vec!["10.77.0.0/24".parse().unwrap(), "fd77::/64".parse().unwrap()],
        allow_local: Vec::new(),
        echo: None,
        fail_mode,
        policy: FromPolicy::default(),
    }
}
/// A workload and a gateway with one cable between them, and a second interface behind the gateway.
pub struct Office {
    pub workload: Namespace,
    pub gateway: Namespace,
    pub upstream: Namespace,
}

impl Office {
    pub fn new(fail_mode: FailMode) -> Self {
        let office =
            Self { workload: Namespace::new(), gateway: Namespace::new(), upstream: Namespace::new() };
        let cable = format!("link add agents0 type veth peer name eth0 netns {}", office.workload.0);
        office.gateway.ip(&cable);
        office.gateway.ip(&format!("link add up0 type veth peer name eth0 netns {}", office.upstream.0));
        for (space, device, v4, v6) in [
            (&office.gateway, "agents0", "10.77.0.1/24", "fd77::1/64"),
            (&office.gateway, "up0", "192.0.2.1/24", "2001:db8::1/64"),
            (&office.workload, "eth0", "10.77.0.2/24", "fd77::2/64"),
            (&office.upstream, "eth0", "192.0.2.9/24", "2001:db8::9/64"),
        ] {
            space.ip(&format!("addr add {v4} dev {device}"));
            space.ip(&format!("addr add {v6} dev {device} nodad"));
            space.ip(&format!("link set {device} up"));
        }
        for (space, v4, v6) in
            [(&office.workload, "10.77.0.1", "fd77::1"), (&office.upstream, "192.0.2.1", "2001:db8::1")]
        {
            space.ip(&format!("route add default via {v4}"));
            space.ip(&format!("-6 route add default via {v6}"));
        }
        office.gateway.run(|runtime| {
            for setting in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
                std::fs::write(format!("/proc/sys/net/{setting}"), "1").unwrap();
            }
            Table::default().apply(&example(fail_mode)).unwrap();
            runtime.block_on(routes::ensure(true)).unwrap();
        });
        office
    }

    /// Sends one datagram from the workload: the answer, or the error that came back.
    pub fn ask(&self, to: &str) -> std::io::Result<String> {
        self.workload.run(|_| {
            let to: SocketAddr = to.parse().unwrap();
            let socket = UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
            socket.set_read_timeout(Some(LONG))?;
            // Connected: an answer from any other address would not be taken.
            socket.connect(to)?;
            socket.send(b"question")?;
            let mut answer = [0; 128];
            let length = socket.recv(&mut answer)?;
            Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
        })
    }

    /// Connects from the workload and reads to the end.
    pub fn call(&self, to: &str) -> std::io::Result<String> {
        self.workload.run(|_| {
            let mut stream = TcpStream::connect_timeout(&to.parse().unwrap(), LONG)?;
            stream.set_read_timeout(Some(LONG))?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        })
    }

    /// While `work` runs, the gateway's sockets are open and answer with what they see.
    pub fn with_daemon<T>(&self, proxy: bool, work: impl FnOnce() -> T) -> T {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| self.gateway.run(|runtime| runtime.block_on(daemon(proxy, ready, stopped))));
            is_ready.recv().unwrap();
            let result = work();
            drop(stop);
            result
        })
    }
}

async fn daemon(
    proxy: bool,
    ready: std::sync::mpsc::Sender<()>,
    stopped: tokio::sync::oneshot::Receiver<()>,
) {
    let listener = proxy.then(|| Listener::of(transparent_listener(PROXY_PORT).unwrap()).unwrap());
    let (dns_tcp, dns) = (
        Listener::of(transparent_listener(DNS_PORT).unwrap()).unwrap(),
        DnsDatagrams::of(transparent_datagrams(DNS_PORT).unwrap()).unwrap(),
    );
    ready.send(()).unwrap();
    let greet = |tag: &'static str, accepted: Accepted| {
        let text = format!("{tag} {} to {}", accepted.client().0.ip(), accepted.destination().0);
        let mut stream = accepted.into_stream().into_std().unwrap();
        stream.write_all(text.as_bytes()).unwrap();
    };
    let mut stopped = std::pin::pin!(stopped);
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            accepted = next(listener.as_ref()) => greet("proxy", accepted),
            accepted = dns_tcp.accept() => greet("dns", accepted),
            query = dns.receive() => {
                let text = format!("dns {} to {}", query.client().0.ip(), query.destination().0);
                dns.reply(&query, text.as_bytes()).unwrap();
            }
        }
    }
}

async fn next(listener: Option<&Listener>) -> Accepted {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// While `work` runs, the host behind the gateway greets on TCP and echoes on UDP, ports 53 and 4000.
pub fn with_upstream<T>(office: &Office, work: impl FnOnce() -> T) -> T {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (ready, is_ready) = std::sync::mpsc::channel();
    let serve = async {
        let bind = |port| {
            std::net::TcpListener::bind(("::", port)).map(|l| {
                l.set_nonblocking(true).unwrap();
                tokio::net::TcpListener::from_std(l).unwrap()
            })
        };
        let tcp = bind(4000).unwrap();
        // One per family, so that answers leave from the address that was asked.
        let echo = async |address: &str| {
            let socket = tokio::net::UdpSocket::bind(address).await.unwrap();
            let mut buffer = [0; 64];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                socket.send_to(&buffer[..length], from).await.unwrap();
            }
        };
        let greet = async {
            loop {
                let (stream, _) = tcp.accept().await.unwrap();
                stream.into_std().unwrap().write_all(b"upstream").unwrap();
            }
        };
        ready.send(()).unwrap();
        tokio::select! {
            _ = stopped => {}
            () = greet => {}
            () = echo("192.0.2.9:53") => {}
            () = echo("192.0.2.9:4000") => {}
            () = echo("[2001:db8::9]:53") => {}
            () = echo("[2001:db8::9]:4000") => {}
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| office.upstream.run(|runtime| runtime.block_on(serve)));
        is_ready.recv().unwrap();
        let result = work();
        drop(stop);
        result
    })
}

/// Refused means at once and with an error, never a timeout.
#[track_caller]
pub fn refused(ask: impl FnOnce() -> std::io::Result<String>) {
    let begun = Instant::now();
    let error = ask().expect_err("must be refused");
    assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "timed out");
    assert!(begun.elapsed() < LONG / 2, "took {:?}: {error}", begun.elapsed());
}

pub const OUTSIDE: [&str; 2] = ["192.0.2.9", "[2001:db8::9]"];
pub const GATEWAY: [&str; 2] = ["10.77.0.1", "[fd77::1]"];
pub const CLIENT: [&str; 2] = ["10.77.0.2", "fd77::2"];
