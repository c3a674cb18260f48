//! What is to be written, from what was seen and what was asked for.
//!
//! Pure. What is planned loads: settings and policies go through the daemon's own readers before anything is written.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::Serialize;

use super::candidates::{self, Opinion};
use super::documents;
use super::survey::Host;
use crate::model::config;
use crate::model::manifest::{self, SourceFile};
use crate::perceive::intercept::links::{Interface, Kind};

/// Where settings of the kernel for the gateway are kept.
const SYSCTL_FILE: &str = "/etc/sysctl.d/60-clawgress.conf";
/// The same where the package has a file of that name, which stays in force.
const SYSCTL_FILE_BESIDE: &str = "/etc/sysctl.d/61-clawgress.conf";
/// Addresses of a subnet among which a first agent is looked for.
const FIRST_HOSTS: usize = 16;

/// An agent that is to be known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpNet>,
    /// Where they come from, where they were guessed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guessed: Option<String>,
}

/// Where things are to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// The file of the settings.
    pub config: PathBuf,
    /// `policyDir`.
    pub policy: PathBuf,
    /// `stateDir`.
    pub state: PathBuf,
    /// `runtimeDir`.
    pub runtime: PathBuf,
}

impl Folders {
    /// The keys of the settings, what they are to be, and what they are where the settings say nothing.
    pub(super) fn entries(&self) -> [(&'static str, &Path, &'static Path); 3] {
        [
            ("policyDir", self.policy.as_path(), Path::new("/etc/clawgress/policies.d")),
            ("stateDir", self.state.as_path(), Path::new("/var/lib/clawgress")),
            ("runtimeDir", self.runtime.as_path(), Path::new("/run/clawgress")),
        ]
    }
}

/// What was asked for; what is empty is found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Workload-facing interfaces.
    pub interfaces: Vec<String>,
    /// Networks of workloads.
    pub subnets: Vec<IpNet>,
    /// Agents.
    pub agents: Vec<Agent>,
    /// Resolvers, as the settings write them.
    pub resolvers: Vec<String>,
    /// Where things are to be.
    pub folders: Folders,
}

/// A file that is to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub content: String,
}

/// A setting of the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its path below /proc/sys.
    pub path: String,
    /// What it is to be.
    pub value: String,
    /// Why.
    pub why: &'static str,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Workload-facing interfaces.
    pub interfaces: Vec<String>,
    /// Networks of workloads.
    pub subnets: Vec<IpNet>,
    /// Agents.
    pub agents: Vec<Agent>,
    /// The settings, the agents and the policies, in the order in which they are written: the settings last, for without
    /// them nothing starts.
    pub files: Vec<Planned>,
    /// Settings of the kernel.
    pub sysctl: Vec<Setting>,
    /// Where those are kept.
    pub sysctl_path: PathBuf,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    /// Nothing that workloads might be behind.
    #[error(
        "no interface is here that workloads might be behind\nhint: make a bridge (docs/bridges.md), or name one with --interface NAME"
    )]
    NoInterface,
    /// Several, and nobody to choose.
    #[error("workloads may be behind {}\nhint: choose with --interface NAME", .0.join(" or "))]
    Several(Vec<String>),
    /// One that was named and cannot be taken.
    #[error("{0}")]
    Interface(String),
    /// Networks that cannot be taken.
    #[error("{0}")]
    Subnet(String),
    /// An agent that cannot be.
    #[error("{0}")]
    Agent(String),
    /// What is planned does not load: a name that is none, for instance.
    #[error("{0}")]
    Refused(String),
}

/// Makes the plan.
///
/// # Errors
/// What cannot be, in words, with what to do.
pub fn plan(host: &Host, opinions: &[Opinion], wish: &Wish) -> Result<Plan, PlanError> {
    let chosen = interfaces(host, opinions, wish)?;
    let subnets = subnets(host, &chosen, wish)?;
    let agents = agents(&chosen, &subnets, wish)?;
    let names: Vec<String> = chosen.iter().map(|one| one.name.clone()).collect();
    let mut files = policies(&wish.folders.policy, &agents);
    let settings = documents::settings(&names, &subnets, &wish.resolvers, &wish.folders);
    files.push(Planned { path: wish.folders.config.clone(), content: settings });
    let sysctl = sysctl(host, &chosen, &subnets);
    let sysctl_path = if host.packaged { SYSCTL_FILE_BESIDE } else { SYSCTL_FILE }.into();
    let plan = Plan { interfaces: names, subnets, agents, files, sysctl, sysctl_path };
    check_settings(&plan, wish)?;
    Ok(plan)
}

fn interfaces<'h>(
    host: &'h Host,
    opinions: &[Opinion],
    wish: &Wish,
) -> Result<Vec<&'h Interface>, PlanError> {
    let named: Vec<&str> = if wish.interfaces.is_empty() {
        let found = candidates::likeliest(opinions);
        vec![
            found
                .map_err(|several| match several.is_empty() {
                    true => PlanError::NoInterface,
                    false => PlanError::Several(several.into_iter().map(str::to_owned).collect()),
                })?
                .name
                .as_str(),
        ]
    } else {
        wish.interfaces.iter().map(String::as_str).collect()
    };
    let find = |name: &str| {
        let found = host.interfaces.iter().find(|one| one.name == name).ok_or_else(|| {
            let known: Vec<&str> = host.interfaces.iter().map(|one| one.name.as_str()).collect();
            PlanError::Interface(format!(
                "there is no interface `{name}`\nhint: there are {}",
                known.join(", ")
            ))
        })?;
        if candidates::leads_out(found) {
            return Err(PlanError::Interface(format!(
                "the default route leads through `{name}`: this host itself leaves there, and would shut itself out\n\
                 hint: name the interface that workloads are behind"
            )));
        }
        Ok(found)
    };
    named.into_iter().map(find).collect()
}

fn subnets(host: &Host, chosen: &[&Interface], wish: &Wish) -> Result<Vec<IpNet>, PlanError> {
    let mut found: Vec<IpNet> = Vec::new();
    let of_interfaces = chosen.iter().flat_map(|one| candidates::networks(one));
    let wanted: Vec<IpNet> = if wish.subnets.is_empty() {
        of_interfaces.collect()
    } else {
        wish.subnets.iter().map(IpNet::trunc).collect()
    };
    for net in wanted {
        if !found.contains(&net) {
            found.push(net);
        }
    }
    if found.is_empty() {
        let first = chosen.first().map_or("INTERFACE", |one| one.name.as_str());
        return Err(PlanError::Subnet(format!(
            "`{first}` has no address, so nobody knows its network\n\
             hint: name it with --subnet 10.77.0.0/24, or give the interface an address: ip addr add 10.77.0.1/24 dev {first}"
        )));
    }
    let ways_out = host.interfaces.iter().filter(|one| candidates::leads_out(one));
    for address in ways_out.flat_map(|one| &one.addresses) {
        if let Some(net) = found.iter().find(|net| net.contains(address)) {
            return Err(PlanError::Subnet(format!(
                "{net} has the address by which this host leaves ({address})\nhint: name the workloads' own networks with --subnet"
            )));
        }
    }
    Ok(found)
}

fn agents(chosen: &[&Interface], subnets: &[IpNet], wish: &Wish) -> Result<Vec<Agent>, PlanError> {
    if wish.agents.is_empty() {
        return Ok(vec![guess(chosen, subnets)]);
    }
    for agent in &wish.agents {
        for net in &agent.addresses {
            if !subnets.iter().any(|subnet| subnet.contains(net)) {
                let known: Vec<String> = subnets.iter().map(ToString::to_string).collect();
                return Err(PlanError::Agent(format!(
                    "{net} of agent `{}` lies in no network of workloads ({})\nhint: correct --agent, or name its network with --subnet",
                    agent.name,
                    known.join(", ")
                )));
            }
            let own = chosen
                .iter()
                .flat_map(|one| &one.addresses)
                .find(|own| net.addr() == **own && net.prefix_len() == net.max_prefix_len());
            if let Some(own) = own {
                return Err(PlanError::Agent(format!(
                    "{own} of agent `{}` is this host's own address\nhint: --agent {}=ADDRESS names the workload's",
                    agent.name, agent.name
                )));
            }
        }
    }
    Ok(wish.agents.clone())
}

/// A first agent: a neighbour that was seen, else the first address that is not this host's.
fn guess(chosen: &[&Interface], subnets: &[IpNet]) -> Agent {
    let own: Vec<IpAddr> = chosen.iter().flat_map(|one| one.addresses.iter().copied()).collect();
    let inside = |address: &&IpAddr| subnets.iter().any(|net| net.contains(*address));
    let mut seen: Vec<&IpAddr> = chosen.iter().flat_map(|one| &one.neighbours).filter(inside).collect();
    // IPv4 first: of an IPv6 workload most addresses do not last.
    seen.sort();
    if let Some(address) = seen.first() {
        let name = chosen.first().map_or("", |one| one.name.as_str());
        return Agent {
            name: documents::EXAMPLE_NAME.to_owned(),
            addresses: vec![IpNet::from(**address)],
            guessed: Some(format!("a neighbour seen on {name}")),
        };
    }
    let free = subnets.iter().find_map(|net| {
        net.hosts().take(FIRST_HOSTS).filter(|ip| !is_anycast(net, *ip)).find(|ip| !own.contains(ip))
    });
    Agent {
        name: documents::EXAMPLE_NAME.to_owned(),
        addresses: vec![IpNet::from(free.unwrap_or(IpAddr::from([192, 0, 2, 1])))],
        guessed: Some("nobody was seen: correct it to the workload's address".to_owned()),
    }
}

/// The first address of an IPv6 network is its routers' (RFC 4291, section 2.6.1).
fn is_anycast(net: &IpNet, address: IpAddr) -> bool {
    address.is_ipv6() && address == net.network()
}

fn policies(folder: &Path, agents: &[Agent]) -> Vec<Planned> {
    let first = agents.first().map_or(documents::EXAMPLE_NAME, |agent| agent.name.as_str());
    let mut files: Vec<Planned> = documents::STARTER
        .iter()
        .map(|(name, text)| Planned { path: folder.join(name), content: documents::starter(text, first) })
        .collect();
    files.push(Planned { path: folder.join(documents::AGENTS), content: documents::agents(agents) });
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn sysctl(host: &Host, chosen: &[&Interface], subnets: &[IpNet]) -> Vec<Setting> {
    let mut all = Vec::new();
    let mut set = |path: String, value: &str, why| all.push(Setting { path, value: value.to_owned(), why });
    let has = |ipv6: bool| subnets.iter().any(|net| net.network().is_ipv6() == ipv6);
    // A host that forwards without rules is an open road, so the service does it at each start, behind its rules.
    if has(false) && !host.forwards_itself {
        set("net/ipv4/ip_forward".to_owned(), "1", "what is forwarded comes to the rules that refuse it");
    }
    if has(true) && !host.forwards_itself {
        set("net/ipv6/conf/all/forwarding".to_owned(), "1", "the same for IPv6");
    }
    if has(true) {
        // A host that forwards believes no router's advertisement unless it is told to, and would lose its own way out.
        for one in host.interfaces.iter().filter(|one| one.advertised) {
            let path = format!("net/ipv6/conf/{}/accept_ra", one.name);
            if host.setting(&path) == Some("1") {
                set(path, "2", "this host's own IPv6 route comes from a router's advertisement, and stays");
            }
        }
    }
    if chosen.iter().any(|one| one.kind == Kind::Bridge) {
        for path in ["net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables"] {
            if host.setting(path) == Some("1") {
                set(
                    path.to_owned(),
                    "0",
                    "tproxy does not work on a bridge that shows its packets to iptables first",
                );
            }
        }
    }
    all
}

/// The file of these settings.
pub fn sysctl_file(plan: &Plan) -> Planned {
    let mut content = String::from("# Written by `clawgress init`: what interception needs of the kernel.\n");
    for setting in &plan.sysctl {
        // A key that is not there at the start, of a module for one, is no error (sysctl.d(5)).
        content.push_str(&format!("# {}\n-{} = {}\n", setting.why, setting.path, setting.value));
    }
    Planned { path: plan.sysctl_path.clone(), content }
}

/// The daemon's own reader takes the settings.
fn check_settings(plan: &Plan, wish: &Wish) -> Result<(), PlanError> {
    let Some(settings) = plan.files.iter().find(|file| file.path == wish.folders.config) else {
        return Ok(());
    };
    let file = SourceFile::new(settings.path.display().to_string(), settings.content.as_bytes());
    config::parse(&file).map(drop).map_err(|report| PlanError::Refused(report.after_error()))
}

/// The daemon's own loader takes the policies, together with those that stay in the folder.
///
/// # Errors
/// Its report.
pub fn check_policies(plan: &Plan, staying: &[SourceFile]) -> Result<(), PlanError> {
    let is_policy = |file: &&Planned| {
        let name = file.path.to_string_lossy();
        name.ends_with(".yaml") && !name.ends_with(".test.yaml")
    };
    // The settings come last.
    let policies = plan.files.iter().rev().skip(1).rev().filter(is_policy);
    let mut sources: Vec<SourceFile> = policies
        .map(|file| SourceFile::new(file.path.display().to_string(), file.content.as_bytes()))
        .collect();
    sources.extend(staying.iter().cloned());
    manifest::load(&sources).map(drop).map_err(|report| PlanError::Refused(report.render(false)))
}
