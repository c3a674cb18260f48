//! One request, from its head to its record. Each stage by its name, in order; the second half of the story that
//! `connection.rs` begins.

use std::cell::{Cell, OnceCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Method, Request as HttpRequest, Response, StatusCode, Version, header, request};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::sync::watch;
use tokio::time::sleep;

use super::anew::Again;
use super::arrival::Refused;
use super::bridge::{self, Challenge};
use super::case::{self, Case, is_grpc};
use super::deny::{self, Heard};
use super::early::{Waiting, answered, early};
use super::road::Road;
use super::serving::{Answer, Watched};
use super::site::{Leg, Site};
use super::transform;
use super::tunnel;
use super::underway::Underway;
use super::watch::Busy;
use crate::act::upstream::{Closing, Failure, LAPSED, Reading, Reply, RequestBody, Trailers};
use crate::decide::ledger::Entry;
use crate::decide::ledger::record::Outcome;
use crate::decide::policy::{Clearance, Obligations};
use crate::model::condition::Content;
use crate::model::types::{Denial, HostName, Reason, RequestId};
use crate::perceive::protocol::ai::Call;
use crate::perceive::request::guard::Refusal;
use crate::perceive::request::{Request, hop_by_hop};

/// Connections tried for one request: a kept one may have died unseen, several may have died together.
const TRIES: usize = 4;

/// A request that may go, on its way: what still matters once its head is sent.
struct Going {
    id: RequestId,
    started: Instant,
    /// How long a rule holds it back.
    wait: Duration,
    /// How fast its bytes may move, among what is asked again while it is underway.
    underway: Rc<Underway>,
    clearance: Clearance,
    entry: Option<Entry>,
    /// Whether the daemon is about to end.
    drain: watch::Receiver<bool>,
    /// Bytes of its body that went out.
    sent: Rc<Cell<u64>>,
    /// Why the connection was cut, once it is.
    cut: Rc<OnceCell<Denial>>,
    /// The address really dialled, where it is not the one asked for.
    dialled: Cell<Option<SocketAddr>>,
    host: Option<HostName>,
    method: Method,
    is_grpc: bool,
    /// What reads its bodies.
    reading: Reading,
}

impl Going {
    fn entry(&self) -> &Entry {
        self.entry.as_ref().expect("invariant: it is taken last, with the outcome")
    }

    fn take_entry(&mut self) -> Entry {
        self.entry.take().expect("invariant: it is taken once, with the outcome")
    }

    /// What closes its record once its answer has passed.
    fn closing(&mut self, status: StatusCode, added: Duration) -> Closing {
        Closing {
            entry: self.take_entry(),
            status: status.as_u16(),
            started: self.started,
            added,
            sent: self.sent.clone(),
            dialled: self.dialled.get(),
            cut: self.cut.clone(),
            reading: self.reading.clone(),
        }
    }
}

/// Whoever waited for the answer has left: hyper drops what would give it, and there is no later moment at which the
/// record could be closed.
impl Drop for Going {
    fn drop(&mut self) {
        let Some(entry) = self.entry.take() else { return };
        let end = if *self.drain.borrow() { "shutdown" } else { "client-closed" };
        entry.close(Outcome {
            bytes_out: self.sent.get(),
            latency: self.started.elapsed(),
            dialled: self.dialled.get(),
            end: Some(self.cut.get().map_or(end, |_| LAPSED)),
            denial: self.cut.get().cloned(),
            model_call: self.reading.finish(false),
            ..Outcome::default()
        });
    }
}

/// The way back to the workload.
struct Back {
    watched: Watched,
    /// The connection itself, where the request asks to switch protocols.
    upgrade: Option<OnUpgrade>,
    /// What the upstream has to prove, where the workload asks for WebSocket.
    challenge: Option<Challenge>,
    busy: Busy,
}

/// Judges, records and forwards one request; what comes back is the upstream's answer or the denial.
pub async fn answer(site: Rc<Site>, request: HttpRequest<Incoming>, watched: Watched) -> Response<Answer> {
    let (case, busy) = (Case::begin(&site), watched.watch.begin());
    let (mut head, body) = request.into_parts();
    let challenge = bridge::upgrade(&mut head);
    let upgrade = head.extensions.remove::<OnUpgrade>().filter(|_| hop_by_hop::is_websocket(&head));
    let back = Back { watched, upgrade, challenge, busy };
    let body = Waiting::new(&head, body);
    if let Some(denial) = back.watched.refusal() {
        return early(case.refuse(None, None, &denial), &head, body).await;
    }
    hop_by_hop::strip_request(&mut head);
    let canonical = match Request::read(&site.agreed, &head) {
        Ok(canonical) => canonical,
        Err(denial) => {
            let denial = case.with_names(denial);
            return early(case.refuse(None, Some(&head), &denial), &head, body).await;
        }
    };
    let (paces, agent) = (&site.road.shared.paces, &site.known.agent().name);
    // Nobody reads what requests carry yet: a rule that asks for it does not load.
    let content = Content::default();
    let settled = case.judge(&canonical).and_then(|permit| case.settle(permit, &content));
    let charged = |clearance: Clearance| Ok((paces.charge(agent, clearance.obligations())?, clearance));
    let (wait, clearance) = match settled.and_then(charged) {
        Ok(permitted) => permitted,
        Err(denial) => return early(case.refuse(Some(&canonical), Some(&head), &denial), &head, body).await,
    };
    let underway = site.begin((&head, content), &clearance, canonical.name());
    let opening = case.opening(Some(&canonical), Some(&head), case.allow(&clearance));
    let entry = match site.road.shared.ledger.open_request(&clearance, &opening, None).await {
        Ok(entry) => entry,
        Err(denial) => return early(case.refuse(Some(&canonical), Some(&head), &denial), &head, body).await,
    };
    let going = Going {
        id: case.id,
        started: case.started,
        wait,
        underway,
        clearance,
        entry: Some(entry),
        drain: site.road.drain.clone(),
        sent: Rc::default(),
        cut: site.cut.clone(),
        dialled: Cell::default(),
        host: canonical.name().cloned(),
        method: head.method.clone(),
        is_grpc: canonical.is_grpc(),
        reading: reading(&canonical),
    };
    let (target, authority) = (canonical.target().to_owned(), canonical.authority().to_owned());
    let bridged = back.challenge.as_ref().is_some_and(Challenge::is_bridged);
    let leg = if bridged { Leg::Http1 } else { Leg::Usual };
    let head = outgoing(head, (&target, &authority), going.clearance.obligations());
    match go(&site, &going, leg, (head, body.inner)).await {
        Ok((reply, added)) => relay(&site, going, (reply, added), back),
        Err(denial) => fail(going, denial, &back.watched),
    }
}

/// What reads the exchange, where it is a call of a model.
fn reading(request: &Request<'_>) -> Reading {
    let asked = (request.method(), request.path());
    Reading::of(request.name().and_then(|host| Call::begin(host, asked, request.headers())))
}

/// The head as it goes to the upstream: target in origin form, and as `Host` the authority that was judged (RFC 9112,
/// section 3.2.2). What rules change of it is changed here, behind the judgement.
fn outgoing(
    mut head: request::Parts,
    (target, authority): (&str, &str),
    bound: Option<&Obligations>,
) -> Result<request::Parts, Denial> {
    transform::apply(&mut head.headers, bound);
    head.uri = target.parse().map_err(|error| Denial::internal(format!("target: {error}")))?;
    if head.headers.get(header::HOST).is_none_or(|host| host.as_bytes() != authority.as_bytes()) {
        let host = HeaderValue::from_str(authority);
        let host = host.map_err(|error| Denial::internal(format!("authority: {error}")))?;
        head.headers.insert(header::HOST, host);
    }
    Ok(head)
}

/// Sends the request; a kept connection that died unseen is replaced, as long as nothing was sent. Answers with the
/// reply and the gateway's own share of the time until then.
async fn go(
    site: &Site,
    going: &Going,
    leg: Leg,
    (head, body): (Result<request::Parts, Denial>, Incoming),
) -> Result<(Reply, Duration), Denial> {
    let withheld = transform::names(going.clearance.obligations());
    let trailers = Trailers { strip: hop_by_hop::strip_trailers, withheld };
    let body = RequestBody::new(body, going.sent.clone(), trailers).paced(going.underway.tempo.clone());
    let body = body.read_by(going.reading.clone());
    // The spelling of field names travels in the head's extensions, where hyper looks for it.
    let mut request = HttpRequest::from_parts(head?, body);
    if !going.wait.is_zero() {
        sleep(going.wait).await;
    }
    for attempt in 0..TRIES {
        let first = if leg == Leg::Usual { site.first.borrow_mut().take() } else { None };
        let sender = match first {
            Some(sender) => sender.aged(),
            None if attempt + 1 == TRIES => Box::pin(site.dial(going.entry(), leg)).await?,
            None => site.reach(going.entry(), leg).await?,
        };
        let (fresh, added) = (sender.is_fresh(), going.started.elapsed());
        going.dialled.set(Some(sender.peer()).filter(|peer| *peer != site.arrival.destination.0));
        match sender.send(&going.clearance, going.entry(), request).await {
            Ok(reply) => return Ok((reply, added)),
            Err(Failure::Unsent(unsent)) if !fresh => request = *unsent,
            Err(failure) => return Err(failed(failure)),
        }
    }
    let detail = "The destination closed every connection before the request was sent.";
    Err(Denial::built_in(Reason::UpstreamFailed, detail))
}

fn failed(failure: Failure) -> Denial {
    match failure {
        Failure::TimedOut => {
            Denial::built_in(Reason::UpstreamTimeout, "The destination did not answer in time.")
        }
        Failure::Unsent(_) => {
            Denial::built_in(Reason::UpstreamFailed, "The destination closed the connection.")
        }
        Failure::Refused(denial) => denial,
        // What the library calls its user is the body that came from the workload.
        Failure::Broken(error) if error.is_user() => {
            Denial::built_in(Reason::ProtocolMalformed, "The request's body broke off before its end.")
        }
        Failure::Broken(error) => {
            let cause =
                std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            Denial::built_in(Reason::UpstreamFailed, "The destination failed before it answered.")
                .seen(format!("{error}{cause}"))
        }
    }
}

/// Hands the upstream's answer on. Its record is closed when its body has passed.
fn relay(
    site: &Rc<Site>,
    mut going: Going,
    (reply, added): (Reply, Duration),
    back: Back,
) -> Response<Answer> {
    let Reply { mut head, body, upgraded } = reply;
    let status = head.status;
    let switches = status == StatusCode::SWITCHING_PROTOCOLS;
    hop_by_hop::strip_response(&mut head.headers, switches);
    if status == StatusCode::NO_CONTENT {
        // RFC 9110, section 8.6: it has none, and a reader might wait for what it announces.
        head.headers.remove(header::CONTENT_LENGTH);
    }
    let challenge = back.challenge.as_ref();
    let proven = switches && challenge.is_some_and(|challenge| challenge.is_met(&mut head.headers));
    // Extended CONNECT has succeeded with any 2xx: an upstream that did not switch must not seem to have.
    let bridged = challenge.is_some_and(Challenge::is_bridged);
    let switches = switches || (bridged && status.is_success());
    head.version = Version::HTTP_11;
    let underway = going.underway.clone();
    let bodiless = is_bodiless(&going.method, status);
    if !switches && !bodiless {
        going.reading.begin_answer(status.as_u16(), &head.headers);
    }
    let closing = going.closing(status, added);
    if !switches {
        let body = body.closing(closing, bodiless).paced(underway.tempo.clone());
        let answer = Answer::Reply { body, _busy: back.busy, _underway: underway };
        return Response::from_parts(head, answer);
    }
    if let (Some(workload), Some(upstream)) = (back.upgrade, upgraded)
        && proven
    {
        let ends = ends(site, underway);
        let tunnel = tunnel::run((workload, upstream), closing, back.busy, ends);
        let running = tokio::task::spawn_local(tunnel);
        if bridged {
            // The workload's connection goes on, and may carry several.
            head.status = StatusCode::OK;
        } else {
            site.tunnel.replace(Some(running));
        }
        return Response::from_parts(head, Answer::Own(None));
    }
    let denial =
        Denial::built_in(Reason::UpstreamFailed, "The destination did not switch protocols as asked.");
    let response = deny::response(&denial, going.id, Heard::default());
    closing.refuse(denial);
    answered(response, &going.method)
}

/// Whether no body follows, whatever the head announces (RFC 9110, sections 9.3.2 and 15).
fn is_bodiless(method: &Method, status: StatusCode) -> bool {
    method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// What bounds the tunnel that a request has opened: it is judged by it anew, whenever something else is in force.
fn ends(site: &Rc<Site>, underway: Rc<Underway>) -> tunnel::Ends<impl Fn() -> Result<Again, Denial> + use<>> {
    let (own, tempo) = (site.clone(), underway.tempo.clone());
    // It ends by that judgement, and nothing beside it on the connection does.
    underway.granted.take();
    tunnel::Ends {
        drain: site.road.drain.clone(),
        policy: site.road.shared.watch(),
        judge: move || {
            let clearance = case::judged_anew(&own, &underway)?;
            underway.tempo.set(own.tempo(&clearance));
            Ok(Again::of(&own.road, &own.known))
        },
        tempo,
    }
}

/// A refusal after the decision: the upstream failed, or the rest of the request was malformed.
fn fail(mut going: Going, denial: Denial, watched: &Watched) -> Response<Answer> {
    let denial = watched.refusal_in_body().map_or(denial, Refusal::denial);
    let response =
        deny::response(&denial, going.id, Heard { host: going.host.as_ref(), grpc: going.is_grpc });
    going.take_entry().close(Outcome {
        status: Some(response.status().as_u16()),
        bytes_out: going.sent.get(),
        bytes_in: response.body().len() as u64,
        latency: going.started.elapsed(),
        dialled: going.dialled.get(),
        denial: Some(denial),
        model_call: going.reading.finish(false),
        ..Outcome::default()
    });
    answered(response, &going.method)
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
            snapshot.circumstances(road.stamp().1),
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
    let mut response = deny::response(denial, id, Heard { host: refused.host(), grpc: is_grpc(&head) });
    if head.version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    early(response, &head, body).await
}
