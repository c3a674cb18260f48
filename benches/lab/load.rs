//! The load that wrk and h2load do not fit, for `benches/lab/run`: one exchange after another on one kept connection,
//! connections that are made anew each time, connections that are merely held, and DNS queries.
//!
//! Plain threads and blocking sockets, so that what it adds stays small. Prints one line of JSON. TLS 1.3 with X25519
//! (P-256 for who cannot) and AES-128-GCM alone, without resumption, so that every client of the lab asks the same of its servers.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Exchanges before those that are timed.
const WARM_UP: usize = 200;
/// How long any read may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Threads that make the connections to be held.
const HOLDERS: usize = 16;

const USAGE: &str = "load latency ADDRESS NAME CA PATH COUNT
load connections ADDRESS NAME CA PATH SECONDS THREADS
load hold ADDRESS NAME CA PATH COUNT
load dns ADDRESS NAME|*.PARENT SECONDS THREADS";

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let line = match arguments[..] {
        ["latency", address, name, ca, path, count] => {
            latency(&Site::new(address, name, ca, path, "keep-alive")?, count.parse()?)?
        }
        ["connections", address, name, ca, path, seconds, threads] => {
            let site = Site::new(address, name, ca, path, "close")?;
            together(threads.parse()?, seconds.parse()?, || site.visit().map(drop))?
        }
        ["hold", address, name, ca, path, count] => {
            return hold(&Site::new(address, name, ca, path, "keep-alive")?, count.parse()?);
        }
        ["dns", address, name, seconds, threads] => dns(address.parse()?, name, seconds, threads)?,
        // `cargo bench` runs every bench: without arguments there is nothing to do.
        [] => return Ok(()),
        _ => return Err(USAGE.into()),
    };
    tell(&line)
}

fn tell(line: &str) -> Outcome<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// What is asked, and of whom.
struct Site {
    address: SocketAddr,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
    request: String,
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

impl Site {
    fn new(address: &str, name: &str, ca: &str, path: &str, connection: &str) -> Outcome<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca)? {
            roots.add(certificate?)?;
        }
        let provider = CryptoProvider {
            kx_groups: vec![aws_lc_rs::kx_group::X25519, aws_lc_rs::kx_group::SECP256R1],
            cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
            ..aws_lc_rs::default_provider()
        };
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::disabled();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: {connection}\r\n\r\n");
        let name = ServerName::try_from(name.to_owned())?;
        Ok(Self { address: address.parse()?, name, config: Arc::new(config), request })
    }

    /// A new connection and one exchange on it.
    fn visit(&self) -> Outcome<Stream> {
        let tcp = TcpStream::connect(self.address)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let session = ClientConnection::new(self.config.clone(), self.name.clone())?;
        let mut stream = StreamOwned::new(session, tcp);
        self.exchange(&mut stream)?;
        Ok(stream)
    }

    /// One request and the whole answer, which must be a 200 with a length.
    fn exchange(&self, stream: &mut Stream) -> Outcome<()> {
        stream.write_all(self.request.as_bytes())?;
        let mut answer = [0; 16 * 1024];
        let mut filled = 0;
        loop {
            let read = stream.read(&mut answer[filled..])?;
            if read == 0 {
                return Err("the connection ended, or the head is too long".into());
            }
            filled += read;
            if let Some(length) = whole(&answer[..filled])? {
                let mut rest = length.saturating_sub(filled);
                while rest > 0 {
                    let wanted = rest.min(answer.len());
                    let read = stream.read(&mut answer[..wanted])?;
                    rest = if read == 0 { return Err("the body ended early".into()) } else { rest - read };
                }
                return Ok(());
            }
        }
    }
}

/// Bytes of the whole answer, once its head is there.
fn whole(bytes: &[u8]) -> Outcome<Option<usize>> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = head.parse(bytes)? else { return Ok(None) };
    if head.code != Some(200) {
        return Err(format!("the answer is {:?}", head.code).into());
    }
    let field = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let body = field.ok_or("the answer has no length")?;
    Ok(Some(length + std::str::from_utf8(body.value)?.parse::<usize>()?))
}

fn latency(site: &Site, count: usize) -> Outcome<String> {
    let mut stream = site.visit()?;
    for _ in 0..WARM_UP {
        site.exchange(&mut stream)?;
    }
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        site.exchange(&mut stream)?;
        times.push(begun.elapsed());
    }
    Ok(summary(times, 0, Duration::ZERO))
}

/// Does the same on several threads until the time is over; each counts and times what it did.
fn together(threads: usize, seconds: f64, once: impl Fn() -> Outcome<()> + Sync) -> Outcome<String> {
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(seconds);
    let work = || {
        let (mut times, mut failed) = (Vec::new(), 0);
        while Instant::now() < end {
            let begun = Instant::now();
            match once() {
                Ok(()) => times.push(begun.elapsed()),
                Err(_) => failed += 1,
            }
        }
        (times, failed)
    };
    let done: Vec<_> = thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        all.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let took = begun.elapsed();
    let failed = done.iter().map(|(_, failed)| failed).sum();
    Ok(summary(done.into_iter().flat_map(|(times, _)| times).collect(), failed, took))
}

fn summary(mut times: Vec<Duration>, failed: usize, took: Duration) -> String {
    times.sort_unstable();
    let at = |share: f64| {
        let place = (times.len().saturating_sub(1) as f64 * share).round() as usize;
        times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    let (count, seconds) = (times.len(), took.as_secs_f64());
    let rate = if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
    format!(
        "{{\"count\":{count},\"failed\":{failed},\"rate\":{rate:.1},\"p50\":{:.1},\"p99\":{:.1},\"p999\":{:.1}}}",
        at(0.5),
        at(0.99),
        at(0.999)
    )
}

/// Holds connections, after one exchange on each, until standard input ends.
fn hold(site: &Site, count: usize) -> Outcome<()> {
    let held: Vec<Stream> = thread::scope(|scope| {
        let some = || (0..count / HOLDERS).filter_map(|_| site.visit().ok()).collect::<Vec<_>>();
        let all: Vec<_> = (0..HOLDERS).map(|_| scope.spawn(some)).collect();
        all.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
    });
    tell(&format!("{{\"count\":{}}}", held.len()))?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Queries for the address of `name`, each thread with a socket of its own. `*.` in front stands for a name of the
/// thread's own, so that no two questions under way are equal: `n0`, `n1` and so on.
fn dns(address: SocketAddr, name: &str, seconds: &str, threads: &str) -> Outcome<String> {
    static NAMES: AtomicU64 = AtomicU64::new(0);
    let question = |name: &str| -> Outcome<Vec<u8>> {
        let mut query = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            query.push(u8::try_from(label.len())?);
            query.extend_from_slice(label.as_bytes());
        }
        query.extend_from_slice(&[0, 0, 1, 0, 1]);
        Ok(query)
    };
    let same = question(name)?;
    thread_local! {
        static OWN: u64 = NAMES.fetch_add(1, Ordering::Relaxed);
        static SOCKET: io::Result<UdpSocket> = UdpSocket::bind(("0.0.0.0", 0)).and_then(|socket| {
            socket.set_read_timeout(Some(Duration::from_secs(1)))?;
            Ok(socket)
        });
    }
    together(threads.parse()?, seconds.parse()?, || {
        SOCKET.with(|socket| {
            let socket = socket.as_ref().map_err(ToString::to_string)?;
            let mut answer = [0; 512];
            match name.strip_prefix("*.") {
                Some(parent) => {
                    let own = OWN.with(|own| format!("n{own}.{parent}"));
                    socket.send_to(&question(&own)?, address)?
                }
                None => socket.send_to(&same, address)?,
            };
            let length = socket.recv(&mut answer)?;
            // RFC 1035, section 4.1.1: the code is in the last four bits, then the number of answers.
            match answer[..length] {
                [_, _, _, flags, _, _, high, low, ..] if flags & 15 == 0 && (high | low) > 0 => Ok(()),
                _ => Err("the answer is a failure, or empty".into()),
            }
        })
    })
}
