//! The gateway's own resolution of a name, for where an agent claims a name that its memory does not confirm.
//!
//! Asks for both address families at once, through the same forwarder as the workloads' queries. Answers are kept
//! for their TTL within bounds, and failures for a moment, so that claims made in a burst cost one resolution. What
//! is learnt here is never put into an agent's memory: no agent was given it.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::{Instant, timeout};

use crate::model::types::HostName;
use crate::model::types::limits::{
    DNS_CHAIN_LINKS, DNS_FAMILY_PATIENCE, DNS_OWN_CEILING, DNS_OWN_NAMES, DNS_OWN_NEGATIVE,
};

use super::forward::{ForwardError, Forwarder};
use super::message::Query;
use super::wire::kind;

/// An answer of TTL 0 is shared with those who asked meanwhile.
const LEAST_HOLD: Duration = Duration::from_secs(1);

/// Resolves names for the gateway itself; one per worker.
#[derive(Debug)]
pub struct OwnResolver {
    forwarder: Arc<Forwarder>,
    cache: Cache<HostName, Kept>,
}

#[derive(Debug, Clone)]
struct Kept {
    result: Result<Arc<[IpAddr]>, ResolveError>,
    until: Instant,
}

/// Why a name has no addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The name does not exist, or has no address.
    #[error("the name has no address")]
    NoAddress,
    /// The upstream answered with this code, such as 2 for SERVFAIL.
    #[error("the upstream resolver answered with code {0}")]
    Code(u16),
    /// The CNAMEs lead in a circle, or on for more than [`DNS_CHAIN_LINKS`] links.
    #[error("the name's aliases do not end within {DNS_CHAIN_LINKS} links")]
    EndlessChain,
    /// There was no answer.
    #[error(transparent)]
    Unanswered(#[from] ForwardError),
}

/// The addresses of one family, and how long they hold.
type Family = Result<(Vec<IpAddr>, Duration), ResolveError>;

impl OwnResolver {
    /// A resolver that asks through `forwarder`.
    pub fn new(forwarder: Arc<Forwarder>) -> Self {
        Self { forwarder, cache: Cache::new(DNS_OWN_NAMES) }
    }

    /// The addresses of `name`, at least one, IPv4 first, each family in the upstream's order. Callers that ask for
    /// one name at a time share one resolution.
    ///
    /// Once one family is there the other is waited for no longer than [`DNS_FAMILY_PATIENCE`].
    pub async fn resolve(&self, name: &HostName) -> Result<Arc<[IpAddr]>, ResolveError> {
        loop {
            match self.cache.get_value_or_guard_async(name).await {
                Ok(kept) if kept.until > Instant::now() => return kept.result,
                Ok(stale) => {
                    self.cache.remove_if(name, |kept| kept.until == stale.until);
                }
                Err(place) => {
                    let (result, holds) = self.ask(name).await;
                    // Never at once: those who waited for this answer share it.
                    let kept = Kept { result: result.clone(), until: Instant::now() + holds.max(LEAST_HOLD) };
                    // Refused only where the place was taken back meanwhile; then nothing is kept.
                    let _ = place.insert(kept);
                    return result;
                }
            }
        }
    }

    async fn ask(&self, name: &HostName) -> (Result<Arc<[IpAddr]>, ResolveError>, Duration) {
        let mut v4 = pin!(self.family(name, kind::A));
        let mut v6 = pin!(self.family(name, kind::AAAA));
        let (v4, v6) = tokio::select! {
            v4 = &mut v4 => {
                let v6 = rest(v4.is_ok(), v6).await;
                (Some(v4), v6)
            }
            v6 = &mut v6 => {
                let v4 = rest(v6.is_ok(), v4).await;
                (v4, Some(v6))
            }
        };
        join(v4, v6)
    }

    async fn family(&self, name: &HostName, kind: u16) -> Family {
        let found = self.forwarder.forward(&Query::ask(name, kind)).await?.found;
        match (found.rcode, found.chain_ends) {
            (0, false) => return Err(ResolveError::EndlessChain),
            (0, true) => {}
            (3, _) => return Err(ResolveError::NoAddress),
            (code, _) => return Err(ResolveError::Code(code)),
        }
        let ttl = found.addresses.iter().map(|(_, ttl)| *ttl).min().ok_or(ResolveError::NoAddress)?;
        Ok((found.addresses.iter().map(|(address, _)| *address).collect(), ttl))
    }
}

/// The other family: in good time if there are addresses already, in its own time if not.
async fn rest(satisfied: bool, other: impl Future<Output = Family>) -> Option<Family> {
    if satisfied { timeout(DNS_FAMILY_PATIENCE, other).await.ok() } else { Some(other.await) }
}

/// Both families as one answer, and how long it is kept; `None` is a family that was not waited for.
fn join(v4: Option<Family>, v6: Option<Family>) -> (Result<Arc<[IpAddr]>, ResolveError>, Duration) {
    let (mut addresses, mut holds) = (Vec::new(), DNS_OWN_CEILING);
    let mut error = ResolveError::NoAddress;
    for family in [v4, v6] {
        match family {
            Some(Ok((found, ttl))) => {
                addresses.extend(found);
                holds = holds.min(ttl);
            }
            Some(Err(ResolveError::NoAddress)) => {}
            Some(Err(failure)) => {
                error = failure;
                holds = DNS_OWN_NEGATIVE;
            }
            None => holds = DNS_OWN_NEGATIVE,
        }
    }
    if addresses.is_empty() { (Err(error), DNS_OWN_NEGATIVE) } else { (Ok(addresses.into()), holds) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::lab::{Act, Upstream, a, aaaa, cname};
    use super::*;

    fn host(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }

    async fn resolver(acts: Vec<Act>) -> (Upstream, OwnResolver) {
        let upstream = Upstream::start(acts, Vec::new()).await;
        let resolver = OwnResolver::new(Arc::new(Forwarder::hasty(&[upstream.address])));
        (upstream, resolver)
    }

    fn both() -> Act {
        Act::Answer(vec![
            cname("a.example", "b.example", 60),
            aaaa("b.example", "2001:db8::1", 60),
            a("b.example", [192, 0, 2, 1], 60),
        ])
    }

    fn texts(addresses: &[IpAddr]) -> Vec<String> {
        addresses.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn both_families_are_asked_for_once_and_kept() {
        let (upstream, resolver) = resolver(vec![both()]).await;
        let name = host("a.example");
        for _ in 0..3 {
            let addresses = resolver.resolve(&name).await.unwrap();
            assert_eq!(texts(&addresses), ["192.0.2.1", "2001:db8::1"]);
        }
        let mut kinds: Vec<u16> = upstream.seen().iter().map(|(query, _)| query.kind()).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, [kind::A, kind::AAAA]);
    }

    #[tokio::test]
    async fn claims_in_a_burst_share_one_resolution() {
        let (upstream, resolver) = resolver(vec![both()]).await;
        let name = host("a.example");
        let (first, second, third) =
            tokio::join!(resolver.resolve(&name), resolver.resolve(&name), resolver.resolve(&name));
        assert_eq!(first.as_ref(), second.as_ref());
        assert_eq!(second, third);
        assert_eq!(upstream.seen().len(), 2);
    }

    #[tokio::test]
    async fn an_answer_without_ttl_is_shared_by_a_burst() {
        let (upstream, resolver) = resolver(vec![Act::Answer(vec![a("a.example", [192, 0, 2, 1], 0)])]).await;
        for _ in 0..2 {
            resolver.resolve(&host("a.example")).await.unwrap();
        }
        assert_eq!(upstream.seen().len(), 2);
    }

    #[tokio::test]
    async fn a_name_without_addresses_is_an_error_with_its_reason() {
        for (act, expected) in [
            (Act::Answer(Vec::new()), ResolveError::NoAddress),
            (Act::Rcode(3), ResolveError::NoAddress),
            (Act::Rcode(2), ResolveError::Code(2)),
            (Act::Silence, ResolveError::Unanswered(ForwardError::Silent)),
            (Act::Answer(vec![cname("a.example", "a.example", 60)]), ResolveError::EndlessChain),
            (Act::Answer(vec![a("other.example", [203, 0, 113, 66], 60)]), ResolveError::NoAddress),
        ] {
            let (_upstream, resolver) = resolver(vec![act]).await;
            assert_eq!(resolver.resolve(&host("a.example")).await, Err(expected));
        }
    }

    #[tokio::test]
    async fn one_family_is_enough_where_the_other_fails() {
        // Whichever of the two queries comes first is answered with both kinds of records.
        let (_upstream, resolver) = resolver(vec![both(), Act::Rcode(2)]).await;
        assert_eq!(resolver.resolve(&host("a.example")).await.unwrap().len(), 1);
    }
}
