//! What is decided, as a workload meets it; the fine grain of it stands in the unit tests of `decide::policy`.

use serde_json::json;

use super::world::{BASE, PASTE, ROUTES, World};
use crate::lab::backends::Wire;
use crate::lab::{Daemon, UPSTREAM_V4};

/// One more L4 route with this spec.
fn l4(name: &str, rules: &str) -> String {
    format!(
        "---\napiVersion: clawgress.io/v1alpha1\nkind: EgressL4Route\nmetadata: {{name: {name}}}\nspec:\n  \
         parentRefs: [{{kind: EgressGateway, name: default}}]\n{rules}\n"
    )
}

/// What a raw TCP client hears after it has sent a word: the echo, `reset`, or nothing.
fn speaks(world: &World, daemon: &Daemon<'_>, name: &str, port: u16) -> String {
    let script = format!(
        "import socket
try:
    s = socket.create_connection(('{name}', {port}), 5)
    s.sendall(b'\\0word')
    print(s.recv(16).decode() or 'closed')
except ConnectionResetError:
    print('reset')
"
    );
    world.python(daemon, &script).succeeded().trim().trim_start_matches('\0').to_owned()
}

#[apply(over_both)]
fn a_hostname_route_opens_raw_tcp_on_its_ports_alone_after_dns_gave_the_name(world: World) {
    let daemon = world.gateway(ROUTES);
    assert_eq!(speaks(&world, &daemon, "raw.example", 7000), "word");
    let allowed = daemon.record(&json!({
        "kind": "connection", "decision": "allow", "destination_host": "raw.example", "destination_port": 7000,
    }));
    assert_eq!(
        (&allowed["policy_id"], &allowed["rule"], allowed.get("reason")),
        (&json!("EgressL4Route/raw-echo"), &json!("rules[0]"), None)
    );
    assert_eq!(speaks(&world, &daemon, "raw.example", 7001), "reset");
    daemon.record(&json!({"kind": "connection", "destination_port": 7001, "reason": "policy.no-route"}));
}

#[apply(over_both)]
fn an_address_without_the_name_that_opens_it_stays_shut(world: World) {
    let daemon = world.gateway(ROUTES);
    assert_eq!(speaks(&world, &daemon, "192.0.2.13", 7000), "reset");
    daemon.record(
        &json!({"kind": "connection", "destination_address": world.lab.twin("192.0.2.13"), "reason": "policy.no-route"}),
    );
}

#[apply(over_both)]
fn a_cidr_route_needs_no_name_and_opens_a_private_address(world: World) {
    world.lab.upstream().add_address("10.9.9.9/32");
    world.lab.backends().echo("10.9.9.9:5432", Wire::Plain);
    let daemon = world.gateway(&(ROUTES.to_owned() + &l4("office", "  rules: [{matches: [{destinationCIDRs: [10.9.9.0/24, 'fd09:9::/64'], ports: [{startPort: 5000, endPort: 5999}]}]}]")));
    assert_eq!(speaks(&world, &daemon, "10.9.9.9", 5432), "word");
    daemon.record(&json!({"kind": "connection", "decision": "allow", "policy_id": "EgressL4Route/office", "destination_address": world.lab.twin("10.9.9.9")}));
    assert_eq!(speaks(&world, &daemon, "10.9.9.9", 6000), "reset");
    daemon.record(&json!({"kind": "connection", "destination_port": 6000, "reason": "destination.private"}));
    assert_eq!(speaks(&world, &daemon, "10.9.8.1", 5432), "reset");
    daemon.record(
        &json!({"kind": "connection", "destination_address": world.lab.twin("10.9.8.1"), "reason": "destination.private"}),
    );
}

#[apply(over_both)]
fn a_name_that_leads_to_a_private_address_or_to_metadata_opens_neither(world: World) {
    let zone = crate::lab::Zone::new()
        .host("inside.example", &["10.9.9.9"])
        .host("cloud.example", &["169.254.169.254"]);
    world.resolver.replace(zone);
    let rules = "  rules: [{matches: [{destinationHostnames: [inside.example, cloud.example]}]}]";
    let daemon = world.gateway(&(ROUTES.to_owned() + &l4("named", rules)));
    for (host, reason) in
        [("inside.example", "destination.private"), ("cloud.example", "destination.metadata")]
    {
        // Nobody is given such an address.
        let unresolved = world.curl(&daemon, &[&format!("https://{host}/")]);
        assert_eq!(unresolved.code(), 6, "{unresolved}");
        // Where the agent brings one of its own, the gateway resolves the name itself.
        let resolve = format!("{host}:443:{PASTE}");
        let heard = world.ask(&daemon, &["--resolve", &resolve, &format!("https://{host}/")]);
        assert_eq!((heard.status, heard.reason()), (403, reason));
        daemon.record(&json!({"kind": "connection", "destination_host": host, "reason": reason}));
    }
    assert!(world.paste.untouched());
}

#[apply(over_both)]
fn an_http_route_restricts_requests_where_an_l4_route_has_opened_the_host(world: World) {
    let open =
        l4("everything", "  rules: [{matches: [{destinationHostnames: [site.example, other.example]}]}]");
    let daemon = world.gateway(&(ROUTES.to_owned() + &open));
    let allowed = world.ask(&daemon, &["https://site.example/small"]);
    assert_eq!(allowed.status, 200);
    daemon.record(&json!({"path": "/small", "policy_id": "EgressHTTPRoute/site-read", "decision": "allow"}));
    daemon
        .record(&json!({"kind": "connection", "policy_id": "EgressL4Route/everything", "decision": "allow"}));
    let refused = world.ask(&daemon, &["-X", "DELETE", "https://site.example/small"]);
    assert_eq!((refused.status, refused.reason()), (403, "policy.no-route"));
    daemon.record(&json!({"http_method": "DELETE", "reason": "policy.no-route"}));
}

#[apply(over_both)]
fn deny_wins_in_every_spelling_of_the_path(world: World) {
    let daemon = world.gateway(ROUTES);
    for path in ["/vault/x", "/%76ault/x", "/small/../vault/x", "//vault/x", "/vault%2Fx", "/x/%2e%2e/vault"]
    {
        for version in ["--http1.1", "--http2"] {
            let url = format!("https://site.example{path}");
            let heard = world.ask(&daemon, &[version, "--path-as-is", &url]);
            assert_eq!((heard.status, heard.reason()), (451, "policy.denied"), "{path}");
            let id = heard.json()["request_id"].clone();
            let record = daemon.record(&json!({"request_id": id, "reason": "policy.denied"}));
            assert_eq!(record["policy_id"], "EgressDenyPolicy/closed-vault");
        }
    }
    assert!(world.site.behind().untouched() && world.site.access_log().is_empty());
}

#[apply(over_both)]
fn allow_all_lets_unnamed_hosts_pass_and_denied_ones_not(world: World) {
    let base = BASE.replace("spec:\n  listeners", "spec:\n  defaultPolicy: allow-all\n  listeners");
    let shut = format!(
        "{ROUTES}{}---\napiVersion: clawgress.io/v1alpha1\nkind: EgressDenyPolicy\nmetadata: {{name: no-paste}}\n\
         spec: {{targetRef: {{kind: EgressL4Route, name: paste}}, denyResponse: {{statusCode: 410}}}}\n",
        l4("paste", "  rules: [{matches: [{destinationHostnames: [paste.example]}]}]")
    );
    let daemon = world.lab.daemon(&json!({}), &[("base.yaml", &base), ("routes.yaml", &shut)]);
    let heard = world.ask(&daemon, &[&format!("http://{UPSTREAM_V4}/small")]);
    assert_eq!(heard.status, 200);
    daemon.record(&json!({"kind": "request", "policy_id": "EgressGateway/default", "rule": "defaultPolicy", "decision": "allow"}));
    let denied = world.ask(&daemon, &["https://paste.example/"]);
    assert_eq!((denied.status, denied.reason()), (410, "policy.denied"));
    daemon.record(
        &json!({"kind": "connection", "policy_id": "EgressDenyPolicy/no-paste", "reason": "policy.denied"}),
    );
    assert!(world.paste.untouched());
}

#[apply(over_both)]
fn a_route_is_for_the_agents_that_its_selector_takes(world: World) {
    let bob = BASE
        .split("---")
        .next()
        .expect("an agent")
        .replace("name: alice, labels: {tier: dev}", "name: bob, labels: {tier: prod}");
    let bob = bob.replace("10.77.0.2/32, 'fd77::2/128'", "10.77.0.3/32, 'fd77::3/128'");
    let routes = ROUTES.replacen("  hostnames", "  sourceAgents: {matchLabels: {tier: dev}}\n  hostnames", 1);
    let daemon =
        world.lab.daemon(&json!({}), &[("base.yaml", BASE), ("bob.yaml", &bob), ("routes.yaml", &routes)]);
    assert_eq!(world.ask(&daemon, &["https://site.example/small"]).status, 200);
    daemon.record(&json!({"kind": "request", "agent_id": "alice", "decision": "allow"}));
    let curl = super::world::curl(world.lab.bob(), &daemon).args([
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "https://site.example/small",
    ]);
    assert_eq!(curl.run().succeeded(), "403");
    daemon.record(&json!({"kind": "request", "agent_id": "bob", "reason": "policy.no-route"}));
}
