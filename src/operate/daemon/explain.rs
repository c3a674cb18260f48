//! `explain`, with what the daemon remembers and enforces: for a hypothetical request by the set in force, for a recorded
//! one by the set that decided it.

mod own;
mod recorded;

use std::net::IpAddr;

use crate::model::types::HostName;
use crate::operate::api::{ExplainQuery, Explanation, Fault, Target};
use crate::operate::inquiry::{Inquiry, SOME_PUBLIC_ADDRESS, Scene};
use crate::pipeline::Shared;
use crate::platform::sys::clock;

pub use recorded::{Judges, explain as explain_recorded, the_record};

/// Answers from the set in force, for a host that opens these ports of its own. Nothing is sent and nothing is recorded.
pub fn explain(shared: &Shared, allow_local: &[u16], query: &ExplainQuery) -> Result<Explanation, Fault> {
    let snapshot = shared.snapshot.load();
    let known = snapshot.directory.by_name(&query.agent).ok_or_else(|| {
        Fault::not_found(format!("no agent is named `{}`", query.agent)).hint("clawgress get agents")
    })?;
    let address_of = |name: &HostName| address(shared, &query.agent, name);
    let inquiry = Inquiry::new(query, snapshot.policy.takes_tls(&known), address_of)?;
    let (name, destination) = (inquiry.name.as_ref(), inquiry.destination);
    let address = destination.ip();
    // Nothing is known of an address that only stands for a name.
    let here = own::is_address(address) && (name.is_none() || address != SOME_PUBLIC_ADDRESS);
    if let Some((serves, text)) = own::answer(&inquiry.target, (here, destination.port()), allow_local) {
        return Ok(own::answered(&inquiry, serves, text));
    }
    let looked_up = matches!(inquiry.target, Target::Lookup { .. });
    if looked_up && name.is_some_and(own::is_name) {
        return Ok(own::answered(&inquiry, true, own::NAME_IS_ANSWERED.to_owned()));
    }
    let now = clock::now();
    let mut given = shared.memory.names(&query.agent, address, now);
    // The gateway's own name is answered, and believed for nothing.
    if let Some(name) = name.filter(|name| !given.contains(name) && !own::is_name(name)) {
        given.insert(0, name.clone());
    }
    let stale = shared.memory.stale(&query.agent, address, now);
    let mut found = inquiry.explained(&Scene {
        policy: &snapshot.policy,
        resources: &snapshot.resources,
        known: &known,
        circumstances: shared.circumstances(&snapshot, &known, query.at.unwrap_or(now)),
        given: &given,
        stale: &stale,
    })?;
    if name.is_some_and(own::is_name) {
        own::name_is_answered(&mut found);
    }
    if here && !looked_up {
        own::refuse(&mut found, address);
    }
    Ok(found)
}

/// An address for a name: one that the agent was given, else some public one.
fn address(shared: &Shared, agent: &str, name: &HostName) -> IpAddr {
    if own::is_name(name) {
        return own::address(&shared.home);
    }
    let given = shared.memory.addresses(agent, name, clock::now());
    given.first().copied().unwrap_or(SOME_PUBLIC_ADDRESS)
}
