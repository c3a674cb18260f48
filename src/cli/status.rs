//! `clawgress status`: one screen, and what needs somebody as its last line.

use std::fmt::Write as _;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::paint::{Paint, Style, safe};
use super::words;
use crate::model::types::Timestamp;
use crate::operate::api::{self, Diagnostic, OnDisk, Setup};

/// Reasons of the last hour that are named, the most frequent ones; `-o json` has all of them.
const REASONS_SHOWN: usize = 3;

/// Takes no arguments.
#[derive(Debug, clap::Args)]
pub struct Status {}

impl Status {
    /// Asks and prints.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let status = context.with_daemon(|mut client| async move { client.status().await })?;
        context.one(&status, render)?;
        Ok(Exit::Done)
    }
}

/// The screen. Times are UTC and seen from the daemon's own clock.
pub fn render(status: &api::Status, paint: Paint) -> String {
    let daemon = &status.daemon;
    let uptime = i64::try_from(daemon.uptime_s).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    let now = Timestamp(daemon.started_at.0.saturating_add(uptime));
    let mut out = format!(
        "clawgressd {}, running since {} UTC ({}), fail mode {}\n",
        safe(&daemon.version),
        words::clock_minutes(daemon.started_at, now),
        words::span(daemon.uptime_s),
        daemon.fail_mode.as_str(),
    );
    let lines = [
        ("intercepting", interception(&status.interception, paint)),
        ("kernel", refused(&status.interception)),
        ("policy", policy(&status.policy, now, paint)),
        ("agents", agents(status, now, paint)),
        ("last hour", last_hour(&status.last_hour)),
        ("ledger", ledger(&status.ledger, paint)),
    ];
    for (name, text) in lines {
        let _ = writeln!(out, "  {name:<13}  {text}");
    }
    if status.needs.is_empty() {
        out.push_str(&paint.text(Style::Good, "nothing needs you"));
        out.push('\n');
    }
    for need in &status.needs {
        out.push_str(&paint.text(Style::Warn, &safe(need)));
        out.push('\n');
    }
    out
}

/// `12 active, 1 quarantined (mallory, until 15:00)`.
fn agents(status: &api::Status, now: Timestamp, paint: Paint) -> String {
    let registry = &status.registry;
    let shut: Vec<String> = registry
        .quarantined
        .iter()
        .map(|one| {
            let until = one.until.map(|until| format!(", until {}", words::clock_minutes(until, now)));
            safe(&format!("{}{}", one.agent, until.unwrap_or_default())).into_owned()
        })
        .collect();
    let mut out = words::count(status.agents.saturating_sub(shut.len() as u64));
    if !shut.is_empty() {
        let count = paint.text(Style::Warn, &format!("{} quarantined", shut.len()));
        let _ = write!(out, " active, {count} ({})", shut.join("; "));
    }
    if registry.approvals > 0 {
        let _ = write!(out, ", {} in force", words::several(registry.approvals, "approval"));
    }
    out
}

fn interception(found: &api::Interception, paint: Paint) -> String {
    let (state, style) = match (found.rules, found.routes) {
        (Setup::InPlace, Setup::InPlace) => ("rules in place, as written", Style::Plain),
        (Setup::Absent, _) => ("rules absent", Style::Bad),
        (Setup::Differs, _) => ("rules changed by somebody else", Style::Bad),
        (Setup::InPlace, Setup::Absent) => ("rules in place, routes absent", Style::Bad),
        (Setup::InPlace, Setup::Differs) => ("rules in place, routes changed by somebody else", Style::Bad),
    };
    let interfaces = if found.interfaces.is_empty() { "nothing".into() } else { found.interfaces.join(", ") };
    let subnets =
        if found.subnets.is_empty() { String::new() } else { format!(" ({})", found.subnets.join(", ")) };
    format!("{}   {}", safe(&(interfaces + &subnets)), paint.text(style, state))
}

/// What the kernel refused by itself: what is neither TCP, nor DNS, nor UDP to a port that policy names.
fn refused(found: &api::Interception) -> String {
    let parts = ["tcp", "udp", "quic", "icmp", "other", "fragment", "extension", "forged", "unanswered"];
    let counted: Vec<String> = (parts.iter())
        .filter_map(|name| found.refused.get(*name).filter(|count| **count > 0).map(|count| (name, count)))
        .map(|(name, count)| format!("{name} {}", words::count(*count)))
        .collect();
    if counted.is_empty() {
        "nothing refused".to_owned()
    } else {
        format!("refused {} packets", counted.join(", "))
    }
}

/// `enforced sha256:9f2c... (since 13:40, 7 files, 31 documents)   on disk and in force: the same`.
fn policy(policy: &api::PolicyState, now: Timestamp, paint: Paint) -> String {
    let (state, style) = match &policy.on_disk {
        OnDisk::Same => ("on disk and in force: the same".to_owned(), Style::Plain),
        OnDisk::Digest(digest) => {
            (format!("on disk: {}, not in force", words::digest(&safe(digest))), Style::Warn)
        }
        OnDisk::Errors(errors) => (does_not_load(policy.digest_on_disk.as_deref(), errors), Style::Bad),
    };
    if policy.documents == 0 {
        return format!("nothing in force   {}", paint.text(style, &state));
    }
    format!(
        "enforced {} (since {}, {}, {})   {}",
        words::digest(&safe(&policy.digest)),
        words::clock_minutes(policy.since, now),
        words::several(policy.files, "file"),
        words::several(policy.documents, "document"),
        paint.text(style, &state),
    )
}

/// `on disk: sha256:00aa..., does not load: policies.d/a.yaml:4: unknown field (and 1 more)`.
fn does_not_load(digest: Option<&str>, errors: &[Diagnostic]) -> String {
    let digest = digest.map(|digest| format!("{}, ", words::digest(&safe(digest)))).unwrap_or_default();
    let more = match errors.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    match errors.first() {
        Some(Diagnostic { message, file: Some(file), line, .. }) => {
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            format!("on disk: {digest}does not load: {}{line}: {}{more}", safe(file), safe(message))
        }
        Some(Diagnostic { message, .. }) if !message.is_empty() => {
            format!("on disk: {digest}does not load: {}{more}", safe(message))
        }
        _ => format!("on disk: {digest}does not load ({})", words::several(errors.len() as u64, "error")),
    }
}

fn last_hour(hour: &api::LastHour) -> String {
    let mut reasons: Vec<_> = hour.by_reason.iter().collect();
    reasons.sort_by(|(code, times), (other_code, other_times)| {
        other_times.cmp(times).then(code.cmp(other_code))
    });
    let more = reasons.len().saturating_sub(REASONS_SHOWN);
    reasons.truncate(REASONS_SHOWN);
    let mut reasons: Vec<String> =
        reasons.iter().map(|(code, times)| format!("{} {}", safe(code), words::count(**times))).collect();
    if more > 0 {
        reasons.push(format!("{more} more"));
    }
    let mut out = format!("{} allowed, {} refused", words::count(hour.allowed), words::count(hour.refused));
    if !reasons.is_empty() {
        let _ = write!(out, " ({})", reasons.join(", "));
    }
    if let Some(micros) = hour.added_latency_us_p50 {
        let _ = write!(out, ", added {} at the median", words::latency(micros));
    }
    out
}

fn ledger(ledger: &api::LedgerState, paint: Paint) -> String {
    let journal = match ledger.backlog_bytes {
        0 => "journal empty".to_owned(),
        backlog => format!("{} of journal on the way", words::bytes(backlog)),
    };
    let records = words::several(ledger.records, "record");
    if ledger.healthy {
        return format!("{records}, {journal}");
    }
    format!("{records}, {journal}, {}", paint.text(Style::Bad, "cannot write"))
}
