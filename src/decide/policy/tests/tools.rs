//! MCPRoutes, McpServers and ToolPolicies: which servers may be used, and which of their tools called, how often and by whose
//! leave.

use super::rules::{look_up, policy_for};
use super::services::{
    BOTH, Sent, asks, comes_to, deny, developers, mcp, messages, origin, patterns, plain, server, settled,
    settled_of, url, with,
};
use super::*;
use crate::model::condition::Part;
use crate::model::manifest::resources::{DenyTarget, ToolPolicy, ToolRate};
use crate::model::types::{ApprovedTool, PolicyRef, Subject, Timestamp, Unit, Window};

const MCP: (&str, &str) = ("POST", "mcp.example/mcp");

/// A route that names tools with `tools`, of which its filter allows some.
fn route(tools: &[&str], allowed: Option<&[&str]>) -> Set {
    with("", |resources| mcp(resources, "r", (url("mcp.example", "/mcp"), tools), allowed, None))
}

fn call(tool: &str) -> Content {
    messages(&[&format!("tools/call {tool}")])
}

#[test]
fn an_mcp_route_opens_its_server_and_lets_calls_of_its_tools_through() {
    let set = route(&["github_*"], Some(&["github_search", "github_get", "other"]));
    assert_eq!(asks(&set, MCP), Ok(vec![Part::Mcp]));
    assert_eq!(look_up(&set, "alice", "mcp.example"), Ok(Chooser::Documents));
    assert_eq!(comes_to(&set, MCP, &call("github_search")), Ok("MCPRoute/r".into()));
    for tool in ["github_delete", "other", "github", ""] {
        let denial = settled(&set, MCP, &call(tool)).unwrap_err();
        assert_eq!((denial.reason.code(), denial.status()), ("mcp.tool", 403), "{tool}");
        assert!(
            denial.detail.contains(&format!("`{tool}`")) && !denial.detail.contains("github_get"),
            "{}",
            denial.detail
        );
    }
    for content in
        [messages(&["initialize"]), messages(&["tools/list"]), messages(&["notifications/initialized"])]
    {
        assert_eq!(comes_to(&set, MCP, &content), Ok("MCPRoute/r".into()));
    }
}

#[test]
fn what_listens_or_ends_a_session_needs_no_content_and_what_is_no_message_matches_nothing() {
    let set = route(&["a"], None);
    for method in ["GET", "DELETE", "OPTIONS"] {
        assert_eq!(asks(&set, (method, MCP.1)), Ok(vec![]), "{method}");
    }
    assert_eq!(asks(&set, ("PUT", MCP.1)), Err("policy.no-route"));
    assert_eq!(comes_to(&set, MCP, &plain()), Err("policy.no-route"));
    assert_eq!(comes_to(&set, MCP, &Content::default()), Err("policy.unevaluable"), "nobody could read it");
}

#[test]
fn scheme_host_port_and_path_of_a_server_must_all_fit() {
    let set = with("", |resources| {
        mcp(resources, "exact", (url("mcp.example", "/mcp"), &[]), None, None);
        mcp(resources, "below", (url("mcp.example", "/v2/*"), &[]), None, None);
        let mut other = url("other.example", "/mcp");
        other.port = 8443;
        mcp(resources, "port", (other, &[]), None, None);
    });
    for (path, route) in [("/mcp", "exact"), ("/v2/", "below"), ("/v2/a/b", "below")] {
        let asked = ("GET", &*format!("mcp.example{path}"));
        assert_eq!(comes_to(&set, asked, &plain()), Ok(format!("MCPRoute/{route}")), "{path}");
    }
    for path in ["/", "/mcp/", "/mcpx", "/v2", "/v3"] {
        assert_eq!(
            comes_to(&set, ("GET", &format!("mcp.example{path}")), &plain()),
            Err("policy.no-route"),
            "{path}"
        );
    }
    for address in BOTH {
        let ask = Ask { agent: "alice", to: (address, 443), given: &["other.example"], stale: &[] };
        assert_eq!(set.opens(ask, &tls_to("other.example")), Err("policy.no-route"), "another port");
        let at = Ask { to: (address, 8443), ..ask };
        assert_eq!(set.opens(at, &tls_to("other.example")), Ok("MCPRoute/port".into()));
        let open = Hello::Http1(Http1Hello { host: Some(host("other.example")), connect: None });
        assert_eq!(set.opens(at, &open), Err("policy.no-route"), "in the open");
    }
}

#[test]
fn an_undeclared_path_of_a_host_with_servers_is_no_server_for_what_speaks_mcp() {
    let set = route(&[], None);
    let asked = |fields: &[(&str, &str)], method: &str| {
        let sent = Sent { agent: "alice", address: PUBLIC, method, url: "mcp.example/other", fields };
        let answer = sent.ask(&set, Circumstances::default(), |permit| permit.settle(&plain()));
        answer.map(drop).map_err(|denial| denial.reason.code())
    };
    assert_eq!(asked(&[("accept", "application/json, text/event-stream")], "POST"), Err("mcp.server"));
    assert_eq!(asked(&[("mcp-session-id", "x")], "GET"), Err("mcp.server"));
    assert_eq!(asked(&[], "GET"), Err("policy.no-route"));
}

#[test]
fn a_declared_server_is_closed_to_whom_it_does_not_select_and_on_its_other_paths() {
    let open = l4("open", "{destinationHostnames: [mcp.example]}");
    let set = with(&open, |resources| {
        server(resources, "docs", url("mcp.example", "/mcp"), &["*"], developers());
        mcp(resources, "r", (url("mcp.example", "/mcp"), &[]), None, None);
    });
    assert_eq!(comes_to(&set, MCP, &call("x")), Ok("MCPRoute/r".into()));
    assert_eq!(comes_to(&set, ("GET", "mcp.example/admin"), &plain()), Err("policy.no-route"));
    let denial = settled_of(&set, "bob", MCP, &call("x")).unwrap_err();
    assert_eq!(
        (denial.reason.code(), denial.policy),
        ("mcp.server", Some(PolicyRef::new("McpServer", "docs")))
    );
}

#[test]
fn all_lists_of_tools_hold_and_those_of_routes_together_allow_what_one_of_them_does() {
    let set = with("", |resources| {
        mcp(resources, "a", (url("mcp.example", "/mcp"), &["a*"]), None, None);
        mcp(resources, "b", (url("mcp.example", "/mcp"), &["b*"]), None, None);
        server(resources, "docs", url("mcp.example", "/mcp"), &["a1", "b1", "c1"], None);
    });
    assert_eq!(comes_to(&set, MCP, &call("a1")), Ok("MCPRoute/a".into()));
    assert_eq!(comes_to(&set, MCP, &call("b1")), Ok("MCPRoute/b".into()));
    for tool in ["a2", "b2", "c1"] {
        assert_eq!(comes_to(&set, MCP, &call(tool)), Err("mcp.tool"), "{tool}");
    }
    let sieve =
        settled(&set, MCP, &messages(&["tools/list"])).unwrap().holds().unwrap().tools.clone().unwrap();
    for (tool, shown) in [("a1", true), ("b1", true), ("a2", false), ("c1", false)] {
        assert_eq!(sieve.allows(tool), shown, "{tool}");
    }
    let listening = settled(&set, ("GET", MCP.1), &plain()).unwrap();
    assert_eq!(listening.holds().unwrap().tools, Some(sieve));
    assert_eq!(settled(&set, MCP, &call("a1")).unwrap().holds(), None, "its answer lists no tools");
}

#[test]
fn a_server_alone_opens_and_an_empty_list_allows_no_tool() {
    let set = with("", |resources| server(resources, "docs", url("mcp.example", "/mcp"), &[], None));
    assert_eq!(comes_to(&set, MCP, &messages(&["initialize"])), Ok("McpServer/docs".into()));
    assert_eq!(comes_to(&set, MCP, &call("x")), Err("mcp.tool"));
    let sieve =
        settled(&set, MCP, &messages(&["tools/list"])).unwrap().holds().unwrap().tools.clone().unwrap();
    assert!(!sieve.allows("x"));
}

#[test]
fn no_call_hides_behind_the_first_of_a_batch() {
    let set = route(&["a", "b"], None);
    let batch = |second: &str| messages(&["tools/call a", second]);
    assert_eq!(comes_to(&set, MCP, &batch("tools/call b")), Ok("MCPRoute/r".into()));
    assert_eq!(comes_to(&set, MCP, &batch("tools/call c")), Err("mcp.tool"));
    let rule = "{name: r, when: 'mcp.tool == \"b\" && mcp.server == \"mcp.example\"', action: Deny}";
    let set = with(
        &policy_for("MCPRoute, name: r", "p", "", &[rule])
            .replace("MCPRoute, name: r", "EgressGateway, name: default"),
        |resources| {
            mcp(resources, "r", (url("mcp.example", "/mcp"), &[]), None, None);
        },
    );
    assert_eq!(comes_to(&set, MCP, &call("b")), Err("policy.denied"));
    assert_eq!(comes_to(&set, MCP, &batch("tools/call b")), Err("policy.denied"));
    assert_eq!(comes_to(&set, MCP, &batch("tools/call c")), Ok("MCPRoute/r".into()));
}

#[test]
fn a_deny_policy_on_an_mcp_route_denies_the_tools_that_it_names_and_wins() {
    let set = with("", |resources| {
        mcp(resources, "all", (url("mcp.example", "/mcp"), &[]), None, None);
        mcp(resources, "bad", (url("mcp.example", "/mcp"), &["delete_*"]), None, None);
        deny(resources, DenyTarget::Mcp("bad".into()));
    });
    assert_eq!(comes_to(&set, MCP, &call("read")), Ok("MCPRoute/all".into()));
    assert_eq!(
        comes_to(&set, MCP, &messages(&["tools/call read", "tools/call delete_all"])),
        Err("policy.denied")
    );
    let set = with("", |resources| {
        mcp(resources, "all", (url("mcp.example", "/*"), &[]), None, None);
        mcp(resources, "bad", (url("mcp.example", "/old/*"), &[]), None, None);
        deny(resources, DenyTarget::Mcp("bad".into()));
    });
    assert_eq!(asks(&set, ("GET", "mcp.example/old%2Fx")), Err("policy.denied"));
    assert_eq!(asks(&set, ("GET", "mcp.example/new")), Ok(vec![]));
}

fn gate(tool: &str, server: Option<&str>) -> ToolPolicy {
    ToolPolicy {
        tool: patterns(&[tool]).remove(0),
        server: server.map(Into::into),
        labels: developers(),
        needs_approval: false,
        rate: None,
        origin: origin(),
    }
}

#[test]
fn a_tool_that_needs_an_approval_goes_while_one_stands_for_that_agent_server_and_tool() {
    let set = with("", |resources| {
        server(resources, "docs", url("mcp.example", "/mcp"), &["*"], None);
        let policy = ToolPolicy { needs_approval: true, ..gate("send_*", Some("docs")) };
        resources.tool_policies.insert("gate".into(), policy);
    });
    let denial = settled(&set, MCP, &call("send_mail")).unwrap_err();
    assert_eq!(
        (denial.reason.code(), denial.policy),
        ("approval.required", Some(PolicyRef::new("ToolPolicy", "gate")))
    );
    assert!(denial.detail.contains("`send_mail` of docs"), "{}", denial.detail);
    assert_eq!(denial.evidence.as_deref(), Some("docs/send_mail"), "as an approval names it");
    assert!(settled(&set, MCP, &call("read")).is_ok());
    assert!(settled_of(&set, "bob", MCP, &call("send_mail")).is_ok(), "it is about developers");
    let granted = |server: &str, tool: &str, agent: &str, at| {
        let mut standing = Standing::new();
        let tools = [ApprovedTool { server: server.into(), tool: tool.into() }];
        standing.approve_tools(&agent.into(), &tools, Timestamp(1_000));
        let circumstances = Circumstances { at: Timestamp(at), standing: &standing, usage: None };
        let sent = Sent { agent: "alice", address: PUBLIC, method: MCP.0, url: MCP.1, fields: &[] };
        sent.ask(&set, circumstances, |permit| permit.settle(&call("send_mail"))).is_ok()
    };
    assert!(granted("docs", "send_mail", "alice", 999));
    assert!(!granted("docs", "send_mail", "alice", 1_000), "it is over");
    assert!(!granted("docs", "send_other", "alice", 1));
    assert!(!granted("other", "send_mail", "alice", 1));
    assert!(!granted("docs", "send_mail", "bob", 1));
}

#[test]
fn calls_are_counted_and_paced_each_by_itself() {
    let set = with("", |resources| {
        mcp(resources, "r", (url("mcp.example", "/mcp"), &[]), None, Some(50));
        let rate = ToolRate {
            calls: 2.try_into().unwrap(),
            window: std::time::Duration::from_secs(60),
            burst: 5.try_into().unwrap(),
        };
        resources.tool_policies.insert("slow".into(), ToolPolicy { rate: Some(rate), ..gate("*", None) });
    });
    let holds = |content: &Content| settled(&set, MCP, content).unwrap().holds().cloned();
    let two = holds(&messages(&["tools/call a", "tools/list", "tools/call b"])).unwrap();
    assert_eq!((two.budgets.len(), two.rates.len()), (1, 2));
    let budget = &two.budgets[0];
    assert_eq!(
        (budget.limits[0].unit, budget.limits[0].max, &budget.limits[0].window),
        (Unit::Calls, 50, &Window::Execution)
    );
    assert_eq!(budget.subject, Subject::Named("EgressGateway/default/rules[0]".into()));
    let rate = &two.rates[0];
    assert_eq!((rate.requests.get(), rate.burst.get(), &*rate.policy.0), (2, 5, "ToolPolicy/slow"));
    assert_eq!(holds(&messages(&["tools/list"])), None);
    assert!(set.policy.asks_executions());
}

#[test]
fn explain_says_which_tools_are_asked_for_and_which_server_comes_nearest() {
    let set = route(&["a", "b"], None);
    let told = Sent { agent: "alice", address: PUBLIC, method: MCP.0, url: MCP.1, fields: &[] }.explain(&set);
    let routes = told.steps.iter().find(|step| step.stage == "routes").unwrap();
    assert_eq!(routes.text, "1 looked at, one allows it; MCPRoute/r asks for the tool: a, b");
    let told = Sent { agent: "alice", address: PUBLIC, method: "GET", url: "mcp.example/x", fields: &[] }
        .explain(&set);
    assert_eq!(told.nearest.unwrap().text, "MCPRoute/r allows https://mcp.example/mcp, this was GET /x");
}
