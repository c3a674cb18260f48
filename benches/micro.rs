//! Micro-benchmarks of what every connection and every request pays: sniffing, the byte guard, the canonical view,
//! policy, conditions, memory of names, DNS answers, records, leaves, exchanges with AI providers, what must not leave.
//!
//! They go through the public interface. Minting is not part of it, so it is measured as what a handshake for a new
//! name costs more than one for a known name. Policy is asked in a small set and in one of 1,000 agents and 1,000
//! routes, both written as YAML and read by the real loader. Read next: `micro/policy.rs`, `micro/dns.rs`, `micro/tls.rs`, then `lab/run`: the whole road.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clawgress::decide::ledger::record::{Asked, Decision, Kind, Opening, Outcome, Subject, Verdict};
use clawgress::decide::ledger::{Durability, Ledger, LedgerConfig, OnUnavailable};
use clawgress::decide::policy::{Circumstances, Flow, Passage, PolicySet};
use clawgress::model::condition::Content;
use clawgress::model::manifest::{self, Resources, SourceFile};
use clawgress::model::types::{AgreedName, ClientAddress, HostName, OriginalDestination, Scheme, Timestamp};
use clawgress::perceive::dns::Memory;
use clawgress::perceive::hello::{Hello, Sniff, Sniffer, sniff};
use clawgress::perceive::identity::{Directory, Known};
use clawgress::perceive::request::{Guard, Request, hop_by_hop};
use clawgress::perceive::response;
use clawgress::platform::sys::clock;
use divan::{Bencher, black_box};
use http::request::Parts;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

#[path = "micro/conditions.rs"]
mod conditions;
#[path = "micro/dlp.rs"]
mod dlp;
#[path = "micro/dns.rs"]
mod dns;
#[path = "micro/policy.rs"]
mod large;
#[path = "micro/protocol.rs"]
mod protocol;
#[path = "micro/tls.rs"]
mod tls;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::Divan::default().config_with_args().max_time(Duration::from_secs(1)).main();
}

const HEAD: &str = "POST /v1/messages?beta=true HTTP/1.1\r\nHost: host-500.example\r\nUser-Agent: agent/1.0 \
                    (linux; x86_64)\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate, br\r\n\
                    Authorization: Bearer aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\
                    Content-Type: application/json\r\nX-Request-Timeout: 600\r\nContent-Length: 16384\r\n\r\n";

const ANSWER: &str = "HTTP/1.1 200 OK\r\nDate: Fri, 20 Nov 2026 18:00:00 GMT\r\nServer: nginx\r\n\
                      Content-Type: application/json; charset=utf-8\r\nConnection: keep-alive\r\nVary: Accept-Encoding\r\n\
                      Cache-Control: no-store\r\nX-Request-Id: 0199c0de-7a31-7c55-b0a4-5f3e8c1d9a10\r\n\
                      Strict-Transport-Security: max-age=31536000\r\nContent-Length: 16\r\n\r\n{\"answer\": true}";

fn host() -> HostName {
    HostName::parse("host-500.example").expect("invariant: a host name")
}

fn destination() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 10], 443))
}

fn client() -> ClientAddress {
    ClientAddress(SocketAddr::from(([10, 77, 1, 244], 40_000)))
}

fn parts() -> Parts {
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut head = httparse::Request::new(&mut fields);
    head.parse(HEAD.as_bytes()).expect("invariant: a request");
    let mut request = http::Request::builder()
        .method(head.method.unwrap_or_default())
        .uri(head.path.unwrap_or_default())
        .body(())
        .expect("invariant: a request");
    for field in head.headers.iter() {
        let name = http::HeaderName::from_bytes(field.name.as_bytes()).expect("invariant: a field name");
        let value = http::HeaderValue::from_bytes(field.value).expect("invariant: a field value");
        request.headers_mut().append(name, value);
    }
    request.into_parts().0
}

#[divan::bench_group(sample_size = 200)]
mod hello {
    use super::*;

    /// What rustls says first, with its post-quantum key share: larger than one segment.
    fn client_hello() -> Vec<u8> {
        let config =
            ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        let name = ServerName::try_from("host-500.example").expect("invariant: a name");
        let mut session = ClientConnection::new(Arc::new(config), name).expect("invariant: a session");
        let mut bytes = Vec::new();
        session.write_tls(&mut bytes).expect("invariant: a vector takes all");
        bytes
    }

    #[divan::bench]
    fn tls_at_once(bencher: Bencher<'_, '_>) {
        let bytes = client_hello();
        bencher.bench(|| sniff(black_box(&bytes)));
    }

    #[divan::bench]
    fn tls_byte_by_byte(bencher: Bencher<'_, '_>) {
        let bytes = client_hello();
        bencher.bench(|| {
            let mut sniffer = Sniffer::default();
            let mut looks = (1..=bytes.len()).map(|length| sniffer.look(&bytes[..length]));
            looks.find(|verdict| *verdict != Sniff::NeedMore)
        });
    }

    #[divan::bench]
    fn http1_head() -> Sniff {
        sniff(black_box(HEAD.as_bytes()))
    }
}

#[divan::bench_group(sample_size = 200)]
mod request {
    use super::*;

    #[divan::bench]
    fn guard_of_a_head(bencher: Bencher<'_, '_>) {
        bencher.with_inputs(Guard::default).bench_refs(|guard| guard.advance(black_box(HEAD.as_bytes())));
    }

    #[divan::bench]
    fn guard_of_a_chunked_body_16_kib(bencher: Bencher<'_, '_>) {
        let head = HEAD.replace("Content-Length: 16384", "Transfer-Encoding: chunked");
        let body = format!("400\r\n{}\r\n", "x".repeat(1024)).repeat(16) + "0\r\n\r\n";
        let begun = || {
            let mut guard = Guard::default();
            let _ = guard.advance(head.as_bytes());
            guard
        };
        bencher.with_inputs(begun).bench_refs(|guard| guard.advance(black_box(body.as_bytes())));
    }

    #[divan::bench]
    fn guard_of_an_answer(bencher: Bencher<'_, '_>) {
        let asked = || {
            let mut guard = response::Guard::default();
            guard.ask(response::Asked::Plainly);
            guard
        };
        bencher.with_inputs(asked).bench_refs(|guard| guard.advance(black_box(ANSWER.as_bytes())));
    }

    #[divan::bench]
    fn strip_hop_by_hop(bencher: Bencher<'_, '_>) {
        bencher.with_inputs(parts).bench_refs(hop_by_hop::strip_request);
    }

    #[divan::bench]
    fn read(bencher: Bencher<'_, '_>) {
        let (agreed, parts) = (AgreedName::new(host(), 443, Scheme::Https), parts());
        bencher.bench(|| Request::read(black_box(&agreed), black_box(&parts)).is_ok());
    }
}

/// A policy set and what is asked of it.
struct Set {
    directory: Directory,
    policy: PolicySet,
    hello: Hello,
}

const GATEWAY: &str = "apiVersion: clawgress.io/v1alpha1
kind: EgressGateway
metadata: {name: default}
spec:
  defaultPolicy: deny-all
  listeners: [{name: web, protocol: HTTP}, {name: tls, protocol: TLS, tls: {mode: Terminate}}]
";

/// `count` agents in ten teams and as many routes; the last of five rules is the one that fits.
fn documents(count: usize) -> String {
    let mut text = GATEWAY.to_owned();
    for number in (1..=count).map(|step| 500 + step - count.min(500)) {
        let (team, high, low) = (number % 10, number >> 8, number & 255);
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "---\napiVersion: clawgress.io/v1alpha1\nkind: Agent\n\
             metadata: {{name: agent-{number}, labels: {{team: team-{team}}}}}\n\
             spec: {{sources: {{addresses: [10.77.{high}.{low}/32]}}}}\n\
             ---\napiVersion: clawgress.io/v1alpha1\nkind: EgressHTTPRoute\nmetadata: {{name: route-{number}}}\n\
             spec:\n  parentRefs: [{{kind: EgressGateway, name: default}}]\n  \
             sourceAgents: {{matchLabels: {{team: team-{team}}}}}\n  hostnames: [host-{number}.example]\n  rules:\n"
        );
        for path in ["/v2", "/admin", "/files", "/batches", "/v1"] {
            let _ = writeln!(
                text,
                "    - matches: [{{method: POST, path: {{type: PathPrefix, value: {path}}}}}]"
            );
        }
    }
    text
}

fn load(text: String) -> Resources {
    let file = SourceFile::new("bench.yaml", text.into_bytes());
    manifest::load(&[file]).map_err(|report| report.to_string()).expect("invariant: a valid set")
}

impl Set {
    fn new(count: usize) -> Self {
        let resources = load(documents(count));
        let hello = clawgress::perceive::hello::ClientHello {
            server_name: Some(host()),
            alpn: Default::default(),
            ech: false,
        };
        Self {
            directory: Directory::build(&resources),
            policy: PolicySet::compile(&resources, Default::default()),
            hello: Hello::Tls(hello),
        }
    }

    fn known(&self) -> Known {
        self.directory.by_source(client()).expect("invariant: a declared agent")
    }

    fn passage(&self, known: &Known, hello: &Hello) -> Passage {
        let flow = Flow {
            destination: OriginalDestination(destination()),
            hello,
            given: &[host()],
            stale: &[],
            once: &[],
        };
        self.policy
            .connection(known, flow, Circumstances::default())
            .expect("invariant: an allowed connection")
    }
}

#[divan::bench_group(sample_size = 200)]
mod policy {
    use super::*;

    const SETS: [usize; 2] = [1, 1000];

    #[divan::bench(args = SETS)]
    fn agent_by_source(bencher: Bencher<'_, '_>, count: usize) {
        let set = Set::new(count);
        bencher.bench(|| set.directory.by_source(black_box(client())));
    }

    #[divan::bench(args = SETS)]
    fn connection(bencher: Bencher<'_, '_>, count: usize) {
        let set = Set::new(count);
        let known = set.known();
        bencher.bench(|| set.passage(black_box(&known), &set.hello));
    }

    #[divan::bench(args = SETS)]
    fn request(bencher: Bencher<'_, '_>, count: usize) {
        let (set, parts) = (Set::new(count), parts());
        let (agreed, known) = (AgreedName::new(host(), 443, Scheme::Https), set.known());
        let passage = set.passage(&known, &set.hello);
        let request = Request::read(&agreed, &parts).expect("invariant: a valid request");
        let content = Content::default();
        bencher.bench(|| {
            let permit = set.policy.request(black_box(&known), &passage, &request, Circumstances::default());
            permit.and_then(|permit| permit.settle(&content)).expect("invariant: an allowed request")
        });
    }

    #[divan::bench(args = SETS, sample_count = 10, sample_size = 1)]
    fn load_and_compile(count: usize) -> PolicySet {
        PolicySet::compile(&load(documents(count)), Default::default())
    }
}

#[divan::bench_group(sample_size = 200)]
mod names {
    use super::*;

    /// One agent that was given 256 addresses for 64 names each of four times.
    fn memory() -> (Memory, Arc<str>, Timestamp) {
        let (memory, agent, now) = (Memory::new(), Arc::from("agent-500"), clock::now());
        for number in 0..256_u32 {
            let name = HostName::parse(&format!("host-{}.example", number % 64));
            let address = IpAddr::from((0xc000_0200 + number).to_be_bytes());
            let ttl = Duration::from_secs(600);
            memory.remember(&agent, &name.expect("invariant: a host name"), &[(address, ttl)], now);
        }
        (memory, agent, now)
    }

    #[divan::bench]
    fn of_an_address(bencher: Bencher<'_, '_>) {
        let (memory, agent, now) = memory();
        bencher.bench(|| memory.names(black_box(&agent), destination().ip(), now));
    }

    #[divan::bench]
    fn knows(bencher: Bencher<'_, '_>) {
        let (memory, agent, now) = memory();
        let name = HostName::parse("host-10.example").expect("invariant: a host name");
        bencher.bench(|| memory.knows(black_box(&agent), destination().ip(), &name, now));
    }

    #[divan::bench]
    fn remember(bencher: Bencher<'_, '_>) {
        let (memory, agent, now) = memory();
        let given = [(destination().ip(), Duration::from_secs(600))];
        let name = HostName::parse("host-10.example").expect("invariant: a host name");
        bencher.bench(|| memory.remember(black_box(&agent), &name, &given, now));
    }
}

#[divan::bench_group(sample_size = 200)]
mod record {
    use super::*;

    #[divan::bench]
    fn fresh_id() -> clawgress::model::types::RequestId {
        clock::request_id()
    }

    fn opening(set: &Set, known: &Known, passage: &Passage) -> Opening {
        Opening {
            request_id: clock::request_id(),
            connection_id: Some(clock::request_id()),
            at: clock::now(),
            kind: Kind::Request,
            subject: Subject {
                agent: Some(known.agent().clone()),
                source: Some(client().0.ip()),
                execution: None,
                host: Some(host()),
                destination: Some(destination()),
            },
            asked: Asked {
                method: Some("POST".to_owned()),
                path: Some("/v1/messages".to_owned()),
                protocol: Some("http/1.1"),
                tools: Vec::new(),
                findings: Default::default(),
            },
            verdict: Verdict {
                decision: Decision::Allow,
                reason: None,
                policy: Some(passage.route().policy.clone()),
                rule: passage.route().rule.clone(),
                policy_digest: set.policy.digest().clone(),
                evidence: None,
            },
        }
    }

    /// Decision and outcome, with the journal on the disk of the system's temporary folder. The filler works beside
    /// it, on another core where there is one.
    #[divan::bench(sample_count = 100, sample_size = 200)]
    fn open_and_close(bencher: Bencher<'_, '_>) {
        let dir = tempfile::tempdir().expect("invariant: a temporary folder");
        let ledger = Ledger::start(&LedgerConfig {
            dir: dir.path().to_owned(),
            durability: Durability::Process,
            journal_bytes: 256 << 20,
            on_unavailable: OnUnavailable::Deny,
        });
        let ledger = ledger.expect("invariant: a ledger in an empty folder");
        let set = Set::new(1);
        let known = set.known();
        let passage = set.passage(&known, &set.hello);
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("invariant: a runtime without input or output");
        bencher.bench(|| {
            let opening = opening(&set, &known, &passage);
            let entry = runtime.block_on(ledger.open_connection(&passage, &opening, None));
            let entry = entry.expect("invariant: there is room");
            entry.close(Outcome {
                status: Some(200),
                bytes_in: 1024,
                latency: Duration::from_micros(350),
                added_latency: Some(Duration::from_micros(12)),
                ..Outcome::default()
            });
        });
        ledger.stop();
    }
}
