//! The gateway's own resolution of a name that an agent merely claims: it leaves the host as a lookup does, so it is
//! asked for as one, and what is found may be no encrypted resolver.

use std::net::{IpAddr, SocketAddr};

use super::road::Road;
use crate::decide::policy::{Lookup, NameSource, Passage};
use crate::decide::tunnel::{Asked, Heard};
use crate::model::types::{Denial, HostName, Reason, RecordType};
use crate::perceive::dns::{ForwardError, ResolveError};
use crate::perceive::identity::Known;

/// The addresses of the claimed name; none where the passage needs no resolution, or nothing is found.
///
/// # Errors
/// `upstream.timeout` and `upstream.unreachable` where the resolvers have no answer, `dns.denied` where no route names it any more, `dns.tunnel` where it looks like data, `protocol.encrypted-dns` where it
/// leads to a resolver that nobody may use.
pub async fn addresses(road: &Road, known: &Known, passage: &Passage) -> Result<Vec<IpAddr>, Denial> {
    let (NameSource::Resolve, Some(host)) = (passage.name_source(), passage.host()) else {
        return Ok(Vec::new());
    };
    let (snapshot, at) = (road.snapshot(), road.stamp().1);
    let leave = snapshot.policy.query(
        known,
        &Lookup::of_host(host),
        road.shared.circumstances(&snapshot, known, at),
    )?;
    let chooser = leave.chooser();
    let (by_agent, base) = (chooser.is_agent(), chooser.base(host));
    let asked = Asked { host, kind: RecordType::A, by_agent, base, flagged: false };
    let (guard, agent) = (&road.shared.guard, &known.agent().name);
    guard.admit(agent, &asked, at)?;
    let resolved = road.own.resolve(host).await;
    // What came back is the gateway's to use, and no agent's to read.
    guard.answered(agent, &asked, Heard { left: resolved.left, ..Heard::default() })?;
    let found = match resolved.addresses {
        Ok(found) => found.to_vec(),
        // Whoever dials says so.
        Err(ResolveError::NoAddress) => Vec::new(),
        Err(error) => return Err(unresolved(road, host, error)),
    };
    let port = passage.destination().port();
    let resolvers = snapshot.policy.resolvers();
    let listed = |ip: &IpAddr| Some((*ip, resolvers.standing_at(SocketAddr::new(*ip, port))?));
    match found.iter().find_map(listed) {
        Some((ip, listed)) => Err(encrypted(known, host, ip, listed)),
        None => Ok(found),
    }
}

/// Nobody knows whether the name has an address.
fn unresolved(road: &Road, host: &HostName, error: ResolveError) -> Denial {
    let (reason, seen) = match error {
        ResolveError::Unanswered(failure @ ForwardError::Silent) => {
            (Reason::UpstreamTimeout, road.shared.resolvers.seen(failure))
        }
        ResolveError::Unanswered(failure) => {
            (Reason::UpstreamUnreachable, road.shared.resolvers.seen(failure))
        }
        ResolveError::NoAddress | ResolveError::Code(_) | ResolveError::EndlessChain => {
            (Reason::UpstreamUnreachable, error.to_string())
        }
    };
    let detail =
        format!("{host} could not be reached: its name could not be resolved: {error}. Try again later.");
    Denial::built_in(reason, detail).seen(format!("resolution of {host}: {seen}"))
}

/// The name leads to an address that is on the list, or has one in it that is.
fn encrypted(known: &Known, host: &HostName, address: IpAddr, listed: IpAddr) -> Denial {
    let detail =
        format!("Agent {} may not use {host}: it leads to an encrypted DNS resolver.", known.agent().name);
    Denial::built_in(Reason::ProtocolEncryptedDns, detail).seen(if address == listed {
        format!("{host} is {address}, which is on the list of encrypted resolvers")
    } else {
        format!("{host} is {address}, and {listed} is on the list of encrypted resolvers")
    })
}
