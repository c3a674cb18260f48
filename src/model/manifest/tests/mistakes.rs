//! Every kind of mistake: what is said, where, and what is advised.

use super::*;

/// Mistakes of a `spec` beside a good gateway, without the file's name.
fn of(kind: &str, spec: &str) -> Vec<String> {
    let told = mistakes(with_gateway(kind, spec));
    told.into_iter().map(|line| line.strip_prefix("a.yaml:").map(str::to_owned).unwrap_or(line)).collect()
}

fn of_document(text: &str) -> Vec<String> {
    mistakes(load(&[file("a.yaml", text)]))
}

#[test]
fn the_head_of_a_document_is_strict() {
    let head = |kind: &str| {
        format!("apiVersion: clawgress.io/v1alpha1\nkind: {kind}\nmetadata: {{name: x}}\nspec: {{}}\n")
    };
    for (text, expected) in [
        (head("EgresGateway"), "a.yaml:2:7 unknown kind `EgresGateway` (did you mean `EgressGateway`?)"),
        (head("HTTPRoute"), "a.yaml:2:7 unknown kind `HTTPRoute` (did you mean `EgressHTTPRoute`?)"),
        (
            head("AnomalyPolicy"),
            "a.yaml:2:7 `AnomalyPolicy` is not yet enforced (remove the document: what it asks for would not be done)",
        ),
        (
            head("Secret"),
            "a.yaml:2:7 `Secret` is not accepted in policy files (it could be read by others here, and the vault keeps it sealed: `clawgress apply -f FILE` or `clawgress secret set NAME` takes it; then remove the document, and change the value where others may have read it)",
        ),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: {a: b}\n".into(),
            "a.yaml:2:7 `Secret` is not accepted in policy files (it could be read by others here, and the vault keeps it sealed: `clawgress apply -f FILE` or `clawgress secret set NAME` takes it; then remove the document, and change the value where others may have read it)",
        ),
        (
            head("PolicyTest"),
            "a.yaml:2:7 `PolicyTest` is not accepted in policy files (policy tests stand in files of their own, named `*.test.yaml`, and `clawgress test` reads them)",
        ),
        (
            "a: b\n".into(),
            "a.yaml:1:1 the document lacks the field `kind` (it can be `Agent`, `EgressGateway`, `EgressL4Route`, `EgressHTTPRoute`, `EgressDenyPolicy`, `EgressPolicy`, `EgressApproval`, `AIProviderRoute`, `MCPRoute`, `McpServer`, `ToolPolicy`, `InferencePolicy`, `BudgetPolicy`, `RateLimitPolicy`, `BandwidthPolicy`, `DLPPolicy` or `CredentialInjectionPolicy`)",
        ),
        ("just words\n".into(), "a.yaml:1:1 the document must be a mapping, this is a text"),
    ] {
        assert_eq!(of_document(&text), [expected], "{text}");
    }
    assert_eq!(
        of_document(
            "kind: EgressGateway\napiVersion: clawgress.io/v1\nmetadata: {name: Caps, lables: {}}\nextra: 1\n"
        ),
        [
            "a.yaml:1:1 the document lacks the field `spec`",
            "a.yaml:2:13 unknown `apiVersion` `clawgress.io/v1` (did you mean `clawgress.io/v1alpha1`?)",
            "a.yaml:3:18 name `Caps` is not a name (names have at most 253 lower-case letters, digits, `-` and `.`)",
            "a.yaml:3:24 unknown field `lables` (did you mean `labels`?)",
            "a.yaml:4:1 unknown field `extra` (known here: `apiVersion`, `kind`, `metadata`, `spec` or `status`)",
        ]
    );
}

#[test]
fn a_gateway_says_what_is_wrong_with_it() {
    let gateway = |listener: &str| format!("  listeners:\n    - {{name: a, {listener}}}");
    for (spec, expected) in [
        ("  defaultPolicy: deny-all".to_owned(), "4:1 `spec` lacks the field `listeners`"),
        ("  listeners: []".to_owned(), "5:3 `listeners` is an empty list (name at least one)"),
        (gateway("protocol: TPC"), "6:27 unknown `protocol` `TPC` (did you mean `TCP`?)"),
        (
            gateway("protocol: UDP, tls: {}"),
            "6:32 a listener with `protocol: UDP` has no `tls` (remove it, or write `protocol: TLS`)",
        ),
        (
            gateway("protocol: TCP, port: 443"),
            "6:32 a listener here has no `port` (remove it: a listener takes traffic to every port, and routes choose by `ports`)",
        ),
        (
            gateway("protocol: TCP, tls: {}"),
            "6:32 a listener with `protocol: TCP` has no `tls` (remove it, or write `protocol: TLS`)",
        ),
        (
            gateway("protocol: HTTPS, tls: {mode: Passthrough}"),
            "6:46 HTTPS is always opened (write `protocol: TLS` to pass it through)",
        ),
        (
            gateway("protocol: TLS, tls: {ech: Allow}"),
            "6:38 only `mode: Passthrough` has `ech` (remove it: where TLS is opened, ECH is ignored and the client falls back)",
        ),
        (
            gateway("protocol: HTTPS, tls: {mode: Terminate, ech: Refuse}"),
            "6:57 only `mode: Passthrough` has `ech` (remove it: where TLS is opened, ECH is ignored and the client falls back)",
        ),
        (
            gateway("protocol: TLS, tls: {mode: Passthrough, ech: Alow}"),
            "6:62 unknown `ech` `Alow` (did you mean `Allow`?)",
        ),
        (
            gateway("protocol: TLS, hostname: a.b"),
            "6:32 `hostname` is not yet enforced (remove it: what it asks for would not be done)",
        ),
        (
            gateway("protocol: TCP}\n    - {name: a, protocol: HTTP"),
            "7:14 two listeners are named `a` (give each a name of its own)",
        ),
        (
            gateway("tls: {}"),
            "6:8 an entry of `listeners` lacks the field `protocol` (it can be `TCP`, `UDP`, `TLS`, `HTTP` or `HTTPS`)",
        ),
        (
            gateway("protocol: TCP}\n  otlp: {endpoint: x"),
            "7:3 `otlp` is not yet enforced (remove it: what it asks for would not be done)",
        ),
        (
            gateway("protocol: TCP}\n  mode: Learn\n  x-y: {a: b"),
            "7:9 `mode: Learn` is not yet enforced (remove it: what it asks for would not be done)",
        ),
        (
            gateway("protocol: TCP}\n  defaultPolicy: {a: b"),
            "7:3 `defaultPolicy` must be a text, this is a mapping",
        ),
        (
            gateway("protocol: TCP}\n  defaultPolicy: {a: b").replace("{a: b}", "yes"),
            "7:18 unknown `defaultPolicy` `yes` (it can be `deny-all` or `allow-all`)",
        ),
    ] {
        assert_eq!(of("EgressGateway", &spec)[0], expected, "{spec}");
    }
}

#[test]
fn each_transport_of_a_route_needs_a_listener_that_takes_it() {
    let gateway = GATEWAY.replace("protocol: HTTP", "protocol: UDP");
    let route = |section: &str, protocol: &str| {
        let route = format!(
            "kind: EgressL4Route\napiVersion: clawgress.io/v1alpha1\nmetadata: {{name: r}}\nspec:\n  \
             parentRefs: [{{name: default{section}}}]\n  \
             rules: [{{matches: [{{protocol: {protocol}, ports: [{{port: 123}}]}}]}}]"
        );
        load(&[file("a.yaml", &route), file("g.yaml", &gateway)])
    };
    for (section, protocol) in
        [("", "TCP"), ("", "UDP"), (", sectionName: web", "UDP"), (", sectionName: tls", "TCP")]
    {
        assert!(route(section, protocol).is_ok(), "{section} {protocol}");
    }
    assert_eq!(
        mistakes(route(", sectionName: web", "TCP")),
        [
            "a.yaml:5:45 TCP is not taken on listener `web` (choose a listener with `protocol: TCP`, TLS, HTTPS or HTTP)"
        ]
    );
    assert_eq!(
        mistakes(route(", sectionName: tcp", "UDP")),
        ["a.yaml:5:45 UDP is not taken on listener `tcp` (choose a listener with `protocol: UDP`)"]
    );
}

#[test]
fn an_l4_route_says_what_is_wrong_with_it() {
    let of_match = |one: &str| {
        of(
            "EgressL4Route",
            &format!("  parentRefs: [{{name: default}}]\n  rules:\n  - matches:\n    - {one}"),
        )
    };
    for (one, expected) in [
        (
            "destinationHostname: [a.b]",
            &[
                "8:7 this match names no destination (name hosts, networks or ports; `0.0.0.0/0` and `\"::/0\"` are all addresses)",
                "8:7 unknown field `destinationHostname` (did you mean `destinationHostnames`?)",
            ][..],
        ),
        (
            "destinationHostnames: ['*.*.example']",
            &[
                "8:30 host `*.*.example` has a character that no host name may carry (a wildcard stands for one label; list the names below it, or a wildcard for each)",
            ],
        ),
        (
            "destinationHostnames: [192.0.2.1]",
            &[
                "8:30 host `192.0.2.1` is an IP address, not a host name (addresses are named by `destinationCIDRs` in an EgressL4Route)",
            ],
        ),
        (
            "destinationHostnames: ['https://a.b/c']",
            &[
                "8:30 host `https://a.b/c` has a character that no host name may carry (give the host alone, without scheme and path)",
            ],
        ),
        (
            "destinationHostnames: a.b",
            &[
                "8:29 `destinationHostnames` must be a list, this is a text (write it as `[...]`, or on lines of its own with `- ` in front)",
            ],
        ),
        (
            "destinationHostnames: []",
            &["8:7 `destinationHostnames` is an empty list (name at least one, or remove the field)"],
        ),
        (
            "destinationHostnames:",
            &["8:7 field `destinationHostnames` has no value (give it one, or remove the line)"],
        ),
        (
            "destinationCIDRs: [10.0.0.1/8]",
            &[
                "8:26 `10.0.0.1/8` has bits set after its first 8 (write `10.0.0.0/8`, or `10.0.0.1/32` for this address alone)",
            ],
        ),
        ("destinationCIDRs: [10.0.0.1]", &["8:26 `10.0.0.1` is not a network (write `10.0.0.1/32`)"]),
        (
            "destinationCIDRs: ['::ffff:192.0.2.0/120']",
            &["8:26 `::ffff:192.0.2.0/120` is an IPv4 network (write `192.0.2.0/24`)"],
        ),
        (
            "destinationCIDRs: [somewhere]",
            &["8:26 `somewhere` is not a network (write an address, `/` and the length of its prefix)"],
        ),
        ("ports: [{port: 99999}]", &["8:22 `port` 99999 is not between 1 and 65535"]),
        ("ports: [{port: 0}]", &["8:22 `port` 0 is not between 1 and 65535"]),
        (
            "ports: [{port: 99999999999999999999}]",
            &["8:22 `port` 99999999999999999999 is not between 1 and 65535"],
        ),
        (
            "ports: [{port: '443'}]",
            &["8:22 `port` must be a whole number, this is a text (remove the quotes)"],
        ),
        (
            "ports: [{startPort: 9, endPort: 8}]",
            &["8:39 the range ends at 8, before it starts at 9 (exchange the two)"],
        ),
        ("ports: [{startPort: 9}]", &["8:16 an entry of `ports` lacks the field `endPort`"]),
        (
            "ports: [{port: 9, endPort: 8}]",
            &["8:16 both a port and a range of ports are given (write two entries)"],
        ),
        (
            "{protocol: TCP}",
            &[
                "8:8 this match names no destination (name hosts, networks or ports; `0.0.0.0/0` and `\"::/0\"` are all addresses)",
            ],
        ),
        (
            "{protocol: UDP, ports: [{port: 53}]}",
            &[
                "5:23 UDP is not taken on any listener of EgressGateway `default` (give it a listener with `protocol: UDP`)",
                "8:32 UDP port 53 is DNS, which the gateway answers itself (remove it: every agent may ask)",
            ],
        ),
        (
            "{destinationHostnames: [dns.example], ports: [{port: 443}, {port: 853}]}",
            &[
                "8:67 TCP port 853 is encrypted DNS, which is always refused (remove it: the gateway answers DNS itself, and a resolver of your own is one of its upstreams)",
            ],
        ),
        (
            "{protocol: UDP, ports: [{port: 123}, {startPort: 443, endPort: 443}, {startPort: 400, endPort: 500}]}",
            &[
                "5:23 UDP is not taken on any listener of EgressGateway `default` (give it a listener with `protocol: UDP`)",
                "8:45 UDP port 443 is QUIC, which is always refused (remove it: clients fall back to TCP, where requests can be judged)",
            ],
        ),
    ] {
        assert_eq!(of_match(one), expected, "{one}");
    }
    assert_eq!(
        of(
            "EgressL4Route",
            "  rules:\n  - filters: []\n    sourceAgents: {}\n  sourceAgents: {matchLabel: {a: b}}"
        ),
        [
            "4:1 `spec` lacks the field `parentRefs`",
            "6:5 `filters` is not yet enforced (remove it: what it asks for would not be done)",
            "6:5 an entry of `rules` lacks the field `matches`",
            "7:5 `sourceAgents` is not yet enforced for one rule (put it beside `rules`, in a route of its own)",
            "8:18 unknown field `matchLabel` (did you mean `matchLabels`?)",
        ][..]
    );
    assert_eq!(
        of(
            "EgressL4Route",
            "  parentRefs: [{name: default}]\n  rules:\n  - filters: [a]\n    sourceAgents: {}"
        ),
        [
            "7:5 `filters` is not yet enforced (remove it: what it asks for would not be done)",
            "7:5 an entry of `rules` lacks the field `matches`",
            "8:5 `sourceAgents` is not yet enforced for one rule (put it beside `rules`, in a route of its own)",
        ]
    );
}

#[test]
fn an_http_route_says_what_is_wrong_with_it() {
    let of_match = |one: &str| {
        of(
            "EgressHTTPRoute",
            &format!(
                "  parentRefs: [{{name: default}}]\n  hostnames: [a.example]\n  rules:\n  - matches:\n    - {one}"
            ),
        )
    };
    for (one, expected) in [
        (
            "method: CONNECT",
            "9:15 `CONNECT` is refused before any route is asked (remove the match: what a tunnel would reach, an EgressL4Route names)",
        ),
        ("method: get", "9:15 unknown `method` `get` (did you mean `GET`?)"),
        (
            "path: {type: RegularExpression, value: /a}",
            "9:20 `type: RegularExpression` is not yet enforced (remove it: what it asks for would not be done)",
        ),
        ("path: {value: a}", "9:21 path `a` does not begin with `/`"),
        (
            "path: {value: /a//b}",
            "9:21 path `/a//b` has an empty or hidden path element (requests are matched after their paths are made canonical)",
        ),
        (
            "path: {value: /a/../b}",
            "9:21 path `/a/../b` has the element `.` or `..` (requests are matched after their paths are made canonical)",
        ),
        (
            "path: {value: '/a?b=c'}",
            "9:21 path `/a?b=c` has a query or fragment (match queries with `queryParams`)",
        ),
        (
            "path: {value: /a/*}",
            "9:21 path `/a/*` has a `*` (paths have no wildcards; `PathPrefix` matches all below a path)",
        ),
        ("headers: [{name: 'a b', value: c}]", "9:24 `a b` is not a header name"),
        (
            "headers: [{name: A, value: c}, {name: a, value: d}]",
            "9:45 header `a` is given twice (all headers of a match must hold)",
        ),
        (
            "headers: [{type: RegularExpression, name: a, value: c}]",
            "9:24 `type: RegularExpression` is not yet enforced (remove it: what it asks for would not be done)",
        ),
        (
            "queryParams: [{name: a, value: 1}]",
            "9:38 `value` must be a text, this is a number (write it in quotes: `\"1\"`)",
        ),
        ("header: []", "9:7 unknown field `header` (did you mean `headers`?)"),
    ] {
        assert_eq!(of_match(one), [expected], "{one}");
    }
    assert_eq!(
        of(
            "EgressHTTPRoute",
            "  parentRefs: [{name: default}]\n  hostnames: [a.example]\n  rules: [{name: one}, {name: two}, {name: one}]"
        ),
        ["7:44 two rules are named `one` (give each a name of its own)"]
    );
    assert_eq!(
        of(
            "EgressHTTPRoute",
            "  parentRefs: [{name: default, sectionName: sni}]\n  rules:\n  - backendRefs: [{name: a}]"
        ),
        [
            "4:1 `spec` lacks the field `hostnames`",
            "5:45 requests cannot be seen on listener `sni` (choose a listener with `protocol: TLS` and `mode: Terminate`, HTTPS or HTTP)",
            "7:5 `backendRefs` is not yet enforced (remove it: what it asks for would not be done)",
        ]
    );
    let passing = GATEWAY.replace("Terminate", "Passthrough").replace("HTTP", "TCP");
    let route = "kind: EgressHTTPRoute\napiVersion: clawgress.io/v1alpha1\nmetadata: {name: r}\nspec: {parentRefs: [{name: default}], hostnames: [a.example], rules: [{}]}";
    assert_eq!(
        mistakes(load(&[file("a.yaml", route), file("g.yaml", &passing)])),
        [
            "a.yaml:4:28 requests cannot be seen on any listener of EgressGateway `default` (give it a listener with `protocol: TLS` and `mode: Terminate`, HTTPS or HTTP)"
        ]
    );
}

#[test]
fn an_agent_says_what_is_wrong_with_it() {
    for (spec, expected) in [
        ("  team: red", &["4:1 `spec` lacks the field `sources`"][..]),
        ("  sources: {addresses: [10.0.0.1]}", &["5:25 `10.0.0.1` is not a network (write `10.0.0.1/32`)"]),
        (
            "  sources: {addresses: [10.0.0.1/32], mac: '02:00:00:00:00:0A', interface: a0}",
            &["5:65 `interface` is not yet enforced (remove it: what it asks for would not be done)"],
        ),
        (
            "  sources: {addresses: [10.0.0.1/32], mac: 02-00-00-00-00-02}",
            &["5:44 `02-00-00-00-00-02` is not a MAC address (write it with colons: `02:00:00:00:00:02`)"],
        ),
        (
            "  sources: {addresses: [10.0.0.1/32], mac: '01:00:5e:00:00:01'}",
            &[
                "5:44 `01:00:5e:00:00:01` is the address of a group of cards (`ip link` shows the workload's own, behind `link/ether`)",
            ],
        ),
        (
            "  sources: {addresses: [10.0.0.1/32]}\n  assertion: {require: jwt}",
            &["6:24 `require: jwt` is not yet enforced (remove it: what it asks for would not be done)"],
        ),
        (
            "  sources: {addresses: [10.0.0.1/32]}\n  team: 7",
            &["6:9 `team` must be a text, this is a number (write it in quotes: `\"7\"`)"],
        ),
        (
            "  sources: {addresses: [10.0.0.1/32]}\n  egressRefs: [{gatewayRef: defualt}]",
            &["6:29 there is no EgressGateway named `defualt` (did you mean `default`?)"],
        ),
        (
            "  sources: {addresses: [10.0.0.1/32]}\n  egressRefs: [{gatewayRef: default}, {gatewayRef: default}]",
            &["6:40 more than one gateway for an agent is not yet enforced (name one gateway)"],
        ),
        (
            "  sources: {addresses: [10.0.0.1/32, 10.0.0.1/32]}",
            &[
                "5:38 10.0.0.1/32 is already a source of agent `x` (an address proves one agent; the other is at a.yaml:5:25)",
            ],
        ),
    ] {
        assert_eq!(of("Agent", spec), expected, "{spec}");
    }
}

#[test]
fn a_deny_policy_says_what_is_wrong_with_it() {
    for (spec, expected) in [
        (
            "  targetRef: {kind: EgressL4Route, name: gone}",
            &["5:42 there is no EgressL4Route named `gone` (there is no EgressL4Route)"][..],
        ),
        (
            "  targetRef: {kind: AIProviderRoute, name: gone}",
            &["5:44 there is no AIProviderRoute named `gone` (there is no AIProviderRoute)"],
        ),
        (
            "  targetRef: {kind: McpServer}",
            &[
                "5:3 `targetRef` lacks the field `name`",
                "5:21 `McpServer` is not a kind of route (it can be `EgressL4Route`, `EgressHTTPRoute`, `AIProviderRoute` or `MCPRoute`)",
            ],
        ),
        (
            "  targetRef: {kind: Agent, name: gone}",
            &[
                "5:21 `Agent` is not a kind of route (it can be `EgressL4Route`, `EgressHTTPRoute`, `AIProviderRoute` or `MCPRoute`)",
            ],
        ),
        (
            "  denyResponse: {statusCode: 200}",
            &["4:1 `spec` lacks the field `targetRef`", "5:30 `statusCode` 200 is not between 400 and 599"],
        ),
        (
            "  denyResponse: {message: \"a\\u0007b\"}",
            &["4:1 `spec` lacks the field `targetRef`", "5:27 `message` has the control character U+0007"],
        ),
        (
            "  denyResponse: {status: 451}",
            &[
                "4:1 `spec` lacks the field `targetRef`",
                "5:18 unknown field `status` (did you mean `statusCode`?)",
            ],
        ),
    ] {
        assert_eq!(of("EgressDenyPolicy", spec), expected, "{spec}");
    }
    let long = format!("  denyResponse: {{message: {}}}", "a".repeat(1025));
    assert_eq!(
        of("EgressDenyPolicy", &long),
        ["4:1 `spec` lacks the field `targetRef`", "5:27 `message` is longer than 1024 bytes"]
    );
}

#[test]
fn selectors_and_references_say_what_is_wrong_with_them() {
    let of_head = |head: &str| {
        of("EgressL4Route", &format!("  {head}\n  rules: [{{matches: [{{ports: [{{port: 1}}]}}]}}]"))
    };
    for (head, expected) in [
        (
            "parentRefs: [{kind: Gateway, name: default}]",
            "5:23 `Gateway` cannot be a route's parent (it is always an `EgressGateway`)",
        ),
        (
            "parentRefs: [{name: defalt}]",
            "5:23 there is no EgressGateway named `defalt` (did you mean `default`?)",
        ),
        (
            "parentRefs: [{name: default, sectionName: tsl}]",
            "5:45 EgressGateway `default` has no listener `tsl` (did you mean `tls`?)",
        ),
        (
            "parentRefs: [{name: default, port: 443}]",
            "5:32 `port` is not yet enforced (remove it: what it asks for would not be done)",
        ),
        (
            "parentRefs: [{name: default}]\n  sourceAgents: {matchLabels: {a: 1}}",
            "6:35 `a` must be a text, this is a number (write it in quotes: `\"1\"`)",
        ),
        (
            "parentRefs: [{name: default}]\n  sourceAgents: {matchExpressions: [{key: a, operator: in, values: [b]}]}",
            "6:56 unknown `operator` `in` (did you mean `In`?)",
        ),
        (
            "parentRefs: [{name: default}]\n  sourceAgents: {matchExpressions: [{key: a, operator: In}]}",
            "6:38 an entry of `matchExpressions` lacks the field `values`",
        ),
        (
            "parentRefs: [{name: default}]\n  sourceAgents: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}",
            "6:64 `values` have no meaning with this operator (remove them)",
        ),
        (
            "parentRefs: [{name: default}]\n  sourceAgents: {matchLabels: {a: b}, matchExpressions: [{key: a, operator: NotIn, values: [b, c]}]}",
            "6:3 no agent can match: what is asked of label `a` contradicts itself (all of a selector must hold; an alternative is a document of its own)",
        ),
        (
            "parentRefs: [{name: default}]\n  sourceAgents: {matchExpressions: [{key: a, operator: DoesNotExist}, {key: b, operator: Exists}, {key: a, operator: Exists}]}",
            "6:3 no agent can match: what is asked of label `a` contradicts itself (all of a selector must hold; an alternative is a document of its own)",
        ),
        (
            "parentRefs: [{name: default}]\n  sourceAgents:",
            "6:3 field `sourceAgents` has no value (give it one, or remove the line)",
        ),
    ] {
        assert_eq!(of_head(head), [expected], "{head}");
    }
}

#[test]
fn a_mistake_is_shown_with_its_line_and_the_hint_under_the_word() {
    let text = "apiVersion: clawgress.io/v1alpha1\nkind: EgressL4Route\nmetadata: {name: paste}\nspec:\n  parentRefs: [{name: default}]\n  rules:\n  - matches:\n      - destinationHostnames: [paste.example]\n        prots: [{port: 443}]\n";
    let report =
        load(&[file("policies.d/paste.yaml", text), file("g.yaml", GATEWAY)]).expect_err("a typing mistake");
    let shown = "error: unknown field `prots`\n \
        --> policies.d/paste.yaml:9:9\n  \
         |\n\
         9 |         prots: [{port: 443}]\n  \
         |         ^^^^^ did you mean `ports`?\n\n";
    assert_eq!(report.render(false), shown);
    assert_eq!(report.summary(), "1 error in 1 of 2 files");
    assert!(report.render(true).contains("\u{1b}["), "colour is there when it is asked for");
    assert_eq!(
        serde_json::to_value(&report).unwrap()["errors"][0],
        serde_json::json!({
            "file": "policies.d/paste.yaml", "line": 9, "column": 9,
            "message": "unknown field `prots`", "hint": "did you mean `ports`?",
        })
    );
}

#[test]
fn a_word_that_nobody_knows_hides_no_mistake_beside_it() {
    let route =
        |rules: &str| format!("  parentRefs: [{{name: default}}]\n  rules:\n  - matches:\n    - {rules}");
    assert_eq!(
        of(
            "EgressL4Route",
            &route(
                "{protocol: SCTP, destinationHostnames: [a/b], destinationCIDRs: [x], ports: [{port: 0}, {port: 853}]}"
            )
        ),
        [
            "8:18 unknown `protocol` `SCTP` (it can be `TCP` or `UDP`)",
            "8:47 host `a/b` has a character that no host name may carry (give the host alone, without scheme and path)",
            "8:72 `x` is not a network (write an address, `/` and the length of its prefix)",
            "8:91 `port` 0 is not between 1 and 65535",
        ]
    );
    let http = |rules: &str| format!("  hostnames: [a.example]\n{}", route(rules));
    assert_eq!(
        of("EgressHTTPRoute", &http("{path: {type: Regexp, value: a}}")),
        [
            "9:21 unknown `type` `Regexp` (it can be `Exact` or `PathPrefix`)",
            "9:36 path `a` does not begin with `/`",
        ]
    );
    assert_eq!(
        of("EgressGateway", "  listeners:\n    - {name: a, protocol: TSL, tls: {mode: Open, ech: Perhaps}}"),
        [
            "6:27 unknown `protocol` `TSL` (did you mean `TLS`?)",
            "6:44 unknown `mode` `Open` (it can be `Terminate` or `Passthrough`)",
            "6:55 unknown `ech` `Perhaps` (it can be `Refuse` or `Allow`)",
        ]
    );
    let selector = "  sourceAgents: {matchExpressions: [{key: a, operator: Is, values: ['x y']}]}\n";
    assert_eq!(
        of("EgressL4Route", &format!("{selector}{}", route("{ports: [{port: 1}]}"))),
        [
            "5:56 unknown `operator` `Is` (did you mean `In`?)",
            "5:69 `x y` is not a label value (values have at most 63 letters, digits, `-`, `_` and `.`)",
        ]
    );
}

#[test]
fn anchors_tags_and_aliases_hide_no_mistake_behind_them() {
    let text = GATEWAY
        .replace("protocol: TCP}", "protocol: &a TCP}")
        .replace("protocol: HTTP}", "protocol: !!str HTPT}")
        + "  mode: *a\n  defaultPolicy: allow-none\n";
    assert_eq!(
        mistakes(load(&[file("g.yaml", &text)])),
        [
            "g.yaml:7:32 anchors are not accepted (remove it, and write the value out)",
            "g.yaml:10:35 tags are not accepted (remove it; a quoted value is a text)",
            "g.yaml:10:35 unknown `protocol` `HTPT` (did you mean `HTTP`?)",
            "g.yaml:11:3 field `mode` has no value (give it one, or remove the line)",
            "g.yaml:11:9 aliases are not accepted (write the value out)",
            "g.yaml:12:18 unknown `defaultPolicy` `allow-none` (it can be `deny-all` or `allow-all`)",
        ]
    );
}

#[test]
fn two_deny_policies_of_a_route_answer_alike() {
    let route = "apiVersion: clawgress.io/v1alpha1\nkind: EgressL4Route\nmetadata: {name: r}\n\
                 spec: {parentRefs: [{name: default}], rules: [{matches: [{ports: [{port: 1}]}]}]}\n";
    let deny = |name: &str, response: &str| {
        let text = format!(
            "apiVersion: clawgress.io/v1alpha1\nkind: EgressDenyPolicy\nmetadata: {{name: {name}}}\n\
             spec: {{targetRef: {{kind: EgressL4Route, name: r}}{response}}}\n"
        );
        file(&format!("{name}.yaml"), &text)
    };
    let set = |one: &str, other: &str| {
        load(&[deny("a", one), deny("b", other), file("g.yaml", GATEWAY), file("r.yaml", route)])
    };
    let gone = ", denyResponse: {statusCode: 410}";
    for (one, other) in [("", ""), (gone, gone)] {
        assert!(set(one, other).is_ok(), "{one} {other}");
    }
    for (one, other) in [("", gone), (gone, ", denyResponse: {statusCode: 451}")] {
        assert_eq!(
            mistakes(set(one, other)),
            [
                "b.yaml:4:8 EgressDenyPolicy `a` answers for this route with another `denyResponse` (only one of them would speak: give both the same, or remove one)"
            ]
        );
    }
}
