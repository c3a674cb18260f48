//! `clawgress doctor`: what the gateway needs of this machine, checked by the daemon where it answers, and by this process.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::paint::{Paint, Style, safe};
use super::{wiring, words};
use crate::operate::api::{Check, CheckState};
use crate::operate::checkup;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// Only the checks of these names, or whose names begin so, such as `firewall`
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// The daemon's settings [default: those of the daemon that answers, else /etc/clawgress/clawgress.yaml]
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
}

impl Doctor {
    /// Checks and prints; a check that fails is a no. That no daemon answers is no failure: it is said, and the rest is
    /// checked.
    pub fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let asked = context.with_daemon(|mut client| async move {
            let checks = client.checks().await?;
            Ok((checks, client.status().await?))
        });
        let (told, status) = match asked {
            Ok((checks, status)) => (checks, Some(status)),
            Err(failure) => {
                let why = match failure.code {
                    Exit::Code(3) => format!("no daemon answers at `{}`", context.socket.display()),
                    _ => failure.message.unwrap_or_default(),
                };
                context.say(&format!("{why}: checked from here alone, without its secrets and records"));
                (Vec::new(), None)
            }
        };
        let config = self.config.clone().or_else(|| status.as_ref()?.daemon.settings.clone());
        let mut checks = checkup::together(told, wiring::own_checks(config, status)?);
        checks.retain(|check| self.wants(&check.name));
        if checks.is_empty() {
            return Err(Failure::new(Exit::Usage, "no check has such a name")
                .hint("`clawgress doctor` prints all of them, and docs/doctor.md explains each"));
        }
        context.list(&checks, render)?;
        let failed = checks.iter().any(|check| check.state == CheckState::Fail);
        Ok(if failed { Exit::No } else { Exit::Done })
    }

    fn wants(&self, name: &str) -> bool {
        let is = |wanted: &String| {
            name.strip_prefix(wanted.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
        };
        self.names.is_empty() || self.names.iter().any(is)
    }
}

/// One line a check, its repair below it; last of all what presses most, with its repair.
pub fn render(checks: &[Check], paint: Paint) -> String {
    let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for check in checks {
        let state = paint.text(style(check.state), &format!("{:<4}", check.state.as_str()));
        let _ = writeln!(out, "{state}  {:<width$}  {}", safe(&check.name), safe(&check.found));
        if let Some(repair) = repair(check) {
            let _ = writeln!(out, "      {:<width$}  repair: {}", "", safe(repair));
        }
    }
    out + &last_line(checks, paint) + "\n"
}

fn style(state: CheckState) -> Style {
    match state {
        CheckState::Ok => Style::Good,
        CheckState::Skip => Style::Dim,
        CheckState::Warn => Style::Warn,
        CheckState::Fail => Style::Bad,
    }
}

fn repair(check: &Check) -> Option<&str> {
    check.repair.as_deref().filter(|_| check.state != CheckState::Ok)
}

fn last_line(checks: &[Check], paint: Paint) -> String {
    let of = |state| checks.iter().filter(move |check| check.state == state);
    let count = |state| of(state).count() as u64;
    let first = |state| {
        let check = of(state).next();
        check.map_or(String::new(), |check| {
            let what = repair(check).unwrap_or(&check.found);
            format!("; first {}: {}", safe(&check.name), safe(what))
        })
    };
    match (count(CheckState::Fail), count(CheckState::Warn)) {
        (0, 0) => paint.text(Style::Good, "nothing needs you"),
        (0, warned) => {
            let sum = format!("{} with a warning", words::several(warned, "check"));
            paint.text(Style::Warn, &format!("{sum}{}", first(CheckState::Warn)))
        }
        (failed, _) => {
            let sum = format!("{} failed", words::several(failed, "check"));
            paint.text(Style::Bad, &format!("{sum}{}", first(CheckState::Fail)))
        }
    }
}
