//! What services make of a request: an AIProviderRoute lets calls of its models through, an MCPRoute or McpServer those of its
//! tools.
//!
//! A request to an endpoint of a model, or to the URL of a tool server, is for these to judge: an HTTP route opens nothing that
//! they refuse by its model or tool. What is no such request they leave to HTTP routes. Read next: `terms.rs`, which policies
//! hold then.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Judge, Readings, listener_of, words};
use crate::decide::policy::passage::{Passage, Route};
use crate::decide::policy::services::{Door, Models, Service, Tools};
use crate::model::condition::{Content, Part, Sought, Uses};
use crate::model::types::{Denial, HostName, ToolSieve};

/// Services, first the one that speaks.
pub(super) type Few<'a> = SmallVec<[&'a Service; 2]>;

/// What services make of a request.
#[derive(Debug)]
pub(super) enum Served<'a> {
    /// It is none of theirs.
    Not,
    /// Each of these lets it through.
    Through(Through<'a>),
    /// What it carries decides whether one of these does.
    Waits(Few<'a>, Part),
}

/// By which services a request goes.
#[derive(Debug, Default)]
pub(super) struct Through<'a> {
    pub services: Few<'a>,
    /// Which tools its answer may show; any where there is no list.
    pub sieve: Option<Arc<ToolSieve>>,
    /// The name of the tool server, where it is one.
    pub server: Option<Arc<str>>,
}

/// Header fields that nothing but MCP has (MCP, "Streamable HTTP").
const FIELDS: [&str; 3] = ["mcp-protocol-version", "mcp-session-id", "mcp-method"];

impl<'a> Judge<'a> {
    /// What services make of the request.
    ///
    /// # Errors
    /// `ai.model`, `mcp.tool`, `mcp.server`; `policy.unevaluable` where they ask for what nobody could read.
    pub(super) fn served(&self, passage: &Passage) -> Result<Served<'a>, Denial> {
        let plan = self.plan;
        let Some(host) = self.request.name().filter(|_| !plan.services.is_empty()) else {
            return Ok(Served::Not);
        };
        let door = self.door(passage);
        match self.served_tools(host, door)? {
            Served::Not => {}
            served => return Ok(served),
        }
        self.served_models(host, door)
    }

    pub(super) fn door(&self, passage: &Passage) -> Door {
        Door { listener: listener_of(passage), port: self.destination.port() }
    }

    fn served_models(&self, host: &HostName, door: Door) -> Result<Served<'a>, Denial> {
        let plan = self.plan;
        let path = self.request.path();
        let takes = |service: &&Service| {
            let is_endpoint = service.models().is_some_and(|models| models.is_endpoint(path));
            service.allows() && is_endpoint && service.listeners.has(door.listener)
        };
        let taking: Few<'a> = plan.services.at(self.agent, host).filter(takes).collect();
        if taking.is_empty() {
            return Ok(Served::Not);
        }
        let asks = |service: &&&Service| service.models().is_some_and(|models| !models.models.is_empty());
        let free = || taking.iter().filter(|service| !asks(service)).copied().collect::<Few<'a>>();
        let call =
            match (taking.iter().any(|service| asks(&service)), self.content.map(|content| &content.ai)) {
                (false, _) => return Ok(through(taking)),
                (true, None) => return Ok(Served::Waits(taking, Part::Ai)),
                (true, Some(Sought::Found(call))) => call,
                (true, Some(sought)) => {
                    let free = free();
                    return match (free.is_empty(), sought) {
                        (false, _) => Ok(through(free)),
                        (true, Sought::Absent) => Ok(Served::Not),
                        (true, _) => Err(words::services::unread(self.known, &taking[0].route)),
                    };
                }
            };
        let model = call.model.as_deref();
        let has = |service: &&&Service| service.models().is_some_and(|models| models.has(model));
        let having: Few<'a> = taking.iter().filter(has).copied().collect();
        if having.is_empty() {
            let route = &taking[0].route;
            return Err(words::services::model(self.known, (host, self.destination), model, route));
        }
        Ok(through(having))
    }

    fn served_tools(&self, host: &HostName, door: Door) -> Result<Served<'a>, Denial> {
        let plan = self.plan;
        let path = self.request.path();
        let (mut routes, mut servers, mut closed) = (Few::new(), Few::new(), None);
        for service in plan.services.naming(host).filter(|service| service.allows()) {
            let Some(tools) = service.tools().filter(|tools| tools.is_server(host, door, path)) else {
                continue;
            };
            match (
                service.agents.contains(self.agent) && service.listeners.has(door.listener),
                &tools.declared,
            ) {
                (true, None) => routes.push(service),
                (true, Some(_)) => servers.push(service),
                // A server that is declared for others is closed to this agent, whatever routes say.
                (false, Some(_)) => closed = closed.or(Some(service)),
                (false, None) => {}
            }
        }
        if let Some(service) = closed.filter(|_| servers.is_empty()) {
            return Err(words::services::server(self.known, (host, self.destination), &service.route));
        }
        if routes.is_empty() && servers.is_empty() {
            return Ok(Served::Not);
        }
        match self.request.method().as_str() {
            "POST" => {}
            // Listening, ending a session, and what browsers ask before: they call nothing.
            "GET" | "HEAD" | "DELETE" | "OPTIONS" => return Ok(self.listening(host, routes, &servers)),
            _ => return Ok(Served::Not),
        }
        let all = || routes.iter().chain(&servers).copied().collect::<Few<'a>>();
        match self.content.map(|content| (content, &content.mcp)) {
            None => Ok(Served::Waits(all(), Part::Mcp)),
            Some((_, Sought::Absent)) => Ok(Served::Not),
            Some((_, Sought::Unknown)) => Err(words::services::unread(self.known, &all()[0].route)),
            Some((content, Sought::Found(_))) => self.calling(host, content, (routes, &servers)),
        }
    }

    /// What carries messages: each call has to be allowed by a route, where routes name the server, and by every declaration of it.
    fn calling(
        &self,
        host: &HostName,
        content: &Content,
        (routes, servers): (Few<'a>, &Few<'a>),
    ) -> Result<Served<'a>, Denial> {
        let mut by = Few::new();
        for call in content.messages() {
            let tool = call.called();
            let allows = |service: &&&Service| {
                tool.is_none_or(|tool| service.tools().is_some_and(|tools| tools.allows(tool)))
            };
            let closed = match routes.iter().any(|service| allows(&service)) || routes.is_empty() {
                true => servers.iter().find(|service| !allows(service)),
                false => routes.first(),
            };
            if let (Some(service), Some(tool)) = (closed, tool) {
                let place = (host, self.destination);
                return Err(words::services::tool(self.known, place, tool, &service.route));
            }
            for service in routes.iter().filter(allows) {
                if !by.iter().any(|known| std::ptr::eq(*known, *service)) {
                    by.push(service);
                }
            }
        }
        let shows_tools = content.messages().iter().any(|call| !call.is_call());
        let sieve = shows_tools.then(|| sieve(&routes, servers)).flatten();
        let server = Some(server_name(host, servers));
        by.extend(servers.iter().copied());
        Ok(Served::Through(Through { services: by, sieve, server }))
    }

    fn listening(&self, host: &HostName, routes: Few<'a>, servers: &Few<'a>) -> Served<'a> {
        let (sieve, server) = (sieve(&routes, servers), Some(server_name(host, servers)));
        let mut services = routes;
        services.extend(servers.iter().copied());
        Served::Through(Through { services, sieve, server })
    }

    /// The server that this request is for, by the name that documents have for it, else by its host.
    pub(super) fn tool_server(&self, passage: &Passage) -> Option<Arc<str>> {
        let host = self.request.name().filter(|_| !self.plan.services.is_empty())?;
        let (door, path) = (self.door(passage), self.request.path());
        let is_server = |tools: &&Tools| tools.is_server(host, door, path);
        let mut found =
            self.plan.services.naming(host).filter_map(Service::tools).filter(is_server).peekable();
        found.peek()?;
        let declared = found.find_map(|tools| tools.declared.clone());
        Some(declared.unwrap_or_else(|| host.as_str().into()))
    }

    /// Why a request that no route lets through is refused, where it is one to an MCP server that nobody declared for the agent.
    pub(super) fn undeclared_server(&self, host: &HostName, passage: &Passage) -> Option<Denial> {
        if self.tool_server(passage).is_some() {
            return None;
        }
        let mut naming = self.plan.services.naming(host);
        let service = naming.find(|service| service.allows() && service.tools().is_some())?;
        let has_field = FIELDS.iter().any(|name| self.request.header(name).is_some());
        let streams = |accept: &[u8]| {
            std::str::from_utf8(accept).is_ok_and(|accept| accept.contains("text/event-stream"))
        };
        let takes_events = || self.request.header_values("accept").any(streams);
        let speaks_mcp = has_field || self.request.method() == http::Method::POST && takes_events();
        speaks_mcp.then(|| words::services::server(self.known, (host, self.destination), &service.route))
    }

    /// Refuses what a denied service names, in every way in which some server may read the path. Answers with what has to be known
    /// for that.
    pub(super) fn check_denied_services(
        &self,
        host: Option<&HostName>,
        passage: &Passage,
    ) -> Result<Uses, Denial> {
        let mut asks = Uses::default();
        let Some(host) = host.filter(|_| !self.plan.services.is_empty()) else { return Ok(asks) };
        let door = self.door(passage);
        for service in self.plan.services.at(self.agent, host).filter(|service| !service.allows()) {
            let named = match (service.models(), service.tools()) {
                (Some(models), _) => self.names_model(models, &service.route)?,
                (_, Some(tools)) => self.names_tool(tools, (host, door), &service.route)?,
                (None, None) => Named::No,
            };
            match named {
                Named::Yes => {
                    return Err(words::denied(self.known, &service.effect, &service.route, self.destination));
                }
                Named::No => {}
                Named::Asks(part) => asks = asks.with(part),
            }
        }
        Ok(asks)
    }

    fn names_model(&self, models: &Models, route: &Route) -> Result<Named, Denial> {
        if !self.in_any_reading(|path| models.is_endpoint(path)) {
            return Ok(Named::No);
        }
        if models.models.is_empty() {
            return Ok(Named::Yes);
        }
        match self.content.map(|content| &content.ai) {
            None => Ok(Named::Asks(Part::Ai)),
            Some(Sought::Unknown) => Err(words::services::unread(self.known, route)),
            Some(Sought::Found(call)) if models.has(call.model.as_deref()) => Ok(Named::Yes),
            Some(_) => Ok(Named::No),
        }
    }

    fn names_tool(
        &self,
        tools: &Tools,
        (host, door): (&HostName, Door),
        route: &Route,
    ) -> Result<Named, Denial> {
        if !self.in_any_reading(|path| tools.is_server(host, door, path)) {
            return Ok(Named::No);
        }
        if tools.tools.is_none() {
            return Ok(Named::Yes);
        }
        match self.content.map(|content| (content, &content.mcp)) {
            None if self.request.method() == http::Method::POST => Ok(Named::Asks(Part::Mcp)),
            None => Ok(Named::No),
            Some((_, Sought::Unknown)) if self.request.method() == http::Method::POST => {
                Err(words::services::unread(self.known, route))
            }
            Some((content, _)) => {
                let mut called = content.tools_called();
                Ok(if called.any(|tool| tools.allows(tool)) { Named::Yes } else { Named::No })
            }
        }
    }

    fn in_any_reading(&self, is_so: impl Fn(&str) -> bool) -> bool {
        let canonical = self.request.path();
        is_so(canonical) || self.readings.get_or_init(|| Readings::of(canonical)).any(is_so)
    }
}

/// Whether a denied service names a request.
enum Named {
    Yes,
    No,
    /// What it carries decides.
    Asks(Part),
}

fn through(services: Few<'_>) -> Served<'_> {
    Served::Through(Through { services, ..Through::default() })
}

/// The name of a server: that of its document, else its host.
fn server_name(host: &HostName, servers: &Few<'_>) -> Arc<str> {
    let declared = servers.iter().find_map(|service| service.tools()?.declared.clone());
    declared.unwrap_or_else(|| host.as_str().into())
}

/// The tools that some route lets through, and every declaration of the server.
fn sieve(routes: &Few<'_>, servers: &Few<'_>) -> Option<Arc<ToolSieve>> {
    let own = |service: &&Service| service.tools().and_then(|tools| tools.sieve.clone());
    if let ([one], []) | ([], [one]) = (&routes[..], &servers[..]) {
        return own(one);
    }
    // One route that lets every tool through leaves nothing out.
    let of_routes: Option<Vec<_>> =
        routes.iter().map(|service| service.tools().and_then(|tools| tools.tools.clone())).collect();
    let union = of_routes.map(|lists| lists.concat()).filter(|_| !routes.is_empty());
    let declared = servers.iter().filter_map(|service| service.tools()?.tools.clone());
    let lists: Vec<_> = union.into_iter().chain(declared).collect();
    (!lists.is_empty()).then(|| Arc::new(ToolSieve { lists }))
}
