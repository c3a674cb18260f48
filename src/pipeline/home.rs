//! The gateway's own pages, for workloads: `http://clawgress.internal/` serves the CA, the trust variables of common
//! runtimes, and who the gateway thinks is asking. Nothing else, and nothing that is a secret.
//!
//! It contacts no upstream, so no policy opens it; everybody on the workloads' networks may read it.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request as HttpRequest, Response, StatusCode, header};
use hyper::body::Incoming;

use super::arrival::Arrival;
use super::case::built_in;
use super::hushed::hush;
use super::peeked::Peeked;
use super::road::{Road, Snapshot};
use super::serving::{self, Answer, Watched};
use crate::act::dial::Protocol;
use crate::decide::ledger::record::{Asked, Kind, Opening, Outcome, Subject};
use crate::model::types::{AgentProfile, HostName};
use crate::perceive::hello::Hello;
use crate::platform::sys::socket;

/// The name that resolves to the gateway itself.
pub const NAME: &str = "clawgress.internal";
/// Seconds for which workloads may keep its address.
pub const TTL: u32 = 60;
/// The only port of the gateway's own pages.
pub const PORT: u16 = 80;

/// What a shell runs so that its programs trust the authority, which stands in it at `@CA@`. Which runtime reads which
/// variable, and what of it is tested, is the table in `docs/trust.md`.
const ENVIRONMENT: &str = include_str!("env.sh");

/// Whether a connection is for the gateway's own pages.
pub fn is_for_us(arrival: Arrival, hello: &Hello) -> bool {
    let plain = matches!(hello, Hello::Http1(_));
    plain
        && arrival.destination.0.port() == PORT
        && socket::own_address(arrival.destination.0.ip()).unwrap_or(false)
}

/// Serves the pages on one connection.
pub async fn serve(road: Rc<Road>, arrival: Arrival, agent: Option<Arc<AgentProfile>>, stream: Peeked) {
    let visitor = Rc::new(Visitor { road: road.clone(), arrival, agent });
    let answer = move |request, _: Watched| page(visitor.clone(), request);
    serving::refusals(&road, stream, Protocol::Http11, answer).await;
}

/// Who reads.
struct Visitor {
    road: Rc<Road>,
    arrival: Arrival,
    agent: Option<Arc<AgentProfile>>,
}

async fn page(visitor: Rc<Visitor>, request: HttpRequest<Incoming>) -> Response<Answer> {
    let path = request.uri().path();
    let reads = request.method() == Method::GET || request.method() == Method::HEAD;
    let (status, kind, body) = match path {
        _ if !reads => {
            (StatusCode::METHOD_NOT_ALLOWED, "text/plain", "these pages can only be read\n".to_owned())
        }
        "/ca.pem" => {
            (StatusCode::OK, "application/x-pem-file", visitor.road.shared.authorities.bundle().to_string())
        }
        "/env.sh" => (StatusCode::OK, "text/x-shellscript", visitor.environment()),
        "/whoami" => (StatusCode::OK, "application/json", visitor.whoami()),
        "/" => (StatusCode::OK, "text/plain", "ca.pem\nenv.sh\nwhoami\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "text/plain", "here are /ca.pem, /env.sh and /whoami\n".to_owned()),
    };
    visitor.record(&request, status, body.len());
    let mut response = Response::new(Answer::Own(Some(Bytes::from(body))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

impl Visitor {
    fn environment(&self) -> String {
        ENVIRONMENT.replace("@CA@", self.road.shared.authorities.bundle().trim_end())
    }

    fn whoami(&self) -> String {
        let source = self.arrival.client.0.ip().to_string();
        let answer = match &self.agent {
            None => serde_json::json!({"agent": null, "source_address": source}),
            Some(agent) => serde_json::json!({
                "agent": *agent.name, "team": agent.team, "project": agent.project,
                "environment": agent.environment, "source_address": source,
            }),
        };
        format!("{answer}\n")
    }

    fn record(&self, request: &HttpRequest<Incoming>, status: StatusCode, length: usize) {
        let (request_id, at) = self.road.stamp();
        let snapshot: Arc<Snapshot> = self.road.snapshot();
        let source = self.arrival.client.0.ip();
        let path = request.uri().path();
        let mut asked = Asked {
            method: Some(request.method().as_str().to_owned()),
            path: Some(path.to_owned()),
            protocol: Some("http/1.1"),
            ..Asked::default()
        };
        hush(&self.road.shared, (&snapshot, None), path, &mut asked);
        let going_on = |agent: &Arc<AgentProfile>| self.road.shared.going_on(&agent.name, source);
        let opening = Opening {
            request_id,
            connection_id: Some(self.arrival.id),
            at,
            kind: Kind::Request,
            subject: Subject {
                agent: self.agent.clone(),
                source: Some(source),
                execution: self.agent.as_ref().and_then(going_on),
                host: HostName::parse(NAME).ok(),
                destination: Some(self.arrival.destination.0),
            },
            asked,
            verdict: built_in(&snapshot),
        };
        let outcome =
            Outcome { status: Some(status.as_u16()), bytes_in: length as u64, ..Outcome::default() };
        // What is public may be read even when the record cannot be written; the ledger counts the loss.
        let _ = self.road.shared.ledger.event(&opening, &outcome);
    }
}
