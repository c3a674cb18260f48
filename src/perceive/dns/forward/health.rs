//! Which upstreams have an answer and which have none, and why: one knowledge for all workers, records and operators.
//!
//! An upstream that kept silent for one name is asked for the servers of the root before it is held to be away: a name whose
//! own servers are silent says nothing about it. Never decides what a client hears. Read next: `forward.rs`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::super::canonical::Canonical;
use super::link::Link;
use super::{ForwardError, Trouble};
use crate::model::config::DnsServer;
use crate::model::types::limits::{DNS_REST_TIME, DNS_TRY_TIME};

/// All upstreams, in order of preference.
#[derive(Debug)]
pub struct Upstreams(Vec<Health>);

/// One of them.
#[derive(Debug)]
pub(super) struct Health {
    pub server: DnsServer,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Why it gave no answer, the last time that it gave none; absent once it has given one.
    trouble: Option<String>,
    /// Until then it is asked last, because it kept silent or was not there.
    rests_until: Option<Instant>,
    /// Whether it is just being asked for the root.
    examined: bool,
}

impl Upstreams {
    /// Of which nothing is known yet.
    pub fn new(servers: impl IntoIterator<Item = DnsServer>) -> Self {
        Self(servers.into_iter().map(|server| Health { server, state: Mutex::default() }).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn at(&self, index: usize) -> &Health {
        &self.0[index]
    }

    /// A failure with what each upstream did, for the record.
    pub fn seen(&self, failure: ForwardError) -> String {
        match (failure, self.troubles()) {
            (ForwardError::Busy | ForwardError::NoUpstream, _) => failure.to_string(),
            (_, troubles) if troubles.is_empty() => failure.to_string(),
            (_, troubles) => format!("{failure}: {troubles}"),
        }
    }

    /// What is wrong with each, while none of them is expected to answer.
    pub fn all_away(&self) -> Option<String> {
        self.0.iter().all(Health::rests).then(|| self.troubles())
    }

    fn troubles(&self) -> String {
        let told = self.0.iter().filter_map(|health| {
            let trouble = health.state().trouble.clone()?;
            Some(format!("{}: {trouble}", health.server))
        });
        told.collect::<Vec<_>>().join("; ")
    }

    /// Asks each for the servers of the root, over a connection of its own, within [`DNS_TRY_TIME`]: what is wrong with it.
    pub async fn examine(&self, tls: &TlsConnector) -> Vec<(DnsServer, Result<(), Trouble>)> {
        let found = self.0.iter().map(|health| async {
            let link = Link::new(&health.server, tls);
            (health.server.clone(), about_the_root(&link).await)
        });
        join_all(found).await
    }
}

/// Whether there is any answer at all: who refuses is there.
pub(super) async fn about_the_root(link: &Link) -> Result<(), Trouble> {
    let begun = Instant::now();
    match timeout(DNS_TRY_TIME, link.ask(&Canonical::root())).await {
        Ok(told) => told.map(drop).map_err(Trouble::Unreached),
        Err(_) => {
            link.forget(begun);
            Err(Trouble::Silent)
        }
    }
}

impl Health {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn rests(&self) -> bool {
        self.state().rests_until.is_some_and(|until| until > Instant::now())
    }

    #[cfg(test)]
    pub fn is_examined(&self) -> bool {
        self.state().examined
    }

    pub fn answered(&self) {
        let mut state = self.state();
        (state.trouble, state.rests_until) = (None, None);
    }

    pub fn failed(&self, trouble: &Trouble) {
        self.state().trouble = Some(trouble.to_string());
    }

    /// Whether it has to be examined, and nobody is about it.
    pub fn begin_examination(&self) -> bool {
        !std::mem::replace(&mut self.state().examined, true)
    }

    /// What came of it: one that answers is asked in its turn, another last for a while.
    pub fn examined(&self, found: &Result<(), Trouble>) {
        let mut state = self.state();
        state.examined = false;
        state.rests_until = found.is_err().then(|| Instant::now() + DNS_REST_TIME);
        if let Err(trouble) = found {
            state.trouble = Some(trouble.to_string());
        }
    }
}
