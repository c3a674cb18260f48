//! Sets of documents: what loads, into what, and that the order of files makes no difference.

use super::super::resources::*;
use super::*;

const REFERENCE: &str = r#"
# A gateway, a route and a policy in the shapes of CLRK's "Core concepts".
apiVersion: clrk.apoxy.dev/v1alpha1
kind: EgressGateway
metadata:
  name: office
spec:
  defaultPolicy: deny-all
  listeners:
    - name: egress
      protocol: TLS
      tls:
        mode: Terminate
---
---
apiVersion: clrk.apoxy.dev/v1alpha1
kind: EgressL4Route
metadata:
  name: database
  namespace: agents
  annotations: {note: "two\nlines"}
spec:
  parentRefs:
    - group: clrk.apoxy.dev
      kind: EgressGateway
      name: office
      sectionName: egress
  sourceAgents:
    matchLabels: {tier: dev}
    matchExpressions: [{key: zone, operator: NotIn, values: [a, b]}, {key: x.example/y, operator: Exists}]
  rules:
    - matches:
        - protocol: TCP
          destinationHostnames: ["DB.internal.example.com", "*.db.example.com"]
          destinationCIDRs: ["10.20.0.0/16", "2001:db8::/32"]
          ports:
            - port: 5432
            - startPort: 8000
              endPort: 8099
status: {anything: [at, all]}
---
apiVersion: kars.azure.com/v1alpha1
kind: EgressDenyPolicy
metadata:
  name: closed-today
spec:
  targetRef:
    group: clrk.apoxy.dev
    kind: EgressL4Route
    name: database
  denyResponse:
    statusCode: 451
    message: "Closed today."
"#;

const AGENTS: &str = r#"
apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {name: alice, labels: {tier: dev}}
spec:
  team: red
  project: demo
  environment: test
  sources: {addresses: ["10.77.0.2/32", "fd77::2/128"]}
  assertion: {require: none}
---
apiVersion: clawgress.io/v1alpha1
kind: Agent
metadata: {name: others}
spec:
  sources: {addresses: ["10.77.0.0/24"]}
  egressRefs: [{gatewayRef: office}]
---
apiVersion: clawgress.io/v1alpha1
kind: EgressHTTPRoute
metadata: {name: api-read}
spec:
  parentRefs: [{kind: EgressGateway, name: office}]
  hostnames: [api.example.com]
  rules:
    - matches:
        - {method: GET, path: {type: PathPrefix, value: /repos/acme/}, headers: [{name: X-A, value: b}]}
        - {path: {type: Exact, value: /a/}, queryParams: [{name: q, value: "1"}]}
        - {path: {}}
    - {}
"#;

#[test]
fn documents_of_the_reference_load_into_what_they_say() {
    let set = load(&[file("a.yaml", REFERENCE), file("b.yaml", AGENTS)])
        .unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(set.files, 2);
    let gateway = &set.gateways["office"];
    assert_eq!(gateway.default_policy, DefaultPolicy::DenyAll);
    assert_eq!(
        gateway.listeners,
        [Listener { name: "egress".into(), protocol: ListenerProtocol::TlsTerminate, ech: Ech::Refuse }]
    );
    assert_eq!((&*gateway.origin.file, gateway.origin.line), ("a.yaml", 3));

    let route = &set.l4_routes["database"];
    assert_eq!(route.parents, [Parent { gateway: "office".into(), section: Some("egress".into()) }]);
    let one = &route.rules[0][0];
    let hosts: Vec<String> = one.hostnames.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["db.internal.example.com", "*.db.example.com"]);
    assert_eq!(one.cidrs.len(), 2);
    assert_eq!(one.ports, [PortRange { start: 5432, end: 5432 }, PortRange { start: 8000, end: 8099 }]);
    assert_eq!(
        route.source_agents.as_ref().unwrap().requirements,
        [
            Requirement::In("tier".into(), vec!["dev".into()]),
            Requirement::NotIn("zone".into(), vec!["a".into(), "b".into()]),
            Requirement::Exists("x.example/y".into()),
        ]
    );
    let deny = &set.deny_policies["closed-today"];
    assert_eq!(deny.target, DenyTarget::L4("database".into()));
    let response = deny.response.as_ref().unwrap();
    assert_eq!((response.status, response.message.as_deref()), (451, Some("Closed today.")));

    let alice = &set.agents["alice"];
    assert_eq!(
        (&*alice.gateway, alice.sources.len()),
        ("office", 2),
        "the only gateway, without `egressRefs`"
    );
    assert_eq!(alice.profile.team.as_deref(), Some("red"));
    assert_eq!(alice.profile.labels["tier"], "dev");

    let matches = &set.http_routes["api-read"].rules[0];
    assert_eq!(matches[0].method.as_deref(), Some("GET"));
    assert_eq!(matches[0].path, Some(PathMatch::Prefix("/repos/acme".into())));
    assert_eq!(matches[0].headers, [HeaderMatch { name: "x-a".into(), value: "b".into() }]);
    assert_eq!(matches[1].path, Some(PathMatch::Exact("/a/".into())));
    assert_eq!(matches[2].path, Some(PathMatch::Prefix("/".into())));
    assert!(set.http_routes["api-read"].rules[1].is_empty(), "a rule without matches matches every request");
    let kinds: Vec<&str> = set.documents.iter().map(|document| document.kind).collect();
    assert_eq!(
        kinds,
        ["Agent", "Agent", "EgressDenyPolicy", "EgressGateway", "EgressHTTPRoute", "EgressL4Route"]
    );
}

#[test]
fn listeners_are_what_their_protocol_and_mode_say() {
    let text = GATEWAY
        .replace("{name: tcp, protocol: TCP}", "{name: tcp, protocol: TLS}")
        .replace("{name: web, protocol: HTTP}", "{name: web, protocol: HTTPS}");
    let set =
        load(&[file("g.yaml", &format!("{text}  mode: Enforce\n  defaultPolicy: allow-all\n"))]).unwrap();
    let protocols: Vec<_> =
        set.gateways["default"].listeners.iter().map(|listener| listener.protocol).collect();
    use ListenerProtocol::*;
    assert_eq!(protocols, [TlsTerminate, TlsTerminate, TlsPassthrough, TlsTerminate]);
    assert_eq!(set.gateways["default"].default_policy, DefaultPolicy::AllowAll);
}

#[test]
fn the_order_of_files_and_documents_makes_no_difference() {
    let (one, two) = (file("a.yaml", REFERENCE), file("b.yaml", AGENTS));
    let forward = load(&[one.clone(), two.clone()]).unwrap();
    let backward = load(&[two.clone(), one.clone()]).unwrap();
    let joined = load(&[file("c.yaml", &format!("{AGENTS}\n---\n{REFERENCE}"))]).unwrap();
    assert_eq!(format!("{forward:?}"), format!("{backward:?}"));
    assert_eq!(forward.digest, joined.digest, "the digest does not see files");
    assert!(forward.digest.starts_with("sha256:") && forward.digest.len() == 71, "{}", forward.digest);

    let reformatted = REFERENCE
        .replace("statusCode: 451", "statusCode:   0x1c3 # the same number")
        .replace("[at, all]", "none");
    assert_eq!(load(&[file("z.yaml", &reformatted), two.clone()]).unwrap().digest, forward.digest);
    let changed = REFERENCE.replace("5432", "5433");
    assert_ne!(load(&[file("a.yaml", &changed), two]).unwrap().digest, forward.digest);

    let (bad, worse) = (file("a.yaml", "kind: Nobody"), file("b.yaml", &AGENTS.replace("office", "gone")));
    let told = |files: &[SourceFile]| mistakes(load(files));
    assert_eq!(told(&[bad.clone(), worse.clone()]), told(&[worse, bad]));
}

#[test]
fn mistakes_of_several_files_are_told_together_and_in_order() {
    let told = mistakes(load(&[
        file(
            "b.yaml",
            &AGENTS
                .replace("team: red", "taem: red")
                .replace("GET", "FETCH")
                .replace("name: alice", "name: Alice"),
        ),
        file("a.yaml", &REFERENCE.replace("5432", "70000").replace("mode: Terminate", "mode: Open")),
    ]));
    assert_eq!(
        told,
        [
            "a.yaml:13:15 unknown `mode` `Open` (it can be `Terminate` or `Passthrough`)",
            "a.yaml:37:21 `port` 70000 is not between 1 and 65535",
            "b.yaml:4:18 name `Alice` is not a name (names have at most 253 lower-case letters, digits, `-` and `.`)",
            "b.yaml:6:3 unknown field `taem` (did you mean `team`?)",
            "b.yaml:27:20 unknown `method` `FETCH` (it can be `GET`, `HEAD`, `POST`, `PUT`, `DELETE`, `OPTIONS`, `TRACE` or `PATCH`)",
        ]
    );
}

#[test]
fn a_document_is_known_by_kind_and_name() {
    let told = mistakes(load(&[file("a.yaml", GATEWAY), file("b.yaml", GATEWAY)]));
    assert_eq!(told, ["b.yaml:4:18 EgressGateway `default` is defined twice (the first is at a.yaml:4:18)"]);
}

#[test]
fn a_document_that_is_defined_twice_has_its_own_mistakes_told() {
    let second = AGENTS.replace("team: red", "taem: red").replace("10.77.0.0/24", "10.77.0.1/24");
    let told = mistakes(load(&[file("a.yaml", REFERENCE), file("b.yaml", AGENTS), file("c.yaml", &second)]));
    assert_eq!(
        told,
        [
            "c.yaml:4:18 Agent `alice` is defined twice (the first is at b.yaml:4:18)",
            "c.yaml:6:3 unknown field `taem` (did you mean `team`?)",
            "c.yaml:14:18 Agent `others` is defined twice (the first is at b.yaml:14:18)",
            "c.yaml:16:25 `10.77.0.1/24` has bits set after its first 24 (write `10.77.0.0/24`, or `10.77.0.1/32` for this address alone)",
            "c.yaml:21:18 EgressHTTPRoute `api-read` is defined twice (the first is at b.yaml:21:18)",
        ]
    );
}

#[test]
fn a_name_is_not_called_missing_while_its_file_cannot_be_read() {
    let agents = file("b.yaml", AGENTS);
    assert_eq!(mistakes(load(&[file("a.yaml", "kind: [\n"), agents])).len(), 1, "the syntax error alone");
}

#[test]
fn a_name_is_called_missing_unless_a_document_of_an_unknown_kind_may_be_meant() {
    let route = "apiVersion: clawgress.io/v1alpha1\nkind: EgressL4Route\nmetadata: {name: r}\nspec: {parentRefs: [{name: gone}], rules: [{matches: [{ports: [{port: 1}]}]}]}\n";
    let other = |kind: &str, name: &str| format!("kind: {kind}\nmetadata: {{name: {name}}}\n");
    let told = |text: String| mistakes(load(&[file("a.yaml", route), file("b.yaml", &text)])).len();
    assert_eq!(told(other("EgresGateway", "gone")), 1, "the kind alone: it may be the gateway");
    assert_eq!(told(other("EgresGateway", "other")), 2);
    assert_eq!(told(other("TrustGraph", "gone")), 2, "no gateway, whatever its name");
    assert_eq!(told("kind: EgresGateway\n".into()), 1, "it may have any name");
}

#[test]
fn an_address_proves_one_agent_and_the_longer_prefix_wins() {
    let twice = AGENTS.replace("10.77.0.0/24", "10.77.0.2/32");
    assert_eq!(
        mistakes(load(&[file("a.yaml", REFERENCE), file("b.yaml", &twice)])),
        [
            "b.yaml:16:25 10.77.0.2/32 is already a source of agent `alice` (an address proves one agent; the other is at b.yaml:9:25)"
        ]
    );
}

#[test]
fn a_network_inside_that_of_another_agent_is_warned_of() {
    let agent = |name: &str, networks: &str| {
        let text = format!(
            "apiVersion: clawgress.io/v1alpha1\nkind: Agent\nmetadata: {{name: {name}}}\nspec: {{sources: {{addresses: [{networks}]}}}}"
        );
        file(&format!("{name}.yaml"), &text)
    };
    let warned = |files: [SourceFile; 3]| -> Vec<String> {
        let set = load(&files).unwrap_or_else(|report| panic!("{report}"));
        set.warnings.iter().map(|one| one.render(false)).collect()
    };
    let gateway = file("g.yaml", GATEWAY);
    for (pool, one, beside) in
        [("10.0.0.0/24", "10.0.0.5/32", "10.0.1.5/32"), ("fd77::/64", "fd77::5/128", "fd77:0:0:1::5/128")]
    {
        let told = warned([
            agent("bob", &format!("'{pool}'")),
            agent("alice", &format!("'{one}', '{beside}'")),
            gateway.clone(),
        ]);
        let [told] = &told[..] else { panic!("{told:?}") };
        let message = format!("warning: {pool} of agent `bob` has a network of agent `alice` inside\n");
        assert!(told.starts_with(&message) && told.contains("bob.yaml:4:30"), "{told}");
        let hint =
            format!("hint: addresses in {one} (alice.yaml:4:30) prove `alice`: the longer prefix counts");
        assert!(told.contains(&hint), "{told}");
        assert_eq!(
            warned([
                agent("bob", &format!("'{beside}'")),
                agent("alice", &format!("'{one}'")),
                gateway.clone()
            ]),
            [""; 0]
        );
        let own = agent("bob", &format!("'{pool}', '{one}'"));
        assert_eq!(warned([own, agent("alice", &format!("'{beside}'")), gateway.clone()]), [""; 0]);
    }
}

#[test]
fn a_card_proves_one_agent_however_it_is_spelled() {
    let agent = |name: &str, address: &str, mac: &str| {
        let text = format!(
            "apiVersion: clawgress.io/v1alpha1\nkind: Agent\nmetadata: {{name: {name}}}\n\
             spec: {{sources: {{addresses: [{address}], mac: '{mac}'}}}}"
        );
        file(&format!("{name}.yaml"), &text)
    };
    let alice = agent("alice", "10.0.0.1/32", "02:00:00:00:00:0a");
    let bob = agent("bob", "10.0.0.2/32", "02:00:00:00:00:0A");
    assert_eq!(
        mistakes(load(&[alice, bob, file("g.yaml", GATEWAY)])),
        [
            "bob.yaml:4:49 02:00:00:00:00:0a is already the card of agent `alice` (behind one card agents could not be told apart; the other is at alice.yaml:4:49)"
        ]
    );
}

#[test]
fn an_agent_leaves_through_its_gateway_or_the_default_or_the_only_one() {
    let gateway = |name: &str| {
        file(&format!("{name}.yaml"), &GATEWAY.replace("name: default", &format!("name: {name}")))
    };
    let agent = file(
        "agent.yaml",
        "apiVersion: clawgress.io/v1alpha1\nkind: Agent\nmetadata: {name: a}\nspec: {sources: {addresses: [10.0.0.1/32]}}",
    );
    let leaves = |files: &[SourceFile]| load(files).map(|set| set.agents["a"].gateway.to_string());
    assert_eq!(leaves(&[agent.clone(), gateway("only")]).unwrap(), "only");
    assert_eq!(leaves(&[agent.clone(), gateway("only"), gateway("default")]).unwrap(), "default");
    let told = leaves(&[agent.clone(), gateway("one"), gateway("two")]).expect_err("which of the two?");
    assert_eq!(
        super::told(&told),
        [
            "agent.yaml:3:18 agent `a` does not say which of 2 gateways it leaves through, and none is named `default` (add `egressRefs: [{gatewayRef: NAME}]` to its `spec`)"
        ]
    );
    assert_eq!(
        super::told(&leaves(&[agent]).expect_err("no gateway")),
        ["agent.yaml:3:18 agent `a` has no gateway to leave through (write an EgressGateway)"]
    );
}

#[test]
fn an_empty_set_is_valid() {
    let nothing = load(&[]).unwrap();
    let comments = load(&[file("a.yaml", "# nothing yet\n---\n---\n")]).unwrap();
    assert_eq!(nothing.digest, comments.digest);
}

#[test]
fn every_starter_document_loads() {
    let starters = [
        ("policies/starter/10-gateway.yaml", include_str!("../../../../policies/starter/10-gateway.yaml")),
        ("policies/starter/20-agent.yaml", include_str!("../../../../policies/starter/20-agent.yaml")),
        (
            "policies/starter/30-git-hosts.yaml",
            include_str!("../../../../policies/starter/30-git-hosts.yaml"),
        ),
        (
            "policies/starter/40-model-providers.yaml",
            include_str!("../../../../policies/starter/40-model-providers.yaml"),
        ),
        ("policies/starter/50-internal.yaml", include_str!("../../../../policies/starter/50-internal.yaml")),
        (
            "policies/starter/60-package-registries.yaml",
            include_str!("../../../../policies/starter/60-package-registries.yaml"),
        ),
    ];
    let gateway = file(starters[0].0, starters[0].1);
    for (path, text) in &starters[1..] {
        load(&[gateway.clone(), file(path, text)]).unwrap_or_else(|report| panic!("{report}"));
    }
    let all: Vec<SourceFile> = starters.iter().map(|(path, text)| file(path, text)).collect();
    let set = load(&all).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(set.gateways["default"].default_policy, DefaultPolicy::DenyAll);
}
