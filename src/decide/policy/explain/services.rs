//! Routes of models and tools: which of them take a request, what they ask of what it carries, and which misses by the least.

use super::routes::{Near, called, on_listeners};
use super::{Inquiry, ListenerProtocol};
use crate::decide::policy::services::{Door, Models, Service, Tools};
use crate::model::manifest::resources::ServerUrl;
use crate::model::types::HostName;
use crate::perceive::hello::Hello;

/// Models or tools that are named in a sentence; of more the number.
const NAMED: usize = 5;

impl Inquiry<'_> {
    /// How many rules of this agent were looked at.
    pub(super) fn looked_at(&self) -> usize {
        let l4 = self.l4().filter(|entry| self.mine(&entry.agents)).count();
        let http = self.http().filter(|entry| self.mine(&entry.agents)).count();
        l4 + http + self.services().filter(|service| self.mine(&service.agents)).count()
    }

    /// The services, where there can be HTTP.
    pub(super) fn services(&self) -> impl Iterator<Item = &Service> {
        let datagrams = matches!(self.question.hello, Hello::Datagram);
        self.plan.services.iter().filter(move |_| !datagrams)
    }

    /// Those that name the host in question and allow something.
    pub(super) fn naming_services(&self) -> impl Iterator<Item = &Service> {
        let datagrams = matches!(self.question.hello, Hello::Datagram);
        let host = self.question.host.filter(|_| !datagrams);
        host.into_iter().flat_map(|host| self.plan.services.naming(host)).filter(|service| service.allows())
    }

    /// What the services that take this request ask of what it carries: `; its model decides: claude-*`.
    pub(super) fn on_content(&self) -> String {
        let (Some(host), Some(request)) = (self.question.host, self.question.request) else {
            return String::new();
        };
        let (path, door) = (request.path(), self.door());
        let mut parts: Vec<String> = Vec::new();
        for service in self.naming_services().filter(|service| self.mine(&service.agents)) {
            let asked = match (service.models(), service.tools()) {
                (Some(models), _) if models.is_endpoint(path) && !models.models.is_empty() => {
                    format!("{} asks for the model: {}", service.route.policy.0, list(&models.models))
                }
                (_, Some(tools)) if tools.is_server(host, door, path) => match &tools.tools {
                    Some(allowed) => {
                        let names: Vec<_> = allowed.iter().map(|pattern| pattern.0.clone()).collect();
                        format!("{} asks for the tool: {}", service.route.policy.0, list(&names))
                    }
                    None => continue,
                },
                _ => continue,
            };
            if !parts.contains(&asked) {
                parts.push(asked);
            }
        }
        parts.iter().map(|part| format!("; {part}")).collect()
    }

    fn door(&self) -> Door {
        let listener = match self.question.hello {
            Hello::Tls(_) => ListenerProtocol::TlsTerminate,
            _ => ListenerProtocol::Http,
        };
        Door { listener, port: self.question.destination.port() }
    }

    /// Nothing where it misses by nothing.
    pub(super) fn near_service(&self, service: &Service) -> Option<Near> {
        let (host, policy, door) = (self.question.host?, &service.route.policy.0, self.door());
        let untaken = !service.listeners.has(door.listener);
        let (missed, what) = match (service.models(), service.tools()) {
            (Some(models), _) => self.missed_endpoint(models, host),
            (_, Some(tools)) => self.missed_server(tools, host)?,
            (None, None) => return None,
        };
        if missed == 0 && !untaken {
            return None;
        }
        let through = if untaken { on_listeners(service.listeners) } else { String::new() };
        let this = match self.question.request {
            Some(request) if missed > 0 => called(request),
            _ => self.said().to_owned(),
        };
        Some(Near {
            misses: missed + usize::from(untaken),
            text: format!("{policy} allows {what}{through}, this was {this}"),
        })
    }

    fn missed_endpoint(&self, models: &Models, host: &HostName) -> (usize, String) {
        let path = self.question.request.map(|request| request.path());
        let misses = path.is_some_and(|path| !models.is_endpoint(path));
        let what = match models.endpoints.is_empty() {
            true => format!("calls of models at {host}"),
            false => format!("calls of models at {host}, to {}", list(&models.endpoints)),
        };
        (usize::from(misses), what)
    }

    fn missed_server(&self, tools: &Tools, host: &HostName) -> Option<(usize, String)> {
        let url = tools.servers.iter().find(|url| url.host.matches(host))?;
        let door = self.door();
        let at_door = tools.servers.iter().any(|url| is_at(url, host, door));
        let path = self.question.request.map(|request| request.path());
        let on_path = path.is_none_or(|path| tools.is_server(host, door, path));
        Some((usize::from(!at_door) + usize::from(!on_path), url.to_string()))
    }
}

fn is_at(url: &ServerUrl, host: &HostName, door: Door) -> bool {
    url.host.matches(host)
        && url.port == door.port
        && url.tls == (door.listener == ListenerProtocol::TlsTerminate)
}

fn list(names: &[Box<str>]) -> String {
    let shown = names.iter().take(NAMED).map(|name| &**name).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 if names.is_empty() => "none".to_owned(),
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
