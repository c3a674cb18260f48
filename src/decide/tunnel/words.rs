//! What a refusal by the guard says: to the agent that it may wait, to the record what was counted.

use super::counts::Trip;
use super::zone::Parts;
use crate::model::types::limits::{DNS_TUNNEL_SHUT_TIME, DNS_TUNNEL_WINDOW, DNS_TUNNEL_ZONES_PER_AGENT};
use crate::model::types::{Denial, HostName, Reason};

pub(super) fn denial(agent: &str, host: &HostName, trip: &Trip) -> Denial {
    let zone = Parts::of(host).zone;
    let detail = match trip {
        Trip::Encoded { .. } => format!(
            "Agent {agent} may not look up {host}: it looks like encoded data, and the answer would bring data back."
        ),
        Trip::Zone { .. } | Trip::Shut { .. } => for_now(agent, &format!("further names of {zone}")),
        Trip::Agent { .. } | Trip::AgentShut => for_now(agent, "further names"),
        Trip::Zones => format!(
            "Agent {agent} may not look up names of further zones for now: it looks up names of very many at once. Names \
             that were looked up before are still answered. Try again later."
        ),
    };
    Denial::built_in(Reason::DnsTunnel, detail).seen(evidence(zone, trip))
}

fn for_now(agent: &str, what: &str) -> String {
    let minutes = DNS_TUNNEL_SHUT_TIME.as_secs() / 60;
    format!(
        "Agent {agent} may not look up {what} for now: its lookups look as if data were hidden in them. Names that were \
         looked up before are still answered; new ones {minutes} minutes after that was seen."
    )
}

fn evidence(zone: &str, trip: &Trip) -> String {
    let (minutes, seconds) = (DNS_TUNNEL_SHUT_TIME.as_secs() / 60, DNS_TUNNEL_WINDOW.as_secs());
    match trip {
        Trip::Zone { zone, what, count, bound } => {
            format!("{zone}: {count} {what} within {seconds} s, {bound} are allowed")
        }
        Trip::Agent { what, count, bound } => {
            format!("{count} {what} within {seconds} s, {bound} are allowed")
        }
        Trip::Shut { zone } => format!("{zone}: a bound was reached within the last {minutes} minutes"),
        Trip::AgentShut => format!("a bound over all zones was reached within the last {minutes} minutes"),
        Trip::Zones => {
            format!("{zone}: {DNS_TUNNEL_ZONES_PER_AGENT} other zones are counted, as many as can be")
        }
        Trip::Encoded { kind } => {
            format!("{zone}: a random-looking label, type {}, and no address in the answer", kind.0)
        }
    }
}
