//! Lookups: whatever a connection may claim may be looked up, and whatever may be looked up is named by a route.

use std::net::SocketAddr;

use clawgress::decide::policy::{Chooser, Circumstances, Flow, Lookup, PolicySet};
use clawgress::model::manifest::{SourceFile, load};
use clawgress::model::types::record_type::CLASS_IN;
use clawgress::model::types::{HostName, OriginalDestination, RecordType};
use clawgress::perceive::hello::{ClientHello, Hello};
use clawgress::perceive::identity::Directory;
use proptest::prelude::*;

const HEAD: &str = "apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {name: alice}
spec: {sources: {addresses: [10.77.0.2/32]}}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressGateway
metadata: {name: default}
spec: {listeners: [{name: tls, protocol: TLS, tls: {mode: Terminate}}, {name: tcp, protocol: TCP}]}
";

/// Few labels, so that names meet.
fn name() -> impl Strategy<Value = String> {
    prop::collection::vec("[ab]|_[ab]", 1..5).prop_map(|labels| labels.join("."))
}

/// Routes of both kinds to these hosts.
fn compiled(hosts: &[(bool, bool, String)]) -> (PolicySet, Directory) {
    let mut text = HEAD.to_owned();
    for (number, (http, wildcard, host)) in hosts.iter().enumerate() {
        let host = if *wildcard { format!("'*.{host}.test'") } else { format!("{host}.test") };
        let (kind, rest) = match http {
            true => ("EgressHTTPRoute", format!("hostnames: [{host}], rules: [{{}}]")),
            false => ("EgressL4Route", format!("rules: [{{matches: [{{destinationHostnames: [{host}]}}]}}]")),
        };
        text += &format!(
            "---\napiVersion: clawgress.io/v1alpha1\nkind: {kind}\nmetadata: {{name: r{number}}}\n\
             spec: {{parentRefs: [{{name: default}}], {rest}}}\n"
        );
    }
    let resources = load(&[SourceFile::new("set.yaml", text.into_bytes())])
        .unwrap_or_else(|report| panic!("{}", report.render(false)));
    (PolicySet::compile(&resources, Default::default()), Directory::build(&resources))
}

proptest! {
    #[test]
    fn what_may_be_looked_up_is_what_a_route_names(
        hosts in prop::collection::vec((any::<bool>(), any::<bool>(), name()), 0..6),
        asked in name(),
        kind in prop_oneof![Just(1_u16), Just(16), Just(43), 0..300_u16],
    ) {
        let (policy, directory) = compiled(&hosts);
        let known = directory.by_name("alice").expect("alice");
        let text = format!("{asked}.test");
        let host = HostName::parse(&text).expect("a name");
        let kind = RecordType(kind);
        let answer = policy.query(&known, &Lookup { host: Some(&host), text: &text, kind, class: CLASS_IN }, Circumstances::default());
        let answer = answer.map(|leave| leave.chooser());

        let hello = Hello::Tls(ClientHello { server_name: Some(host.clone()), alpn: Default::default(), ech: false });
        let destination = OriginalDestination(SocketAddr::from(([192, 0, 2, 1], 443)));
        let given = std::slice::from_ref(&host);
        let opens = policy.connection(&known, Flow { destination, hello: &hello, given, stale: &[], once: &[] }, Circumstances::default()).is_ok();
        prop_assert!(!opens || answer.is_ok(), "{text} may be claimed and not looked up");

        let exact = hosts.iter().any(|(_, wildcard, host)| !wildcard && *host == asked);
        let bases = std::iter::successors(Some(asked.as_str()), |name| {
            name.split_once('.').filter(|(label, _)| label.starts_with('_')).map(|(_, rest)| rest)
        });
        let named = bases.take(4).any(|name| hosts.iter().any(|(_, wildcard, host)| match wildcard {
            false => host == name,
            true => name.split_once('.').is_some_and(|(_, rest)| rest == host),
        }));
        let below = |host: &str| host.strip_suffix(&asked).is_some_and(|front| front.ends_with('.'));
        let above = kind.is_of_a_zone()
            && hosts.iter().any(|(_, wildcard, host)| below(host) || *wildcard && *host == asked);
        prop_assert_eq!(answer.is_ok(), exact || named || above, "{}", text);
        if let Ok(chooser) = answer {
            prop_assert_eq!(chooser == Chooser::Documents, exact || above, "{}", text);
        }
    }
}
