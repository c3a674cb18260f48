//! A request that may go, on its way to the upstream, and the way back: what still matters once it is decided on.

use std::cell::{Cell, OnceCell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, Method, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use tokio::sync::watch;

use super::asking;
use super::bridge::Challenge;
use super::deny::Heard;
use super::serving::Watched;
use super::shift::Stage;
use super::site::{Leg, Site};
use super::underway::Underway;
use super::watch::Busy;
use crate::act::upstream::{Closing, Judge, LAPSED, Reading};
use crate::decide::dlp::{Bound, Inspection, Passing, Told};
use crate::decide::ledger::Entry;
use crate::decide::ledger::record::Outcome;
use crate::decide::policy::Clearance;
use crate::model::types::{
    Denial, Direction, FindingClasses, HostName, PolicyRef, RequestId, SafetyFloors, ToolSieve,
};
use crate::perceive::protocol::ai::Dialect;
use crate::perceive::protocol::mcp::{Messages, Sieve};

/// A request that may go, on its way: what still matters once its head is sent.
pub struct Going {
    /// By what it is known.
    pub mark: Mark,
    /// How long a rule holds it back.
    pub wait: Cell<Duration>,
    /// How fast its bytes may move, among what is asked again while it is underway.
    pub underway: Rc<Underway>,
    /// Why it may go.
    pub clearance: Clearance,
    /// Its record, until it is closed.
    pub entry: Option<Entry>,
    /// What ends it from outside.
    pub ends: Ends,
    /// Who waits for its answer.
    pub client: Client,
    /// What has become of it so far.
    pub trace: Trace,
    /// What reads its answer.
    pub answer: Answered,
    /// What is found in it.
    pub findings: Found,
}

/// By what a request is known.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    /// Its id.
    pub id: RequestId,
    /// When its head was there.
    pub started: Instant,
}

/// What ends a request from outside.
pub struct Ends {
    /// Where the daemon stands on its way out.
    pub stage: watch::Receiver<Stage>,
    /// Why the connection was cut, once it is.
    pub cut: Rc<OnceCell<Denial>>,
}

/// Who waits for an answer: how it was asked for, and in whose words errors are understood.
pub struct Client {
    /// Whom it is for.
    pub host: Option<HostName>,
    /// In whose words its client understands errors.
    pub dialect: Option<Dialect>,
    /// How it asks.
    pub method: Method,
    /// Whether a gRPC client waits for its answer.
    pub is_grpc: bool,
    /// The messages to a server of tools in its body.
    pub messages: Option<Messages>,
}

/// What has become of a request so far, for its record.
#[derive(Default)]
pub struct Trace {
    /// Whether it was handed to a connection.
    pub left: Cell<bool>,
    /// Bytes of its body that went out.
    pub sent: Rc<Cell<u64>>,
    /// The address really dialled, where it is not the one asked for.
    pub dialled: Cell<Option<SocketAddr>>,
    /// Which models have failed before the one that answers.
    pub evidence: RefCell<Option<String>>,
    /// Which credentials went into it.
    pub credential: RefCell<Option<String>>,
}

/// What reads an answer, and who ends it.
pub struct Answered {
    /// What reads its bodies.
    pub reading: Reading,
    /// Who says when its answer may go on no longer; nothing where nobody does.
    pub judge: RefCell<Option<Judge>>,
}

/// What is found in a request.
pub struct Found {
    /// What is found in it as it passes.
    pub told: Rc<Told>,
    /// All that is looked for in what it sends, where rules ask for what is found as that passes.
    pub asked: Option<Arc<Inspection>>,
}

impl Going {
    /// The words of its client.
    pub fn heard(&self) -> Heard<'_> {
        Heard {
            host: self.client.host.as_ref(),
            dialect: self.client.dialect,
            grpc: self.client.is_grpc,
            mcp: self.client.messages.as_ref(),
        }
    }

    /// Which tools its answer may show, where it may list any.
    pub fn shows(&self) -> Option<&Arc<ToolSieve>> {
        let tools = self.clearance.holds().and_then(|holds| holds.tools.as_ref());
        tools.filter(|_| Sieve::is_needed(&self.client.method, self.client.messages.as_ref()))
    }

    /// What its answer may not reach by its provider's annotations, and whose word that is; nothing where no model speaks in it.
    pub fn floors(&self) -> Option<&(SafetyFloors, PolicyRef)> {
        let floors = self.clearance.holds().and_then(|holds| holds.terms.safety.as_ref())?;
        let endpoint = self.answer.reading.endpoint();
        endpoint.is_none_or(|endpoint| endpoint.operation.may_say()).then_some(floors)
    }

    /// What looks into what goes this way as it passes; nothing where no policy asks for that.
    pub fn passing(&self, site: &Site, way: Direction, headers: &HeaderMap) -> Option<Passing> {
        let asked = self.findings.asked.as_ref().filter(|_| way == Direction::Up);
        let plan = self.clearance.inspection().or(asked)?;
        let wanted = if asked.is_some() { FindingClasses::all() } else { plan.wanted(way) };
        let inspector = site.road.shared.finder.inspector(plan, wanted);
        // Of answers the values of the vault are taken out in any case.
        if wanted.is_empty() && (way == Direction::Up || !inspector.knows_any()) {
            return None;
        }
        let (agent, most) = (site.known.agent().name.clone(), site.road.shared.finder.hold);
        let bound = Bound { plan: plan.clone(), way, agent, most };
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Some(Passing::new(&bound, inspector, kind))
    }

    /// The same where rules ask for what it finds.
    pub fn asking(&self, site: &Rc<Site>, passing: Passing) -> Passing {
        match &self.findings.asked {
            Some(plan) => passing.asking(asking::rules(site, &self.underway, plan, &self.findings.told)),
            None => passing,
        }
    }

    pub fn entry(&self) -> &Entry {
        self.entry.as_ref().expect("invariant: it is taken last, with the outcome")
    }

    pub fn take_entry(&mut self) -> Entry {
        self.entry.take().expect("invariant: it is taken once, with the outcome")
    }

    /// Whether anything of it may have reached its destination.
    pub fn has_left(&self) -> bool {
        self.trace.left.get()
    }

    /// What closes its record once its answer has passed.
    pub fn closing(&mut self, status: StatusCode, added: Duration) -> Closing {
        Closing {
            entry: self.take_entry(),
            status: status.as_u16(),
            started: self.mark.started,
            added,
            sent: self.trace.sent.clone(),
            dialled: self.trace.dialled.get(),
            cut: self.ends.cut.clone(),
            reading: self.answer.reading.clone(),
            evidence: self.trace.evidence.take(),
            credential: self.trace.credential.take(),
            told: self.findings.told.clone(),
        }
    }
}

/// Whoever waited for the answer has left: hyper drops what would give it, and there is no later moment at which the
/// record could be closed.
impl Drop for Going {
    fn drop(&mut self) {
        let Some(entry) = self.entry.take() else { return };
        let end = if *self.ends.stage.borrow() == Stage::Serving { "client-closed" } else { "shutdown" };
        let outcome = Outcome {
            bytes_out: self.trace.sent.get(),
            latency: self.mark.started.elapsed(),
            dialled: self.trace.dialled.get(),
            evidence: self.trace.evidence.take(),
            credential: self.trace.credential.take(),
            findings: self.findings.told.found.take(),
            alert: self.findings.told.alert(),
            end: Some(self.ends.cut.get().map_or(end, |_| LAPSED)),
            denial: self.ends.cut.get().cloned(),
            ..Outcome::default()
        };
        entry.close(outcome.of_call(self.answer.reading.finish(false)));
    }
}

/// The way back to the workload.
pub struct Back {
    /// Its connection.
    pub watched: Watched,
    /// The connection itself, where the request asks to switch protocols.
    pub upgrade: Option<OnUpgrade>,
    /// What the upstream has to prove, where the workload asks for WebSocket.
    pub challenge: Option<Challenge>,
    /// Held for the end of its answer.
    pub busy: Busy,
}

impl Back {
    /// What has to be spoken towards the upstream.
    pub fn leg(&self) -> Leg {
        match &self.challenge {
            Some(challenge) if challenge.is_bridged() => Leg::Http1,
            _ => Leg::Usual,
        }
    }
}
