//! Operators' actions on the record: opened before they have effect, closed with the status that the caller got and what
//! came of it. Who asked stands in `evidence`, what in `action`, about whom in `object`.
//!
//! A refused command is `deny` with `admin.refused`. Where the daemon failed in the middle the decision stays `allow`: what
//! was done already is in force, and the sentence that the caller got says so.

use std::time::Instant;

use crate::decide::ledger::record::{Asked, Decision, Kind, Opening, Outcome, Subject, Verdict};
use crate::model::types::{Denial, Reason};
use crate::operate::admin::{AdminAction, Caller, Closing, Ending};
use crate::operate::api::{Fault, FaultCode};
use crate::pipeline::Shared;
use crate::platform::sys::clock;

/// The end of a record whose caller did not wait for the answer.
const UNANSWERED: &str = "unanswered";

/// Who asks, as records and lists name him.
pub fn name_of(caller: &Caller) -> String {
    caller.user.clone().unwrap_or_else(|| format!("uid {}", caller.peer.uid))
}

/// Opens the record of an action.
///
/// # Errors
/// Where it cannot be recorded: it must not be done.
pub async fn open(action: &AdminAction, shared: &Shared) -> Result<Closing, Fault> {
    let opening = opening(action, shared);
    let entry = shared.ledger.open_action(&opening).await.map_err(unrecorded)?;
    let (action, begun) = (action.clone(), Instant::now());
    Ok(Box::new(move |ending| {
        let outcome = outcome(&action, ending);
        entry.close(Outcome { latency: begun.elapsed(), ..outcome });
    }))
}

/// Records that somebody asked who may not.
///
/// # Errors
/// Where that cannot be recorded. It stays refused.
pub fn turn_away(action: &AdminAction, shared: &Shared) -> Result<(), Fault> {
    let denial = Denial::built_in(Reason::IdentityUnknown, "This user may not ask.");
    let outcome = Outcome { status: Some(denial.status()), denial: Some(denial), ..Outcome::default() };
    shared.ledger.event(&opening(action, shared), &outcome).map_err(unrecorded)
}

fn unrecorded(denial: Denial) -> Fault {
    Fault::new(FaultCode::AuditUnavailable, denial.detail).hint("clawgress status says why")
}

fn opening(action: &AdminAction, shared: &Shared) -> Opening {
    Opening {
        request_id: clock::request_id(),
        connection_id: None,
        at: clock::now(),
        kind: Kind::Admin,
        subject: Subject { agent: None, source: None, execution: None, host: None, destination: None },
        asked: Asked {
            method: Some(action.command.clone()),
            path: action.object.clone(),
            protocol: None,
            ..Asked::default()
        },
        verdict: Verdict {
            decision: Decision::Allow,
            reason: None,
            policy: None,
            rule: None,
            policy_digest: shared.snapshot.load().resources.digest.clone(),
            evidence: Some(evidence(action, "")),
        },
    }
}

/// How it ended, with the status that the caller got.
fn outcome(action: &AdminAction, ending: &Ending<'_>) -> Outcome {
    let (status, said) = match ending.came_to {
        Ok(words) => (200, words),
        Err(fault) => (fault.code.status(), &*fault.message),
    };
    let seen = evidence(action, said);
    let end = (!ending.awaited).then_some(UNANSWERED);
    let refused = ending.came_to.is_err_and(|fault| {
        matches!(fault.code, FaultCode::Invalid | FaultCode::NotFound | FaultCode::Forbidden)
    });
    let denial = refused.then(|| Denial::built_in(Reason::AdminRefused, said).seen(seen.clone()));
    Outcome { status: Some(status), denial, evidence: Some(seen), end, ..Outcome::default() }
}

/// `by root, process 7: alice may reach ...; ttl 2h, reason: debug`. What was given stands last: it may be long, and cut.
fn evidence(action: &AdminAction, said: &str) -> String {
    let caller = &action.caller;
    let mut text = format!("by {}", name_of(caller));
    text.extend(caller.peer.pid.map(|pid| format!(", process {pid}")));
    if !said.is_empty() {
        text.push_str(": ");
        text.push_str(said);
    }
    text.extend(action.given.as_ref().map(|given| format!("; {given}")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operate::admin::Peer;

    fn action() -> AdminAction {
        AdminAction {
            caller: Caller { peer: Peer { uid: 0, gid: 0, pid: Some(7) }, user: Some("root".into()) },
            command: "approve".into(),
            object: Some("alice".into()),
            given: Some("ttl 2h, ticket INC-1, reason: debug".into()),
        }
    }

    #[test]
    fn what_was_done_stands_before_what_was_given_and_behind_who_asked() {
        let done = outcome(&action(), &Ending { came_to: Ok("alice may reach a.example"), awaited: true });
        let seen = "by root, process 7: alice may reach a.example; ttl 2h, ticket INC-1, reason: debug";
        assert_eq!((done.status, done.evidence.as_deref(), done.end), (Some(200), Some(seen), None));
        assert!(done.denial.is_none());
    }

    #[test]
    fn a_refused_command_is_a_denial_and_a_failure_is_none_for_what_was_done_may_be_in_force() {
        for (code, refused) in [
            (FaultCode::Invalid, true),
            (FaultCode::NotFound, true),
            (FaultCode::Busy, false),
            (FaultCode::Internal, false),
        ] {
            let fault = Fault::new(code, "no");
            let ended = outcome(&action(), &Ending { came_to: Err(&fault), awaited: false });
            assert_eq!(ended.status, Some(code.status()));
            assert_eq!(ended.denial.map(|denial| denial.reason), refused.then_some(Reason::AdminRefused));
            assert_eq!(ended.end, Some(UNANSWERED));
        }
    }
}
