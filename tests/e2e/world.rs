//! A small world that the tests of decisions, denials and records share: a site that may be read, one that may not,
//! and a line to speak HTTP on, request by request.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use crate::lab::backends::{Raw, Wire};
use crate::lab::program::{Finished, Program};
use crate::lab::{Daemon, Family, Lab, Namespace, Nginx, Resolver, UPSTREAM_V4, UPSTREAM_V6, Zone};

/// Where `paste.example` and the model providers are, which nobody may reach unless a test says so.
pub const PASTE: &str = "192.0.2.12";
/// What is there. No resolver answers for a name that no route allows: alice knows the address, and claims the name.
const THERE: [&str; 5] = [
    "paste.example",
    "api.openai.com",
    "api.anthropic.com",
    "api.github.com",
    "bedrock-runtime.us-east-1.amazonaws.com",
];
/// Where `raw.example` echoes, on port 7000.
pub const RAW: &str = "192.0.2.13";

/// Where `through.example` is, for a test that passes TLS through.
pub const THROUGH: &str = "192.0.2.16";

/// `alice`, and a gateway that takes everything and opens TLS.
pub const BASE: &str = "
apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {name: alice, labels: {tier: dev}}
spec: {team: red, project: demo, environment: test, sources: {addresses: [10.77.0.2/32, 'fd77::2/128']}}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressGateway
metadata: {name: default}
spec:
  listeners:
    - {name: raw, protocol: TCP}
    - {name: tls, protocol: TLS, tls: {mode: Terminate}}
    - {name: web, protocol: HTTP}
";

/// `site.example` may be read, but for `/vault`; `raw.example` may be spoken to on port 7000.
pub const ROUTES: &str = "
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: site-read}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  hostnames: [site.example]
  rules:
    - matches: [{method: GET}, {method: POST, path: {value: /upload}}, {method: POST, path: {value: /lab.Echo}}]
---
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: site-vault}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  hostnames: [site.example]
  rules: [{matches: [{path: {type: PathPrefix, value: /vault}}]}]
---
apiVersion: clawgress.io/v1alpha1
kind: EgressDenyPolicy
metadata: {name: closed-vault}
spec:
  targetRef: {kind: EgressHTTPRoute, name: site-vault}
  denyResponse: {statusCode: 451, message: The vault is closed on weekends.}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressL4Route
metadata: {name: raw-echo}
spec:
  parentRefs: [{kind: EgressGateway, name: default}]
  rules: [{matches: [{destinationHostnames: [raw.example], ports: [{port: 7000}]}]}]
";

/// Programs first, then the laboratory.
pub struct World {
    /// The usual site, as `site.example`.
    pub site: Nginx,
    /// What stands at `PASTE`, port 443: it must stay untouched where things are refused.
    pub paste: Raw,
    /// DNS.
    pub resolver: Resolver,
    /// The laboratory.
    pub lab: Lab,
}

impl World {
    /// Builds it over both families. No daemon runs yet.
    pub fn new() -> Self {
        Self::from(Family::Both)
    }

    fn build(lab: Lab) -> Self {
        let there = THERE.into_iter().fold(Zone::new(), |zone, name| zone.host(name, &[PASTE]));
        lab.workload().knows(PASTE, &THERE);
        let zone = there
            .host("site.example", &[UPSTREAM_V4, UPSTREAM_V6])
            .host("raw.example", &[RAW])
            .host("expired.example", &["192.0.2.14"])
            .host("down.example", &["192.0.2.15"])
            .host("through.example", &[THROUGH])
            .host("private.example", &["10.9.9.9"]);
        let resolver = lab.resolver(zone);
        let site = lab.site(&["site.example"]);
        let paste = lab.backends().raw(&format!("{PASTE}:443"), Wire::Plain, b"HTTP/1.1 200 OK\r\n\r\n");
        lab.backends().echo(&format!("{RAW}:7000"), Wire::Plain);
        Self { site, paste, resolver, lab }
    }

    /// A daemon with `BASE` and these routes.
    pub fn gateway(&self, routes: &str) -> Daemon<'_> {
        self.lab.daemon(&json!({}), &[("base.yaml", BASE), ("routes.yaml", routes)])
    }

    /// curl as alice, trusting the gateway's authority alone.
    pub fn curl(&self, daemon: &Daemon<'_>, arguments: &[&str]) -> Finished {
        curl(self.lab.workload(), daemon).args(arguments).run()
    }

    /// The same, taken apart.
    pub fn ask(&self, daemon: &Daemon<'_>, arguments: &[&str]) -> Heard {
        Heard::of(&curl(self.lab.workload(), daemon).arg("-i").args(arguments).run())
    }

    /// A script in Python as alice.
    pub fn python(&self, daemon: &Daemon<'_>, script: &str) -> Finished {
        let program = self.lab.workload().command("python3").trusting(daemon.authority());
        program.args(["-c", script]).run()
    }
}

impl From<Family> for World {
    fn from(family: Family) -> Self {
        Self::build(Lab::of(family))
    }
}

/// curl somewhere, quiet but for errors.
pub fn curl(space: &Namespace, daemon: &Daemon<'_>) -> Program {
    space.command("curl").trusting(daemon.authority()).args(["-sS", "--max-time", "10"])
}

/// One HTTP answer.
#[derive(Debug)]
pub struct Heard {
    /// Status.
    pub status: u16,
    /// Field names in lower case, and values.
    pub fields: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Heard {
    /// The last answer that `curl -i` printed.
    pub fn of(finished: &Finished) -> Self {
        finished.succeeded();
        let mut all = finished.stdout.as_slice();
        loop {
            let end = find(all, b"\r\n\r\n").unwrap_or_else(|| panic!("no HTTP head: {finished}"));
            let (head, rest) = (String::from_utf8_lossy(&all[..end]).into_owned(), &all[end + 4..]);
            let heard = Self::parse(&head, rest.to_vec());
            if heard.status >= 200 {
                return heard;
            }
            all = rest;
        }
    }

    fn parse(head: &str, body: Vec<u8>) -> Self {
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let field = |line: &str| {
            line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        Self { status: status.expect("a status line"), fields: lines.filter_map(field).collect(), body }
    }

    /// A field's value; empty where it is not there.
    pub fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    /// The code in `X-Clawgress-Reason`.
    pub fn reason(&self) -> &str {
        self.field("x-clawgress-reason")
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// One connection of alice's on which HTTP/1.1 requests follow each other.
pub struct Line {
    stream: Box<dyn Stream>,
    host: String,
}

impl Line {
    /// Plain HTTP, to an address that is not looked up.
    pub fn plain(world: &World, host: &str, address: &str) -> Self {
        Self { stream: Box::new(connect(world, address)), host: host.to_owned() }
    }

    /// HTTPS, with the handshake done.
    pub fn tls(world: &World, daemon: &Daemon<'_>, host: &str, address: &str) -> Self {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(daemon.authority()).expect("the authority");
        roots.add(authority).expect("an authority");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        let session = ClientConnection::new(Arc::new(config), name).expect("a session");
        let mut stream = StreamOwned::new(session, connect(world, address));
        stream.flush().expect("a handshake");
        Self { stream: Box::new(stream), host: host.to_owned() }
    }

    /// Sends a request without a body.
    pub fn send(&mut self, method: &str, path: &str) {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
        self.stream.write_all(request.as_bytes()).expect("the request is sent");
        self.stream.flush().expect("the request is sent");
    }

    /// Reads the head of an answer; the body stays on the line.
    pub fn head(&mut self) -> Heard {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.bytes(1));
        }
        Heard::parse(&String::from_utf8_lossy(&head), Vec::new())
    }

    /// Exactly so many bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).expect("the line stays open");
        bytes
    }

    /// How many bytes came next; nothing once the line has ended, in order or not.
    pub fn some(&mut self) -> Option<usize> {
        self.stream.read(&mut [0; 64 * 1024]).ok().filter(|length| *length > 0)
    }

    /// One request and its whole answer, which must have a length.
    pub fn ask(&mut self, method: &str, path: &str) -> Heard {
        self.send(method, path);
        let mut heard = self.head();
        let length = heard.field("content-length").parse().expect("a length");
        heard.body = self.bytes(length);
        heard
    }

    /// Whether the other side has closed: nothing more can be read.
    pub fn ended(&mut self) -> bool {
        matches!(self.stream.read(&mut [0; 1]), Ok(0) | Err(_))
    }
}

fn connect(world: &World, address: &str) -> TcpStream {
    let address = world.lab.twin(address).parse().expect("an address with a port");
    let stream = world.lab.workload().enter(|| TcpStream::connect_timeout(&address, Duration::from_secs(5)));
    let stream = stream.expect("a connection to the gateway");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream
}
