//! What is done to the host beside running the daemon, each a start of the program of its own: rules placed before there
//! is a daemon, forwarding turned on behind them, and rules and routes taken away.
//!
//! At boot the daemon may have to wait: for an interface, a resolver, a person who mends the settings. Rules must not wait,
//! so they are placed first, for nobody in particular: whatever comes from workloads is refused. Where the settings cannot
//! be used, those decide that could be used last. Never replaces rules that stand. Read next: `perceive::intercept`.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::settings::Settings;
use super::{Error, kept, parts};
use crate::model::config::{Config, folders};
use crate::perceive::intercept::apply::{self, Table, TableStatus};
use crate::perceive::intercept::{FromPolicy, routes};
use crate::platform::sys::process;
use crate::platform::telemetry;

/// Names the state folder that systemd made for this service (systemd.exec(5)).
const STATE_FOLDER: &str = "STATE_DIRECTORY";
/// The settings that could be used last, below the state folder.
const KEPT: &str = "settings.yaml";
/// What makes this host forward, and for which family (Linux Documentation/networking/ip-sysctl).
const FORWARDING: [(&str, bool); 2] =
    [("/proc/sys/net/ipv4/ip_forward", false), ("/proc/sys/net/ipv6/conf/all/forwarding", true)];

/// Puts the rules in place where there are none. Keeps settings that can be used for a start that finds others.
///
/// # Errors
/// Where neither the settings nor any kept ones can be used, and where the kernel refuses the rules.
pub fn place_rules(path: &Path) -> Result<(), Error> {
    telemetry::log_to_stderr();
    let settings = match Settings::read(path) {
        Ok(settings) => {
            keep(path, &settings.config);
            settings
        }
        Err(error) => {
            let kept = Settings::read(&state_folder(None).join(KEPT)).map_err(|_| nothing_kept(path))?;
            tracing::error!("{error}\nthe rules of the settings that could be used last are in place");
            kept
        }
    };
    let wanted = parts::interception(&settings.config, FromPolicy::default());
    let mut table = Table::default();
    let part = |error: apply::NftError| Error::Part(error.to_string());
    if table.status(&wanted).map_err(part)? == TableStatus::Absent {
        table.apply(&wanted).map_err(part)?;
        tracing::info!("nftables rules are in place, and nothing passes until the daemon is there");
    }
    Ok(())
}

fn nothing_kept(path: &Path) -> Error {
    Error::Settings(format!(
        "`{}` cannot be used, and no earlier settings are kept: no rules are in place\nhint: clawgress validate --config {}",
        path.display(),
        path.display()
    ))
}

/// Makes this host forward for the families that workloads have. Only behind rules: without them it would open the road.
///
/// # Errors
/// Where the settings cannot be used, where no rules stand, and where the kernel refuses.
pub fn forward(path: &Path) -> Result<(), Error> {
    telemetry::log_to_stderr();
    // The daemon itself says what is wrong, once.
    let unusable =
        |_| Error::Settings(format!("`{}` cannot be used: forwarding stays as it is", path.display()));
    let config = Settings::read(path).map_err(unusable)?.config;
    let wanted = parts::interception(&config, FromPolicy::default());
    let status = Table::default().status(&wanted).map_err(|error| Error::Part(error.to_string()))?;
    if status == TableStatus::Absent {
        let hint = "`clawgressd --place-rules` puts them there";
        return Err(Error::Part(format!("no rules stand, so this host does not forward\nhint: {hint}")));
    }
    for (key, ipv6) in FORWARDING {
        let wanted = config.intercept.subnets.iter().any(|net| net.network().is_ipv6() == ipv6);
        // What is on already is not written: that would reset other settings of the host.
        if wanted && fs::read_to_string(key).is_ok_and(|value| value.trim() == "0") {
            fs::write(key, "1")
                .map_err(|error| Error::Part(format!("`{key}` cannot be set to 1: {error}")))?;
            tracing::info!(key, "this host forwards");
        }
    }
    Ok(())
}

/// Takes the rules, the policy rule and its route away, for IPv4 and IPv6. They need not be there.
///
/// # Errors
/// Where the kernel refuses. What could be removed is.
pub fn remove_rules() -> Result<(), Error> {
    telemetry::log_to_stderr();
    let rules = apply::remove();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Part(format!("cannot start: {error}")))?;
    let routes = runtime.block_on(routes::remove());
    rules.map_err(|error| Error::Part(error.to_string()))?;
    routes.map_err(|error| Error::Part(error.to_string()))
}

/// That settings cannot be kept is no reason to let workloads out. The folder is there where systemd made it, or where a
/// daemon ran before.
fn keep(path: &Path, config: &Config) {
    let folder = state_folder(Some(config));
    // Root would follow the links of whoever owns the folder.
    if !fs::metadata(&folder).is_ok_and(|folder| folder.uid() == process::user()) {
        return;
    }
    let kept = fs::read(path).and_then(|bytes| kept::replace(&folder.join(KEPT), &bytes));
    if let Err(error) = kept {
        tracing::warn!(%error, folder = %folder.display(), "the settings cannot be kept for a start that finds others");
    }
}

/// The same for every start of a service, whatever its settings say.
fn state_folder(config: Option<&Config>) -> PathBuf {
    let of_service = std::env::var_os(STATE_FOLDER).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let of_settings = config.map(|config| config.folders.state.clone());
    of_service.or(of_settings).unwrap_or_else(|| PathBuf::from(folders::STATE_DIR))
}
