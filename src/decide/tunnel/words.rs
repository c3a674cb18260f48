//! What a refusal by the guard says: to the agent that it may wait, to the record what was counted.

use super::counts::{Over, Shuts, Trip};
use super::zone::Parts;
use crate::model::types::limits::{DNS_TUNNEL_SHUT_TIME, DNS_TUNNEL_WINDOW, DNS_TUNNEL_ZONES_PER_AGENT};
use crate::model::types::{Denial, HostName, Reason};

pub(super) fn denial(agent: &str, host: &HostName, trip: &Trip) -> Denial {
    let zone = Parts::of(host).zone;
    let detail = match trip {
        Trip::Encoded { .. } => format!(
            "Agent {agent} may not look up {host}: it looks like encoded data, and the answer would bring data back."
        ),
        Trip::Zone { shuts: Shuts::Records, .. } | Trip::Shut { shuts: Shuts::Records, .. } => {
            for_now(agent, &format!("anything but addresses of further names of {zone}"))
        }
        Trip::Zone { .. } | Trip::Shut { .. } => for_now(agent, &format!("further names of {zone}")),
        Trip::Agent { .. } | Trip::AgentShut => for_now(agent, "further names"),
        Trip::Zones => format!(
            "Agent {agent} may not look up names of further zones for now: it looks up names of very many at once. Names \
             that were looked up before are still answered. Try again later."
        ),
        Trip::Traffic { zone, .. } => format!(
            "Agent {agent} may not look up {} for now: it asks far more often than programs do, or is told far more. Try \
             again in a minute, and keep answers as long as they hold.",
            zone.as_ref().map_or_else(|| "names".to_owned(), |zone| format!("names of {zone}"))
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
    let minutes = DNS_TUNNEL_SHUT_TIME.as_secs() / 60;
    match trip {
        Trip::Zone { zone, over, .. } | Trip::Traffic { zone: Some(zone), over } => {
            format!("{zone}: {}", counted(over))
        }
        Trip::Agent { over } => counted(over),
        Trip::Traffic { zone: None, over } => format!("{}, over all zones", counted(over)),
        Trip::Shut { zone, shuts: Shuts::Names } => {
            format!("{zone}: a bound was reached within the last {minutes} minutes")
        }
        Trip::Shut { zone, shuts: Shuts::Records } => {
            format!("{zone}: the bound for what is no address was reached within the last {minutes} minutes")
        }
        Trip::AgentShut => format!("a bound over all zones was reached within the last {minutes} minutes"),
        Trip::Zones => {
            format!("{zone}: {DNS_TUNNEL_ZONES_PER_AGENT} other zones are counted, as many as can be")
        }
        Trip::Encoded { kind } => {
            format!("{zone}: a random-looking label, type {}, and no address in the answer", kind.0)
        }
    }
}

fn counted(over: &Over) -> String {
    let Over { what, count, bound } = over;
    format!("{count} {what} within {} s, {bound} are allowed", DNS_TUNNEL_WINDOW.as_secs())
}
