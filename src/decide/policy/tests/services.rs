//! What tests of models, tools and amounts share: documents of these kinds by hand, requests that carry calls, and what comes
//! of them. Each is asked over IPv4 and IPv6, and has to come to the same.

use super::rules::TEAMS;
use super::*;
use crate::model::condition::{AiCall, McpCall, Part, Sought};
use crate::model::manifest::resources::{
    AiMatch, AiRoute, AiRule, DenyPolicy, DenyTarget, McpMatch, McpRoute, McpRule, McpServer, Origin, Parent,
    Selector, ServerPath, ServerUrl, TokenCaps, ToolCaps,
};
use crate::model::types::{HostPattern, InferenceAction, Provider, ToolPattern};

/// Public addresses of both families.
pub(super) const BOTH: [&str; 2] = [PUBLIC, "2001:db8::10"];

pub(super) const CHAT: (&str, &str) = ("POST", "api.openai.com/v1/chat/completions");

/// Two agents, a gateway, and these documents.
pub(super) fn with(documents: &str, add: impl FnOnce(&mut Resources)) -> Set {
    let mut resources = Set::resources(&[TEAMS, documents]);
    add(&mut resources);
    Set::compiled(&resources)
}

pub(super) fn origin() -> Origin {
    Origin { file: "a.yaml".into(), line: 1 }
}

pub(super) fn parents() -> Vec<Parent> {
    vec![Parent { gateway: "default".into(), section: None }]
}

pub(super) fn boxed(names: &[&str]) -> Vec<Box<str>> {
    names.iter().map(|name| (*name).into()).collect()
}

pub(super) fn patterns(names: &[&str]) -> Vec<ToolPattern> {
    names.iter().map(|name| ToolPattern((*name).into())).collect()
}

pub(super) fn developers() -> Option<Selector> {
    let requirement = crate::model::manifest::resources::Requirement::In("tier".into(), vec!["dev".into()]);
    Some(Selector { requirements: vec![requirement] })
}

/// A route to models of OpenAI, with one rule.
pub(super) fn openai(resources: &mut Resources, name: &str, models: &[&str], caps: TokenCaps) {
    ai(resources, name, (Provider::OpenAi, &[]), (models, &["/v1/*"]), caps);
}

pub(super) fn ai(
    resources: &mut Resources,
    name: &str,
    (provider, hosts): (Provider, &[&str]),
    (models, endpoints): (&[&str], &[&str]),
    caps: TokenCaps,
) {
    let one = AiMatch {
        provider,
        hostnames: hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect(),
        models: boxed(models),
        endpoints: boxed(endpoints),
    };
    let budgets = if caps == TokenCaps::default() { Vec::new() } else { vec![caps] };
    let rules = vec![AiRule { matches: vec![one], budgets }];
    let route = AiRoute { parents: parents(), rules, source_agents: None, origin: origin() };
    resources.ai_routes.insert(name.into(), route);
}

pub(super) fn url(host: &str, path: &str) -> ServerUrl {
    let path = match path.strip_suffix('*') {
        Some(path) => ServerPath::Beginning(path.into()),
        None => ServerPath::Exact(path.into()),
    };
    ServerUrl { tls: true, host: HostPattern::parse(host).unwrap(), port: 443, path }
}

/// A route to tools of one server, and what its filter allows.
pub(super) fn mcp(
    resources: &mut Resources,
    name: &str,
    (server, tools): (ServerUrl, &[&str]),
    allowed: Option<&[&str]>,
    calls_per_execution: Option<u64>,
) {
    let filtered = allowed.is_some() || calls_per_execution.is_some();
    let caps = ToolCaps { allowed: allowed.map(patterns), calls_per_execution };
    let rule = McpRule {
        matches: vec![McpMatch { servers: vec![server], tools: patterns(tools) }],
        tools: if filtered { vec![caps] } else { Vec::new() },
    };
    let route = McpRoute { parents: parents(), rules: vec![rule], source_agents: None, origin: origin() };
    resources.mcp_routes.insert(name.into(), route);
}

pub(super) fn server(
    resources: &mut Resources,
    name: &str,
    url: ServerUrl,
    allowed: &[&str],
    agents: Option<Selector>,
) {
    let server = McpServer { url, allowed: patterns(allowed), agents, origin: origin() };
    resources.mcp_servers.insert(name.into(), server);
}

pub(super) fn deny(resources: &mut Resources, target: DenyTarget) {
    let policy = DenyPolicy { target, response: None, origin: origin() };
    resources.deny_policies.insert("no".into(), policy);
}

/// A call of this model that names so many output tokens.
pub(super) fn call(model: &str, max_output_tokens: Option<u64>) -> Content {
    let ai = AiCall {
        model: Some(model.into()),
        action: Some(InferenceAction::Chat),
        max_output_tokens,
        estimated_tokens: 100,
        ..AiCall::default()
    };
    Content { ai: Sought::Found(ai), mcp: Sought::Absent, ..Content::default() }
}

pub(super) fn streamed(content: Content) -> Content {
    let Sought::Found(ai) = content.ai else { panic!("a call") };
    Content { ai: Sought::Found(AiCall { stream: true, ..ai }), ..content }
}

/// What is no call of anything.
pub(super) fn plain() -> Content {
    Content { ai: Sought::Absent, mcp: Sought::Absent, ..Content::default() }
}

/// Messages to an MCP server: `tools/list`, or `tools/call NAME`.
pub(super) fn messages(all: &[&str]) -> Content {
    let message = |text: &&str| {
        let (method, tool) =
            text.split_once(' ').map_or((*text, None), |(method, tool)| (method, Some(tool.into())));
        McpCall { server: None, method: Some(method.into()), tool }
    };
    let calls: Vec<McpCall> = all.iter().map(message).collect();
    let mcp_calls = if calls.len() > 1 { calls.clone() } else { Vec::new() };
    Content { mcp: Sought::Found(calls[0].clone()), mcp_calls, ..plain() }
}

/// One request over TLS to one address.
#[derive(Clone, Copy)]
pub(super) struct Sent<'a> {
    pub agent: &'a str,
    pub address: &'a str,
    pub method: &'a str,
    pub url: &'a str,
    pub fields: &'a [(&'a str, &'a str)],
}

impl Sent<'_> {
    /// Whatever is made of its permit, its connection included.
    pub(super) fn ask<T>(
        self,
        set: &Set,
        circumstances: Circumstances<'_>,
        then: impl FnOnce(Permit<'_>) -> Result<T, Denial>,
    ) -> Result<T, Denial> {
        let (name, path) = self.url.split_at(self.url.find('/').expect("a path"));
        let given = [name];
        let ask = Ask { agent: self.agent, to: (self.address, 443), given: &given, stale: &[] };
        let passage = set.connect(ask, &tls_to(name)).map_err(|refusal| refusal.denial)?;
        let agreed = AgreedName::new(host(name), 443, Scheme::Https);
        let mut head = http::Request::builder().method(self.method).uri(path).header("host", name);
        for (field, value) in self.fields {
            head = head.header(*field, *value);
        }
        let head = head.body(()).unwrap().into_parts().0;
        let request = Request::read(&agreed, &head)?;
        let known = set.directory.by_name(self.agent).unwrap();
        then(set.policy.request(&known, &passage, &request, circumstances)?)
    }
}

/// What a request of alice comes to that carries this.
pub(super) fn settled(
    set: &Set,
    (method, url): (&str, &str),
    content: &Content,
) -> Result<Clearance, Denial> {
    settled_of(set, "alice", (method, url), content)
}

pub(super) fn settled_of(
    set: &Set,
    agent: &str,
    (method, url): (&str, &str),
    content: &Content,
) -> Result<Clearance, Denial> {
    let by = |address| {
        Sent { agent, address, method, url, fields: &[] }
            .ask(set, Circumstances::default(), |permit| permit.settle(content))
    };
    let [four, six] = BOTH.map(by);
    let told = |answer: &Result<Clearance, Denial>| {
        let holds = answer.as_ref().ok().map(|clearance| clearance.holds().cloned());
        let answer = answer.as_ref().map(|clearance| clearance.route().clone());
        (answer.map_err(|denial| (denial.reason, denial.policy.clone(), denial.detail.clone())), holds)
    };
    let same = |text: String| text.replace(&format!("[{}]", BOTH[1]), BOTH[0]);
    assert_eq!(same(format!("{:?}", told(&four))), same(format!("{:?}", told(&six))), "both families");
    four
}

/// The document that lets it through, or the code.
pub(super) fn comes_to(set: &Set, asked: (&str, &str), content: &Content) -> Result<String, &'static str> {
    told(settled(set, asked, content).map(|clearance| clearance.route().clone()))
}

/// What the permit of a request of alice asks for, or the code.
pub(super) fn asks(set: &Set, (method, url): (&str, &str)) -> Result<Vec<Part>, &'static str> {
    let sent = Sent { agent: "alice", address: PUBLIC, method, url, fields: &[] };
    let asks = sent.ask(set, Circumstances::default(), |permit| {
        assert_eq!(permit.wants_body(), permit.asks().has(Part::Ai) || permit.asks().has(Part::Mcp));
        Ok(permit.asks().parts().collect())
    });
    asks.map_err(|denial| denial.reason.code())
}

impl Sent<'_> {
    /// The same as operators ask.
    pub(super) fn explain(self, set: &Set) -> explain::Explanation {
        let (name, path) = self.url.split_at(self.url.find('/').expect("a path"));
        let (known, name, hello) = (set.directory.by_name(self.agent).unwrap(), host(name), tls_to(name));
        let agreed = AgreedName::new(name.clone(), 443, Scheme::Https);
        let head = http::Request::builder().method(self.method).uri(path).header("host", name.as_str());
        let head = head.body(()).unwrap().into_parts().0;
        let request = Request::read(&agreed, &head).unwrap();
        let question = explain::Question {
            known: &known,
            host: Some(&name),
            given: std::slice::from_ref(&name),
            stale: &[],
            destination: SocketAddr::new(self.address.parse().unwrap(), 443),
            hello: &hello,
            request: Some(&request),
            content: None,
        };
        set.policy.explain(&question, Circumstances::default())
    }
}
