//! What is charged for something while it goes on: the reservation behind an open record.
//!
//! Whoever closes the record shares it with what moves its bytes (`ByteMeter`), so that nothing moves that is not charged, on
//! record, before: a process that ends at any moment forgets no byte. What is charged ahead and never moved is given back when the
//! record is closed. Read next: `entry.rs`.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::OnUnavailable;
use super::canonical::{self, Closing};
use super::journal::Room;
use super::judged::{Alert, Charged, Judged};
use super::recorder::Recorder;
use crate::decide::quota::{More, Refused, Reservation, Spent, Wanted};
use crate::model::types::limits::{METER_LEAST, METER_MOST};
use crate::model::types::{Direction, Timestamp, Unit};
use crate::platform::sys::clock;

/// See the module.
pub(super) struct Tab {
    recorder: Arc<Recorder>,
    closing: Closing,
    /// False where an outage was allowed to leave no record.
    recorded: bool,
    /// Whether a budget may speak on its record, because no rule binds what goes.
    unbound: bool,
    state: Mutex<State>,
}

struct State {
    /// Until the record is closed.
    reservation: Option<Reservation>,
    /// Bytes up and down, once somebody counts them.
    moved: Option<(u64, u64)>,
}

impl State {
    /// Bytes that have moved, as this unit counts them.
    fn moved(&self, unit: Unit) -> u64 {
        let (up, down) = self.moved.unwrap_or_default();
        match unit {
            Unit::BytesUp => up,
            Unit::BytesDown => down,
            _ => up.saturating_add(down),
        }
    }

    /// What is charged and has not moved yet, and how much has; none where nobody counts this unit.
    fn ahead(&self, unit: Unit) -> Option<(u64, u64)> {
        let charged = self.reservation.as_ref()?.charged(unit)?;
        let moved = self.moved(unit);
        Some((charged.saturating_sub(moved), moved.saturating_sub(charged)))
    }
}

impl Tab {
    pub fn new(
        recorder: &Arc<Recorder>,
        closing: Closing,
        (recorded, reservation): (bool, Reservation),
        judged: &Judged<'_>,
    ) -> Self {
        let state = Mutex::new(State { reservation: Some(reservation), moved: None });
        Self { recorder: recorder.clone(), closing, recorded, unbound: judged.is_unbound(), state }
    }

    /// What is charged by now, as long as the record is open.
    pub fn look<T>(&self, at: impl FnOnce(&Reservation) -> T) -> Option<T> {
        self.state().reservation.as_ref().map(at)
    }

    /// Charges more, on record before it returns.
    pub fn more(&self, unit: Unit, wanted: Wanted, now: Timestamp) -> Result<u64, Refused> {
        self.charge(&mut self.state(), (unit, wanted), now)
    }

    /// What was used in the end, for the record: what the outcome says, and the bytes that were counted. Without charges where
    /// nothing is known: then it stays charged as it was.
    pub fn settle(&self, spent: Option<Spent>) -> Option<Charged> {
        let mut state = self.state();
        let (mut reservation, moved) = (state.reservation.take()?, state.moved);
        drop(state);
        let spent = match moved {
            Some((up, down)) => {
                Some(Spent { bytes_up: Some(up), bytes_down: Some(down), ..spent.unwrap_or_default() })
            }
            None => spent,
        };
        let charges = spent.map_or(Vec::new(), |spent| reservation.settle(&spent));
        let alert = reservation
            .late_alert()
            .map(|(policy, seen)| Alert { policy: self.unbound.then_some(policy), seen });
        Some(Charged { execution: None, charges, at: reservation.at(), alert })
    }

    fn charge(
        &self,
        state: &mut State,
        (unit, wanted): (Unit, Wanted),
        now: Timestamp,
    ) -> Result<u64, Refused> {
        let Some(reservation) = &mut state.reservation else { return Ok(wanted.most()) };
        let more = reservation.more(unit, wanted, now)?;
        let granted = more.granted;
        if more.charges.is_empty() || !self.recorded {
            return Ok(granted);
        }
        let closing = Closing { at: clock::now(), ..self.closing };
        let charged = Charged { execution: None, charges: more.charges.clone(), at: more.at, alert: None };
        let write = |out: &mut Vec<u8>| canonical::write_progress(out, &closing, &charged);
        match self.recorder.append(Room::Event, write) {
            Ok(_) => Ok(granted),
            Err(error) => self.unrecorded(reservation, more, &error.to_string()).map(|()| granted),
        }
    }

    /// What follows where a charge cannot be recorded.
    fn unrecorded(&self, reservation: &mut Reservation, more: More, error: &str) -> Result<(), Refused> {
        self.recorder.refused.fetch_add(1, Ordering::Relaxed);
        if self.recorder.on_unavailable == OnUnavailable::Allow {
            return Ok(());
        }
        reservation.undo(more);
        Err(Refused::Unrecorded(error.to_owned()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nobody panics who holds it; were it so, what is charged would stay charged.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Charges the bytes of something that goes on before they move, a part of what has moved already ahead. Copies are the same.
#[derive(Clone)]
pub struct ByteMeter(Arc<Tab>);

impl ByteMeter {
    /// Nothing where no budget counts bytes. From now on the bytes that it is told of are those that are settled.
    pub(super) fn of(tab: &Arc<Tab>) -> Option<Self> {
        let mut state = tab.state();
        let reservation = state.reservation.as_ref()?;
        let counted = [Unit::Bytes, Unit::BytesUp, Unit::BytesDown];
        counted.iter().find_map(|unit| reservation.charged(*unit))?;
        state.moved.get_or_insert_default();
        drop(state);
        Some(Self(tab.clone()))
    }

    /// How many bytes may move now in a direction, at least `least`. `now` is the time of accounts.
    ///
    /// # Errors
    /// Where a limit has not so many left, or where the charge cannot be recorded.
    pub fn room(&self, direction: Direction, least: u64, now: Timestamp) -> Result<u64, Refused> {
        let mut state = self.0.state();
        let mut room = u64::MAX;
        for unit in units(direction) {
            room = room.min(self.fill(&mut state, (unit, least), now)?);
        }
        Ok(room)
    }

    /// How many bytes are charged and have not moved yet.
    pub fn ahead(&self, direction: Direction) -> u64 {
        let state = self.0.state();
        units(direction)
            .into_iter()
            .filter_map(|unit| state.ahead(unit))
            .map(|(ahead, _)| ahead)
            .min()
            .unwrap_or(u64::MAX)
    }

    /// Bytes have moved.
    pub fn moved(&self, direction: Direction, bytes: u64) {
        let mut state = self.0.state();
        let (up, down) = state.moved.get_or_insert_default();
        let counter = match direction {
            Direction::Up => up,
            Direction::Down => down,
        };
        *counter = counter.saturating_add(bytes);
    }

    /// Charges until at least so much of a unit may move: as much ahead as has moved, within bounds, and less where less is left.
    fn fill(&self, state: &mut State, (unit, least): (Unit, u64), now: Timestamp) -> Result<u64, Refused> {
        let Some((ahead, owed)) = state.ahead(unit) else { return Ok(u64::MAX) };
        if ahead >= least {
            return Ok(ahead);
        }
        let missing = owed.saturating_add(least - ahead);
        let mut most = state.moved(unit).clamp(METER_LEAST, METER_MOST).max(missing);
        loop {
            let wanted = Wanted::AtMost { least: missing, most };
            match self.0.charge(state, (unit, wanted), now) {
                Ok(granted) => return Ok((ahead + granted).saturating_sub(owed)),
                Err(refused) if most <= missing || !matches!(refused, Refused::Short(_)) => {
                    return Err(refused);
                }
                // A limit that waits for room wants room for all of it.
                Err(_) => most = (most / 2).max(missing),
            }
        }
    }
}

/// How bytes of a direction are counted.
fn units(direction: Direction) -> [Unit; 2] {
    match direction {
        Direction::Up => [Unit::BytesUp, Unit::Bytes],
        Direction::Down => [Unit::BytesDown, Unit::Bytes],
    }
}
