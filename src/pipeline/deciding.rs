//! Decides on one request: by its head, by what it carries where somebody asks for that, by what is used up, and by what was
//! found in it. The order is the product's: what is used up refuses before what is found, whichever is known first.
//!
//! Nothing of a request leaves before this returns. Read next: `held.rs`, `looking.rs`, `spending.rs`.

use std::sync::Arc;
use std::time::Duration;

use http::request;
use hyper::body::Incoming;

use super::case::Case;
use super::held::{self, Read};
use super::looking::{Changes, Looking};
use super::paces::Bounds;
use super::serving::Watched;
use super::spending;
use crate::decide::dlp::{Inspected, Inspection, Judgement, Passing};
use crate::decide::policy::{Clearance, Permit};
use crate::decide::quota::Reservation;
use crate::model::types::{Denial, Direction, Holds};
use crate::perceive::request::Request;

/// A request that may go, and everything that follows from that.
pub struct Decided {
    /// How long a rule holds it back.
    pub wait: Duration,
    /// Why it may.
    pub clearance: Clearance,
    /// That it was looked into as far as anybody asks.
    pub inspected: Inspected,
    /// What was read of it.
    pub read: Read,
    /// What is charged for it.
    pub reservation: Option<Reservation>,
    /// What goes out in the place of what came, and what is looked into as it passes; nothing where nobody looks.
    pub carried: Option<Box<Carried>>,
}

/// See [`Decided`].
#[derive(Default)]
pub struct Carried {
    /// What goes out in the place of what came.
    pub changes: Changes,
    /// What looks into its body as it passes, where that was not held whole.
    pub passing: Option<Passing>,
    /// All that is looked for, where rules ask for what is found as it passes.
    pub asked: Option<Arc<Inspection>>,
}

/// Decides on a request.
///
/// # Errors
/// Why it may not go.
pub async fn decide(
    case: &Case<'_>,
    (request, head): (&Request<'_>, &request::Parts),
    (body, watched): (&mut Incoming, &Watched),
) -> Result<Decided, Denial> {
    let permit = case.judge(request)?;
    let mut looking = Looking::begin(case, &permit, request);
    if let Some(looking) = &mut looking {
        looking.head(request, head);
        note(case, looking, (request, head));
    }
    let hold = looking.as_ref().and_then(|looking| looking.hold(case.site().road.shared.finder.hold));
    let read = match held::wants_body(case, &permit, request, hold) {
        // Boxed: most requests have none that is read, and their futures no room for it.
        Some(wanted) => Box::pin(held::read(case, wanted, (request, head), (body, watched))).await?,
        None => Read::default(),
    };
    if let Some(looking) = looking.take() {
        return Box::pin(looked_into(case, (permit, *looking), (request, head), read)).await;
    }
    let clearance = case.settle(permit, &read.content)?;
    let (wait, reservation) = count(case, ((&clearance).into(), clearance.holds()), (request, &read)).await?;
    let inspected = Judgement::new(None, Direction::Up).finish(&case.site().known.agent().name)?;
    Ok(Decided { wait, clearance, inspected, read, reservation, carried: None })
}

/// The same where somebody asks for what is found in it.
async fn looked_into(
    case: &Case<'_>,
    (permit, mut looking): (Permit<'_>, Looking),
    (request, head): (&Request<'_>, &request::Parts),
    mut read: Read,
) -> Result<Decided, Denial> {
    looking.forgive(&permit.credentials(), request, head);
    if let Some(held) = read.body.as_ref().filter(|_| !read.is_part) {
        looking.body(head, held).await;
    }
    read.content.findings = Some(looking.findings());
    let union = looking.plan().clone();
    note(case, &looking, (request, head));
    let agent = &case.site().known.agent().name;
    let before = permit.before_findings(&read.content);
    let clearance = match case.settle(permit, &read.content) {
        Ok(clearance) => clearance,
        Err(denial) => {
            if let Some(bound) = before {
                // What is charged here is given back with this.
                count(case, ((&bound).into(), bound.holds()), (request, &read)).await?;
            }
            return Err(denial);
        }
    };
    let (wait, reservation) = count(case, ((&clearance).into(), clearance.holds()), (request, &read)).await?;
    let plan = clearance.inspection().unwrap_or(&union);
    let (judgement, changes) = looking.judge(plan, request, head);
    let most = case.site().road.shared.finder.hold;
    let length = read.body.as_ref().map(|held| held.length()).or(request.content_length()).unwrap_or(0);
    judgement.check_length(agent, (length, most))?;
    let inspected = judgement.finish(agent)?;
    let passing =
        (read.is_part || read.body.is_none()).then(|| looking.passing(plan, (agent, most))).flatten();
    let carried = Some(Box::new(Carried { changes, passing, asked: looking.asks() }));
    Ok(Decided { wait, clearance, inspected, read, reservation, carried })
}

/// Puts on record what was found so far, whatever comes of it.
fn note(case: &Case<'_>, looking: &Looking, (request, head): (&Request<'_>, &request::Parts)) {
    let (judged, _) = looking.judge(looking.plan(), request, head);
    case.saw(judged.sightings().clone(), looking.shown_path(request));
}

/// Counts a request by rates and budgets, by what binds it.
async fn count(
    case: &Case<'_>,
    (bounds, holds): (Bounds<'_>, Option<&Holds>),
    (request, read): (&Request<'_>, &Read),
) -> Result<(Duration, Option<Reservation>), Denial> {
    let site = case.site();
    let wait = site.road.shared.paces.charge(site.asker(), bounds)?;
    let reservation = if spending::is_counted(case, holds) {
        Box::pin(spending::reserve(case, holds, (request, read))).await?
    } else {
        None
    };
    Ok((wait, reservation))
}
