//! Looks up what the checks judge by. Changes nothing, and waits for nothing longer than a few seconds.
//!
//! Judges nothing: what cannot be seen is handed on as that.

mod files;
mod host;
mod network;
mod processes;
mod state;

use std::path::PathBuf;

use super::facts::{Facts, Seen};
use super::firewall::Firewall;
use super::names::Names;
use super::upkeep::Upkeep;
use crate::model::config::{Config, DnsServer};
use crate::model::types::FailMode;
use crate::operate::api::{Check, CheckState, Setup, Status};
use crate::perceive::dns::{Upstreams, host_resolvers};
use crate::perceive::intercept::apply::{self, NftError, TableStatus};
use crate::perceive::intercept::links::{self, Interface};
use crate::perceive::intercept::{Drops, FromPolicy, Interception, checks, routes};
use crate::platform::sys::process::{Capability, capabilities};

/// What is looked at.
#[derive(Debug)]
pub struct Question {
    /// The file of the settings.
    pub path: PathBuf,
    /// Whether it is the usual one, which commands find by themselves.
    pub usual: bool,
    /// What stands in it, or why it cannot be used.
    pub settings: Result<Config, String>,
    /// How the daemon says that things are, where it answers.
    pub status: Option<Status>,
}

/// What a user who may not look is told to do.
const AS_ROOT: &str = "sudo clawgress doctor sees it";

/// Whether the settings can be used.
pub(super) fn settings(question: &Question) -> Vec<Check> {
    let path = question.path.display();
    vec![match &question.settings {
        Ok(_) => Check::ok("settings", format!("{path}")),
        Err(why) if why.contains("Permission denied") => Check::skip("settings", format!("{why}: {AS_ROOT}")),
        Err(why) if question.path.exists() => {
            Check::fail("settings", why.clone(), format!("clawgress validate --config {path}"))
        }
        Err(why) => Check::fail("settings", why.clone(), "clawgress init"),
    }]
}

/// What interception needs, as the daemon itself asks before it starts. Without the capability for it the kernel answers
/// nothing; then that is said.
pub(super) async fn interception(question: &Question) -> Vec<Check> {
    let Ok(config) = &question.settings else { return Vec::new() };
    let wanted = wanted(config);
    let mut found = checks::run(&wanted).await;
    if question.status.is_none() {
        found.push(checks::drops(Drops::listen().map(drop).as_ref().map(drop)));
    }
    let may = capabilities().is_ok_and(|held| held.has(Capability::NetAdmin));
    let of_root = |name: &str| ["capabilities", "kernel", "drops"].iter().any(|one| name.starts_with(one));
    let told = found.into_iter().map(|check| {
        if !may && of_root(&check.name) && check.outcome != checks::Outcome::Ok {
            return Check::skip(check.name, format!("this user may not try it: {AS_ROOT}"));
        }
        let state = match check.outcome {
            checks::Outcome::Ok => CheckState::Ok,
            checks::Outcome::Warn => CheckState::Warn,
            checks::Outcome::Fail => CheckState::Fail,
        };
        Check { name: check.name, state, found: check.found, repair: check.repair }
    });
    told.collect()
}

/// Looks everything up.
pub(super) async fn facts(question: &Question) -> Facts {
    let status = question.status.as_ref();
    let mut facts = Facts {
        daemon: processes::daemon(status.map(|status| status.daemon.pid)),
        clock: host::clock(),
        baseline: host::baseline(),
        ..Facts::default()
    };
    let Ok(config) = &question.settings else { return facts };
    let interfaces = links::interfaces().await.unwrap_or_default();
    facts.upkeep = Some(upkeep(config, status).await);
    facts.network = Some(network::network(config, &interfaces));
    facts.firewall = Some(firewall(config));
    facts.names = Some(names(config, &interfaces, status.is_some()).await);
    facts.policy = Some(state::policy(config, question));
    facts.state = Some(state::state(config, question));
    facts.certificates = Some(state::certificates(config));
    facts
}

/// The rules that the settings ask for, with nothing of policy.
fn wanted(config: &Config) -> Interception {
    Interception {
        interfaces: config.intercept.interfaces.clone(),
        subnets: config.intercept.subnets.clone(),
        allow_local: config.intercept.allow_local.clone(),
        echo: config.intercept.echo.clone(),
        fail_mode: config.fail_mode,
        policy: FromPolicy::default(),
    }
}

fn of_nft<T>(found: Result<T, NftError>) -> Seen<T> {
    match found {
        Ok(found) => Seen::Is(found),
        Err(NftError::NoProgram(_)) => Seen::Hidden("nft is not installed".to_owned()),
        Err(NftError::Refused { said, .. }) if said.contains("not permitted") => {
            Seen::Hidden(format!("this user may not: {AS_ROOT}"))
        }
        Err(error) => Seen::Hidden(error.to_string()),
    }
}

async fn upkeep(config: &Config, status: Option<&Status>) -> Upkeep {
    let ran = config.folders.state.join("ledger.db").exists();
    let listed = || match of_nft(apply::status_but_for_policy(&wanted(config))) {
        Seen::Is(TableStatus::InPlace) => Seen::Is((Setup::InPlace, Vec::new())),
        Seen::Is(TableStatus::Differs(differences)) => Seen::Is((Setup::Differs, differences)),
        Seen::Is(TableStatus::Absent) | Seen::Absent => Seen::Is((Setup::Absent, Vec::new())),
        Seen::Hidden(why) => Seen::Hidden(why),
    };
    let ipv6 = config.intercept.subnets.iter().any(|subnet| subnet.network().is_ipv6());
    let (rules, routes) = match status {
        Some(status) => {
            let rules = match (status.interception.rules, listed()) {
                // The daemon says that something differs, and the listing what.
                (Setup::Differs, Seen::Is((Setup::Differs, differences))) => (Setup::Differs, differences),
                (rules, _) => (rules, Vec::new()),
            };
            (Seen::Is(rules), Seen::Is(status.interception.routes))
        }
        None => (
            listed(),
            match routes::in_place(ipv6).await {
                Ok(true) => Seen::Is(Setup::InPlace),
                Ok(false) => Seen::Is(Setup::Absent),
                Err(error) => Seen::Hidden(error.to_string()),
            },
        ),
    };
    Upkeep { rules, routes, runs: status.is_some(), ran, fail_mode: config.fail_mode }
}

fn firewall(config: &Config) -> Firewall {
    let workload = |ipv6: bool| {
        let subnet = config.intercept.subnets.iter().find(|net| net.network().is_ipv6() == ipv6)?;
        // The first address is most often the gateway's own.
        subnet.hosts().nth(1).or(Some(subnet.network()))
    };
    let tables =
        |path: &str| files::text(path).map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    Firewall {
        listing: of_nft(apply::whole_ruleset()),
        legacy: [tables("/proc/net/ip_tables_names"), tables("/proc/net/ip6_tables_names")],
        interfaces: config.intercept.interfaces.clone(),
        sources: [false, true].into_iter().filter_map(workload).collect(),
        forwards: config.intercept.echo.is_some() || config.fail_mode == FailMode::Open,
    }
}

async fn names(config: &Config, interfaces: &[Interface], runs: bool) -> Names {
    let upstreams = if runs { Seen::Hidden("the daemon asks them".to_owned()) } else { asked(config).await };
    let facing = interfaces.iter().filter(|one| config.intercept.interfaces.contains(&one.name));
    let ports = facing.flat_map(|one| one.addresses.iter().copied()).filter(network::is_routed);
    Names { upstreams, ports: ports.map(|address| (address, network::port_53(address))).collect() }
}

async fn asked(config: &Config) -> Seen<Vec<(DnsServer, Result<(), crate::perceive::dns::Trouble>)>> {
    let mut servers = config.dns.upstreams.clone();
    if servers.is_empty() {
        let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        servers = host_resolvers(&text).into_iter().map(DnsServer::plain).collect();
    }
    if servers.is_empty() {
        return Seen::Absent;
    }
    let tls = network::connector(&config.upstream.trust_anchors);
    Seen::Is(Upstreams::new(servers).examine(&tls).await)
}
