//! Conversations byte by byte: clients in the workload's namespace, for what curl would tidy up. Every wait has its
//! bound. Read next: `origin`, `http2`.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;

use crate::lab::{Daemon, Lab, Namespace, Resolver, Zone};

/// The name most tests ask for.
pub const NAME: &str = "site.example";
/// Another name that is allowed too.
pub const OTHER: &str = "other.example";
/// Where `NAME` is, away from the usual site's address.
pub const ORIGIN: &str = "192.0.2.11";
/// Where `OTHER` is.
pub const ORIGIN_OF_OTHER: &str = "192.0.2.12";

/// How long anything may keep a test waiting.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Two agents; TLS opened, plain HTTP read, raw TCP relayed; all requests to `NAME` and `OTHER`, raw TCP to
/// `raw.example`.
pub const OPENED: &str = "
apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {name: alice}
spec: {sources: {addresses: [10.77.0.2/32, 'fd77::2/128']}}
---
apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {name: bob}
spec: {sources: {addresses: [10.77.0.3/32, 'fd77::3/128']}}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressGateway
metadata: {name: default}
spec:
  listeners:
    - {name: tcp, protocol: TCP}
    - {name: web, protocol: HTTP}
    - {name: tls, protocol: TLS, tls: {mode: Terminate}}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: sites}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  hostnames: [site.example, other.example, '*.site.example']
  rules: [{}]
---
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: raw}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  rules: [{matches: [{destinationHostnames: [raw.example]}]}]
";

/// The zone of most tests.
pub fn zone() -> Zone {
    Zone::new().host(NAME, &[ORIGIN]).host(OTHER, &[ORIGIN_OF_OTHER]).host("raw.example", &["192.0.2.13"])
}

/// The gateway that opens TLS and reads HTTP, with its resolver.
pub fn opening_gateway(lab: &Lab, zone: Zone) -> (Resolver, Daemon<'_>) {
    (lab.resolver(zone), lab.daemon(&json!({}), &[("all.yaml", OPENED)]))
}

/// A connection from a namespace, with a bound on every read and write.
pub fn connect(space: &Namespace, address: &str) -> TcpStream {
    let address: SocketAddr = space.family().twin(address).parse().expect("an address with a port");
    let stream = space.enter(|| TcpStream::connect_timeout(&address, PATIENCE)).expect("a connection");
    stream.set_nodelay(true).expect("a socket option");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
    stream.set_write_timeout(Some(PATIENCE)).expect("a socket option");
    stream
}

/// TLS settings of a client that trusts one authority and offers these protocols.
pub fn client_config(authority: &Path, protocols: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for der in CertificateDer::pem_file_iter(authority).expect("a PEM file") {
        roots.add(der.expect("a certificate")).expect("an authority");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// A TLS connection that has not begun.
pub fn client(authority: &Path, name: &str, protocols: &[&str]) -> ClientConnection {
    let name = ServerName::try_from(name.to_owned()).expect("a server name");
    ClientConnection::new(client_config(authority, protocols), name).expect("a TLS client")
}

/// A whole ClientHello for a name, as it goes on the wire.
pub fn client_hello(authority: &Path, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    client(authority, name, &["h2", "http/1.1"]).write_tls(&mut bytes).expect("a ClientHello");
    bytes
}

/// What can be read and written, and ended in order on one side.
trait Stream: Read + Write {
    fn finish(&mut self) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn finish(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Stream for StreamOwned<ClientConnection, TcpStream> {
    fn finish(&mut self) -> io::Result<()> {
        // RFC 8446, section 6.1: without it the peer must take the end for an attack.
        self.conn.send_close_notify();
        self.flush()?;
        self.sock.finish()
    }
}

/// A connection on which requests are written by hand.
pub struct Talk {
    stream: Box<dyn Stream>,
    tcp: TcpStream,
    ahead: Vec<u8>,
}

/// Plain, from a namespace.
pub fn plain(space: &Namespace, address: &str) -> Talk {
    let tcp = connect(space, address);
    let stream = Box::new(tcp.try_clone().expect("a second handle"));
    Talk { stream, tcp, ahead: Vec::new() }
}

/// Over TLS, from a namespace, with HTTP/1.1 offered.
pub fn over_tls(space: &Namespace, address: &str, name: &str, authority: &Path) -> Talk {
    offering(space, address, name, (authority, &["http/1.1"]))
}

/// Over TLS, from a namespace, with these protocols offered.
pub fn offering(
    space: &Namespace,
    address: &str,
    name: &str,
    (authority, protocols): (&Path, &[&str]),
) -> Talk {
    let tcp = connect(space, address);
    let inner = tcp.try_clone().expect("a second handle");
    let stream = Box::new(StreamOwned::new(client(authority, name, protocols), inner));
    Talk { stream, tcp, ahead: Vec::new() }
}

/// One answer.
#[derive(Debug)]
pub struct Heard {
    /// The status.
    pub status: u16,
    /// Status line and fields as they came.
    pub head: String,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// Trailers as they came.
    pub trailers: String,
}

impl Heard {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields(name).next()
    }

    /// All values of a field.
    pub fn fields<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        fields(&self.head, name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Panics unless this is a refusal for this reason, in the contract's shape.
    pub fn is_refusal(&self, status: u16, reason: &str) {
        assert_eq!(
            (self.status, self.field("x-clawgress-reason"), self.field("content-type")),
            (status, Some(reason), Some("application/problem+json")),
            "{self:?}"
        );
        let problem: serde_json::Value = serde_json::from_slice(&self.body).expect("a problem in JSON");
        assert_eq!((&problem["code"], &problem["status"]), (&json!(reason), &json!(status)));
        assert_eq!(problem["request_id"].as_str(), self.field("x-request-id"));
    }
}

/// The values of a field in a head.
pub fn fields<'h>(head: &'h str, name: &str) -> impl Iterator<Item = &'h str> + use<'h> {
    let name = name.to_owned();
    let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(move |(field, _)| field.eq_ignore_ascii_case(&name)).map(|(_, value)| value.trim())
}

impl Talk {
    /// Sends bytes.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).expect("the peer takes bytes");
        self.stream.flush().expect("the peer takes bytes");
        self
    }

    /// Sends bytes to a peer that may have gone away.
    pub fn try_say(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    /// Says that nothing more will come, to a peer that may have ended the connection meanwhile.
    pub fn finish(&mut self) {
        match self.stream.finish() {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => panic!("half-closed: {error}"),
            _ => {}
        }
    }

    /// The connection below.
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Some of what has come, or waits for it; empty at the end.
    pub fn some(&mut self) -> io::Result<Vec<u8>> {
        if !self.ahead.is_empty() {
            return Ok(std::mem::take(&mut self.ahead));
        }
        let mut buffer = vec![0; 64 * 1024];
        let length = self.stream.read(&mut buffer)?;
        buffer.truncate(length);
        Ok(buffer)
    }

    /// One answer with its body.
    pub fn hear(&mut self) -> Heard {
        let head = self.head();
        self.body_of(head)
    }

    /// One answer to HEAD, which has no body.
    pub fn hear_head(&mut self) -> Heard {
        let head = self.head();
        heard(head)
    }

    /// A request and its answer.
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> Heard {
        self.say(request).hear()
    }

    /// Status line and fields.
    pub fn head(&mut self) -> String {
        let end = self.find(b"\r\n\r\n");
        let head = self.take(end + 4);
        String::from_utf8(head).expect("a head in ASCII")
    }

    /// Exactly this many bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        while self.ahead.len() < length {
            self.more();
        }
        self.take(length)
    }

    /// Everything until the peer closes; an abrupt end is an error.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = std::mem::take(&mut self.ahead);
        self.stream.read_to_end(&mut rest)?;
        Ok(rest)
    }

    /// One chunk's data; empty for the last.
    pub fn chunk(&mut self) -> Vec<u8> {
        let end = self.find(b"\r\n");
        let line = String::from_utf8(self.take(end + 2)).expect("a chunk size");
        let size = usize::from_str_radix(line.trim(), 16).expect("a chunk size");
        let data = self.bytes(size);
        if size > 0 {
            assert_eq!(self.bytes(2), b"\r\n");
        }
        data
    }

    /// The body that this head announces.
    fn body_of(&mut self, head: String) -> Heard {
        let mut heard = heard(head);
        if matches!(heard.status, 100..200 | 204 | 304) {
            return heard;
        }
        if heard.field("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            loop {
                let data = self.chunk();
                if data.is_empty() {
                    break;
                }
                heard.body.extend(data);
            }
            loop {
                let end = self.find(b"\r\n");
                let line = String::from_utf8(self.take(end + 2)).expect("a trailer");
                if line == "\r\n" {
                    return heard;
                }
                heard.trailers.push_str(&line);
            }
        }
        let length = heard.field("content-length").map(|length| length.parse().expect("a length"));
        heard.body = match length {
            Some(length) => self.bytes(length),
            None => self.rest().expect("a body that ends with the connection"),
        };
        heard
    }

    fn find(&mut self, what: &[u8]) -> usize {
        loop {
            if let Some(at) = self.ahead.windows(what.len()).position(|window| window == what) {
                return at;
            }
            self.more();
        }
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.ahead.split_off(length);
        std::mem::replace(&mut self.ahead, rest)
    }

    fn more(&mut self) {
        let mut buffer = [0; 16 * 1024];
        let length = self.stream.read(&mut buffer).expect("more bytes");
        assert_ne!(length, 0, "the peer closed after {:?}", String::from_utf8_lossy(&self.ahead));
        self.ahead.extend(&buffer[..length]);
    }
}

fn heard(head: String) -> Heard {
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Heard { status, head, body: Vec::new(), trailers: String::new() }
}
