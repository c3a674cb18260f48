//! `MCPRoute`, `McpServer` and `ToolPolicy`: what they come to, and what is wrong with others.

use std::time::Duration;

use super::*;
use crate::model::manifest::resources::ServerPath;
use crate::model::types::ToolPattern;

fn said(kind: &str, spec: &str) -> Vec<String> {
    let all = mistakes(with_gateway(kind, &format!("  {spec}")));
    all.iter().map(|line| line.split_once(' ').expect("a place").1.to_owned()).collect()
}

fn tool(text: &str) -> ToolPattern {
    ToolPattern(text.into())
}

#[test]
fn a_route_to_tools_comes_to_what_it_says() {
    let spec = "  {parentRefs: [{name: default}], rules: [{matches: [{servers: ['https://mcp.example.com/*', 'http://*.lab.example:8080/%6dcp', 'https://bare.example'],
      tools: [github_*, '*', read]}], filters: [{type: ToolPolicy, toolPolicy: {allowedTools: [], maxCallsPerExecution: 50}}]}]}";
    let set = with_gateway("MCPRoute", spec).unwrap();
    let [rule] = &set.mcp_routes["x"].rules[..] else { panic!("one rule") };
    let [one] = &rule.matches[..] else { panic!("one match") };
    let servers: Vec<String> = one.servers.iter().map(ToString::to_string).collect();
    assert_eq!(
        servers,
        ["https://mcp.example.com/*", "http://*.lab.example:8080/mcp", "https://bare.example/"]
    );
    let [first, second, third] = &one.servers[..] else { panic!("three servers") };
    assert_eq!((first.tls, first.port, &first.path), (true, 443, &ServerPath::Beginning("/".into())));
    assert_eq!((second.tls, second.port, &second.path), (false, 8080, &ServerPath::Exact("/mcp".into())));
    assert_eq!((third.port, &third.path), (443, &ServerPath::Exact("/".into())));
    assert_eq!(one.tools, [tool("github_*"), tool("*"), tool("read")]);
    let [caps] = &rule.tools[..] else { panic!("one filter") };
    assert_eq!((caps.allowed.as_deref(), caps.calls_per_execution), (Some(&[][..]), Some(50)));
}

#[test]
fn urls_of_servers_say_what_is_wrong_with_them() {
    for (url, expected) in [
        ("mcp.example.com", "has another scheme than `https` and `http` (write `https://HOST/PATH`)"),
        ("ftp://mcp.example.com/", "has another scheme than `https` and `http` (write `https://HOST/PATH`)"),
        (
            "https://mcp.example.com/?a=b",
            "has a query or fragment (remove it: servers are told apart by host and path)",
        ),
        ("https://me@mcp.example.com/", "has a user (remove it: credentials have no place in documents)"),
        ("https://mcp.example.com:0/", "has a port outside 1 to 65535 (without it, it is 443 or 80)"),
    ] {
        let spec =
            format!("{{parentRefs: [{{name: default}}], rules: [{{matches: [{{servers: ['{url}']}}]}}]}}");
        assert_eq!(said("MCPRoute", &spec), [format!("url `{url}` {expected}")]);
    }
    for (url, expected) in [
        (
            "https://192.0.2.1/",
            "host `192.0.2.1` is an address, not a name (addresses are named by `destinationCIDRs` in an EgressL4Route)",
        ),
        (
            "https://*/",
            "host `*` has a character that no host name has (a wildcard needs a domain, such as `*.example.com`)",
        ),
        ("https://a.example/*/x", "path `/*/x` has a `*` (a `*` stands at the end alone)"),
        (
            "https://a.example//x",
            "path `//x` has an empty or hidden path element (requests are matched after their paths are made canonical)",
        ),
    ] {
        let spec =
            format!("{{parentRefs: [{{name: default}}], rules: [{{matches: [{{servers: ['{url}']}}]}}]}}");
        let all = said("MCPRoute", &spec);
        assert_eq!(all.len(), 1, "{all:?}");
        let hint = |text: &str| text.split_once('(').expect("a hint").1.to_owned();
        assert_eq!(hint(&all[0]), hint(expected), "{url}");
    }
}

#[test]
fn a_server_is_one_place_with_its_tools_and_agents() {
    let spec = "  {url: 'https://api.githubcopilot.com/mcp', productionMode: false, allowedTools: ['*'], allowedSandboxes: {matchLabels: {a: b}}}";
    let set = with_gateway("McpServer", spec).unwrap();
    let server = &set.mcp_servers["x"];
    assert_eq!(server.url.to_string(), "https://api.githubcopilot.com/mcp");
    assert_eq!(server.allowed, [tool("*")]);
    assert!(server.agents.as_ref().unwrap().selects(&[("a".to_owned(), "b".to_owned())].into()));
    let none = with_gateway("McpServer", "  {url: 'https://a.example', allowedTools: []}").unwrap();
    assert!(none.mcp_servers["x"].allowed.is_empty());
}

#[test]
fn a_server_says_what_is_wrong_with_it() {
    let with = |rest: &str| format!("{{url: 'https://a.example/mcp', allowedTools: ['*'], {rest}}}");
    for (spec, expected) in [
        (
            with("productionMode: true"),
            "`productionMode: true` is not yet enforced (remove it: what it asks for would not be done)",
        ),
        (with("productionMode: maybe"), "`productionMode` must be `true` or `false`, this is a text"),
        (
            with("oauth: {issuer: 'https://a'}"),
            "`oauth` is not yet enforced (remove it: what it asks for would not be done)",
        ),
        (with("scopes: [a]"), "`scopes` is not yet enforced (remove it: what it asks for would not be done)"),
        (
            with("bearerFromEnv: A"),
            "`bearerFromEnv` is not yet enforced (remove it: what it asks for would not be done)",
        ),
        (
            with("bundleRef: a"),
            "`bundleRef` is not yet enforced (remove it: what it asks for would not be done)",
        ),
        ("{url: 'https://a.example/mcp'}".into(), "`spec` lacks the field `allowedTools`"),
        (
            "{url: 'https://a.example/*', allowedTools: []}".into(),
            "url `https://a.example/*` has a `*` (a server is one place; an MCPRoute names several by one URL)",
        ),
    ] {
        assert_eq!(said("McpServer", &spec), [expected], "{spec}");
    }
}

#[test]
fn a_server_that_no_gateway_shows_is_a_mistake() {
    let server = "apiVersion: clawgress.io/v1alpha1\nkind: McpServer\nmetadata: {name: x}\nspec: {url: 'https://a.example/', allowedTools: []}\n";
    let blind = GATEWAY
        .replace("{mode: Terminate}", "{mode: Passthrough}")
        .replace("protocol: HTTP", "protocol: UDP");
    let told = mistakes(load(&[file("a.yaml", server), file("gateway.yaml", &blind)]));
    assert_eq!(
        told,
        [
            "a.yaml:4:13 calls of tools are requests, and no listener that the policy is about shows requests (they are seen on a listener with `protocol: TLS` and `mode: Terminate`, HTTPS or HTTP)"
        ]
    );
}

#[test]
fn a_policy_of_tools_comes_to_what_it_says() {
    let rate = |text: &str| {
        let spec = format!(
            "  {{appliesTo: {{tool: web.fetch, mcpServer: '', sandboxMatchLabels: {{}}}}, approval: {{mode: always}}, rateLimit: {text}}}"
        );
        let set = with_gateway("ToolPolicy", &spec).unwrap();
        let policy = set.tool_policies["x"].clone();
        assert_eq!((&policy.tool, &policy.server, &policy.labels), (&tool("web.fetch"), &None, &None));
        assert!(policy.needs_approval);
        let rate = policy.rate.unwrap();
        (rate.calls.get(), rate.window, rate.burst.get())
    };
    assert_eq!(rate("{rps: 2, burst: 5, window: 1m}"), (120, Duration::from_secs(60), 5));
    assert_eq!(rate("{rps: 2, window: 1m}"), (120, Duration::from_secs(60), 120));
    assert_eq!(rate("{rps: 2, burst: 5}"), (2, Duration::from_secs(1), 5));
}

#[test]
fn a_policy_of_tools_says_what_is_wrong_with_it() {
    for (rest, expected) in [
        ("", "this policy asks for nothing (write `approval` or `rateLimit`)"),
        (
            "approval: {mode: aboveThreshold}",
            "`mode: aboveThreshold` is not yet enforced (remove it: what it asks for would not be done)",
        ),
        (
            "approval: {mode: never, threshold: 'USD 1.00'}",
            "`threshold` is not yet enforced (remove it: what it asks for would not be done)",
        ),
        (
            "approval: {mode: always, channel: email}",
            "`channel` is not yet enforced (remove it: nobody is asked; `clawgress approve AGENT --tool SERVER/TOOL` lets calls through)",
        ),
        (
            "approval: {mode: never}, commerce: {}",
            "`commerce` is not yet enforced (remove it: what it asks for would not be done)",
        ),
        (
            "approval: {mode: never}, agtProfile: {}",
            "`agtProfile` is not yet enforced (remove it: what it asks for would not be done)",
        ),
        ("rateLimit: {burst: 1}", "`rateLimit` lacks the field `rps`"),
        (
            "rateLimit: {rps: 1, window: PT0.5S}",
            "window `PT0.5S` is not of whole seconds, at most 31 days (what holds for longer is a BudgetPolicy)",
        ),
        (
            "rateLimit: {rps: 2000000}",
            "2000000 calls a second in a window of 1 s are more than are counted (at most 1000000 a second, and 4294967295 in a window)",
        ),
    ] {
        assert_eq!(
            said("ToolPolicy", &format!("{{appliesTo: {{tool: '*'}}, {rest}}}")),
            [expected],
            "{rest}"
        );
    }
    let blank = "{appliesTo: {tool: '*'}, approval: {mode: never, channel: ''}}";
    assert_eq!(said("ToolPolicy", blank), ["`channel` is an empty text"]);
    let gone = "{appliesTo: {tool: a, mcpServer: gone}, approval: {mode: always}}";
    assert_eq!(said("ToolPolicy", gone), ["there is no McpServer named `gone` (there is no McpServer)"]);
}

#[test]
fn a_policy_of_tools_may_say_that_it_asks_for_nothing() {
    for approval in ["{mode: never}", "{mode: never, channel: email}"] {
        let spec = format!("  {{appliesTo: {{tool: '*'}}, approval: {approval}}}");
        let set = with_gateway("ToolPolicy", &spec).unwrap();
        let policy = &set.tool_policies["x"];
        assert_eq!((policy.needs_approval, policy.rate.is_some()), (false, false), "{approval}");
    }
}
