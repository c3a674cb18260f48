//! The composition root: reads the settings, checks the host, builds every part, starts the workers, and keeps the
//! operator's side running until a signal ends it.
//!
//! Rules stand before a socket listens, so that nothing passes that is not judged; with `failMode: closed` they stay
//! when the daemon stops. Read next: `parts.rs`, `policies.rs`.

mod settings;
mod kept;
mod findings_key;
mod doors;
mod workers;
mod parts;
mod names;
pub mod host;
mod policies;
mod keeper;
mod actions;
mod quotas;
mod secrets;
mod authorities;
mod searching;
mod backups;
mod backend;
mod explain;
mod status;
mod watch;
mod upkeep;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::model::config::Config;
use crate::operate::admin::{Access, Server};
use crate::perceive::intercept::{self, apply::Table};
use crate::pipeline::shift::{Stage, reached};
use crate::pipeline::{self, Shared, dropped};
use crate::platform::registry::Registry;
use crate::platform::sys::{self, clock};
use crate::platform::telemetry;
use backend::{Operator, Prepared};
use keeper::Keeper;
use parts::Parts;
use policies::Policies;
use secrets::Secrets;
use settings::Settings;
use workers::Workers;

/// Why the daemon did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings cannot be used; the text is a whole report.
    #[error("{0}")]
    Settings(String),
    /// The host is not ready; each line names its repair.
    #[error("{0}\n`clawgress doctor` shows every check")]
    Host(String),
    /// A part could not be built.
    #[error("{0}")]
    Part(String),
    /// A folder could not be made or used.
    #[error("cannot use the folder `{}`: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// Exit status by sysexits: 78 for settings, 69 for a host that is not ready, 71 for the rest.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) => 78,
            Self::Host(_) => 69,
            Self::Part(_) | Self::Folder { .. } => 71,
        }
    }
}

/// Names the folder of this service's credentials (systemd.exec(5), CREDENTIALS).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// How often systemd's watchdog hears from us, at least; half of its bound where that is shorter.
const WATCHDOG: Duration = Duration::from_secs(10);

/// Runs the daemon until a signal ends it.
///
/// # Errors
/// Where it cannot start: the text says what is wrong, where, and how to mend it.
pub fn run(config: &Path) -> Result<(), Error> {
    telemetry::log_to_stderr();
    if let Err(error) = sys::process::forbid_core_dumps() {
        return Err(Error::Part(format!("core dumps cannot be turned off: {error}")));
    }
    if let Err(error) = sys::process::refuse_huge_pages() {
        tracing::debug!(%error, "huge pages could not be refused");
    }
    let settings = Settings::read(config).inspect_err(|_| doors::abandon())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Part(format!("cannot start: {error}")))?;
    let ended = runtime.block_on(operate(settings));
    if ended.is_err() {
        doors::abandon();
    }
    ended
}

async fn operate(settings: Settings) -> Result<(), Error> {
    let config = settings.config.clone();
    let room = parts::room();
    parts::make_folders(&config)?;
    let drops = parts::check_host(&config).await?;
    let parts = Parts::build(&config)?;
    let registry = Registry::open(&config.folders.state).await;
    let registry = registry.map_err(|error| Error::Part(error.to_string()))?;
    let given = std::env::var_os(CREDENTIALS).map(PathBuf::from);
    let secrets = Secrets::start(registry.clone(), &config.folders.state, given.as_deref()).await?;
    let (policies, snapshot) = Policies::load_first(&config);
    pipeline::prepare(&snapshot.policy);
    let shared = parts.road(snapshot, secrets.vault().clone(), (parts::home(&config).await, room));
    names::recall(&shared.memory, &config.folders.state, clock::now());
    // What is shut out is shut out before anything is let in.
    let keeper = Keeper::start(registry, shared.clone(), config.approvals.max_ttl).await;
    let keeper = keeper.map_err(|error| Error::Part(error.to_string()))?;
    let rules = intercept_traffic(&config, &shared).await?;
    let doors = doors::open(parts::cores(), config.fail_mode)?;
    let workers = Workers::start(&shared, doors, parts::cores()).await?;

    let recorded = drops.as_ref().map(drop).map_err(ToString::to_string);
    let recorder = drops.ok().map(|drops| tokio::spawn(dropped::watch(shared.clone(), drops)));
    let keeping = tokio::spawn(keeper.clone().run());
    let prepared = Prepared { recorded, rules, secrets };
    let operator = Arc::new(Operator::new(settings, shared.clone(), policies, keeper.clone(), prepared));
    let access = Access::of_this_host()
        .map_err(|error| Error::Part(format!("cannot read the host's groups: {error}")))?;
    let socket = config.folders.runtime.join("admin.sock");
    let server = Server::bind(&socket, access).map_err(|error| Error::Part(error.to_string()))?;
    shared.ledger.system("start", env!("CARGO_PKG_VERSION"), None);
    record_fallback(&operator, &shared);
    let mut stage = workers.stage();
    let admin = tokio::spawn(
        server.serve(operator.clone(), async move { reached(&mut stage, Stage::Closing).await }),
    );
    let _watcher = watch::files(&operator);
    let upkeep = tokio::spawn(upkeep::run(operator.clone()));
    // Whoever hears that it is ready may stop it at once.
    let signals =
        Signals::hear().map_err(|error| Error::Part(format!("signals cannot be heard: {error}")))?;
    announce_ready(&config);

    until_stopped(&operator, signals).await;
    upkeep.abort();
    if let Some(recorder) = recorder {
        recorder.abort();
    }
    tell_systemd(&[NotifyState::Stopping]);
    shared.ledger.system("stop", env!("CARGO_PKG_VERSION"), None);
    workers.leave().await;
    names::keep(&shared.memory, &config.folders.state, clock::now());
    let _ = admin.await;
    keeper.finish(keeping).await;
    shared.ledger.stop();
    Ok(())
}

/// That the daemon started without a valid set in the folder.
fn record_fallback(operator: &Operator, shared: &Shared) {
    if operator.policies.fell_back() {
        let digest = shared.snapshot.load().resources.digest.to_string();
        let detail = "at the start: the folder does not load, the last good set is enforced".to_owned();
        shared.ledger.system("policy-refused", &digest, Some(detail));
    }
}

/// Puts rules and routes in place; what is there already stays as it is.
async fn intercept_traffic(config: &Config, shared: &Shared) -> Result<Table, Error> {
    let wanted = parts::interception(config, parts::from_policy(&shared.snapshot.load()));
    let ipv6 = wanted.subnets.iter().any(|subnet| subnet.network().is_ipv6());
    let mut table = Table::default();
    let applied = tokio::task::spawn_blocking(move || table.apply(&wanted).map(|applied| (table, applied)));
    let table = match applied.await {
        Ok(Ok((table, applied))) => {
            tracing::info!(?applied, "nftables rules are in place");
            table
        }
        Ok(Err(error)) => return Err(Error::Part(error.to_string())),
        Err(error) => return Err(Error::Part(format!("the rules could not be applied: {error}"))),
    };
    intercept::routes::ensure(ipv6).await.map_err(|error| Error::Part(error.to_string()))?;
    Ok(table)
}

fn announce_ready(config: &Config) {
    let interfaces = config.intercept.interfaces.join(", ");
    tracing::info!(%interfaces, "ready");
    tell_systemd(&[NotifyState::Ready]);
}

/// Outside systemd there is nobody to tell.
fn tell_systemd(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd could not be told");
    }
}

/// The signals by which the daemon is told what to do. Before they are heard each of them kills it.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn hear() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

/// Signals and the watchdog: SIGHUP reloads; SIGTERM and SIGINT end it.
async fn until_stopped(operator: &Arc<Operator>, mut signals: Signals) {
    let pause = sd_notify::watchdog_enabled().map_or(WATCHDOG, |bound| (bound / 2).min(WATCHDOG));
    let mut beat = tokio::time::interval(pause);
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return,
            _ = signals.interrupt.recv() => return,
            _ = signals.hangup.recv() => {
                let operator = operator.clone();
                // The result is logged and recorded where it is made.
                let _ = tokio::task::spawn_blocking(move || operator.reload_by("SIGHUP")).await;
            }
            _ = beat.tick() => tell_systemd(&[NotifyState::Watchdog]),
        }
    }
}
