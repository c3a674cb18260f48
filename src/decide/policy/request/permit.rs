//! What a request may do by its head, and what is left to ask once it is known what the request carries.
//!
//! Rules on `ai`, `mcp` and `dlp` travel in here with everything that they were judged by, so that they cannot be asked
//! about another request. Until they are answered nothing can be recorded as allowed, and nothing sent: that takes a
//! `Clearance`. Read next: `../clearance.rs`.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Deref;
use std::sync::Arc;

use super::Judge;
use crate::decide::dlp::Inspection;
use crate::decide::policy::clearance::{Clearance, both};
use crate::decide::policy::obligations::Obligations;
use crate::decide::policy::passage::Passage;
use crate::model::condition::{Content, Part, Sought, Uses};
use crate::model::types::{Denial, Holds, Injection};
use crate::perceive::request::Request;

/// A request as a server may take it.
#[derive(Debug)]
pub(super) enum Taken<'a> {
    /// By the method in its request line.
    AsSent(&'a Request<'a>),
    /// By one that a field or a parameter asks for.
    ByAnotherMethod(Box<Request<'a>>),
}

impl<'a> Taken<'a> {
    /// The same once more.
    pub(super) fn again(&self) -> Taken<'_> {
        Taken::AsSent(self)
    }
}

impl<'a> Deref for Taken<'a> {
    type Target = Request<'a>;

    fn deref(&self) -> &Request<'a> {
        match self {
            Self::AsSent(request) => request,
            Self::ByAnotherMethod(request) => request,
        }
    }
}

/// Proof that policy lets a request go as far as its head tells. Made by `PolicySet::request` alone.
#[derive(Debug)]
#[must_use]
pub struct Permit<'a> {
    state: State<'a>,
    /// The same for each further method by which servers may take it.
    further: Vec<State<'a>>,
}

/// What binds a request that nothing was found in; it lets nothing through.
#[derive(Debug)]
pub struct Bound(Clearance);

impl Bound {
    /// What binds it; nothing where no rule holds.
    pub fn obligations(&self) -> Option<&Obligations> {
        self.0.obligations()
    }

    /// What binds it in amounts; nothing where no document does.
    pub fn holds(&self) -> Option<&Holds> {
        self.0.holds()
    }
}

#[derive(Debug)]
enum State<'a> {
    /// No rule asks for more.
    Answered(Clearance),
    Pending(Box<Pending<'a>>),
}

/// What is needed to ask again.
#[derive(Debug)]
struct Pending<'a> {
    judge: Judge<'a>,
    passage: &'a Passage,
    asks: Uses,
    so_far: Result<Clearance, Denial>,
}

impl<'a> Permit<'a> {
    /// What comes of a request by its head; `asks` is what its rules ask of what it carries. A refusal may be so far only where a
    /// rule that asks may let through.
    pub(super) fn new(
        judge: Judge<'a>,
        passage: &'a Passage,
        (so_far, asks): (Result<Clearance, Denial>, Uses),
    ) -> Result<Self, Denial> {
        let state = match so_far {
            Ok(clearance) if asks.is_empty() => State::Answered(clearance),
            Err(denial) if asks.is_empty() => return Err(denial),
            so_far => State::Pending(Box::new(Pending { judge, passage, asks, so_far })),
        };
        Ok(Self { state, further: Vec::new() })
    }

    /// What may go by both.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.further.push(other.state);
        self.further.extend(other.further);
        self
    }

    /// What has to be known of what the request carries before [`Permit::settle`] can answer: for a rule that names it, for a
    /// route with models or tools, for a policy about calls, or because a budget counts tokens or money and a model may be
    /// called here. Nothing, where nobody has to read it. What stays unknown is refused, but where budgets alone ask.
    pub fn asks(&self) -> Uses {
        let states = std::iter::once(&self.state).chain(&self.further);
        states.fold(Uses::default(), |asks, state| asks.and(state.asks()))
    }

    /// Whether the body has to be held back and read before anything is sent, as what tells of a call of a model or a tool.
    pub fn wants_body(&self) -> bool {
        let asks = self.asks();
        asks.has(Part::Ai) || asks.has(Part::Mcp)
    }

    /// What policies have looked for in what it carries, whatever comes of the rules that wait; nothing where none asks.
    pub fn inspection(&self) -> Option<Arc<Inspection>> {
        std::iter::once(&self.state).chain(&self.further).map(State::inspection).fold(None, both)
    }

    /// What may go into it in the agent's place, whatever comes of the rules that wait.
    pub fn credentials(&self) -> Vec<Arc<Injection>> {
        let states = std::iter::once(&self.state).chain(&self.further);
        states.flat_map(State::credentials).cloned().collect()
    }

    /// Asks the rules that waited. All rules hold together, those that were answered by the head among them, in the order in
    /// which they hold for everything else.
    ///
    /// # Errors
    /// The [`Denial`] that the agent gets; `policy.unevaluable` where a rule asks for what nobody has looked for.
    pub fn settle(self, content: &Content) -> Result<Clearance, Denial> {
        self.each(|state| state.settle(content))
    }

    /// What would bind it had nothing been found in it: by that it is counted, for what is used up refuses before what is found.
    /// Nothing where no rule asks for findings.
    pub fn before_findings(&self, content: &Content) -> Option<Bound> {
        if !self.asks().has(Part::Dlp) {
            return None;
        }
        let content = Content { findings: Some(Vec::new()), ..content.clone() };
        let states = std::iter::once(&self.state).chain(&self.further);
        let pending = states.filter_map(|state| match state {
            State::Answered(_) => None,
            State::Pending(pending) => pending.settle(&content).ok(),
        });
        pending.reduce(Clearance::and).map(Bound)
    }

    /// What would come of it, did no rule hold that waits: for those who explain.
    pub(in crate::decide::policy) fn so_far(self) -> Result<Clearance, Denial> {
        self.each(State::so_far)
    }

    fn each(self, answer: impl Fn(State<'a>) -> Result<Clearance, Denial>) -> Result<Clearance, Denial> {
        let first = answer(self.state)?;
        self.further.into_iter().try_fold(first, |clearance, state| Ok(clearance.and(answer(state)?)))
    }
}

impl Pending<'_> {
    /// Judges it by what it carries. Of a batch each message is asked about by itself: none hides behind the first.
    fn settle(&self, content: &Content) -> Result<Clearance, Denial> {
        let Self { judge, passage, .. } = self;
        let host = || judge.request.name().map(|host| host.as_str().into());
        let content = &*named(content, || judge.tool_server(passage).or_else(host));
        let (readings, request) = (OnceCell::new(), judge.request.again());
        let judge = Judge { content: Some(content), readings, request, ..*judge };
        let (clearance, _) = judge.ruled(passage)?;
        content.mcp_calls.iter().skip(1).try_fold(clearance?, |clearance, message| {
            let content = &content.with_message(message.clone());
            let (readings, request) = (OnceCell::new(), judge.request.again());
            let judge = Judge { content: Some(content), readings, request, ..judge };
            let (other, _) = judge.ruled(passage)?;
            Ok(clearance.and(other?))
        })
    }
}

/// The same with the name of the server in each message to it.
fn named(content: &Content, server: impl FnOnce() -> Option<Arc<str>>) -> Cow<'_, Content> {
    let Sought::Found(_) = &content.mcp else { return Cow::Borrowed(content) };
    let Some(server) = server() else { return Cow::Borrowed(content) };
    let mut content = content.clone();
    let first = match &mut content.mcp {
        Sought::Found(message) => Some(message),
        Sought::Unknown | Sought::Absent => None,
    };
    for message in first.into_iter().chain(&mut content.mcp_calls) {
        message.server = Some((*server).into());
    }
    Cow::Owned(content)
}

impl State<'_> {
    fn credentials(&self) -> &[Arc<Injection>] {
        match self {
            Self::Answered(clearance) => clearance.credentials(),
            Self::Pending(pending) => pending.so_far.as_ref().map_or(&[], Clearance::credentials),
        }
    }

    fn asks(&self) -> Uses {
        match self {
            Self::Answered(_) => Uses::default(),
            Self::Pending(pending) => pending.asks,
        }
    }

    fn inspection(&self) -> Option<Arc<Inspection>> {
        match self {
            Self::Answered(clearance) => clearance.inspection.clone(),
            Self::Pending(pending) => match &pending.so_far {
                Ok(clearance) => clearance.inspection.clone(),
                // A rule lets it through, if anything does.
                Err(_) => pending.judge.inspection(pending.passage.route(), pending.passage),
            },
        }
    }

    fn settle(self, content: &Content) -> Result<Clearance, Denial> {
        match self {
            Self::Answered(clearance) => Ok(clearance),
            Self::Pending(pending) => pending.settle(content),
        }
    }

    fn so_far(self) -> Result<Clearance, Denial> {
        match self {
            Self::Answered(clearance) => Ok(clearance),
            Self::Pending(pending) => pending.so_far,
        }
    }
}
