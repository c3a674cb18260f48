//! Whether somebody keeps the clock: certificates, budgets and records go by it.
//!
//! Pure: what the kernel and the folders of the usual programs say comes in.

use std::time::Duration;

use super::facts::Seen;
use crate::operate::api::Check;
use crate::platform::sys::clock::Kept;

/// How far the clock may be off before records of several machines cannot be put in order.
const FAR: Duration = Duration::from_secs(2);

/// What was seen of the clock.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clock {
    /// In the kernel's words.
    pub kept: Seen<Kept>,
    /// Whether chrony is installed.
    pub chrony: bool,
    /// Whether systemd-timesyncd is.
    pub timesyncd: bool,
}

/// Judges the clock.
pub fn judge(clock: &Clock) -> Vec<Check> {
    const NAME: &str = "clock";
    let repair = match (clock.chrony, clock.timesyncd) {
        (true, _) => "systemctl enable --now chrony",
        (false, true) => "timedatectl set-ntp true",
        (false, false) => "apt-get install -y chrony",
    };
    vec![match &clock.kept {
        Seen::Is(kept) if !kept.synchronised => Check::warn(
            NAME,
            "nobody keeps the clock: certificates, budgets and records go by it, and it may be wrong by any amount",
            repair,
        ),
        Seen::Is(kept) if kept.error > FAR => Check::warn(
            NAME,
            format!("synchronised, and off by up to {} ms", kept.error.as_millis()),
            if clock.chrony { "chronyc makestep" } else { repair },
        ),
        Seen::Is(kept) => {
            Check::ok(NAME, format!("synchronised, off by at most {} ms", kept.error.as_millis()))
        }
        Seen::Absent => Check::skip(NAME, "the kernel does not say how well its clock is kept"),
        Seen::Hidden(why) => {
            Check::skip(NAME, format!("the kernel does not say how well its clock is kept: {why}"))
        }
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operate::api::CheckState;

    fn of(kept: Seen<Kept>, chrony: bool, timesyncd: bool) -> Check {
        judge(&Clock { kept, chrony, timesyncd }).remove(0)
    }

    fn kept(synchronised: bool, millis: u64) -> Seen<Kept> {
        Seen::Is(Kept { synchronised, error: Duration::from_millis(millis) })
    }

    #[test]
    fn a_kept_clock_is_fine_and_one_that_nobody_keeps_is_mended_with_what_is_installed() {
        assert_eq!(of(kept(true, 20), true, false).state, CheckState::Ok);
        for (chrony, timesyncd, repair) in [
            (true, true, "systemctl enable --now chrony"),
            (false, true, "timedatectl set-ntp true"),
            (false, false, "apt-get install -y chrony"),
        ] {
            let found = of(kept(false, 16_000), chrony, timesyncd);
            assert_eq!((found.state, found.repair.as_deref()), (CheckState::Warn, Some(repair)));
        }
        let far = of(kept(true, 5_000), true, false);
        assert_eq!((far.state, far.repair.as_deref()), (CheckState::Warn, Some("chronyc makestep")));
    }

    #[test]
    fn a_clock_that_cannot_be_asked_about_is_not_judged() {
        assert_eq!(of(Seen::Hidden("not permitted".into()), true, true).state, CheckState::Skip);
        assert_eq!(of(Seen::Absent, true, true).state, CheckState::Skip);
    }
}
