//! Handshakes of both sides in memory: what opening TLS costs, and what a name costs that has no leaf yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clawgress::act::tls::{AlpnChoice, Authorities, Terminator};
use clawgress::decide::policy::{Passage, PolicySet};
use clawgress::model::types::HostName;
use clawgress::perceive::hello::{ClientHello, Hello};
use clawgress::perceive::identity::Directory;
use clawgress::platform::sys::clock;
use divan::{Bencher, black_box};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};

use crate::{Set, documents, load};

/// Both sides of handshakes in memory, one name after another.
struct Handshakes {
    set: Set,
    terminator: Terminator,
    client: Arc<ClientConfig>,
    runtime: tokio::runtime::Runtime,
}

impl Handshakes {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("invariant: a temporary folder");
        let authority = Authorities::own(dir.path(), clock::now());
        let authority = Arc::new(authority.expect("invariant: an authority in an empty folder"));
        let mut roots = RootCertStore::empty();
        let pem = CertificateDer::from_pem_slice(authority.bundle().as_bytes());
        roots.add(pem.expect("invariant: PEM")).expect("invariant: a certificate");
        let mut client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        client.resumption = rustls::client::Resumption::disabled();
        client.alpn_protocols = vec![b"http/1.1".to_vec()];
        let text = documents(1).replace("hostnames: [host-500.example]", "hostnames: [\"*.example\"]");
        let resources = load(text);
        let set = Set {
            directory: Directory::build(&resources),
            policy: PolicySet::compile(&resources, Default::default()),
            hello: Hello::Silent,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        Self {
            set,
            terminator: Terminator::new(authority).expect("invariant: a terminator"),
            client: Arc::new(client),
            runtime: runtime.expect("invariant: a runtime"),
        }
    }

    fn passage(&self, name: &str) -> Passage {
        let hello = Hello::Tls(ClientHello {
            server_name: HostName::parse(name).ok(),
            alpn: Default::default(),
            ech: false,
        });
        self.set.passage(&self.set.known(), &hello)
    }

    fn shake(&self, passage: &Passage) {
        let name = passage.host().map_or("", HostName::as_str).to_owned();
        let name = ServerName::try_from(name).expect("invariant: a name");
        let (near, far) = tokio::io::duplex(32 * 1024);
        let connector = tokio_rustls::TlsConnector::from(self.client.clone());
        let (ours, theirs) = self.runtime.block_on(async {
            tokio::join!(
                self.terminator.accept(passage, AlpnChoice::Http11, far),
                connector.connect(name, near)
            )
        });
        let _ = black_box((ours.expect("invariant: a handshake"), theirs.expect("invariant: a handshake")));
    }
}

#[divan::bench(sample_size = 10)]
fn handshake_for_a_known_name(bencher: Bencher<'_, '_>) {
    let handshakes = Handshakes::new();
    let passage = handshakes.passage("known.example");
    handshakes.shake(&passage);
    bencher.bench_local(|| handshakes.shake(&passage));
}

#[divan::bench(sample_size = 10)]
fn handshake_for_a_new_name(bencher: Bencher<'_, '_>) {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let handshakes = Handshakes::new();
    bencher
        .with_inputs(|| {
            handshakes.passage(&format!("new-{}.example", NUMBER.fetch_add(1, Ordering::Relaxed)))
        })
        .bench_local_values(|passage| handshakes.shake(&passage));
}
