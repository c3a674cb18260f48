//! `status`: how things are, and what needs an operator.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use super::authorities;
use super::backend::Operator;
use crate::operate::api::{
    Daemon, Fault, Interception, LastHour, LedgerState, OnDisk, PolicyState, RegistryState, Setup, Status,
};
use crate::perceive::intercept::apply::{self, TableStatus};
use crate::perceive::intercept::listing::Counted;
use crate::platform::sys::clock;

/// Looks at everything. Blocks.
pub fn of(operator: &Operator) -> Result<Status, Fault> {
    let snapshot = operator.shared.snapshot.load_full();
    let interception = interception(operator);
    let (on_disk, digest_on_disk) = on_disk(operator);
    let policy = PolicyState {
        digest: snapshot.resources.digest.to_string(),
        since: snapshot.since,
        files: snapshot.resources.files as u64,
        documents: snapshot.resources.documents.len() as u64,
        on_disk,
        digest_on_disk,
    };
    let (ledger, last_hour) = ledger(operator)?;
    let registry = operator.keeper.status();
    let mut needs = needs(operator, &interception, &policy, &ledger);
    match authorities::need(&operator.shared) {
        Some((said, true)) => needs.push(said),
        Some((said, false)) => needs.insert(0, said),
        None => {}
    }
    needs.splice(0..0, operator.secrets.needs(&snapshot.resources));
    needs.splice(0..0, of_registry(operator, &registry));
    Ok(Status {
        daemon: Daemon {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at: operator.started_at,
            uptime_s: operator.started.elapsed().as_secs(),
            fail_mode: operator.settings.config.fail_mode,
            settings: Some(operator.settings.path().to_owned()),
        },
        interception,
        policy,
        agents: snapshot.directory.len() as u64,
        registry,
        last_hour,
        ledger,
        needs,
    })
}

fn interception(operator: &Operator) -> Interception {
    let wanted = operator.interception();
    let ipv6 = wanted.subnets.iter().any(|subnet| subnet.network().is_ipv6());
    let table = operator.rules.lock().unwrap_or_else(PoisonError::into_inner);
    let rules = match table.status(&wanted) {
        Ok(TableStatus::InPlace) => Setup::InPlace,
        Ok(TableStatus::Differs(_)) => Setup::Differs,
        Ok(TableStatus::Absent) | Err(_) => Setup::Absent,
    };
    drop(table);
    let counted = apply::counters().unwrap_or_default();
    Interception {
        interfaces: wanted.interfaces,
        subnets: wanted.subnets.iter().map(ToString::to_string).collect(),
        rules,
        routes: operator.routes(ipv6),
        refused: named(&counted, "refused_"),
        seen: named(&counted, "seen_"),
        passed: named(&counted, "passed_"),
    }
}

/// The counters of one kind, by their names without its word.
fn named(counted: &[Counted], kind: &str) -> BTreeMap<String, u64> {
    let of_kind = |counter: &Counted| Some((counter.name.strip_prefix(kind)?.to_owned(), counter.packets));
    counted.iter().filter_map(of_kind).collect()
}

/// What stands on disk, and its digest.
fn on_disk(operator: &Operator) -> (OnDisk, Option<String>) {
    match operator.policies.on_disk() {
        Ok(found) => {
            let digest = found.digest.to_string();
            let same = found.digest == operator.shared.snapshot.load().resources.digest;
            (if same { OnDisk::Same } else { OnDisk::Digest(digest.clone()) }, Some(digest))
        }
        Err(found) => (OnDisk::Errors(found.diagnostics), found.digest),
    }
}

fn ledger(operator: &Operator) -> Result<(LedgerState, LastHour), Fault> {
    let failed = |error: crate::decide::ledger::Error| Fault::internal(error.to_string());
    let health = operator.shared.ledger.health();
    let stats = operator.shared.ledger.reader().map_err(failed)?.stats(clock::now()).map_err(failed)?;
    let mut hour = LastHour::default();
    for count in stats.last_hour.iter().filter(|count| count.kind == "request" || count.kind == "connection")
    {
        match &count.reason {
            Some(reason) => {
                hour.refused += count.count;
                *hour.by_reason.entry(reason.clone()).or_default() += count.count;
            }
            None if count.kind == "request" => hour.allowed += count.count,
            None => {}
        }
    }
    let state = LedgerState {
        records: stats.records,
        journal_bytes: health.journal_bytes,
        backlog_bytes: health.backlog_bytes,
        healthy: health.journal_failure.is_none() && health.database_failure.is_none(),
    };
    Ok((state, hour))
}

/// What the registry needs: what stands in it counts, and nothing more can be written.
fn of_registry(operator: &Operator, registry: &RegistryState) -> Vec<String> {
    let failure = registry.failure.as_ref().map(|why| {
        let why = why.lines().next().unwrap_or_default();
        format!("{why}: what stands still counts, and changes wait until it can be written")
    });
    operator.keeper.doubled().into_iter().chain(failure).collect()
}

/// One sentence each, the most pressing last.
fn needs(
    operator: &Operator,
    interception: &Interception,
    policy: &PolicyState,
    ledger: &LedgerState,
) -> Vec<String> {
    let mut needs: Vec<String> = operator.settings.need().into_iter().collect();
    let snapshot = operator.shared.snapshot.load();
    if let Some((route, listed)) = snapshot.policy.routes_to_listed_resolvers().first() {
        needs.push(format!(
            "{route} can never work: {listed} is on the list of encrypted resolvers (`spec.dns.allowResolvers` takes it off)"
        ));
    }
    if let OnDisk::Digest(_) = policy.on_disk {
        needs.push("policies.d has changed and is not in force yet: clawgress reload".to_owned());
    }
    if let OnDisk::Errors(errors) = &policy.on_disk {
        let plural = if errors.len() == 1 { "error" } else { "errors" };
        needs.push(format!("policies.d does not load ({} {plural}): clawgress validate", errors.len()));
    }
    if let Some(troubles) = operator.shared.resolvers.all_away() {
        needs.push(format!("no DNS upstream answers ({troubles}): clawgress doctor"));
    }
    if interception.rules != Setup::InPlace || interception.routes != Setup::InPlace {
        needs.push("interception is not as written: systemctl restart clawgressd".to_owned());
    }
    if !ledger.healthy {
        let health = operator.shared.ledger.health();
        let why = health.journal_failure.or(health.database_failure);
        needs.push(format!(
            "the record cannot be written ({}): clawgress doctor",
            why.as_deref().unwrap_or("unknown")
        ));
    }
    needs
}
