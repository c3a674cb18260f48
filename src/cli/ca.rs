//! `clawgress ca`: the authorities that workloads have to trust, and the next one.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use super::context::{Context, Format};
use super::exit::{Exit, Failure};
use super::paint::{Paint, Style, safe};
use super::words;
use crate::model::types::Timestamp;
use crate::operate::api::{Authority, AuthorityState, RotateQuery};

/// Days before its end from which an authority is shown as a warning.
const NEAR: u64 = 30;

/// Subcommands of `ca`.
#[derive(Debug, clap::Subcommand)]
pub enum Ca {
    /// What workloads trust: which authority signs, which will, which has
    Show,
    /// Print what workloads have to trust, in PEM
    Export,
    /// Make a new authority, which is trusted at once and signs when the overlap is over
    #[command(after_help = "Examples:
  clawgress ca rotate                   both are trusted from now on; the new one signs in 7 days
  clawgress ca rotate --overlap 30d     workloads have 30 days to learn of it
  clawgress ca rotate --now             it signs at once: who has not learned of it fails until he does")]
    Rotate {
        /// How long both are trusted before the new one signs [default: 7d]
        #[arg(long, value_name = "SPAN", value_parser = span, conflicts_with = "now")]
        overlap: Option<Duration>,
        /// Let it sign at once, an upcoming one too
        #[arg(long)]
        now: bool,
    },
}

fn span(text: &str) -> Result<Duration, String> {
    words::parse_span(text).ok_or_else(|| "write a span such as `36h`, `7d` or `P7D`".to_owned())
}

impl Ca {
    /// Runs the subcommand.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let now = context.now;
        match self {
            Self::Export => {
                let pem = context.with_daemon(|mut client| async move { client.ca_pem().await })?;
                if context.format == Format::Table {
                    context.print(&pem)?;
                } else {
                    context.one(&json!({ "pem": pem }), |_, _| String::new())?;
                }
            }
            Self::Show => {
                let all = context.with_daemon(|mut client| async move { client.authorities().await })?;
                context.list(&all, |all, paint| render(all, now, paint))?;
            }
            Self::Rotate { overlap, now: at_once } => {
                let query = RotateQuery { overlap_s: overlap.map(|span| span.as_secs()), now: at_once };
                let all =
                    context.with_daemon(|mut client| async move { client.rotate_authority(&query).await })?;
                context.list(&all, |all, paint| render(all, now, paint) + next_step(all))?;
            }
        }
        Ok(Exit::Done)
    }
}

/// One block for each, the signing one first.
pub fn render(all: &[Authority], now: Timestamp, paint: Paint) -> String {
    let mut out = String::new();
    for one in all {
        let state = match (one.state, one.signs_from) {
            (AuthorityState::Upcoming, Some(at)) => {
                format!("upcoming, signs from {} UTC on", words::clock_minutes(at, now))
            }
            (state, _) => state.as_str().to_owned(),
        };
        let _ = writeln!(out, "{}   {}", safe(&one.subject), paint.text(Style::Bold, &state));
        let _ = writeln!(out, "  sha256      {}", safe(&one.fingerprint));
        let (text, style) = validity(one, now);
        let _ = writeln!(out, "  valid       {}", paint.text(style, &text));
        if let Some(file) = &one.file {
            let whose = if one.own { "the gateway's own" } else { "yours" };
            let _ = writeln!(out, "  from        {} ({whose})", safe(file));
        }
    }
    out
}

fn validity(one: &Authority, now: Timestamp) -> (String, Style) {
    let (from, until) = (words::clock_minutes(one.not_before, now), words::clock_minutes(one.not_after, now));
    if one.not_after < now {
        return (format!("from {from} until {until} UTC: it has expired"), Style::Bad);
    }
    let days = one.not_after.since(now).as_secs() / 86_400;
    let style = if days < NEAR { Style::Warn } else { Style::Plain };
    (format!("from {from} until {until} UTC ({} left)", words::several(days, "day")), style)
}

/// What workloads need after a rotation.
fn next_step(all: &[Authority]) -> &'static str {
    match all.iter().any(|one| one.state == AuthorityState::Upcoming) {
        true => {
            "Workloads that run `env.sh` at every start learn of it; give others the output of `clawgress ca export` until then.\n"
        }
        false => {
            "Workloads that do not trust it yet fail until they do: give them the output of `clawgress ca export`.\n"
        }
    }
}
