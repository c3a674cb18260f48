//! What a request may come to is charged before it goes, to every budget that holds for it, or to none.
//!
//! Here is said how much that is: of the call of a model its question and the most that its answer may have; and when a running
//! answer has used up what there is. The counting itself is pure (`decide/quota`); the charge goes on record together with the
//! decision (`decide/ledger`). A request that nothing binds costs nothing here.

use std::sync::Arc;

use http::header;

use super::case::Case;
use super::held::Read;
use super::reserving;
use super::site::Site;
use crate::act::upstream::{Charge, Judge};
use crate::decide::ledger::Entry;
use crate::decide::policy::Clearance;
use crate::decide::quota::{Demand, Refused, Reservation, Wanted};
use crate::model::condition::Sought;
use crate::model::prices::{Price, Prices};
use crate::model::types::limits::{STREAM_OUTPUT_LEAST, STREAM_OUTPUT_STEP};
use crate::model::types::{Billed, Denial, Holds, PolicyRef, Provider, Reason, Timestamp, Unit};
use crate::perceive::protocol::ai::{self, Caching, Call, Usage};
use crate::perceive::request::Request;
use crate::platform::sys::clock;

/// Charges what a request may come to, where anything counts it.
///
/// # Errors
/// What is used up, and when it comes back; `quota.unavailable` where nobody can say how much it is.
pub async fn reserve(
    case: &Case<'_>,
    holds: Option<&Holds>,
    (request, read): (&Request<'_>, &Read),
) -> Result<Option<Reservation>, Denial> {
    let site = case.site();
    let budgets = reserving::budgets(&case.snapshot, &site.known, holds);
    if budgets.is_empty() {
        return Ok(None);
    }
    let none = Holds::default();
    let demand = demand(case, holds.unwrap_or(&none), (request, read));
    let client = site.arrival.client;
    reserving::reserve(&site.road.shared, (&site.known, client), &budgets, &demand).await.map(Some)
}

/// Whether something may be charged for a request that may go like this.
pub fn is_counted(case: &Case<'_>, holds: Option<&Holds>) -> bool {
    holds.is_some() || case.snapshot.policy.asks_usage(&case.site().known)
}

fn demand(case: &Case<'_>, holds: &Holds, (request, read): (&Request<'_>, &Read)) -> Demand {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let announced = length.and_then(|value| value.to_str().ok()).and_then(|value| value.parse().ok());
    let calls = read.content.tools_called().count() as u64;
    let (tokens, nanodollars) = of_models(case, holds, (request, read));
    let bytes_up = announced.unwrap_or(0);
    Demand { tokens, nanodollars, requests: 1, calls, bytes_up, bytes_down: 0 }
}

/// What a request may come to in tokens and in money.
fn of_models(case: &Case<'_>, holds: &Holds, (request, read): (&Request<'_>, &Read)) -> (Wanted, Wanted) {
    let Some(call) = &read.call else {
        let wanted = if may_spend(case, (request, read)) { Wanted::Unknown } else { Wanted::default() };
        return (wanted, wanted);
    };
    let prices = &case.site().road.shared.prices;
    let price = price(call, holds, prices);
    match CallDemand::of(call, holds, price.as_ref()) {
        Some(most) => (most.tokens(), most.nanodollars(price.as_ref())),
        None => (Wanted::Unknown, Wanted::Unknown),
    }
}

/// Whether something is paid for of which nobody tells how much: at a provider, whatever is neither a call that was read nor
/// known to be free.
fn may_spend(case: &Case<'_>, (request, read): (&Request<'_>, &Read)) -> bool {
    let provider = request.name().and_then(|host| case.provider(host));
    let is_unread = matches!(read.content.ai, Sought::Unknown);
    provider.is_some_and(|provider| match provider {
        // Of a host of one's own only what looks like a call is one.
        Provider::Custom => is_unread && read.body.is_some(),
        _ => ai::may_spend(provider, request.method(), request.path(), request.headers()),
    })
}

/// The price of the dearest model that may answer.
fn price(call: &Call, holds: &Holds, prices: &Prices) -> Option<Price> {
    let endpoint = call.endpoint();
    let asked = call.question().and_then(|question| question.model.as_deref());
    let asked = endpoint.model.as_deref().or(asked)?;
    let mut dearest = *prices.of(endpoint.provider, asked)?;
    for model in &holds.terms.fallback {
        let other = prices.of(endpoint.provider, model)?;
        dearest.input = dearest.input.max(other.input);
        dearest.output = dearest.output.max(other.output);
        dearest.cache_write = dearest.cache_write.max(other.cache_write);
        dearest.cache_write_hour = dearest.cache_write_hour.max(other.cache_write_hour);
    }
    Some(dearest)
}

/// What the call of a model may come to.
struct CallDemand {
    input: u64,
    /// All that the answer may have.
    output: u64,
    /// Whether it may begin with less, because it can be ended on its way.
    is_elastic: bool,
    caching: Caching,
}

impl CallDemand {
    /// Nothing where the question was not read.
    fn of(call: &Call, holds: &Holds, price: Option<&Price>) -> Option<Self> {
        let most = price.and_then(|price| price.max_output);
        let demand = ai::Demand::of(call.question()?, call.endpoint().operation, most);
        let cap = holds.terms.output.as_ref().map_or(u64::MAX, |(cap, _)| *cap);
        let is_elastic = demand.streams && !demand.is_bounded;
        let (input, output) = (demand.input, demand.output.min(cap));
        Some(Self { input, output, is_elastic, caching: demand.caching })
    }

    fn tokens(&self) -> Wanted {
        self.wanted(|input, output| input.saturating_add(output))
    }

    fn nanodollars(&self, price: Option<&Price>) -> Wanted {
        let Some(price) = price else { return Wanted::Unknown };
        self.wanted(|input, output| price.cost(&self.billed(input, output)))
    }

    /// All of the input may be what a cache is to keep.
    fn billed(&self, input: u64, output: u64) -> Billed {
        let none = Billed { output, ..Billed::default() };
        match self.caching {
            Caching::Unsaid => Billed { input, ..none },
            Caching::Short => Billed { cache_write: input, ..none },
            Caching::Named => Billed { cache_write_hour: input, ..none },
        }
    }

    fn wanted(&self, amount: impl Fn(u64, u64) -> u64) -> Wanted {
        let most = amount(self.input, self.output);
        if !self.is_elastic {
            return Wanted::Exactly(most);
        }
        Wanted::AtMost { least: amount(self.input, self.output.min(STREAM_OUTPUT_LEAST)), most }
    }
}

/// Who ends a running answer when what it may use is used up; nothing where nothing bounds it. More is charged to its record as
/// long as there is any.
pub fn judge(site: &Site, clearance: &Clearance, (read, entry): (&Read, &Entry)) -> Option<Judge> {
    let holds = clearance.holds()?;
    let call = read.call.as_ref().filter(|call| call.question().is_some_and(|asked| asked.stream))?;
    let room = |unit| entry.charged(|reservation| reservation.room(unit)).flatten();
    let price = price(call, holds, &site.road.shared.prices);
    let running = Running {
        agent: site.known.agent().name.clone(),
        tokens: room(Unit::Tokens),
        nanodollars: room(Unit::Usd).zip(price),
        output: holds.terms.output.clone(),
    };
    if running.tokens.is_none() && running.nanodollars.is_none() && running.output.is_none() {
        return None;
    }
    let (shared, mut running) = (site.road.shared.clone(), running);
    Some(Box::new(move |usage, charge| running.stop(usage, charge, shared.moment())))
}

/// What a running answer has been granted.
struct Running {
    agent: Arc<str>,
    tokens: Option<u64>,
    nanodollars: Option<(u64, Price)>,
    output: Option<(u64, PolicyRef)>,
}

impl Running {
    /// Why it may go on no longer, by what it has used so far.
    fn stop(&mut self, usage: &Usage, charge: &mut Charge<'_>, now: Timestamp) -> Option<Denial> {
        let billed = usage.billed();
        if let Some((most, policy)) = &self.output
            && billed.output > *most
        {
            return Some(too_long(&self.agent, *most, policy));
        }
        let denial = |refused: Refused| refused.denial(&self.agent, clock::now());
        if let Some(granted) = &mut self.tokens {
            let step = STREAM_OUTPUT_STEP;
            if let Err(refused) = cover(granted, (billed.total(), step), (Unit::Tokens, charge), now) {
                return Some(denial(refused));
            }
        }
        if let Some((granted, price)) = &mut self.nanodollars {
            let used = price.cost(&billed);
            let step = price.cost(&Billed { output: STREAM_OUTPUT_STEP, ..Billed::default() });
            if let Err(refused) = cover(granted, (used, step), (Unit::Usd, charge), now) {
                return Some(denial(refused));
            }
        }
        None
    }
}

/// Has what is granted grow where more than that is used.
fn cover(
    granted: &mut u64,
    (used, step): (u64, u64),
    (unit, charge): (Unit, &mut Charge<'_>),
    now: Timestamp,
) -> Result<(), Refused> {
    if let Some(missing) = used.checked_sub(*granted).filter(|missing| *missing > 0) {
        let wanted = Wanted::AtMost { least: missing, most: missing.saturating_add(step) };
        *granted = granted.saturating_add(charge(unit, wanted, now)?);
    }
    Ok(())
}

/// An answer that has more tokens than one may have.
fn too_long(agent: &str, most: u64, policy: &PolicyRef) -> Denial {
    let detail = format!(
        "An answer to agent {agent} may have {most} output tokens, and this one has them: it ends here."
    );
    Denial::by(Reason::QuotaTokens, policy.clone(), None, detail)
}
