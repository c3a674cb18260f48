//! Builds the parts of the daemon from its settings.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::{Error, findings_key};
use crate::act::credentials::{KnownValues, Vault};
use crate::act::dial::{Dialler, TrustAnchors};
use crate::act::tls::{Authorities, Terminator};
use crate::decide::ledger::{Durability, Ledger, LedgerConfig};
use crate::decide::quota::{Accounts, BudgetClock, Terms};
use crate::decide::tunnel::Guard;
use crate::model::config::{self, Config, DnsServer};
use crate::model::manifest::SourceFile;
use crate::model::prices::Prices;
use crate::model::types::AddressClass;
use crate::model::types::address::classify;
use crate::model::types::limits::FILES_WANTED;
use crate::perceive::dns::{Cache, Memory, Upstreams, host_resolvers};
use crate::perceive::identity::Bindings;
use crate::perceive::intercept::{Drops, FromPolicy, Interception, checks, links};
use crate::pipeline::{Finder, Home, Quarantines, Room, Shared, Snapshot};
use crate::platform::sys::{clock, process, socket};

/// Everything that lasts as long as the daemon.
pub struct Parts {
    pub authorities: Arc<Authorities>,
    pub ledger: Ledger,
    terminator: Terminator,
    dialler: Dialler,
    resolvers: Vec<DnsServer>,
    terms: Terms,
    prices: Prices,
    finder: Finder,
}

/// Makes the state and runtime folders, for this user alone.
pub fn make_folders(config: &Config) -> Result<(), Error> {
    for (path, mode) in [(&config.folders.state, 0o700), (&config.folders.runtime, 0o755)] {
        let made = fs::DirBuilder::new().recursive(true).mode(mode).create(path);
        made.map_err(|source| Error::Folder { path: path.clone(), source })?;
    }
    let private = fs::Permissions::from_mode(0o700);
    fs::set_permissions(&config.folders.state, private)
        .map_err(|source| Error::Folder { path: config.folders.state.clone(), source })
}

/// What the kernel is to be told by the settings, and by these documents.
pub fn interception(config: &Config, policy: FromPolicy) -> Interception {
    Interception {
        interfaces: config.intercept.interfaces.clone(),
        subnets: config.intercept.subnets.clone(),
        allow_local: config.intercept.allow_local.clone(),
        echo: config.intercept.echo.clone(),
        fail_mode: config.fail_mode,
        policy,
    }
}

/// What the documents in force say to the kernel.
pub fn from_policy(snapshot: &Snapshot) -> FromPolicy {
    let Bindings { agents, cards } = (*snapshot.bindings).clone();
    FromPolicy { udp_ports: snapshot.policy.udp_ports().to_vec(), agents, cards }
}

/// Refuses to start on a host where interception cannot work. Where it can, what the kernel drops is listened to from now
/// on, if that is possible: without it the counters go on, and only the records are missing.
pub async fn check_host(config: &Config) -> Result<io::Result<Drops>, Error> {
    let mut found = checks::run(&interception(config, FromPolicy::default())).await;
    let drops = Drops::listen();
    found.push(checks::drops(drops.as_ref().map(drop)));
    for check in found.iter().filter(|check| check.outcome == checks::Outcome::Warn) {
        tracing::warn!(check = check.name, "{}", check.found);
    }
    checks::refusal(&found).map_or(Ok(drops), |refusal| Err(Error::Host(refusal)))
}

/// This host's addresses on the workload-facing interfaces, as they are at the start.
pub async fn home(config: &Config) -> Home {
    let found = links::interfaces().await.unwrap_or_default();
    let facing = found.into_iter().filter(|interface| config.intercept.interfaces.contains(&interface.name));
    let reachable = |address: &IpAddr| classify(*address) != AddressClass::LinkLocal;
    let interfaces =
        facing.map(|interface| interface.addresses.into_iter().filter(reachable).collect()).collect();
    Home { subnets: config.intercept.subnets.clone(), interfaces }
}

impl Parts {
    /// Builds them.
    pub fn build(config: &Config) -> Result<Self, Error> {
        let part = |error: &dyn std::error::Error| Error::Part(error.to_string());
        let authorities = match &config.authority {
            Some(own) => Authorities::supplied(&own.chain, &own.key, clock::now()),
            None => Authorities::own(&config.folders.state.join("ca"), clock::now()),
        };
        let authorities = Arc::new(authorities.map_err(|error| part(&error))?);
        let terminator = Terminator::new(authorities.clone()).map_err(|error| part(&error))?;
        let anchors = TrustAnchors::load(&config.upstream.trust_anchors).map_err(|error| part(&error))?;
        let dialler = Dialler::new(&anchors, socket::own_address);
        let ledger = Ledger::start(&LedgerConfig {
            dir: config.folders.state.clone(),
            durability: match config.ledger.durability {
                config::Durability::Process => Durability::Process,
                config::Durability::Power => Durability::Power,
            },
            journal_bytes: config.ledger.journal,
            on_unavailable: Default::default(),
        });
        let ledger = ledger.map_err(|error| part(&error))?;
        let resolvers = resolvers(config)?;
        let terms = Terms { uncounted: config.quota.on_unavailable, idle: config.quota.execution_idle };
        let prices = prices(config.quota.prices.as_deref())?;
        let key = findings_key::load_or_create(&config.folders.state).map_err(|error| part(&error))?;
        let finder = Finder { key, known: None, hold: config.dlp.hold };
        Ok(Self { authorities, ledger, terminator, dialler, resolvers, terms, prices, finder })
    }

    /// What all workers share.
    pub fn road(self, snapshot: Snapshot, vault: Arc<Vault>, (home, room): (Home, Room)) -> Arc<Shared> {
        let past = self.ledger.take_past();
        let moments = BudgetClock::new(clock::now(), clock::uptime(), past.last);
        let now = moments.at(clock::now(), clock::uptime());
        let known = Arc::new(KnownValues::of(vault.clone()));
        Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(snapshot),
            ledger: self.ledger,
            accounts: Accounts::restore(self.terms, past, now),
            prices: Arc::new(self.prices),
            moments,
            memory: Arc::new(Memory::new()),
            answers: Arc::new(Cache::default()),
            guard: Guard::new(),
            resolvers: Arc::new(Upstreams::new(self.resolvers)),
            terminator: self.terminator,
            dialler: self.dialler,
            vault,
            tokens: Default::default(),
            home,
            room,
            authorities: self.authorities,
            quarantines: Quarantines::default(),
            paces: Default::default(),
            held: Default::default(),
            finder: Finder { known: Some(known), ..self.finder },
            changed: watch::Sender::new(()),
            replacing: Mutex::default(),
        })
    }
}

/// The catalogue in the program, with the administrator's own prices over it.
fn prices(path: Option<&Path>) -> Result<Prices, Error> {
    let Some(path) = path else { return Ok(Prices::shipped()) };
    let place = path.display().to_string();
    let bytes = fs::read(path)
        .map_err(|error| Error::Settings(format!("`spec.quota.prices`: cannot read `{place}`: {error}")))?;
    let own = Prices::read(&SourceFile::new(place, bytes));
    own.map(|own| Prices::shipped().overridden(own)).map_err(|report| Error::Settings(report.render(false)))
}

fn resolvers(config: &Config) -> Result<Vec<DnsServer>, Error> {
    if !config.dns.upstreams.is_empty() {
        return Ok(config.dns.upstreams.clone());
    }
    let text = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let found = host_resolvers(&text);
    if found.is_empty() {
        // Early in a boot the host may not know its resolvers yet: that is no mistake in the settings, and passes.
        let why = "no resolver: `spec.dns.upstreams` is empty and /etc/resolv.conf names none\nhint: dns: {upstreams: [\"192.0.2.53\"]}";
        return Err(Error::Host(why.to_owned()));
    }
    Ok(found.into_iter().map(DnsServer::plain).collect())
}

/// Places for connections on each worker, by the limit of open files, which is raised as far as it may be.
pub fn room() -> Room {
    let files = process::raise_file_limit().unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit of open files could not be raised");
        // What login shells give where nobody has changed it.
        1024
    });
    let room = Room::of(files, cores());
    if files < FILES_WANTED {
        let connections = room.all * cores();
        tracing::warn!(
            files,
            connections,
            "few files may be open, so few connections are served at once; hint: LimitNOFILE= or ulimit -n"
        );
    }
    room
}

/// How many workers there are: one for each core this process may use.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
