//! What lives already, judged by the documents that are in force now: relayed connections and UDP flows. Requests need none
//! of this, because each is judged when it comes.

use super::arrival::Arrival;
use super::road::Road;
use crate::decide::policy::{Flow, Passage};
use crate::model::types::{Denial, Reason};
use crate::perceive::hello::Hello;
use crate::perceive::identity::Known;

/// Judges it once more. A name under which it was allowed stays believed as long as it lives.
///
/// # Errors
/// Why it may live no longer.
pub fn judged(
    road: &Road,
    arrival: Arrival,
    (known, passage): (&Known, &Passage),
    hello: &Hello,
) -> Result<Passage, Denial> {
    let (snapshot, agent, at) = (road.snapshot(), &known.agent().name, road.stamp().1);
    let known = snapshot.directory.by_source(arrival.client)?;
    if known.agent().name != *agent {
        let detail = "The source address of this flow belongs to another agent now.";
        return Err(Denial::built_in(Reason::IdentityUnknown, detail));
    }
    let destination = arrival.destination;
    let (given, stale) = passage.names_anew(road.shared.memory.names(agent, destination.0.ip(), at));
    let once = road.shared.memory.stale(agent, destination.0.ip(), at);
    let flow = Flow { destination, hello, given: &given, stale: stale.as_slice(), once: &once };
    let anew = snapshot.policy.connection(&known, flow, snapshot.circumstances(at));
    let anew =
        anew.map_err(|refusal| refusal.denial).inspect_err(|denial| road.shared.heed(agent, denial))?;
    if anew.mode() != passage.mode() {
        let detail = "The documents in force now take this connection in another way. Connect again.";
        return Err(Denial::built_in(Reason::PolicyNoRoute, detail));
    }
    Ok(anew)
}
