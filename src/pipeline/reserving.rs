//! How what is wanted is reserved: charged before it goes, for requests and for what nobody reads, and for the bytes of both.
//!
//! Whoever finds no room under a budget that throttles waits, for a bounded time. A connection that nobody reads is one request by
//! its budgets; bytes are charged a part ahead of what has moved, on record, and settled when it ends. Where nothing is left it
//! ends at once. Decides nothing: what holds stands in the `Passage` or the `Clearance`. Read next: `spending.rs`, and
//! `decide/ledger/tab.rs`.

use std::borrow::Cow;
use std::sync::Arc;

use tokio::time::{Instant, sleep};

use super::arrival::Judged;
use super::road::{Road, Shared, Snapshot};
use crate::act::upstream::{Counts, LiveTempo, Meter};
use crate::decide::ledger::{ByteMeter, Entry};
use crate::decide::quota::{Asker, Demand, Refused, Reservation, usage};
use crate::model::types::limits::{BUDGET_LOOK, THROTTLE_WAIT};
use crate::model::types::{ClientAddress, Denial, Direction, Hold, Holds};
use crate::perceive::identity::Known;
use crate::platform::sys::clock;

/// The budgets that hold for something of an agent, and what counts its usage where a rule asks for it.
pub fn budgets<'h>(snapshot: &Snapshot, known: &Known, holds: Option<&'h Holds>) -> Cow<'h, [Hold]> {
    let budgets = holds.map_or(&[][..], |holds| &holds.budgets);
    if !snapshot.policy.asks_usage(known) {
        return Cow::Borrowed(budgets);
    }
    let own = usage::hold(&known.agent().name);
    Cow::Owned(budgets.iter().cloned().chain([own]).collect())
}

/// Charges what is wanted to every budget, or to none. Where one throttles it waits for room, for a bounded time.
///
/// # Errors
/// What is used up, and when it comes back; `quota.unavailable` where nobody can say how much it is.
pub async fn reserve(
    shared: &Shared,
    (known, client): (&Known, ClientAddress),
    budgets: &[Hold],
    demand: &Demand,
) -> Result<Reservation, Denial> {
    let agent = known.agent();
    let execution = shared.execution(&agent.name, client.0.ip());
    let asker = Asker { agent, execution };
    let patience = Instant::now() + THROTTLE_WAIT;
    loop {
        let refused = match shared.accounts.reserve(budgets, &asker, demand, shared.moment()) {
            Ok(reservation) => return Ok(reservation),
            Err(refused) => refused,
        };
        // What is reserved may come back sooner than the clock says.
        let left = patience.saturating_duration_since(Instant::now());
        if refused.wait().is_none() || left.is_zero() {
            return Err(refused.denial(&agent.name, clock::now()));
        }
        sleep(BUDGET_LOOK.min(left)).await;
    }
}

/// Charges a connection or a flow, where it is not read. Nothing where nothing is counted.
///
/// # Errors
/// Where a budget has no room for it.
pub async fn reserve_flow(
    road: &Road,
    snapshot: &Snapshot,
    judged: &Judged,
) -> Result<Option<Reservation>, Denial> {
    let Judged { arrival, known, passage, .. } = judged;
    if passage.mode().reads_requests() {
        return Ok(None);
    }
    let budgets = budgets(snapshot, known, passage.holds());
    if budgets.is_empty() {
        return Ok(None);
    }
    let demand = Demand { requests: 1, ..Demand::default() };
    reserve(&road.shared, (known, arrival.client), &budgets, &demand).await.map(Some)
}

/// From now on the bytes that move at this tempo are charged to what the record has reserved, where that counts bytes.
pub fn count(shared: &Arc<Shared>, agent: &Arc<str>, entry: &Entry, tempo: &LiveTempo) {
    if let Some(meter) = entry.byte_meter() {
        tempo.count_by(Meter::new(Counted { meter, shared: shared.clone(), agent: agent.clone() }));
    }
}

/// The bytes of one flow or exchange.
struct Counted {
    meter: ByteMeter,
    shared: Arc<Shared>,
    agent: Arc<str>,
}

impl Counts for Counted {
    fn room(&self, direction: Direction, least: u64) -> Result<u64, Denial> {
        let denial = |refused: Refused| refused.denial(&self.agent, clock::now());
        match self.meter.ahead(direction) {
            ahead if ahead >= least => Ok(ahead),
            _ => self.meter.room(direction, least, self.shared.moment()).map_err(denial),
        }
    }

    fn ahead(&self, direction: Direction) -> u64 {
        self.meter.ahead(direction)
    }

    fn moved(&self, direction: Direction, bytes: u64) {
        self.meter.moved(direction, bytes);
    }
}
