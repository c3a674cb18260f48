//! The answer to a request that was sent, or the refusal in its place: handed on to the workload, and put on record when it has
//! passed.

use std::rc::Rc;
use std::time::Duration;

use http::{HeaderMap, Method, Response, StatusCode, Version, header};

use super::anew::Again;
use super::bridge::Challenge;
use super::case;
use super::deny::{self, Heard};
use super::early::answered;
use super::going::{Back, Going};
use super::serving::{Answer, Watched};
use super::site::Site;
use super::tunnel;
use super::underway::Underway;
use crate::act::upstream::{Ender, Judge, Reply, cover_head};
use crate::decide::ledger::record::Outcome;
use crate::decide::quota::Spent;
use crate::model::types::{Denial, Reason};
use crate::perceive::protocol::ai::Ending;
use crate::perceive::request::guard::Refusal;
use crate::perceive::request::hop_by_hop;

/// Hands the upstream's answer on. Its record is closed when its body has passed.
pub fn relay(
    site: &Rc<Site>,
    mut going: Going,
    (reply, added): (Reply, Duration),
    back: Back,
) -> Response<Answer> {
    let Reply { mut head, body, upgraded, echo } = reply;
    // No answer repeats a secret of the vault, whoever has asked.
    let vault = site.road.shared.vault.echo();
    vault.iter().for_each(|vault| cover_head(vault, &mut head));
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
    let bodiless = is_bodiless(&going.client.method, status);
    let ender = (!switches && !bodiless).then(|| ender(&going, &mut head.headers)).flatten();
    let looks = if switches { tunnel::Looks::of(site, &going) } else { tunnel::Looks::default() };
    let closing = going.closing(status, added);
    if !switches {
        let body = body.shielded(vault, &head.headers);
        let body = body.closing(closing, bodiless).paced(underway.tempo.clone()).ended_by(ender);
        let answer = Answer::Reply { body, _busy: back.busy, _underway: underway };
        return Response::from_parts(head, answer);
    }
    if let (Some(workload), Some(upstream)) = (back.upgrade, upgraded)
        && proven
    {
        let ends = ends(site, underway);
        let looks = looks.repeating(echo, vault);
        let tunnel = tunnel::run((workload, upstream), looks, (closing, back.busy), ends);
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
    let response = deny::response(&denial, going.mark.id, Heard::default());
    closing.refuse(denial);
    answered(response, &going.client.method)
}

/// What ends the answer where it may go on no longer, which nobody can do who has promised its length. An answer that is one
/// document is left alone: it is paid for by the time that it comes.
fn ender(going: &Going, headers: &mut HeaderMap) -> Option<Ender> {
    let nobody = || -> Judge { Box::new(|_, _| None) };
    let judge = going.answer.judge.take().or_else(|| going.floors().map(|_| nobody()))?;
    let ending = going.answer.reading.ending(headers);
    if ending.is_none() && !going.answer.reading.streams() {
        return None;
    }
    headers.remove(header::CONTENT_LENGTH);
    let id = going.mark.id;
    let wording = move |ending: &Ending, denial: &Denial| deny::ending(ending, denial, id);
    Some(Ender::new(ending, judge, Box::new(wording)))
}

/// Whether no body follows, whatever the head announces (RFC 9110, sections 9.3.2 and 15).
pub fn is_bodiless(method: &Method, status: StatusCode) -> bool {
    method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// What bounds the tunnel that a request has opened: it is judged by it anew, whenever something else is in force.
fn ends(site: &Rc<Site>, underway: Rc<Underway>) -> tunnel::Ends<impl Fn() -> Result<Again, Denial> + use<>> {
    let (own, tempo) = (site.clone(), underway.tempo.clone());
    // It ends by that judgement, and nothing beside it on the connection does.
    underway.granted.take();
    tunnel::Ends {
        cut: site.road.shifts.held(),
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
pub fn fail(mut going: Going, denial: Denial, watched: &Watched) -> Response<Answer> {
    let denial = watched.refusal_in_body().map_or(denial, Refusal::denial);
    // A body that may go on no longer breaks off, and the upstream's failure comes of that.
    let denial = going.underway.tempo.spent().unwrap_or(denial);
    let denial = going.findings.told.broken.get().cloned().unwrap_or(denial);
    let response = deny::response(&denial, going.mark.id, going.heard());
    let outcome = Outcome {
        status: Some(response.status().as_u16()),
        bytes_out: going.trace.sent.get(),
        bytes_in: response.body().len() as u64,
        latency: going.mark.started.elapsed(),
        dialled: going.trace.dialled.get(),
        denial: Some(denial),
        evidence: going.trace.evidence.take(),
        credential: going.trace.credential.take(),
        findings: going.findings.told.found.take(),
        ..Outcome::default()
    };
    let mut outcome = outcome.of_call(going.answer.reading.finish(false));
    if !going.has_left() {
        // Nothing of it went out, so nothing is paid for.
        outcome.spent =
            Some(Spent { tokens: Some(0), nanodollars: Some(0), ..outcome.spent.unwrap_or_default() });
    }
    going.take_entry().close(outcome);
    answered(response, &going.client.method)
}
