//! A decision: whatever a request looks like, what is denied is not allowed under another spelling, in what policy
//! judges and in what would be forwarded.

use std::net::SocketAddr;
use std::sync::LazyLock;

use clawgress::decide::policy::{Circumstances, Flow, PolicySet};
use clawgress::model::condition::Content;
use clawgress::model::manifest::{SourceFile, load};
use clawgress::model::types::{AgreedName, HostName, OriginalDestination, Scheme};
use clawgress::perceive::hello::{ClientHello, Hello};
use clawgress::perceive::identity::Directory;
use clawgress::perceive::request::{Request, hop_by_hop};

use super::path::loose_readings;

/// Everything at `a.example` may be asked for, but for what is under `/admin` and for what is of team red.
const DOCUMENTS: &str = "
apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {name: alice}
spec: {sources: {addresses: [10.77.0.2/32]}}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressGateway
metadata: {name: default}
spec: {listeners: [{name: tls, protocol: TLS, tls: {mode: Terminate}}]}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: open}
spec: {parentRefs: [{name: default}], hostnames: [a.example], rules: [{}]}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: shut}
spec:
  parentRefs: [{name: default}]
  hostnames: [a.example]
  rules: [{matches: [{path: {type: PathPrefix, value: /admin}}, {headers: [{name: X-Team, value: red}]}, {queryParams: [{name: team, value: red}]}]}]
---
apiVersion: clawgress.io/v1alpha1
kind: EgressDenyPolicy
metadata: {name: no}
spec: {targetRef: {kind: EgressHTTPRoute, name: shut}}
";

static SET: LazyLock<(PolicySet, Directory)> = LazyLock::new(|| {
    let resources = load(&[SourceFile::new("set.yaml", DOCUMENTS.as_bytes())]).expect("a set that loads");
    (PolicySet::compile(&resources, Default::default()), Directory::build(&resources))
});

/// The first line is the target, the next ones are fields.
pub fn check(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut builder =
        http::Request::builder().uri(lines.next().unwrap_or_default()).header("host", "a.example");
    for (name, value) in lines.filter_map(|line| line.split_at_checked(line.iter().position(|b| *b == b':')?))
    {
        builder = builder.header(name, &value[1..]);
    }
    let Ok(request) = builder.body(()) else { return };
    let mut head = request.into_parts().0;
    hop_by_hop::strip_request(&mut head);
    let name = HostName::parse("a.example").expect("a name");
    let agreed = AgreedName::new(name.clone(), 443, Scheme::Https);
    let Ok(request) = Request::read(&agreed, &head) else { return };
    let (policy, directory) = &*SET;
    let known = directory.by_name("alice").expect("an agent");
    let hello =
        Hello::Tls(ClientHello { server_name: Some(name.clone()), alpn: Default::default(), ech: false });
    let destination = OriginalDestination(SocketAddr::from(([192, 0, 2, 1], 443)));
    let flow = Flow { destination, hello: &hello, given: &[name], stale: &[], once: &[] };
    let passage = policy.connection(&known, flow, Circumstances::default()).expect("the connection may live");
    let permit = policy.request(&known, &passage, &request, Circumstances::default());
    match permit.and_then(|permit| permit.settle(&Content::default())) {
        Ok(clearance) => {
            assert_eq!(&*clearance.route().policy.0, "EgressHTTPRoute/open");
            is_not_denied(&request);
        }
        Err(denial) => assert_eq!(denial.reason.code(), "policy.denied", "{request:?}"),
    }
}

fn is_not_denied(request: &Request<'_>) {
    assert_eq!(request.host().to_string(), "a.example", "{request:?}");
    assert!(!request.header_values("x-team").any(|value| value == b"red"), "{request:?}");
    assert!(!request.query_pairs().any(|(name, value)| name == "team" && value == "red"), "{request:?}");
    let forwarded = request.target().split('?').next().unwrap_or_default();
    for path in [request.path(), forwarded] {
        for reading in loose_readings(path) {
            assert_ne!(without_dots(&reading).first().copied(), Some(&b"admin"[..]), "{request:?}");
        }
    }
}

/// What a server sees that resolves dot segments last.
fn without_dots(reading: &[Vec<u8>]) -> Vec<&[u8]> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in reading {
        match segment.as_slice() {
            b"." => {}
            b".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    kept
}
