//! One request, from its head to its record. Each stage by its name, in order; the second half of the story that
//! `connection.rs` begins.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request as HttpRequest, Response, Version, header, request};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::answering::{fail, relay};
use super::arrival::Refused;
use super::bridge;
use super::case::{Case, is_grpc};
use super::deciding::{Carried, Decided, decide};
use super::deny::{self, Heard};
use super::early::{Waiting, early};
use super::fallback;
use super::forward::outgoing;
use super::going::{Answered, Back, Client, Ends, Found, Going, Mark, Trace};
use super::held::Read;
use super::reserving;
use super::road::Road;
use super::sealing::{self, Sending};
use super::serving::{Answer, Watched};
use super::shown;
use super::site::Site;
use super::spending;
use crate::act::upstream::{Held, Looked, Reading};
use crate::decide::dlp::{Inspection, Passing, Told};
use crate::decide::ledger::Entry;
use crate::decide::policy::Clearance;
use crate::model::types::{Decision, Denial, Reason};
use crate::perceive::protocol::ai::Call;
use crate::perceive::request::{Request, hop_by_hop};

/// Judges, records and forwards one request; what comes back is the upstream's answer or the denial.
pub async fn answer(site: Rc<Site>, request: HttpRequest<Incoming>, watched: Watched) -> Response<Answer> {
    let (case, busy) = (Case::begin(&site), watched.watch.begin());
    let (mut head, body) = request.into_parts();
    let challenge = bridge::upgrade(&mut head);
    let upgrade = head.extensions.remove::<OnUpgrade>().filter(|_| hop_by_hop::is_websocket(&head));
    let back = Back { watched, upgrade, challenge, busy };
    let mut body = Waiting::new(&head, body);
    if let Some(denial) = back.watched.refusal() {
        return early(case.refuse(None, None, &denial), &head, body).await;
    }
    hop_by_hop::strip_request(&mut head);
    let canonical = match Request::read(&site.agreed, &head).map_err(|denial| case.with_names(denial)) {
        Ok(canonical) => canonical,
        Err(denial) => return early(case.refuse(None, Some(&head), &denial), &head, body).await,
    };
    let decided = decide(&case, (&canonical, &head), (&mut body.inner, &back.watched));
    let Decided { wait, clearance, inspected, mut read, reservation, carried } = match decided.await {
        Ok(decided) => decided,
        Err(denial) => return early(case.refuse(Some(&canonical), Some(&head), &denial), &head, body).await,
    };
    let opening = case.opening(Some(&canonical), Some(&head), case.allow(&clearance));
    let allowed = (&clearance, &inspected);
    let entry = match site.road.shared.ledger.open_request(allowed, &opening, reservation).await {
        Ok(entry) => entry,
        Err(denial) => return early(case.refuse(Some(&canonical), Some(&head), &denial), &head, body).await,
    };
    let mut asked = (canonical.target().to_owned(), canonical.authority().to_owned());
    let is_read = read.call.is_some();
    let Carried { changes, passing: looks, asked: by_rules } =
        carried.map(|carried| *carried).unwrap_or_default();
    let told = told(&case, clearance.speaks().0 != Decision::Allow || inspected.alert().is_some());
    let lets = Lets { wait, clearance, entry, told, asked: by_rules };
    let going = going(case, (&canonical, &head), lets, &mut read);
    changes.apply(&mut head, &mut asked.0, &mut read);
    if back.challenge.is_some() && (going.clearance.inspection().is_some() || going.findings.asked.is_some())
    {
        // What an extension codes nobody could read.
        head.headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
    }
    let looks = looks.filter(|_| !body.inner.is_end_stream()).map(|looks| going.asking(&site, looks));
    match sending((looks, &going), &mut head, (read.body, is_read), body.inner) {
        Ok(body) => convey(&site, going, (head, asked, body), back).await,
        Err(denial) => fail(going, *denial, &back.watched),
    }
}

/// What lets a request through.
struct Lets {
    wait: Duration,
    clearance: Clearance,
    entry: Entry,
    told: Rc<Told>,
    asked: Option<Arc<Inspection>>,
}

/// A request that may go, on its way.
fn going(
    case: Case<'_>,
    (request, head): (&Request<'_>, &request::Parts),
    lets: Lets,
    read: &mut Read,
) -> Going {
    let Lets { wait, clearance, entry, told, asked } = lets;
    let site = case.site();
    let judge = spending::judge(site, &clearance, (read, &entry));
    let content = std::mem::take(&mut read.content);
    let underway = site.begin((head, content), &clearance, request.name());
    reserving::count(&site.road.shared, &site.known.agent().name, &entry, &underway.tempo);
    let call = read.call.take().or_else(|| passing(&case, request));
    let client = Client {
        host: request.name().cloned(),
        dialect: Heard::of(request.name(), Some(request), false).dialect,
        method: head.method.clone(),
        is_grpc: request.is_grpc(),
        messages: case.messages.into_inner(),
    };
    Going {
        mark: Mark { id: case.id, started: case.started },
        wait: Cell::new(wait),
        underway,
        clearance,
        entry: Some(entry),
        ends: Ends { stage: site.road.stage.clone(), cut: site.cut.clone() },
        client,
        trace: Trace::default(),
        answer: Answered { reading: Reading::of(call, &site.road.shared.prices), judge: RefCell::new(judge) },
        findings: Found { told, asked },
    }
}

/// The body as it goes out.
///
/// # Errors
/// It has to be looked into and cannot be.
fn sending(
    (looks, going): (Option<Passing>, &Going),
    head: &mut request::Parts,
    (held, is_read): (Option<Held>, bool),
    rest: Incoming,
) -> Result<Sending, Box<Denial>> {
    Ok(match (looks, held) {
        (Some(passing), first) => {
            let looked = looked(passing, &mut head.headers, going.findings.told.clone())?;
            Sending::Looked(first, rest, Box::new(looked))
        }
        (None, None) => Sending::Passing(rest),
        (None, Some(held)) if is_read => Sending::Held(held),
        (None, Some(held)) => Sending::Unread(held),
    })
}

/// Sends what may go, and hands on what comes of it.
async fn convey(
    site: &Rc<Site>,
    going: Going,
    (head, (target, authority), body): (request::Parts, (String, String), Sending),
    back: Back,
) -> Response<Answer> {
    let leg = back.leg();
    let sent = match outgoing(head, (&target, &authority), &going) {
        Ok(head) => match sealing::whole(site, &going, &back.watched, (head, body)).await {
            Ok((head, body)) => fallback::send(site, &going, leg, (head, body)).await,
            Err(denial) => Err(denial),
        },
        Err(denial) => Err(denial),
    };
    match shown::fit(site, &going, sent).await {
        Ok(answered) => relay(site, going, answered, back),
        Err(denial) => fail(going, denial, &back.watched),
    }
}

/// Where what is found as it passes is told: all that was found before stands there, too.
fn told(case: &Case<'_>, is_spoken_for: bool) -> Rc<Told> {
    let told = Told { is_spoken_for, ..Told::default() };
    *told.found.borrow_mut() = case.sightings();
    Rc::new(told)
}

/// What looks into a body as it passes, and what its head says of that.
fn looked(passing: Passing, headers: &mut HeaderMap, told: Rc<Told>) -> Result<Looked, Box<Denial>> {
    let looked = Looked::new(passing, headers, told)?;
    looked.prepare(headers);
    Ok(looked)
}

/// The call of a model whose bodies are read as they pass, where it is one.
fn passing(case: &Case<'_>, request: &Request<'_>) -> Option<Call> {
    // Nothing else is paid for: most requests need no look at who serves models.
    let host = request.name().filter(|_| request.method() == Method::POST)?;
    Some(Call::begin(case.provider(host)?, (request.method(), request.path()), request.headers()))
}

/// Answers a request on a connection that may not live. Where policy denies this very request, its own words count;
/// where policy had nothing to go by but a malformed message, that is what is wrong.
pub async fn refused(
    road: Rc<Road>,
    refused: Rc<(Refused, Denial)>,
    request: HttpRequest<Incoming>,
    watched: Watched,
) -> Response<Answer> {
    let (refused, of_connection) = &*refused;
    let (mut head, body) = request.into_parts();
    let body = Waiting::new(&head, body);
    hop_by_hop::strip_request(&mut head);
    let snapshot = road.snapshot();
    let malformed = watched.refusal();
    let is_malformed = malformed.is_some();
    let agreed = refused.agreed().filter(|_| !is_malformed);
    let request = agreed.as_ref().and_then(|agreed| Request::read(agreed, &head).ok());
    let by_policy = matches!(of_connection.reason, Reason::PolicyDenied | Reason::PolicyNoRoute);
    let destination = refused.arrival.destination.0;
    let of_request = match (&refused.known, &request) {
        (Some(known), Some(request)) if by_policy => snapshot.policy.refused_request(
            known,
            destination,
            request,
            road.shared.circumstances(&snapshot, known, road.stamp().1),
        ),
        _ => malformed.filter(|_| by_policy),
    };
    if let (Some(known), Some(denial)) = (&refused.known, &of_request) {
        road.shared.heed(&known.agent().name, denial);
    }
    let denial = of_request.as_ref().unwrap_or(of_connection);
    let id = refused.record_request(
        &road,
        &snapshot,
        (request.as_ref(), (!is_malformed).then_some(&head)),
        denial,
    );
    let mut response =
        deny::response(denial, id, Heard::of(refused.host(), request.as_ref(), is_grpc(&head)));
    if head.version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    early(response, &head, body).await
}
