//! `EgressApproval`: the reference's own example, what it comes to, and what is wrong with others.

use std::time::Duration;

use super::*;
use crate::model::types::limits::{APPROVALS_PER_AGENT, REASON_CHARS};

const AGENT: &str = "
apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {name: my-agent}
spec: {sources: {addresses: [10.77.0.2/32]}}
";

fn set(document: &str) -> Result<Resources, Report> {
    load(&[file("a.yaml", document), file("agent.yaml", AGENT), file("gateway.yaml", GATEWAY)])
}

fn spec(spec: &str) -> Vec<String> {
    let head = "apiVersion: clawgress.io/v1alpha1\nkind: EgressApproval\nmetadata: {name: x}\n";
    mistakes(set(&format!("{head}spec: {spec}\n")))
}

#[test]
fn the_example_of_the_reference_loads() {
    let example = r#"
apiVersion: kars.azure.com/v1alpha1
kind: EgressApproval
metadata:
  name: debug-stripe-2026-05-14
  namespace: kars-system # same namespace as the sandbox
spec:
  sandbox: my-agent # sibling KarsSandbox name
  hosts: # 1..16 entries; small scoped grants only
    - host: api.stripe.com
      port: 443
    - host: hooks.stripe.com # port optional (defaults all)
  reason: "INC-4421 debug pipe" # 1..512 chars, no ASCII control bytes
  ticket: "INC-4421" # optional, 1..128 chars
  ttl: PT2H # ISO 8601; helm-tunable ceiling, 7d hard cap
"#;
    let resources = set(example).unwrap();
    let approval = &resources.approvals["debug-stripe-2026-05-14"];
    let hosts: Vec<String> = approval.grant.hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["api.stripe.com:443", "hooks.stripe.com"]);
    assert_eq!((&*approval.grant.agent, approval.ttl), ("my-agent", Duration::from_secs(7200)));
    assert_eq!(
        (&*approval.grant.reason, approval.grant.ticket.as_deref()),
        ("INC-4421 debug pipe", Some("INC-4421"))
    );
    let renamed = set(&example.replace("sandbox: my-agent", "agent: my-agent")).unwrap();
    assert_ne!(renamed.approvals["debug-stripe-2026-05-14"].digest, approval.digest);
    let labelled = set(&example.replace("  namespace:", "  labels: {a: b}\n  namespace:")).unwrap();
    assert_eq!(labelled.approvals["debug-stripe-2026-05-14"].digest, approval.digest);
}

#[test]
fn an_approval_says_what_is_wrong_with_it() {
    let long = "x".repeat(REASON_CHARS + 1);
    let many = vec!["{host: a.example}"; 17].join(", ");
    let tools = vec!["{server: a.example, tool: b}"; 17].join(", ");
    for (text, expected) in [
        (
            "{agent: bob, hosts: [{host: a.example}], reason: x, ttl: 1h}".to_owned(),
            "there is no Agent named `bob`",
        ),
        ("{hosts: [{host: a.example}], reason: x, ttl: 1h}".to_owned(), "the approval names no agent"),
        (
            "{agent: my-agent, sandbox: my-agent, hosts: [{host: a.example}], reason: x, ttl: 1h}".to_owned(),
            "both `agent` and `sandbox` are given",
        ),
        ("{agent: my-agent, hosts: [], reason: x, ttl: 1h}".to_owned(), "`hosts` is an empty list"),
        (format!("{{agent: my-agent, hosts: [{many}], reason: x, ttl: 1h}}"), "names 17 hosts, more than 16"),
        ("{agent: my-agent, hosts: [{host: 192.0.2.1}], reason: x, ttl: 1h}".to_owned(), "is an IP address"),
        (
            "{agent: my-agent, hosts: [{host: a.example, port: 0}], reason: x, ttl: 1h}".to_owned(),
            "not between 1",
        ),
        (
            format!("{{agent: my-agent, hosts: [{{host: a.example}}], reason: {long}, ttl: 1h}}"),
            "more than 512",
        ),
        (
            "{agent: my-agent, hosts: [{host: a.example}], reason: x, ttl: PT0S}".to_owned(),
            "is not a duration",
        ),
        ("{agent: my-agent, hosts: [{host: a.example}], ttl: 1h}".to_owned(), "lacks the field `reason`"),
        ("{agent: my-agent, reason: x, ttl: 1h}".to_owned(), "the approval opens nothing"),
        (
            "{agent: my-agent, reason: x, ttl: 1h, tools: [{server: gone, tool: b}]}".to_owned(),
            "there is no McpServer named `gone`",
        ),
        (
            "{agent: my-agent, reason: x, ttl: 1h, tools: [{server: 192.0.2.1, tool: b}]}".to_owned(),
            "is an IP address",
        ),
        (
            "{agent: my-agent, reason: x, ttl: 1h, tools: [{server: a.example, tool: 'b*'}]}".to_owned(),
            "`b*` has a `*`",
        ),
        (
            format!("{{agent: my-agent, tools: [{tools}], reason: x, ttl: 1h}}"),
            "names 17 tools, more than 16",
        ),
    ] {
        let told = spec(&text);
        assert!(told.len() == 1 && told[0].contains(expected), "{text}: {told:?}");
    }
}

#[test]
fn an_approval_names_tools_of_declared_servers_and_of_hosts() {
    let text = "
apiVersion: clawgress.io/v1alpha1
kind: McpServer
metadata: {name: github}
spec: {url: 'https://mcp.example/', allowedTools: ['*']}
---
apiVersion: clawgress.io/v1alpha1
kind: EgressApproval
metadata: {name: x}
spec: {agent: my-agent, tools: [{server: github, tool: search}, {server: other.example, tool: web.fetch}], reason: x, ttl: 1h}
";
    let set = set(text).unwrap();
    let grant = &set.approvals["x"].grant;
    assert!(grant.hosts.is_empty());
    assert_eq!(grant.opened(), ["tool github/search", "tool other.example/web.fetch"]);
}

#[test]
fn an_agent_has_no_more_approvals_in_files_than_count() {
    let approvals = |count: usize| -> String {
        let one = |n: usize| {
            format!(
                "apiVersion: clawgress.io/v1alpha1\nkind: EgressApproval\nmetadata: {{name: x{n}}}\n\
                 spec: {{agent: my-agent, hosts: [{{host: a.example}}], reason: x, ttl: 1h}}\n---\n"
            )
        };
        (0..count).map(one).collect()
    };
    assert_eq!(set(&approvals(APPROVALS_PER_AGENT)).unwrap().approvals.len(), APPROVALS_PER_AGENT);
    assert_eq!(
        mistakes(set(&approvals(APPROVALS_PER_AGENT + 2))),
        [
            "a.yaml:323:18 agent `my-agent` has more than 64 approvals in files (remove those that have ended; what shall last is a route)"
        ]
    );
}
