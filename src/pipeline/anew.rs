//! What lives already, judged by the documents that are in force now: relayed connections and UDP flows, and when that is
//! to be done. Requests need none of this, because each is judged when it comes.

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::arrival::Arrival;
use super::road::Road;
use crate::decide::policy::{Flow, Passage};
use crate::model::types::{Denial, Reason, Timestamp};
use crate::perceive::hello::Hello;
use crate::perceive::identity::Known;
use crate::platform::sys::clock;

/// The finest step of what conditions read of a clock, but for `time.unix`: microseconds.
const MINUTE: i64 = 60_000_000;

/// When something that lives is to be judged next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// When something else is in force.
    WhenChanged,
    /// When the minute changes, too: a rule that can concern it asks what time it is.
    EachMinute,
}

impl Again {
    /// For what an agent has open.
    pub fn of(road: &Road, known: &Known) -> Self {
        if road.snapshot().policy.asks_time(known) { Self::EachMinute } else { Self::WhenChanged }
    }

    /// Returns when that is. Where the daemon ends, something else tells of it.
    pub async fn due(self, policy: &mut watch::Receiver<()>) {
        let minute = async {
            match self {
                Self::EachMinute => sleep(rest_of_minute(clock::now())).await,
                Self::WhenChanged => pending().await,
            }
        };
        tokio::select! {
            biased;
            Ok(()) = policy.changed() => {}
            () = minute => {}
        }
    }
}

/// The wall clock may be set meanwhile: then it is a minute late at most.
fn rest_of_minute(at: Timestamp) -> Duration {
    Duration::from_micros((MINUTE - at.0.rem_euclid(MINUTE)).unsigned_abs())
}

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
    let anew = snapshot.policy.connection(&known, flow, road.shared.circumstances(&snapshot, &known, at));
    let heeded = |denial| road.shared.heed_flow((arrival.client, hello), agent, denial);
    let anew = anew.map_err(|refusal| heeded(refusal.denial))?;
    if anew.mode() != passage.mode() {
        let detail = "The documents in force now take this connection in another way. Connect again.";
        return Err(Denial::built_in(Reason::PolicyNoRoute, detail));
    }
    Ok(anew)
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    #[test]
    fn the_rest_of_a_minute_ends_where_the_next_begins() {
        let at = |text| rest_of_minute(Timestamp::parse(text).unwrap());
        assert_eq!(at("2026-03-04T21:59:58.5Z"), Duration::from_millis(1500));
        assert_eq!(at("2026-03-04T22:00:00Z"), Duration::from_secs(60));
        assert_eq!(at("1969-12-31T23:59:59Z"), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_due_when_the_minute_changes_where_time_matters_and_otherwise_when_something_else_is_in_force()
     {
        let (change, mut policy) = watch::channel(());
        let (begun, hour) = (Instant::now(), Duration::from_secs(3600));
        assert!(timeout(hour, Again::EachMinute.due(&mut policy)).await.is_ok());
        assert!(begun.elapsed() <= Duration::from_secs(61));
        assert!(timeout(hour, Again::WhenChanged.due(&mut policy)).await.is_err());
        for again in [Again::WhenChanged, Again::EachMinute] {
            change.send_replace(());
            assert!(timeout(Duration::ZERO, again.due(&mut policy)).await.is_ok());
        }
    }
}
