//! What records and denials say of one request.

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{Response, Version, header, request};

use super::arrival::Refused;
use super::deny::{self, Heard};
use super::hushed::{HIDDEN, hush, hush_name};
use super::road::{Road, Snapshot};
use super::site::Site;
use super::underway::Underway;
use crate::decide::ledger::record::{Asked, Decision, Kind, Opening, Subject, Verdict};
use crate::decide::policy::{Circumstances, Clearance, Obligations, Permit, Route};
use crate::model::condition::Content;
use crate::model::types::agreed_name::Scheme;
use crate::model::types::{Denial, HostName, Provider, Reason, RequestId, Sighting, Sightings, Timestamp};
use crate::perceive::identity::Known;
use crate::perceive::protocol::mcp::Messages;
use crate::perceive::request::Request;

/// Names of one address that evidence shows; of more there are dots.
const EVIDENT_NAMES: usize = 4;

/// One request as it is judged: with one set of documents from end to end.
pub struct Case<'a> {
    /// Its id.
    pub id: RequestId,
    /// When its head was there, for measuring.
    pub started: Instant,
    /// The set it is judged by.
    pub snapshot: Arc<Snapshot>,
    /// Who speaks, by that set: the documents may have changed since the connection began.
    pub known: Result<Known, Denial>,
    /// The messages to a server of tools in its body, once that was read and where it has any.
    pub messages: OnceCell<Messages>,
    /// What was found in it, and how its path is shown where something was found there.
    seen: RefCell<Option<(Sightings, Option<String>)>>,
    at: Timestamp,
    site: &'a Site,
}

impl<'a> Case<'a> {
    /// A request has arrived.
    pub fn begin(site: &'a Site) -> Self {
        let (id, at) = site.road.stamp();
        let snapshot = site.road.snapshot();
        let known = snapshot.directory.by_source(site.arrival.client);
        let known = known.and_then(|known| {
            let same = known.agent().name == site.known.agent().name;
            let detail = "The source address of this connection belongs to another agent now. Connect again.";
            if same { Ok(known) } else { Err(Denial::built_in(Reason::IdentityUnknown, detail)) }
        });
        Self {
            id,
            at,
            started: Instant::now(),
            snapshot,
            known,
            messages: OnceCell::new(),
            seen: RefCell::default(),
            site,
        }
    }

    /// Where it has come.
    pub fn site(&self) -> &'a Site {
        self.site
    }

    /// Its body was read, and has these messages to a server of tools.
    pub fn hears(&self, messages: Option<Messages>) {
        if let Some(messages) = messages {
            // A body is read once.
            let _ = self.messages.set(messages);
        }
    }

    /// It was looked into, and this was found; the path is shown like that where something was found there.
    pub fn saw(&self, sightings: Sightings, path: Option<String>) {
        self.seen.replace(Some((sightings, path)));
    }

    /// What was found in it before it was decided on.
    pub fn sightings(&self) -> Sightings {
        self.seen.borrow().as_ref().map(|(found, _)| found.clone()).unwrap_or_default()
    }

    /// What its decision depends on beside documents and traffic.
    fn circumstances(&self, known: &Known) -> Circumstances<'_> {
        self.site.road.shared.circumstances(&self.snapshot, known, self.at)
    }

    /// Judges the request by its head, and puts the agent away where a rule says so.
    ///
    /// # Errors
    /// Why it may not go.
    pub fn judge<'c>(&'c self, request: &'c Request<'c>) -> Result<Permit<'c>, Denial> {
        let known = self.known.as_ref().map_err(Denial::clone)?;
        let permit =
            self.snapshot.policy.request(known, &self.site.passage, request, self.circumstances(known));
        permit.inspect_err(|denial| self.heed(denial))
    }

    /// Asks the rules that waited for what the request carries, and puts the agent away where one says so.
    ///
    /// # Errors
    /// Why it may not go.
    pub fn settle(&self, permit: Permit<'_>, content: &Content) -> Result<Clearance, Denial> {
        permit.settle(content).inspect_err(|denial| self.heed(denial))
    }

    /// Whose models a host serves for the agent.
    pub fn provider(&self, host: &HostName) -> Option<Provider> {
        self.snapshot.policy.provider(self.known.as_ref().ok()?, host)
    }

    fn heed(&self, denial: &Denial) {
        self.site.road.shared.heed(&self.site.known.agent().name, denial);
    }

    /// The record of its decision.
    pub fn opening(
        &self,
        request: Option<&Request<'_>>,
        head: Option<&request::Parts>,
        verdict: Verdict,
    ) -> Opening {
        let Site { road, arrival, known, passage, .. } = self.site;
        let source = arrival.client.0.ip();
        Opening {
            request_id: self.id,
            connection_id: Some(arrival.id),
            at: self.at,
            kind: Kind::Request,
            subject: Subject {
                agent: Some(known.agent().clone()),
                source: Some(source),
                execution: road.shared.going_on(&known.agent().name, source),
                host: request.and_then(Request::name).or(passage.host()).cloned(),
                destination: Some(arrival.destination.0),
            },
            asked: self.asked(request, head),
            verdict,
        }
    }

    fn asked(&self, request: Option<&Request<'_>>, head: Option<&request::Parts>) -> Asked {
        let asked = Asked { tools: self.tools(), ..asked(request, head) };
        let seen = self.seen.borrow();
        let Some((findings, path)) = seen.as_ref() else { return asked };
        let is_said = |one: &Sighting| one.location == "method";
        let method = asked.method.map(|method| match findings.told.iter().any(is_said) {
            true => HIDDEN.to_owned(),
            false => method,
        });
        Asked { findings: findings.clone(), path: path.clone().or(asked.path), method, ..asked }
    }

    /// The tools that it calls, in order.
    fn tools(&self) -> Vec<Box<str>> {
        self.messages.get().map(|messages| messages.tools().map(Into::into).collect()).unwrap_or_default()
    }

    /// The verdict of a clearance.
    pub fn allow(&self, clearance: &Clearance) -> Verdict {
        allowed_by(&self.snapshot, clearance.speaks(), clearance.obligations())
    }

    /// A disagreement of names, with what its connection is known by, for the record.
    pub fn with_names(&self, denial: Denial) -> Denial {
        if denial.reason != Reason::NameMismatch {
            return denial;
        }
        let Site { road, arrival, known, passage, agreed, .. } = self.site;
        let address = arrival.destination.0.ip();
        let given = road.shared.memory.names(&known.agent().name, address, self.at);
        let mut names: Vec<&str> = given.iter().take(EVIDENT_NAMES).map(HostName::as_str).collect();
        if given.len() > names.len() {
            names.push("...");
        }
        let given = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
        let server_name = match (agreed.scheme(), passage.host()) {
            (Scheme::Https, Some(host)) => format!("; server name {host}"),
            _ => String::new(),
        };
        let seen = denial.evidence.clone().unwrap_or_default();
        denial.seen(format!("{seen}{server_name}; {address} was given for {given}"))
    }

    /// Records a refusal and words it. Without a head where the workload's own was not fit to be read.
    pub fn refuse(
        &self,
        request: Option<&Request<'_>>,
        head: Option<&request::Parts>,
        denial: &Denial,
    ) -> Response<Bytes> {
        let mut opening = self.opening(request, head, denied(&self.snapshot, denial));
        if self.seen.borrow().is_none()
            && let Some(head) = head
        {
            let path = target_path(request, head);
            hush(
                &self.site.road.shared,
                (&self.snapshot, self.known.as_ref().ok()),
                path,
                &mut opening.asked,
            );
        }
        self.site.road.shared.ledger.refuse(&opening, denial);
        let heard = Heard::of(self.site.passage.host(), request, head.is_some_and(is_grpc));
        deny::response(denial, self.id, Heard { mcp: self.messages.get(), ..heard })
    }
}

/// Judges a request once more, by what is in force now: for what lives longer than an answer. What it carries is what was
/// found when it was sent.
///
/// # Errors
/// Why it would be refused.
pub fn judged_anew(site: &Site, asked: &Underway) -> Result<Clearance, Denial> {
    judged(site, asked, &asked.content)
}

/// The same with what was found that it carries since.
///
/// # Errors
/// Why it would be refused.
pub fn judged(site: &Site, asked: &Underway, content: &Content) -> Result<Clearance, Denial> {
    let case = Case::begin(site);
    let request = Request::read(&site.agreed, &asked.head)?;
    case.judge(&request).and_then(|permit| case.settle(permit, content))
}

/// Records a stream of HTTP/2 of which no request came. The library has reset it, and tells nobody why.
pub fn unheard(site: &Site) {
    let detail = "A stream of HTTP/2 carried no valid request, or was reset before it was heard.";
    let denial = Denial::built_in(Reason::ProtocolMalformed, detail).seen("http/2: no request was heard");
    let case = Case::begin(site);
    let mut opening = case.opening(None, None, denied(&case.snapshot, &denial));
    opening.asked.protocol = Some("http/2");
    site.road.shared.ledger.refuse(&opening, &denial);
}

impl Refused {
    /// Records a request on a connection that may not live.
    pub fn record_request(
        &self,
        road: &Road,
        snapshot: &Snapshot,
        (request, head): (Option<&Request<'_>>, Option<&request::Parts>),
        denial: &Denial,
    ) -> RequestId {
        let (id, at) = road.stamp();
        let mut asked = asked(request, head);
        if let Some(head) = head {
            let path = target_path(request, head);
            hush(&road.shared, (snapshot, self.known.as_ref()), path, &mut asked);
        }
        let mut opening = Opening {
            request_id: id,
            connection_id: Some(self.arrival.id),
            at,
            kind: Kind::Request,
            subject: self.subject(&road.shared),
            asked,
            verdict: denied(snapshot, denial),
        };
        hush_name(&road.shared, (snapshot, self.known.as_ref()), &mut opening);
        road.shared.ledger.refuse(&opening, denial);
        id
    }
}

/// The verdict of a permission, with the rules that bind it.
pub fn allowed_by(
    snapshot: &Snapshot,
    (decision, by): (Decision, &Route),
    bound: Option<&Obligations>,
) -> Verdict {
    Verdict {
        decision,
        reason: None,
        policy: Some(by.policy.clone()),
        rule: by.rule.clone(),
        policy_digest: snapshot.policy.digest().clone(),
        evidence: bound.map(|bound| bound.evidence().to_owned()),
    }
}

/// The verdict on what the gateway does by itself, whatever the documents say.
pub fn built_in(snapshot: &Snapshot) -> Verdict {
    Verdict {
        decision: Decision::Allow,
        reason: None,
        policy: None,
        rule: None,
        policy_digest: snapshot.policy.digest().clone(),
        evidence: None,
    }
}

/// The verdict of a denial.
pub fn denied(snapshot: &Snapshot, denial: &Denial) -> Verdict {
    Verdict {
        decision: denial.decision(),
        reason: Some(denial.reason),
        policy: denial.policy.clone(),
        rule: denial.rule.clone(),
        policy_digest: snapshot.policy.digest().clone(),
        evidence: denial.evidence.clone(),
    }
}

/// Whether a gRPC client waits for the answer.
pub fn is_grpc(head: &request::Parts) -> bool {
    head.headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// The path as the workload has written it.
fn target_path<'h>(request: Option<&'h Request<'_>>, head: &'h request::Parts) -> &'h str {
    let path = request.and_then(|request| request.target().split('?').next());
    path.unwrap_or_else(|| head.uri.path())
}

/// Nothing is said of a message that nobody could read.
fn asked(request: Option<&Request<'_>>, head: Option<&request::Parts>) -> Asked {
    let Some(head) = head else { return Asked { protocol: Some("http/1.1"), ..Asked::default() } };
    Asked {
        method: Some(head.method.as_str().to_owned()),
        path: Some(request.map_or_else(|| head.uri.path().to_owned(), |request| request.path().to_owned())),
        protocol: Some(if head.version == Version::HTTP_2 { "http/2" } else { "http/1.1" }),
        ..Asked::default()
    }
}
