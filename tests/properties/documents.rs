//! Policy documents: valid sets load and write out as themselves, damaged ones give a report, in any order of files.

use proptest::prelude::*;

use super::{damaged, holds};

/// A set with something of everything.
pub fn set() -> impl Strategy<Value = Vec<String>> {
    let more = vec![", {name: web, protocol: HTTP}", ", {name: raw, protocol: TCP}"];
    let gateway = prop::sample::subsequence(more, 0..=2);
    let gateway = (gateway, "deny-all|allow-all").prop_map(|(listeners, default)| {
        document(
            "EgressGateway",
            "default",
            &format!("{{defaultPolicy: {default}, listeners: [{{name: tls, protocol: TLS, tls: {{mode: Terminate}}}}{}]}}", listeners.concat()),
        )
    });
    let agents = prop::collection::btree_map(2..250_u8, "red|blue|'é'", 1..4).prop_map(|agents| {
        let agents = agents.into_iter().map(|(last, team)| {
            let spec = format!("{{team: {team}, sources: {{addresses: [10.77.0.{last}/32]}}}}");
            document("Agent", &format!("agent-{last}"), &spec)
        });
        agents.collect::<Vec<_>>()
    });
    (gateway, agents, prop::collection::vec(route(), 0..6)).prop_map(|(gateway, agents, routes)| {
        let routes = routes.into_iter().enumerate().flat_map(|(number, route)| route.documents(number));
        std::iter::once(gateway).chain(agents).chain(routes).collect()
    })
}

/// A document.
pub fn document(kind: &str, name: &str, spec: &str) -> String {
    format!("apiVersion: clawgress.io/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n")
}

/// A route, and perhaps a document that turns it into a denial.
#[derive(Debug, Clone)]
pub struct Route {
    kind: &'static str,
    spec: String,
    denied: bool,
}

impl Route {
    /// Its documents, with names of their own.
    pub fn documents(&self, number: usize) -> Vec<String> {
        let name = format!("route-{number}");
        let mut documents = vec![document(self.kind, &name, &self.spec)];
        if self.denied {
            let target = format!(
                "{{targetRef: {{kind: {}, name: {name}}}, denyResponse: {{statusCode: 451}}}}",
                self.kind
            );
            documents.push(document("EgressDenyPolicy", &format!("deny-{number}"), &target));
        }
        documents
    }
}

/// Any route, allowing or denying.
pub fn route() -> impl Strategy<Value = Route> {
    let parent = "parentRefs: [{name: default}]";
    let matches = "\\{method: (GET|POST)\\}|\\{path: \\{type: (Exact|PathPrefix), value: /[ab](/[ab]){0,1}\\}\\}\
                   |\\{headers: \\[\\{name: X-A, value: [ab]\\}\\]\\}|\\{queryParams: \\[\\{name: q, value: [ab]\\}\\]\\}";
    let http = ("[ab]|'\\*'", prop::option::of(matches)).prop_map(move |(host, matches)| {
        let rule = matches.map(|matches| format!("matches: [{matches}]")).unwrap_or_default();
        let spec = format!("{{{parent}, hostnames: [{}], rules: [{{{rule}}}]}}", hosts(&host));
        ("EgressHTTPRoute", spec)
    });
    let l4 = prop_oneof![
        "[ab]|'\\*'".prop_map(|host| format!("{{destinationHostnames: [{}]}}", hosts(&host))),
        Just("{destinationCIDRs: [192.0.2.0/25]}".to_owned()),
        "[ab]".prop_map(|host| format!("{{destinationHostnames: [{host}.example], ports: [{{port: 443}}]}}")),
    ];
    let l4 = l4.prop_map(move |matches| {
        ("EgressL4Route", format!("{{{parent}, rules: [{{matches: [{matches}]}}]}}"))
    });
    (prop_oneof![3 => http, 2 => l4], prop::bool::weighted(0.3)).prop_map(|((kind, spec), denied)| Route {
        kind,
        spec,
        denied,
    })
}

fn hosts(host: &str) -> String {
    match host {
        "'*'" => "'*.example'".to_owned(),
        name => format!("{name}.example"),
    }
}

proptest! {
    #[test]
    fn a_valid_set_loads_and_written_out_is_the_same(documents in set()) {
        let text = documents.join("---\n");
        let file = clawgress::model::manifest::SourceFile::new("a.yaml", text.clone().into_bytes());
        let loaded = clawgress::model::manifest::load(&[file]);
        prop_assert!(loaded.is_ok(), "{}\n{}", text, loaded.unwrap_err());
        holds("manifest", text.as_bytes());
    }

    #[test]
    fn a_damaged_set_gives_a_report_with_places_inside_the_file(
        bytes in damaged(set().prop_map(|documents| documents.join("---\n").into_bytes())),
    ) {
        holds("manifest", &bytes);
    }

    #[test]
    fn any_text_gives_a_report_with_places_inside_it(
        text in "([a-zé\u{2028}\u{85}:#&*!|>%@`'\"{}\\[\\],?~0-9-]{1,5}|[ ]{1,4}|\r{0,1}\n|\r|\t|---\n|- |: ){0,30}",
    ) {
        holds("manifest", text.as_bytes());
    }
}
