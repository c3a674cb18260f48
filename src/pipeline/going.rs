//! A request that may go, on its way to the upstream, and the way back: what still matters once it is decided on.

use std::cell::{Cell, OnceCell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, Method, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use tokio::sync::watch;

use super::bridge::Challenge;
use super::deny::Heard;
use super::serving::Watched;
use super::shift::Stage;
use super::site::{Leg, Site};
use super::underway::Underway;
use super::watch::Busy;
use crate::act::upstream::{Closing, Judge, LAPSED, Reading};
use crate::decide::dlp::{Bound, Form, Passing, Told};
use crate::decide::ledger::Entry;
use crate::decide::ledger::record::Outcome;
use crate::decide::policy::Clearance;
use crate::model::types::{Denial, Direction, HostName, PolicyRef, RequestId, SafetyFloors, ToolSieve};
use crate::perceive::protocol::ai::Dialect;
use crate::perceive::protocol::mcp::{Messages, Sieve};

/// A request that may go, on its way: what still matters once its head is sent.
pub struct Going {
    /// Its id.
    pub id: RequestId,
    /// When its head was there.
    pub started: Instant,
    /// How long a rule holds it back.
    pub wait: Cell<Duration>,
    /// How fast its bytes may move, among what is asked again while it is underway.
    pub underway: Rc<Underway>,
    /// Why it may go.
    pub clearance: Clearance,
    /// Its record, until it is closed.
    pub entry: Option<Entry>,
    /// Where the daemon stands on its way out.
    pub stage: watch::Receiver<Stage>,
    /// Whether it was handed to a connection.
    pub left: Cell<bool>,
    /// Bytes of its body that went out.
    pub sent: Rc<Cell<u64>>,
    /// Why the connection was cut, once it is.
    pub cut: Rc<OnceCell<Denial>>,
    /// The address really dialled, where it is not the one asked for.
    pub dialled: Cell<Option<SocketAddr>>,
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
    /// What reads its bodies.
    pub reading: Reading,
    /// Who says when its answer may go on no longer; nothing where nobody does.
    pub judge: RefCell<Option<Judge>>,
    /// Which models have failed before the one that answers.
    pub evidence: RefCell<Option<String>>,
    /// Which credentials went into it.
    pub credential: RefCell<Option<String>>,
    /// What is found in it as it passes.
    pub told: Rc<Told>,
}

impl Going {
    /// The words of its client.
    pub fn heard(&self) -> Heard<'_> {
        Heard {
            host: self.host.as_ref(),
            dialect: self.dialect,
            grpc: self.is_grpc,
            mcp: self.messages.as_ref(),
        }
    }

    /// Which tools its answer may show, where it may list any.
    pub fn shows(&self) -> Option<&Arc<ToolSieve>> {
        let tools = self.clearance.holds().and_then(|holds| holds.tools.as_ref());
        tools.filter(|_| Sieve::is_needed(&self.method, self.messages.as_ref()))
    }

    /// What its answer may not reach by its provider's annotations, and whose word that is; nothing where no model speaks in it.
    pub fn floors(&self) -> Option<&(SafetyFloors, PolicyRef)> {
        let floors = self.clearance.holds().and_then(|holds| holds.terms.safety.as_ref())?;
        let endpoint = self.reading.endpoint();
        endpoint.is_none_or(|endpoint| endpoint.operation.may_say()).then_some(floors)
    }

    /// What looks into what goes this way as it passes; nothing where no policy asks for that.
    pub fn passing(&self, site: &Site, way: Direction, headers: &HeaderMap) -> Option<Passing> {
        let plan = self.clearance.inspection()?;
        let wanted = plan.wanted(way);
        let inspector = site.road.shared.finder.inspector(plan, wanted);
        // Of answers the values of the vault are taken out in any case.
        if wanted.is_empty() && (way == Direction::Up || !inspector.knows_any()) {
            return None;
        }
        let bound = Bound { plan: plan.clone(), way, agent: site.known.agent().name.clone() };
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Some(Passing::new(&bound, inspector, Form::of_content_type(kind, b"")))
    }

    pub fn entry(&self) -> &Entry {
        self.entry.as_ref().expect("invariant: it is taken last, with the outcome")
    }

    pub fn take_entry(&mut self) -> Entry {
        self.entry.take().expect("invariant: it is taken once, with the outcome")
    }

    /// Whether anything of it may have reached its destination.
    pub fn has_left(&self) -> bool {
        self.left.get()
    }

    /// What closes its record once its answer has passed.
    pub fn closing(&mut self, status: StatusCode, added: Duration) -> Closing {
        Closing {
            entry: self.take_entry(),
            status: status.as_u16(),
            started: self.started,
            added,
            sent: self.sent.clone(),
            dialled: self.dialled.get(),
            cut: self.cut.clone(),
            reading: self.reading.clone(),
            evidence: self.evidence.take(),
            credential: self.credential.take(),
            told: self.told.clone(),
        }
    }
}

/// Whoever waited for the answer has left: hyper drops what would give it, and there is no later moment at which the
/// record could be closed.
impl Drop for Going {
    fn drop(&mut self) {
        let Some(entry) = self.entry.take() else { return };
        let end = if *self.stage.borrow() == Stage::Serving { "client-closed" } else { "shutdown" };
        let outcome = Outcome {
            bytes_out: self.sent.get(),
            latency: self.started.elapsed(),
            dialled: self.dialled.get(),
            evidence: self.evidence.take(),
            credential: self.credential.take(),
            findings: self.told.found.take(),
            alert: self.told.alert(),
            end: Some(self.cut.get().map_or(end, |_| LAPSED)),
            denial: self.cut.get().cloned(),
            ..Outcome::default()
        };
        entry.close(outcome.of_call(self.reading.finish(false)));
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
