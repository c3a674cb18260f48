//! The gateway's own resolution of a name, for where an agent claims a name that its memory does not confirm.
//!
//! Asks for both address families at once, through the same cache as the workloads' queries, so that claims made in a
//! burst cost one resolution. What is learnt here is never put into an agent's memory: no agent was given it. What may be
//! dialled of it is judged by who dials.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;

use tokio::time::timeout;

use crate::model::types::HostName;
use crate::model::types::limits::{DNS_CHAIN_LINKS, DNS_FAMILY_PATIENCE};

use super::cache::Cache;
use super::canonical::Canonical;
use super::forward::{ForwardError, Forwarder};
use super::found::Found;
use super::wire::kind;

/// Resolves names for the gateway itself; one per worker.
#[derive(Debug)]
pub struct OwnResolver {
    forwarder: Arc<Forwarder>,
    cache: Arc<Cache>,
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

/// What came of a resolution.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The addresses, at least one, IPv4 first, each family in the upstream's order.
    pub addresses: Result<Arc<[IpAddr]>, ResolveError>,
    /// Whether a query left for it: none does where the cache answers, or another's equal query is under way.
    pub left: bool,
}

/// The addresses of one family, and whether a query left for them.
type Family = (Result<Vec<IpAddr>, ResolveError>, bool);

impl OwnResolver {
    /// A resolver that asks through `forwarder` what `cache` does not hold.
    pub fn new(forwarder: Arc<Forwarder>, cache: Arc<Cache>) -> Self {
        Self { forwarder, cache }
    }

    /// The addresses of `name`. Once one family is there the other is waited for no longer than [`DNS_FAMILY_PATIENCE`].
    pub async fn resolve(&self, name: &HostName) -> Resolved {
        let mut v4 = pin!(self.family(name, kind::A));
        let mut v6 = pin!(self.family(name, kind::AAAA));
        let (v4, v6) = tokio::select! {
            v4 = &mut v4 => {
                let v6 = rest(v4.0.is_ok(), v6).await;
                (Some(v4), v6)
            }
            v6 = &mut v6 => {
                let v4 = rest(v6.0.is_ok(), v4).await;
                (v4, Some(v6))
            }
        };
        join(v4, v6)
    }

    async fn family(&self, name: &HostName, kind: u16) -> Family {
        match self.cache.look_up(&Canonical::own(name, kind), &self.forwarder).await {
            Ok(looked) => (addresses(&looked.answer.found), looked.left),
            Err(failure) => (Err(failure.into()), failure.has_left()),
        }
    }
}

/// The addresses of an answer.
fn addresses(found: &Found) -> Result<Vec<IpAddr>, ResolveError> {
    match (found.rcode, found.chain_ends) {
        (0, false) => return Err(ResolveError::EndlessChain),
        (0, true) => {}
        (3, _) => return Err(ResolveError::NoAddress),
        (code, _) => return Err(ResolveError::Code(code)),
    }
    let addresses: Vec<IpAddr> = found.addresses.iter().map(|(address, _)| *address).collect();
    if addresses.is_empty() { Err(ResolveError::NoAddress) } else { Ok(addresses) }
}

/// The other family: in good time if there are addresses already, in its own time if not.
async fn rest(satisfied: bool, other: impl Future<Output = Family>) -> Option<Family> {
    if satisfied { timeout(DNS_FAMILY_PATIENCE, other).await.ok() } else { Some(other.await) }
}

/// Both families as one answer; `None` is a family that was not waited for, and whose query is under way.
fn join(v4: Option<Family>, v6: Option<Family>) -> Resolved {
    let mut found = Vec::new();
    let mut error = ResolveError::NoAddress;
    let mut left = false;
    for family in [v4, v6] {
        let Some((addresses, has_left)) = family else {
            left = true;
            continue;
        };
        left |= has_left;
        match addresses {
            Ok(addresses) => found.extend(addresses),
            Err(ResolveError::NoAddress) => {}
            Err(failure) => error = failure,
        }
    }
    Resolved { addresses: if found.is_empty() { Err(error) } else { Ok(found.into()) }, left }
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
        let resolver = OwnResolver::new(Arc::new(Forwarder::hasty(&[upstream.address])), Arc::default());
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
        for turn in 0..3 {
            let found = resolver.resolve(&name).await;
            assert_eq!(texts(&found.addresses.unwrap()), ["192.0.2.1", "2001:db8::1"]);
            assert_eq!(found.left, turn == 0, "the cache answers, and nobody hears of it");
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
        assert_eq!([first.left, second.left, third.left], [true, false, false]);
        let [first, second, third] = [first, second, third].map(|found| found.addresses.unwrap());
        assert_eq!((&first, &second), (&second, &third));
        assert_eq!(upstream.seen().len(), 2);
    }

    #[tokio::test]
    async fn an_answer_without_ttl_is_shared_by_a_burst_and_not_kept() {
        let (upstream, resolver) = resolver(vec![Act::Answer(vec![a("a.example", [192, 0, 2, 1], 0)])]).await;
        let name = host("a.example");
        let (first, second) = tokio::join!(resolver.resolve(&name), resolver.resolve(&name));
        assert_eq!(
            (texts(&first.addresses.unwrap()), texts(&second.addresses.unwrap())),
            (vec!["192.0.2.1".into()], vec!["192.0.2.1".into()])
        );
        assert_eq!(upstream.seen().len(), 2);
        assert!(resolver.resolve(&name).await.left);
        assert!(upstream.seen().len() > 2, "its TTL is over");
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
            let found = resolver.resolve(&host("a.example")).await;
            assert_eq!((found.addresses, found.left), (Err(expected), true));
        }
    }

    #[tokio::test]
    async fn one_family_is_enough_where_the_other_fails() {
        // Whichever of the two queries comes first is answered with both kinds of records.
        let (_upstream, resolver) = resolver(vec![both(), Act::Rcode(2)]).await;
        assert_eq!(resolver.resolve(&host("a.example")).await.addresses.unwrap().len(), 1);
    }
}
