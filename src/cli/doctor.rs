//! `clawgress doctor`: what the gateway needs of this machine, checked by the daemon; without one, by this process.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::paint::{Paint, Style, safe};
use super::{DEFAULT_CONFIG, wiring, words};
use crate::operate::api::{Check, CheckState};

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// The daemon's settings, read where no daemon answers
    #[arg(long, value_name = "PATH", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
}

impl Doctor {
    /// Checks and prints; a check that fails is a no.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let checks = match context.with_daemon(|mut client| async move { client.checks().await }) {
            Err(failure) if failure.code == Exit::Code(3) => {
                context
                    .say(&format!("no daemon answers at `{}`: checked from here", context.socket.display()));
                wiring::local_checks(&self.config)?
            }
            answer => answer?,
        };
        context.list(&checks, render)?;
        let failed = checks.iter().any(|check| check.state == CheckState::Fail);
        Ok(if failed { Exit::No } else { Exit::Done })
    }
}

/// One line a check, its repair below it, the sum last.
pub fn render(checks: &[Check], paint: Paint) -> String {
    let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for check in checks {
        let style = match check.state {
            CheckState::Ok => Style::Good,
            CheckState::Warn => Style::Warn,
            CheckState::Fail => Style::Bad,
        };
        let state = paint.text(style, &format!("{:<4}", check.state.as_str()));
        let _ = writeln!(out, "{state}  {:<width$}  {}", safe(&check.name), safe(&check.found));
        if let Some(repair) = check.repair.as_ref().filter(|_| check.state != CheckState::Ok) {
            let _ = writeln!(out, "      {:<width$}  repair: {}", "", safe(repair));
        }
    }
    let of = |state| checks.iter().filter(|check| check.state == state).count() as u64;
    let sum = match (of(CheckState::Fail), of(CheckState::Warn)) {
        (0, 0) => paint.text(Style::Good, "nothing needs you"),
        (0, warned) => {
            paint.text(Style::Warn, &format!("{} with a warning", words::several(warned, "check")))
        }
        (failed, _) => paint.text(Style::Bad, &format!("{} failed", words::several(failed, "check"))),
    };
    out + &sum + "\n"
}
